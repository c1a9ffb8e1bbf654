package session_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/lcp"
	"pppoectl/ppp"
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
	if e := l.last(session.Suspected); e.Cause != cause.EchoLost || e.Text != "an echo is unanswered; one is sent each second now" {
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
	l.command(session.LineLost) // is no news
	if e := l.last(session.Suspected); l.count(session.Suspected) != 1 || e.Cause != cause.NoCarrier || !strings.Contains(e.Text, "carrier") {
		t.Errorf("%+v", e)
	}
	l.cut = true
	l.run(20 * time.Minute)
	if len(l.sent) != 0 || !l.m.Info().Suspect {
		t.Fatalf("%d frames sent without carrier; %v", len(l.sent), l.events)
	}
	l.cut = false
	l.command(session.LineBack)
	l.run(5 * time.Second)
	if l.m.Info().Suspect || l.m.Phase() != session.Up || l.sentCodes(pppoe.PADI) != 0 || l.count(session.Suspected) != 1 {
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
	if l.m.Info().Suspect || l.m.Phase() != session.Up || l.count(session.Suspected) != 1 || l.count(session.Alive) != 1 {
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

// The same if no AC has offered anything, at the very moment at which the session would be given up.
func TestReplyThatWaitsBehindAnotherFrameSavesTheSession(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	var held []pppoe.Frame
	l.filter = func(f pppoe.Frame) bool {
		if f.Src == acMAC && code(f) != pppoe.PADO {
			held = append(held, f)
		}
		return f.Src != acMAC
	}
	l.run(15 * time.Second)
	v := l.m.Snapshot().Session.Suspect
	if !v.On || len(held) == 0 {
		t.Fatalf("%+v, %d frames", v, len(held))
	}
	l.filter, l.now = nil, v.Since+l.cfg.DeadAfter
	l.feed(l.fromAC(9, nil)) // of another session
	for _, f := range held {
		l.feed(f)
	}
	l.run(time.Second)
	if l.has(session.Closed) || l.m.Info().Suspect {
		t.Errorf("%v", l.events)
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

// An AC whose offers never come while the last question is asked has two chances.
func TestSecondQuestionIsTheLast(t *testing.T) {
	l := newLine(t, func(c *session.Config, _ *concentrator.Config) { c.DeadAfter = 24 * time.Hour })
	l.up()
	l.ac.Forget()
	l.filter = func(f pppoe.Frame) bool {
		return code(f) != pppoe.PADO || l.m.Snapshot().Session.Suspect.Asked == 0
	}
	for range 100 {
		l.run(time.Second)
		if l.has(session.Closed) {
			break
		}
		if n := l.m.Snapshot().Session.Suspect.Times; n > 2 {
			t.Fatalf("asked %d times", n)
		}
	}
	if e := l.closed(); e.Cause != cause.EchoLost || !strings.Contains(e.Text, "offers new sessions") {
		t.Errorf("%+v", e)
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
	if l.has(session.Closed) || !strings.Contains(l.last(session.Dropped).Text, "BAS-OTHER") {
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

// Who has no session yet has none that could be another's.
func TestSupersededLeavesADiscoveryAlone(t *testing.T) {
	l := newLine(t, nil)
	l.requesting()
	before := l.remembers()
	l.command(session.Superseded)
	if after := l.remembers(); after != before || l.has(session.Closed) {
		t.Errorf("session changed from\n%s\nto\n%s", before, after)
	}
}

// lastQuestion lets time pass until the last question begins, and returns when that is.
func (l *line) lastQuestion() time.Duration {
	l.t.Helper()
	for l.m.Phase() == session.Up {
		if asked := l.m.Snapshot().Session.Suspect.Asked; asked != 0 {
			return asked
		}
		l.run(time.Millisecond)
	}
	l.t.Fatalf("it is never asked: %v", l.events)
	return 0
}

// The last question: after five echoes in a row, ten more and three PADIs, within a second.
func TestLastQuestion(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.ac.Forget()
	asked := l.lastQuestion()
	if n := l.m.Info().Echo.Unanswered; n != 5 {
		t.Errorf("asked after %d lost echoes", n)
	}
	l.filter = func(f pppoe.Frame) bool { return f.Src == hostMAC || code(f) == pppoe.PADO }
	echoes, padis := l.m.Info().Echo.Sent, l.sentCodes(pppoe.PADI)-1 // the first of them went out with the question
	l.run(time.Second - time.Millisecond)
	if n := l.m.Info().Echo.Sent - echoes; n != 9 && n != 10 {
		t.Errorf("%d echoes", n)
	}
	if n := l.sentCodes(pppoe.PADI) - padis; n != 3 {
		t.Errorf("%d PADIs", n)
	}
	l.run(2 * time.Millisecond)
	if e := l.closed(); e.Cause != cause.EchoLost || l.now-asked > time.Second+2*time.Millisecond {
		t.Errorf("%+v after %v", e, l.now-asked)
	}
}

// The last question lasts a second also if we were late meanwhile.
func TestLastQuestionEndsInTime(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.ac.Forget()
	asked := l.lastQuestion()
	l.run(420 * time.Millisecond)
	l.now += 137 * time.Millisecond // it stands still
	l.run(asked + time.Second - l.now)
	if !l.has(session.Closed) {
		t.Errorf("asked for %v, and the next thing to do is in %v", l.now-asked, l.next-l.now)
	}
}

// A PADI each three seconds, from the third lost echo on.
func TestSuspectSessionAsksByPADIEachThreeSeconds(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.cut, l.sent = true, nil
	var at []time.Duration
	l.check = func() {
		if n := l.sentCodes(pppoe.PADI); n > len(at) {
			at = append(at, l.now)
			if lost := l.m.Info().Echo.Unanswered; n == 1 && lost != 3 {
				t.Errorf("the first PADI after %d lost echoes", lost)
			}
		}
	}
	l.run(40 * time.Second)
	if len(at) < 5 {
		t.Fatalf("%d PADIs", len(at))
	}
	for i := 1; i < len(at); i++ {
		if wait := at[i] - at[i-1]; wait != 3*time.Second {
			t.Errorf("PADI %d after %v", i+1, wait)
		}
	}
}

// A line that was never lost does not come back.
func TestLineThatIsBackWithoutHavingBeenLostIsNoNews(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.events, l.sent = nil, nil
	before := l.remembers()
	l.command(session.LineBack)
	if after := l.remembers(); after != before || len(l.events) != 0 || len(l.sent) != 0 {
		t.Errorf("%v, %d frames", l.events, len(l.sent))
	}
}

// Before authentication there is nothing to lose: its own time ends it.
func TestSilenceDuringAuthenticationIsNoSuspicion(t *testing.T) {
	l := newLine(t, nil)
	l.stuck(ppp.PAP)
	l.cut, l.sent = true, nil
	l.run(28 * time.Second)
	if l.m.Phase() != session.Auth || l.has(session.Suspected) || l.sentCodes(pppoe.PADI) != 0 {
		t.Errorf("phase %q, %v, %d PADIs", l.m.Phase(), l.events, l.sentCodes(pppoe.PADI))
	}
}

// An offer that nobody has asked for is nobody's, while the session is well.
func TestOfferToASessionThatIsWellIsIgnored(t *testing.T) {
	l := newLine(t, nil)
	var pado pppoe.Frame
	l.filter = func(f pppoe.Frame) bool {
		if code(f) == pppoe.PADO {
			pado = f
		}
		return true
	}
	l.up()
	l.ignores(pado)
}

// The last question does not wait for the next echo when the offer comes after the fifth lost one.
func TestLastQuestionBeginsWithTheOffer(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.ac.Forget()
	var pado pppoe.Frame
	l.filter = func(f pppoe.Frame) bool {
		if code(f) == pppoe.PADO {
			pado = f
		}
		return f.Src == hostMAC
	}
	l.run(20*time.Second + 300*time.Millisecond)
	if n := l.m.Info().Echo.Unanswered; n < 5 || l.m.Snapshot().Session.Suspect.Asked != 0 {
		t.Fatalf("%d lost echoes", n)
	}
	l.feed(pado)
	if asked := l.m.Snapshot().Session.Suspect.Asked; asked != l.now {
		t.Errorf("asked at %v, want %v", asked, l.now)
	}
}
