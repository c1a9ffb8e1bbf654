package dataplane

import (
	"encoding/binary"
	"testing"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

func TestFamilyGoesByVersionAndWhatTheHeaderSays(t *testing.T) {
	for _, c := range []struct {
		first  byte
		says   uint16 // IPv4's total length, IPv6's payload length
		length int
		want   ppp.Protocol
	}{
		{0x45, 20, 20, ppp.IPv4}, {0x4f, 60, 60, ppp.IPv4}, {0x45, 20, 46, ppp.IPv4}, {0x45, 20, 19, 0},
		{0x45, 21, 20, 0}, {0x45, 19, 20, 0}, {0x4f, 40, 60, 0}, {0x44, 20, 20, 0}, {0x45, 0, 20, 0},
		{0x60, 0, 40, ppp.IPv6}, {0x6f, 1460, 1500, ppp.IPv6}, {0x6f, 1461, 1500, 0}, {0x60, 0, 39, 0},
		{0x00, 40, 40, 0}, {0x50, 40, 40, 0}, {0x70, 40, 40, 0}, {0xf5, 1500, 1500, 0},
	} {
		b := make([]byte, c.length)
		b[0] = c.first
		at := 2
		if c.first>>4 == 6 {
			at = 4
		}
		binary.BigEndian.PutUint16(b[at:], c.says)
		if got := family(b); got != c.want {
			t.Errorf("%02x, length %d of %d octets: %v, want %v", c.first, c.says, c.length, got, c.want)
		}
	}
	if family(nil) != 0 {
		t.Error("nothing has a family")
	}
}

func TestGateIsShutAtFirstAndOpensPerFamily(t *testing.T) {
	var g gate
	for _, open := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
		g.ipv4.Store(open[0])
		g.ipv6.Store(open[1])
		if g.open(ppp.IPv4) != open[0] || g.open(ppp.IPv6) != open[1] {
			t.Errorf("%v: IPv4 %v, IPv6 %v", open, g.open(ppp.IPv4), g.open(ppp.IPv6))
		}
		for _, p := range []ppp.Protocol{0, ppp.LCP, ppp.IPCP, ppp.IPv6CP, 0x0057 ^ 0x0021} {
			if g.open(p) {
				t.Errorf("%v passes", p)
			}
		}
	}
}

// What a path takes from the line: only this session's IP of an open family, in
// frames that are whole.
func TestReceiveTakesOnlyWhatIsOurs(t *testing.T) {
	s := Session{MAC: pppoe.MAC{2, 0, 0, 0, 0, 1}, AC: pppoe.MAC{2, 0, 0, 0, 0, 2}, ID: 0x18fa, MTU: 1454}
	p := &portable{carrier: newCarrier(s)}
	p.Pass(true, false)
	frame := func(change func(f *pppoe.Frame, q *pppoe.Packet)) []byte {
		ip := segment(t, ppp.IPv4, true, []byte{2, 4, 5, 0xb4}, nil)
		q := pppoe.Packet{SessionID: s.ID, Payload: ppp.AppendFrame(nil, ppp.IPv4, ip)}
		f := pppoe.Frame{Dst: s.MAC, Src: s.AC, EtherType: pppoe.EtherTypeSession}
		change(&f, &q)
		f.Payload = append(q.AppendTo(nil), f.Payload...)
		return f.AppendTo(nil)
	}
	nothing := func(*pppoe.Frame, *pppoe.Packet) {}
	whole := frame(nothing)
	if got := p.receive(append(whole, make([]byte, 20)...)); len(got) != 44 || got[22+20] != 0x05 || got[43] != 0x86 {
		t.Errorf("%x: want the packet without padding, its MSS lowered to 1414", got)
	}
	for name, b := range map[string][]byte{
		"other id":         frame(func(_ *pppoe.Frame, q *pppoe.Packet) { q.SessionID++ }),
		"other AC":         frame(func(f *pppoe.Frame, _ *pppoe.Packet) { f.Src[5]++ }),
		"PADT":             frame(func(_ *pppoe.Frame, q *pppoe.Packet) { q.Code = pppoe.PADT }),
		"LCP":              frame(func(_ *pppoe.Frame, q *pppoe.Packet) { q.Payload[0] = 0xc0 }),
		"IPv6 is shut":     frame(func(_ *pppoe.Frame, q *pppoe.Packet) { q.Payload[1] = 0x57 }),
		"not what it says": frame(func(_ *pppoe.Frame, q *pppoe.Packet) { q.Payload[2] = 0x65 }),
		"no protocol":      frame(func(_ *pppoe.Frame, q *pppoe.Packet) { q.Payload = q.Payload[:1] }),
		"LEN 0":            frame(func(_ *pppoe.Frame, q *pppoe.Packet) { q.Payload = nil }),
		"header alone":     frame(func(_ *pppoe.Frame, q *pppoe.Packet) { q.Payload = q.Payload[:2] }),
		"short IP header":  frame(func(_ *pppoe.Frame, q *pppoe.Packet) { q.Payload = q.Payload[:21] }),
	} {
		if got := p.receive(b); got != nil {
			t.Errorf("%s: %x", name, got)
		}
	}
	for n := range whole {
		if got := p.receive(whole[:n]); got != nil {
			t.Errorf("%d octets of it: %x", n, got)
		}
	}
	p.Pass(false, true)
	if p.receive(frame(nothing)) != nil {
		t.Error("IPv4 passes a gate that is shut")
	}
}

func TestCountersAdd(t *testing.T) {
	a := Counters{1, 2, 3, 4, 5, 6}
	if got := a.Add(Counters{10, 20, 30, 40, 50, 60}); got != (Counters{11, 22, 33, 44, 55, 66}) {
		t.Errorf("%+v", got)
	}
	var c counters
	c.rxPackets.Add(1)
	c.drops[txMTU].Add(2)
	if got := c.Counters(); got != (Counters{RxPackets: 1, TxDropped: 2}) {
		t.Errorf("%+v", got)
	}
}
