package session_test

import (
	"encoding/json"
	"testing"

	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// From the PADI to open NCPs of both families, the concentrator's part included.
func BenchmarkUp(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newLine(b, both).up()
	}
}

// upLine is a line whose session is up, with nothing in the air.
func upLine(b *testing.B) *line {
	b.Helper()
	l := newLine(b, both)
	l.up()
	return l
}

// An echo of ours and its answer, the concentrator's part included.
func BenchmarkEcho(b *testing.B) {
	l := upLine(b)
	b.ReportAllocs()
	for b.Loop() {
		l.events, l.sent = l.events[:0], l.sent[:0]
		l.run(l.cfg.Echo.Interval)
	}
	if l.m.Phase() != session.Up {
		b.Fatalf("phase %q", l.m.Phase())
	}
}

// An IP packet that has come to the machine is dropped without a word: the least that a step
// costs. (Packets take another way, see dataplane.)
func BenchmarkIPDispatch(b *testing.B) {
	l := upLine(b)
	f := l.fromAC(l.m.Info().SessionID, ppp.AppendFrame(nil, ppp.IPv4, make([]byte, 1454)))
	b.ReportAllocs()
	for b.Loop() {
		l.m.Step(l.now, session.Input{Frame: &f})
	}
}

// The AC forwards an IP packet that a host has sent.
func BenchmarkForward(b *testing.B) {
	l := upLine(b)
	packet := make([]byte, 1454)
	packet[0] = 0x45
	packet[2], packet[3] = 1454>>8, 1454&255
	copy(packet[12:], []byte{203, 0, 113, 8, 198, 51, 100, 1}) // from the session's address
	p := pppoe.Packet{SessionID: l.m.Info().SessionID, Payload: ppp.AppendFrame(nil, ppp.IPv4, packet)}
	f := pppoe.Frame{Dst: acMAC, Src: hostMAC, EtherType: pppoe.EtherTypeSession, Payload: p.AppendTo(nil)}
	b.ReportAllocs()
	for b.Loop() {
		if out := l.ac.Step(l.now, &f); len(out.Packets) != 1 {
			b.Fatal("not forwarded")
		}
	}
}

// What is on disk of a session, and back.
func BenchmarkSnapshot(b *testing.B) {
	l := upLine(b)
	b.ReportAllocs()
	for b.Loop() {
		text, err := json.Marshal(l.m.Snapshot())
		if err != nil {
			b.Fatal(err)
		}
		var s session.Snapshot
		if err := json.Unmarshal(text, &s); err != nil {
			b.Fatal(err)
		}
		session.New(l.cfg, l.seed).Restore(s)
	}
}
