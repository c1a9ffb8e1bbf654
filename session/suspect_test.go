package session_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/lcp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

func TestACThatForgotTheSessionIsDialledAnewWithinEightSecondsOfAnEcho(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.run(25 * time.Second)
	l.ac.Forget()
	at := l.now
	l.run(18 * time.Second)
	e := l.closed()
	if e.Cause != cause.EchoLost {
		t.Errorf("%+v", e)
	}
	if l.sentCodes(pppoe.PADT) != 1 || l.sentCodes(pppoe.PADR) != 1 {
		t.Errorf("PADTs %d, PADRs %d, want one each (no PADR for a probe)", l.sentCodes(pppoe.PADT), l.sentCodes(pppoe.PADR))
	}
	_ = at
}

func TestLineThatIsDownKeepsTheSessionUntilDeadAfter(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.cut = true
	l.run(60 * time.Second) // echo at 10 s, so 50 s of silence
	if l.has(session.Closed) || !l.m.Info().Suspect {
		t.Fatalf("events %v", l.events)
	}
	l.run(15 * time.Second)
	if e := l.closed(); e.Cause != cause.EchoLost || e.Text != "AC silent for 1m0s" {
		t.Errorf("%+v", e)
	}
}

func TestDataCountsAsLife(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.filter = func(f pppoe.Frame) bool { return f.EtherType != pppoe.EtherTypeSession }
	for range 300 { // echoes get lost, data comes
		l.data++
		l.run(time.Second)
	}
	if l.has(session.Closed) {
		t.Errorf("events %v", l.events)
	}
}

func TestCarrierLossKeepsTheSessionAndSendsNothing(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.sent = nil
	l.command(session.LineLost)
	l.cut = true
	l.run(20 * time.Minute)
	if len(l.sent) != 0 || !l.m.Info().Suspect {
		t.Fatalf("%d frames sent without carrier; %v", len(l.sent), l.events)
	}
	l.cut = false
	l.command(session.LineBack)
	l.run(5 * time.Second)
	if l.m.Info().Suspect || l.m.Phase() != session.Up || l.sentCodes(pppoe.PADI) != 0 {
		t.Errorf("phase %q, PADIs %d, events %v", l.m.Phase(), l.sentCodes(pppoe.PADI), l.events)
	}
}

func TestSessionThatEndedWithoutCarrierIsReleasedBeforeTheNext(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.command(session.LineLost)
	l.cut = true
	l.do(session.Input{Command: session.Abandon, Cause: cause.Released})
	l.run(time.Second)
	if len(l.ac.Sessions()) != 1 {
		t.Fatal("the AC heard of it")
	}
	l.cut = false
	l.command(session.Dial)
	l.run(time.Second)
	if len(l.ac.Sessions()) != 1 || l.m.Info().SessionID != 2 {
		t.Errorf("%d sessions at the AC, ours is %d", len(l.ac.Sessions()), l.m.Info().SessionID)
	}
}

func TestEchoOffNeverSuspects(t *testing.T) {
	l := newLine(t, func(c *session.Config, _ *concentrator.Config) { c.Echo = lcp.EchoConfig{} })
	l.up()
	l.cut = true
	l.run(24 * time.Hour)
	if l.has(session.Closed) || l.has(session.Suspected) {
		t.Errorf("events %v", l.events)
	}
}

// An idle session on a line that loses every fifth frame either way: five echoes
// in a row get lost each few minutes, and PADOs come through. It is not to be
// given up for that.
func TestLossyLineKeepsItsSession(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	r := rand.New(rand.NewPCG(5, 6))
	l.filter = func(pppoe.Frame) bool { return r.Float64() >= 0.2 }
	l.run(6 * time.Hour)
	if l.has(session.Closed) || l.sentCodes(pppoe.PADI) < 100 {
		t.Errorf("%d PADIs; %v", l.sentCodes(pppoe.PADI), l.events[max(0, len(l.events)-10):])
	}
}

// A PADO that came before the line fell silent says nothing about the session.
func TestLineThatDiesAfterAnOfferKeepsTheSession(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	offered := false
	l.filter = func(f pppoe.Frame) bool {
		p, err := pppoe.ParsePacket(f.Payload)
		if err == nil && p.Code == pppoe.PADO && !offered {
			offered = true
			return true
		}
		return f.Src == hostMAC && f.EtherType == pppoe.EtherTypeDiscovery
	}
	l.run(50 * time.Second)
	if !offered || l.has(session.Closed) || !l.m.Info().Suspect {
		t.Fatalf("offered %v, events %v", offered, l.events)
	}
	l.filter = nil
	l.run(2 * time.Second)
	if l.m.Info().Suspect || l.m.Phase() != session.Up {
		t.Errorf("phase %q; %v", l.m.Phase(), l.events)
	}
}

// The process stood still during the last question; the answers lie in its queue,
// the PADO before the reply that saves the session.
func TestReplyThatWaitsInTheQueueSavesTheSession(t *testing.T) {
	for name, late := range map[string]time.Duration{"last question": 5 * time.Second, "dead-after": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, nil)
			l.up()
			held := []pppoe.Frame{}
			l.filter = func(f pppoe.Frame) bool {
				p, err := pppoe.ParsePacket(f.Payload)
				pado := err == nil && f.EtherType == pppoe.EtherTypeDiscovery && p.Code == pppoe.PADO
				if f.Src == acMAC && !(pado && l.sentCodes(pppoe.PADI) == 2) { // one comes through, to ask for the last time
					if pado {
						held = append([]pppoe.Frame{f}, held...)
					} else {
						held = append(held, f)
					}
					return false
				}
				return true
			}
			for range 200 { // until it asks, and a moment more
				l.run(100 * time.Millisecond)
				if l.sentCodes(pppoe.PADI) >= 4 {
					break
				}
			}
			l.filter = nil
			if l.sentCodes(pppoe.PADI) < 4 || l.has(session.Closed) || len(held) < 3 {
				t.Fatalf("%d PADIs, %d frames, %v", l.sentCodes(pppoe.PADI), len(held), l.events)
			}
			l.now += late // it stands still
			for _, f := range held {
				l.do(session.Input{Frame: &f})
			}
			l.run(5 * time.Second)
			if l.has(session.Closed) || l.m.Info().Suspect {
				t.Errorf("%v", l.events[len(l.events)-3:])
			}
		})
	}
}

// An AC that has lost the session and answers few PADIs, for it limits them, is
// found out by the second offer.
func TestACThatAnswersFewPADIsIsFoundOut(t *testing.T) {
	for _, each := range []time.Duration{0, 2 * time.Second, 5 * time.Second, 10 * time.Second} {
		l := newLine(t, func(c *session.Config, _ *concentrator.Config) { c.DeadAfter = 24 * time.Hour })
		l.up()
		l.ac.Forget()
		var last time.Duration
		l.filter = func(f pppoe.Frame) bool {
			p, err := pppoe.ParsePacket(f.Payload)
			if err != nil || p.Code != pppoe.PADO {
				return true
			}
			if last != 0 && l.now < last+each {
				return false
			}
			last = l.now
			return true
		}
		l.run(50 * time.Second)
		if !l.has(session.Closed) || l.sentCodes(pppoe.PADI) > 20 {
			t.Errorf("a PADO each %v: %d PADIs, %v", each, l.sentCodes(pppoe.PADI), l.events)
		}
	}
}

// A session that is pinned to an AC is not given up for the offers of another:
// there would be nobody to dial.
func TestOfferOfAnACThatWeMustNotTakeSaysNothing(t *testing.T) {
	l := newLine(t, func(c *session.Config, _ *concentrator.Config) { c.Discovery.ACName = "BAS-TOKYO" })
	l.up()
	l.ac.Forget()
	l.ac.Config().Name = "BAS-OTHER"
	l.run(55 * time.Second)
	if l.has(session.Closed) {
		t.Errorf("%v", l.events)
	}
	l.ac.Config().Name = "BAS-TOKYO"
	l.run(9 * time.Second)
	if !l.has(session.Closed) {
		t.Errorf("not given up for its own AC's offer: %v", l.events)
	}
}

// The AC has given the id to another session of ours: this one ends, and no PADT of it may
// end the other.
func TestSupersededSessionEndsWithoutAWord(t *testing.T) {
	l := newLine(t, both)
	l.up()
	l.events = nil
	out := l.m.Step(l.now, session.Input{Command: session.Superseded, Cause: cause.EchoLost, Text: "another's"})
	if len(out.Frames) != 0 || l.m.Phase() != session.Down {
		t.Errorf("%d frames, %s", len(out.Frames), l.m.Phase())
	}
	closed := out.Events[len(out.Events)-1]
	if closed.Kind != session.Closed || closed.Cause != cause.EchoLost || closed.Text != "another's" {
		t.Errorf("%+v", closed)
	}
	snapshot := l.m.Snapshot()
	if peer, ok := snapshot.Peer(); ok {
		t.Errorf("%+v is still to be released", peer)
	}
	if out := l.m.Step(l.now, session.Input{Command: session.Superseded}); len(out.Frames)+len(out.Events) != 0 {
		t.Errorf("twice: %+v", out)
	}
}
