package concentrator_test

import (
	"bytes"
	"maps"
	"testing"

	"pppoectl/concentrator"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// traffic returns what each session has counted.
func traffic(ac *concentrator.AC) map[uint16]concentrator.Traffic {
	m := map[uint16]concentrator.Traffic{}
	for id, s := range ac.Sessions() {
		m[id] = s.Traffic
	}
	return m
}

// express calls f, and returns what the sessions have counted in it; they forget that.
func express(ac *concentrator.AC, f func()) (before, after map[uint16]concentrator.Traffic) {
	before = traffic(ac)
	f()
	after = traffic(ac)
	for id, s := range ac.Sessions() {
		s.Traffic = before[id]
	}
	return before, after
}

// crowd is how many sessions are too many to look at each of them for each frame.
const crowd = 50

// step is Step, in all tests; the express, which is tried before, must do the same or nothing.
func (s *segment) step(ac *concentrator.AC, f pppoe.Frame) concentrator.Output {
	s.t.Helper()
	if len(ac.Sessions()) > crowd {
		return ac.Step(s.now, &f)
	}
	var packet []byte
	before, after := express(ac, func() { packet = ac.Forward(f) })
	out := ac.Step(s.now, &f)
	if packet == nil {
		if len(out.Packets) > 0 || !maps.Equal(before, after) {
			s.t.Errorf("%x is not forwarded, but %+v became %+v, and by Step %x", f.Payload, before, after, out.Packets)
		}
		return out
	}
	if len(out.Packets) != 1 || !bytes.Equal(out.Packets[0], packet) || len(out.Frames)+len(out.Events) > 0 || !maps.Equal(traffic(ac), after) {
		s.t.Errorf("%x is forwarded and %+v became %+v, but by Step %+v and %+v", f.Payload, before, after, out, traffic(ac))
	}
	return out
}

// pass is Carry in the same way.
func (s *segment) pass(ac *concentrator.AC, packet []byte) concentrator.Output {
	s.t.Helper()
	frame := append(make([]byte, concentrator.HeadLen), packet...)
	var ok bool
	before, after := express(ac, func() { ok = ac.Deliver(frame) })
	out := ac.Carry(s.now, packet)
	if !ok {
		if len(out.Frames) > 0 || !maps.Equal(before, after) {
			s.t.Errorf("%x is not delivered, but %+v became %+v, and by Carry %x", packet, before, after, out.Frames)
		}
		return out
	}
	if len(out.Frames) != 1 || !bytes.Equal(out.Frames[0].AppendTo(nil), frame) || len(out.Packets)+len(out.Events) > 0 || !maps.Equal(traffic(ac), after) {
		s.t.Errorf("%x is delivered and %+v became %+v, but by Carry %+v and %+v", packet, before, after, out, traffic(ac))
	}
	return out
}

// A session that plays dead hears data, but says none.
func TestMuteSessionIsDeliveredNothing(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user4).up()
	h.theSession().Mute()
	s.carry(ip4("198.51.100.1", "203.0.113.7", 8))
	if len(h.ip) != 0 || !h.passes(ip4("203.0.113.7", "198.51.100.1", 8)) {
		t.Errorf("%x", h.ip)
	}
}

// What a frame of data costs, by the express and by the way that every input can go.
func BenchmarkForwarding(b *testing.B) {
	s := newSegment(b, nil)
	h := s.host(user4).up()
	ac := s.acs[0]
	up, down := ip4("203.0.113.7", "198.51.100.1", 1400), ip4("198.51.100.1", "203.0.113.7", 1400)
	i := h.m.Info()
	f := pppoe.Frame{Dst: i.AC, Src: h.mac, EtherType: pppoe.EtherTypeSession,
		Payload: pppoe.Packet{SessionID: i.SessionID, Payload: ppp.AppendFrame(nil, ppp.IPv4, up)}.AppendTo(nil)}
	frame := append(make([]byte, concentrator.HeadLen), down...)
	for _, c := range []struct {
		name string
		do   func() bool
	}{
		{"up/Forward", func() bool { return ac.Forward(f) != nil }},
		{"up/Step", func() bool { return len(ac.Step(s.now, &f).Packets) == 1 }},
		{"down/Deliver", func() bool { return ac.Deliver(frame) }},
		{"down/Carry", func() bool { return len(ac.Carry(s.now, down).Frames) == 1 }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(up)))
			for b.Loop() {
				if !c.do() {
					b.Fatal("it does not pass")
				}
			}
		})
	}
}
