package dataplane

import (
	"testing"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// carrying is a carrier whose gate is open, and a full packet in a frame of its session, as it
// comes from the line.
func carrying(b *testing.B) (*carrier, []byte, int) {
	b.Helper()
	s := Session{MAC: pppoe.MAC{2, 0, 0, 0, 0, 1}, AC: pppoe.MAC{2, 0, 0, 0, 0, 2}, ID: 7, MTU: 1454}
	c := newCarrier(s)
	c.Pass(true, true)
	packet := segment(b, ppp.IPv4, false, nil, make([]byte, 1414))
	p := pppoe.Packet{SessionID: s.ID, Payload: ppp.AppendFrame(nil, ppp.IPv4, packet)}
	return &c, pppoe.Frame{Dst: s.MAC, Src: s.AC, EtherType: pppoe.EtherTypeSession, Payload: p.AppendTo(nil)}.AppendTo(nil), len(packet)
}

// What a packet from the line goes through between two system calls.
func BenchmarkReceive(b *testing.B) {
	c, frame, length := carrying(b)
	b.ReportAllocs()
	b.SetBytes(int64(length))
	for b.Loop() {
		if c.receive(frame) == nil {
			b.Fatal("dropped")
		}
	}
}

// And one to the line.
func BenchmarkSend(b *testing.B) {
	c, frame, length := carrying(b)
	b.ReportAllocs()
	b.SetBytes(int64(length))
	for b.Loop() {
		if !c.send(frame, length) {
			b.Fatal("dropped")
		}
	}
}
