package flets_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"pppoectl/pppoe"
	"pppoectl/session"
)

// numbered makes n packets from the network behind go to the host, apart from
// each other.
func (b *box) numbered(n int, apart time.Duration) {
	b.t.Helper()
	for i := range n {
		p := ip4(out4, host4, 8)
		binary.BigEndian.PutUint32(p[20:], uint32(i))
		b.carry(p)
		b.run(apart)
	}
}

// numbers returns the numbers of those that came.
func (h *host) numbers() []int {
	var list []int
	for _, p := range h.ip {
		list = append(list, int(binary.BigEndian.Uint32(p[20:])))
	}
	return list
}

func TestSilence(t *testing.T) {
	b := newBox(t, nil)
	h := b.host(user4).up()
	b.do("silence 10s")
	b.numbered(10, time.Second)
	b.numbered(1, 0)
	if got := fmt.Sprint(h.numbers()); got != "[0]" { // the first one after it
		t.Errorf("%s", got)
	}
	b.do("silence 10s")
	b.receive(h.data(ip4(host4, out4, 8)))
	if len(b.packets) != 0 {
		t.Error("the other way is open")
	}
	b.run(10 * time.Second)
	b.receive(h.data(ip4(host4, out4, 8)))
	if len(b.packets) != 1 {
		t.Error("and stays closed")
	}
}

func TestDelay(t *testing.T) {
	b := newBox(t, nil)
	h := b.host(user4).up()
	b.do("delay 100ms 10s")
	start := b.now
	b.carry(ip4(out4, host4, 8))
	b.receive(h.data(ip4(host4, out4, 8)))
	b.run(99 * time.Millisecond)
	if len(h.ip) != 0 || len(b.packets) != 0 {
		t.Error("too early")
	}
	b.run(time.Millisecond)
	if len(h.ip) != 1 || len(b.packets) != 1 {
		t.Errorf("%d and %d packets after %v", len(h.ip), len(b.packets), b.now-start)
	}
	b.run(10 * time.Second)
	b.carry(ip4(out4, host4, 8))
	if len(h.ip) != 2 {
		t.Error("the delay does not end by itself")
	}
}

func TestDelayKeepsTheOrder(t *testing.T) {
	b := newBox(t, nil)
	h := b.host(user4).up()
	b.do("delay 50ms")
	b.do("duplicate 30%")
	b.numbered(500, 0)
	b.numbered(500, time.Millisecond)
	b.run(time.Second)
	got := h.numbers()
	if len(got) < 1200 || !slices.IsSorted(got[:500]) || slices.Max(got) != 499 {
		t.Errorf("%d packets", len(got))
	}
	half := len(got) - slices.Index(reversed(got), 0) - 1 // where the second series begins
	if !slices.IsSorted(got[:half-1]) || !slices.IsSorted(got[half:]) {
		t.Error("out of order")
	}
}

func reversed(list []int) []int {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// A delay of frames that are held back does not depend on what the sender does
// with his buffer afterwards.
func TestDelayedFramesAreCopies(t *testing.T) {
	b := newBox(t, nil)
	h := b.host(user4).up()
	b.do("delay 50ms")
	f := h.data(ip4(host4, out4, 8))
	b.receive(f)
	clear(f.Payload)
	b.run(time.Second)
	if len(b.packets) != 1 || string(b.packets[0]) != string(ip4(host4, out4, 8)) {
		t.Errorf("%x", b.packets)
	}
}

func TestSlowConcentratorsDelayNoData(t *testing.T) {
	b := newBox(t, nil)
	h := b.host(user4).up()
	b.do("slow 300ms 10s")
	b.carry(ip4(out4, host4, 8))
	if len(h.ip) != 1 {
		t.Error("data is delayed")
	}
	slow := b.host(both)
	begin := b.now
	slow.do(session.Input{Command: session.Dial})
	for slow.m.Phase() != session.Up && b.now < begin+10*time.Second {
		b.run(10 * time.Millisecond)
	}
	// PADO, PADS, LCP, PAP and the NCPs wait for each other.
	if took := b.now - begin; slow.m.Phase() != session.Up || took < 5*300*time.Millisecond || took > 7*300*time.Millisecond {
		t.Errorf("phase %q after %v", slow.m.Phase(), took)
	}
	b.run(10 * time.Second)
	b.host("x@load.example.jp").up()
	if b.l.Status(b.now).Faults == nil || len(b.l.Status(b.now).Faults) != 0 {
		t.Errorf("faults %q", b.l.Status(b.now).Faults)
	}
}

func TestLoss(t *testing.T) {
	for share, bounds := range map[string][2]int{"0%": {1000, 1000}, "100%": {0, 0}, "30%": {630, 770}} {
		b := newBox(t, nil)
		h := b.host(user4).up()
		b.do("lose " + share + " 10s")
		b.numbered(1000, 0)
		if n := len(h.ip); n < bounds[0] || n > bounds[1] {
			t.Errorf("%s: %d of 1000", share, n)
		}
		for range 1000 {
			b.receive(h.data(ip4(host4, out4, 8)))
		}
		if n := len(b.packets); n < bounds[0] || n > bounds[1] {
			t.Errorf("%s: %d of 1000 the other way", share, n)
		}
		b.run(10 * time.Second)
		h.ip = nil
		b.numbered(100, 0)
		if len(h.ip) != 100 {
			t.Errorf("%s: %d of 100 when it is over", share, len(h.ip))
		}
	}
}

func TestDuplicates(t *testing.T) {
	for share, bounds := range map[string][2]int{"0%": {1000, 1000}, "100%": {2000, 2000}, "30%": {1230, 1370}} {
		b := newBox(t, nil)
		h := b.host(user4).up()
		b.do("duplicate " + share + " 1m")
		b.numbered(1000, 0)
		if n := len(h.ip); n < bounds[0] || n > bounds[1] || !slices.IsSorted(h.numbers()) {
			t.Errorf("%s: %d of 1000", share, n)
		}
		for range 1000 {
			b.receive(h.data(ip4(host4, out4, 8)))
		}
		if n := len(b.packets); n < bounds[0] || n > bounds[1] {
			t.Errorf("%s: %d of 1000 the other way", share, n)
		}
		b.run(time.Minute)
		h.ip = nil
		b.numbered(100, 0)
		if len(h.ip) != 100 {
			t.Errorf("%s: %d of 100 when it is over", share, len(h.ip))
		}
	}
}

func TestReorder(t *testing.T) {
	for share, ordered := range map[string]bool{"0%": true, "20%": false, "100%": true} { // all alike: none overtakes another
		b := newBox(t, nil)
		h := b.host(user4).up()
		b.do("reorder " + share + " 10s")
		b.numbered(1000, time.Millisecond)
		b.run(time.Second)
		got := h.numbers()
		if len(got) != 1000 || slices.IsSorted(got) != ordered {
			t.Errorf("%s: %d packets, in order: %v", share, len(got), slices.IsSorted(got))
		}
		for i, n := range got {
			if i-n > 20 || n-i > 20 {
				t.Fatalf("%s: packet %d is the %dth", share, n, i)
			}
		}
		b.run(10 * time.Second)
		h.ip = nil
		b.numbered(100, 0)
		if got := h.numbers(); len(got) != 100 || !slices.IsSorted(got) {
			t.Errorf("%s: %d when it is over", share, len(got))
		}
	}
}

// A session comes up on a line that does all this.
func TestDialOnABadLine(t *testing.T) {
	b := newBox(t, nil)
	for _, command := range []string{"lose 20%", "duplicate 20%", "reorder 20%", "delay 30ms", "slow 20ms"} {
		b.do(command)
	}
	h := b.host(both)
	h.do(session.Input{Command: session.Dial})
	for range 120 {
		b.run(time.Second)
		if h.m.Phase() == session.Down {
			h.do(session.Input{Command: session.Dial})
		}
	}
	if h.m.Phase() != session.Up {
		t.Errorf("phase %q after two minutes", h.m.Phase())
	}
}

func TestClearLetsArriveWhatIsOnItsWay(t *testing.T) {
	b := newBox(t, nil)
	h := b.host(user4).up()
	b.do("delay 1s")
	b.numbered(3, 0)
	b.do("clear")
	if len(h.ip) != 0 {
		t.Error("it has arrived at once")
	}
	b.run(time.Second)
	if got := fmt.Sprint(h.numbers()); got != "[0 1 2]" {
		t.Errorf("%s", got)
	}
}

func TestWhatIsHeldBackIsBounded(t *testing.T) {
	b := newBox(t, nil)
	h := b.host(user4).up()
	b.do("delay 1h")
	packet := ip4(out4, host4, 8)
	for range 100000 {
		b.carry(packet)
	}
	b.next = b.l.Tick(b.now).Deadline
	b.run(2 * time.Hour)
	if n := len(h.ip); n < 1000 || n > 1<<16 {
		t.Errorf("%d frames were held back", n)
	}
}

// The line asks to be called again when a held frame is due, not only when a
// concentrator is.
func TestDeadlineOfHeldFrames(t *testing.T) {
	b := newBox(t, nil)
	b.host(user4).up()
	b.do("delay 7ms")
	out := b.l.Carry(b.now, ip4(out4, host4, 8))
	if out.Deadline != b.now+7*time.Millisecond || len(out.Frames) != 0 {
		t.Errorf("deadline %v at %v", out.Deadline, b.now)
	}
	if out = b.l.Tick(out.Deadline); len(out.Frames) != 1 || out.Frames[0].EtherType != pppoe.EtherTypeSession {
		t.Errorf("%+v", out)
	}
}

// What a concentrator says of its own accord is held back like all the rest.
func TestDeadlineOfHeldEchoes(t *testing.T) {
	b := newBox(t, nil)
	opened := b.now
	b.host(user4).up()
	b.do("delay 7ms")
	out := b.l.Tick(opened + 10*time.Second) // its first echo
	if out.Deadline != opened+10*time.Second+7*time.Millisecond || len(out.Frames) != 0 {
		t.Fatalf("deadline %v after %v, %d frames", out.Deadline, opened, len(out.Frames))
	}
	if out = b.l.Tick(out.Deadline); len(out.Frames) != 1 {
		t.Errorf("%d frames", len(out.Frames))
	}
}

// delegated asks for a prefix by DHCPv6 and returns it.
func (h *host) delegated() string {
	h.b.t.Helper()
	list := h.dhcp(dhcpv6.MessageTypeSolicit).Options.Prefixes()
	if len(list) == 0 {
		h.b.t.Fatal("no prefix")
	}
	return list[0].Prefix.String()
}

// dhcp sends a DHCPv6 message and returns the IA_PD of the answer.
func (h *host) dhcp(kind dhcpv6.MessageType) *dhcpv6.OptIAPD {
	t := h.b.t
	t.Helper()
	m := &dhcpv6.Message{MessageType: kind}
	m.AddOption(dhcpv6.OptClientID(&dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: h.mac[:]}))
	m.AddOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionRapidCommit})
	m.AddOption(&dhcpv6.OptIAPD{})
	data := m.ToBytes()
	u := binary.BigEndian.AppendUint16([]byte{2, 34, 2, 35}, uint16(8+len(data)))
	u = append(append(u, 0, 0), data...)
	packet := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(u)))
	packet = append(packet, 17, 64)
	packet = append(packet, h.m.Info().IPv6.Local.AsSlice()...)
	packet = append(packet, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2)
	h.ip = nil
	h.b.receive(h.data(append(packet, u...)))
	if len(h.ip) != 1 {
		t.Fatalf("%d answers", len(h.ip))
	}
	a, err := dhcpv6.MessageFromBytes(h.ip[0][48:])
	if err != nil || len(a.Options.IAPD()) != 1 {
		t.Fatalf("%v, %v", a, err)
	}
	return a.Options.IAPD()[0]
}
