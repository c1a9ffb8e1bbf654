package rawsocket_test

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"

	"pppoectl/labnet"
	"pppoectl/rawsocket"
)

// pair makes two namespaces with a line between them, and a socket at either end for an
// EtherType of local experiments (IEEE 802).
func pair(t *testing.T) (near, far *packet.Conn) {
	t.Helper()
	a, b := labnet.New(t), labnet.New(t)
	labnet.Veth(a, "line", b, "line")
	open := func(n *labnet.Namespace) (c *packet.Conn) {
		n.IP("link", "set", "line", "up")
		n.Do(func() {
			ifi, err := net.InterfaceByName("line")
			if err != nil {
				t.Fatal(err)
			}
			if c, err = rawsocket.Listen(*ifi, 0x88b5, []bpf.Instruction{bpf.RetConstant{Val: 2048}}, 1<<20); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
		})
		return c
	}
	near, far = open(a), open(b)
	a.Ready("line")
	b.Ready("line")
	return near, far
}

// frame is the i-th of a test.
func frame(i int) string {
	return strings.Repeat("\xff", 6) + "\x02\x00\x00\x00\x00\x01\x88\xb5" + strings.Repeat(fmt.Sprint(i%10), 50+i)
}

// raw is a socket for system calls.
func raw(t *testing.T, c *packet.Conn) syscall.RawConn {
	t.Helper()
	r, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Many frames go in one call and come in a few, whole and in order.
func TestMessages(t *testing.T) {
	near, far := pair(t)
	from, to := raw(t, near), raw(t, far)

	const count = 40
	buffers, err := rawsocket.NewBuffers(count, 2048)
	if err != nil {
		t.Fatal(err)
	}
	defer buffers.Close()
	out := rawsocket.NewMessages(buffers.List)
	for i := range count {
		out.Set(i, buffers.List[i][:copy(buffers.List[i], frame(i))])
	}
	if lost, err := out.Send(from, count); lost != 0 || err != nil {
		t.Fatalf("%d lost, %v", lost, err)
	}
	clear(buffers.List[0])
	far.SetReadDeadline(time.Now().Add(20 * time.Second)) // a frame that is lost is an error, and no wait
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
