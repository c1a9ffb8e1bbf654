package session_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// A session that is taken over is asked for at once, and its AC, which may have asked in vain
// for a while, hears an Echo-Reply before it gives us up.
func TestTakenOverSessionIsHeardOfAtOnce(t *testing.T) {
	l := newLine(t, both)
	l.up()
	l.now += 10 * time.Second
	m := session.Resume(l.m.Snapshot(), "secret", rand.New(rand.NewPCG(1, 2)))
	if out := m.Step(l.now, session.Input{Command: session.TakenOver}); len(out.Frames) != 0 {
		t.Errorf("%d frames before the line is there", len(out.Frames))
	}
	codes := map[ppp.Code]int{}
	for _, f := range m.Step(l.now, session.Input{Command: session.LineBack}).Frames {
		q, err := pppoe.ParsePacket(f.Payload)
		if err != nil || f.EtherType != pppoe.EtherTypeSession {
			continue
		}
		protocol, payload, err := ppp.ParseFrame(q.Payload)
		if err != nil || protocol != ppp.LCP {
			t.Fatalf("%v %v", protocol, err)
		}
		p, err := ppp.ParsePacket(payload)
		if err != nil {
			t.Fatal(err)
		}
		codes[p.Code]++
	}
	if codes[ppp.EchoRequest] != 1 || codes[ppp.EchoReply] != 1 || len(codes) != 2 {
		t.Errorf("said %v", codes)
	}
}
