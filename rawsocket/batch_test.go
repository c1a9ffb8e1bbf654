package rawsocket_test

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/bpf"

	"pppoectl/labnet"
	"pppoectl/rawsocket"
)

// Many frames go in one call and come in a few, whole and in order.
func TestMessages(t *testing.T) {
	a, b := labnet.New(t), labnet.New(t)
	labnet.Veth(a, "line", b, "line")
	a.IP("link", "set", "line", "up")
	b.IP("link", "set", "line", "up")
	open := func(n *labnet.Namespace) (raw syscall.RawConn) {
		n.Do(func() {
			ifi, err := net.InterfaceByName("line")
			if err != nil {
				t.Fatal(err)
			}
			c, err := rawsocket.Listen(*ifi, 0x88b5, []bpf.Instruction{bpf.RetConstant{Val: 2048}}, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			if raw, err = c.SyscallConn(); err != nil {
				t.Fatal(err)
			}
		})
		return raw
	}
	from, to := open(a), open(b)

	const count = 40
	buffers, err := rawsocket.NewBuffers(count, 2048)
	if err != nil {
		t.Fatal(err)
	}
	defer buffers.Close()
	// The EtherType is one for local experiments (IEEE 802).
	frame := func(i int) string {
		return strings.Repeat("\xff", 6) + "\x02\x00\x00\x00\x00\x01\x88\xb5" + strings.Repeat(fmt.Sprint(i%10), 50+i)
	}
	out := rawsocket.NewMessages(buffers.List)
	for i := range count {
		out.Set(i, buffers.List[i][:copy(buffers.List[i], frame(i))])
	}
	if lost, err := out.Send(from, count); lost != 0 || err != nil {
		t.Fatalf("%d lost, %v", lost, err)
	}
	clear(buffers.List[0])
	in := rawsocket.NewMessages(buffers.List[:16])
	for got := 0; got < count; {
		n, err := in.Receive(to)
		if err != nil || n == 0 || n > 16 {
			t.Fatalf("%d frames, %v", n, err)
		}
		for i := range n {
			if b := buffers.List[i][:in.Len(i)]; string(b) != frame(got) {
				t.Errorf("%d: %q", got, b)
			}
			got++
		}
	}
}
