package lcp_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pppoectl/lcp"
	"pppoectl/ppp"
)

func TestEchoMayBeGivenMoreTimeThanASecond(t *testing.T) {
	l := opened(t, start, ten)
	l.SetEcho(lcp.EchoConfig{Interval: ten, Wait: 3 * time.Second})
	if got, want := fmt.Sprint(tickTo(t, l, start+20*time.Second, 0)), "[10 13 16 19]"; got != want {
		t.Errorf("echoes at %s, want %s", got, want)
	}
}

// milliseconds ticks l at each deadline up to end, and returns when echoes were sent, since now.
func milliseconds(l *lcp.Link, now, end time.Duration) []int {
	var sent []int
	for l.Deadline() != 0 && l.Deadline() <= end {
		at := l.Deadline()
		for range l.Tick(at, 0).Packets {
			sent = append(sent, int((at-now)/time.Millisecond))
		}
	}
	return sent
}

func TestHurryAsksTenTimesASecondUntilItsEnd(t *testing.T) {
	l := opened(t, start, ten)
	now := start + time.Second
	l.Suspect(now)
	milliseconds(l, now, now)
	l.Hurry(now, now+500*time.Millisecond)
	if got, want := fmt.Sprint(milliseconds(l, now, now+3*time.Second)), "[100 200 300 400 500 1500 2500]"; got != want {
		t.Errorf("echoes at %s, want %s", got, want)
	}
}

// A reply ends the hurry with the suspicion.
func TestReplyEndsTheHurry(t *testing.T) {
	l := opened(t, start, ten)
	l.Suspect(start)
	reply := answer(t, l.Tick(start, 0))
	l.Hurry(start, start+time.Minute)
	l.Receive(start, reply)
	if e := l.Echo(); e.Hurry != 0 || l.Deadline() != start+ten {
		t.Errorf("%+v, next echo in %v", e, l.Deadline()-start)
	}
}

func TestHurryIsForASuspectPeerWithAKeepalive(t *testing.T) {
	l := opened(t, start, ten)
	l.Hurry(start, start+time.Minute) // not suspect
	if e := l.Echo(); e.Hurry != 0 || l.Deadline() != start+ten {
		t.Errorf("%+v, next echo in %v", e, l.Deadline()-start)
	}
	l = opened(t, start, 0)
	l.Suspect(start)
	l.Hurry(start, start+time.Minute)
	if l.Deadline() != 0 {
		t.Errorf("an echo in %v, although there are none", l.Deadline()-start)
	}
}

// Echoes that are about to be sent sooner are not put off.
func TestHurryPutsNothingOff(t *testing.T) {
	l := opened(t, start, ten)
	l.Suspect(start)
	l.Hurry(start, start+time.Minute)
	if l.Deadline() != start {
		t.Errorf("next echo in %v, want it now", l.Deadline()-start)
	}
}

// Data that came while nobody looked is no sign of life, what comes from the next echo on is.
func TestDataFromBeforeTheSuspicionIsNoLife(t *testing.T) {
	for received, alive := range map[uint64]bool{1000: false, 1001: true} {
		l := opened(t, start, ten)
		l.Pause()
		now := start + time.Minute
		l.Suspect(now)
		l.Tick(now, 1000)
		l.Tick(now+time.Second, received)
		if e := l.Echo(); (e.Since == 0) != alive {
			t.Errorf("%d packets: %+v", received, e)
		}
	}
}

func TestUnaskedReplyCarriesOurMagic(t *testing.T) {
	l := opened(t, start, ten)
	if p := l.Unasked(); p.Code != ppp.EchoReply || fmt.Sprintf("%x", p.Data) != fmt.Sprintf("%08x", l.Vars().Magic) {
		t.Errorf("%v %x", p.Code, p.Data)
	}
}

// RFC 1661 section 6.4: each Nak of a magic number gets a new one, but not without end: on a looped
// line they are our own.
func TestNaksOfTheMagicNumberEndAsALoop(t *testing.T) {
	l := asking(t, client)
	for i := range 5 {
		was := l.Vars().Magic
		out := l.Receive(0, packet(t, fmt.Sprintf("03 %02x 000a 0506 %08x", l.Snapshot().Automaton.ID, was)))
		if i < 4 {
			if out.Err != nil || l.Vars().Magic == was || l.Vars().Magic == 0 {
				t.Fatalf("Nak %d: error %v, magic number %08x, before %08x", i+1, out.Err, l.Vars().Magic, was)
			}
			continue
		}
		if !errors.Is(out.Err, lcp.ErrLoopback) {
			t.Errorf("Nak %d: error %v, want ErrLoopback", i+1, out.Err)
		}
	}
}

// The keepalive begins anew with the link; its figures go on, and a peer that did not know echoes may know
// them now.
func TestEchoesBeginAnewWithTheLink(t *testing.T) {
	l := opened(t, start, ten)
	l.Tick(start+ten, 5)
	l.Receive(start+ten+7*time.Millisecond, echo(ppp.EchoReply, 1, peerMagic, ""))
	tickTo(t, l, start+22*time.Second, 5)
	l.Receive(start+22*time.Second, packet(t, "07 01 000c 0901 0008 00000000"))
	before := l.Echo()
	now := start + 30*time.Second
	own := l.Receive(now, packet(t, "01 02 0012 0104 05d4 0304 c023 0506 36bb605a")).Packets[0]
	own.Code = ppp.ConfigureAck
	if l.Receive(now, own); !l.Opened() {
		t.Fatalf("state %v", l.State())
	}
	e := l.Echo()
	if !e.On || e.Off != "" || e.Unanswered != 0 || e.Since != 0 || l.Deadline() != now+ten {
		t.Errorf("%+v, next echo in %v", e, l.Deadline()-now)
	}
	if e.Sent != before.Sent || e.Lost != before.Lost || e.RTT != 7*time.Millisecond || e.Data != 5 || e.ID != before.ID {
		t.Errorf("figures %+v, before %+v", e, before)
	}
}

// An echo that was out when suspicion rose is one that is unanswered.
func TestSuspicionCountsTheEchoThatIsOut(t *testing.T) {
	for pending, want := range map[bool]int{false: 0, true: 1} {
		l := opened(t, 0, ten)
		now := time.Duration(0) // as early as can be
		if pending {
			now = ten
			l.Tick(now, 0)
		}
		l.Suspect(now)
		if e := l.Echo(); e.Since == 0 || e.Unanswered != want || e.Lost != uint64(want) || e.Pending {
			t.Errorf("echo out: %v: %+v", pending, e)
		}
	}
}

// Neither a pause nor a new link has anything of an old suspicion.
func TestSuspicionLeavesNothingBehind(t *testing.T) {
	for name, end := range map[string]func(*lcp.Link){
		"pause": (*lcp.Link).Pause,
		"down":  func(l *lcp.Link) { l.Down(start + 20*time.Second) },
	} {
		l := opened(t, start, ten)
		tickTo(t, l, start+12*time.Second, 0)
		l.Hurry(start+12*time.Second, start+time.Minute)
		if e := l.Echo(); !e.Pending || e.Unanswered == 0 || e.Since == 0 || e.Hurry == 0 {
			t.Fatalf("%+v to begin with", e)
		}
		end(l)
		if e := l.Echo(); e.Pending || e.Unanswered != 0 || e.Since != 0 || e.Hurry != 0 || e.Deadline != 0 {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// An end that may not use a magic number sends zero, and so does its peer: that is no loop.
func TestEchoRequestWithoutMagicNumbersIsAnswered(t *testing.T) {
	l := asking(t, client)
	again := l.Receive(0, packet(t, fmt.Sprintf("04 01 000a 0506 %08x", l.Vars().Magic))).Packets[0]
	l.Receive(0, request(t, 1, ""))
	again.Code = ppp.ConfigureAck
	if l.Receive(0, again); !l.Opened() {
		t.Fatalf("state %v", l.State())
	}
	expect(t, l.Receive(0, echo(ppp.EchoRequest, 9, 0, "")), "Echo-Reply 9 00000000")
}

func TestIdentificationMayBeEmpty(t *testing.T) {
	l := opened(t, start, 0)
	if out := l.Receive(start, packet(t, "0c 01 0008 36bb605a")); out.Dropped != nil || out.Identified != "" {
		t.Errorf("%+v", out)
	}
}

// RFC 1661 section 6.1: what was agreed on holds as long as the link is open.
func TestPeersMRUEndsWithTheLink(t *testing.T) {
	l := opened(t, start, 0) // the peer's MRU is 1492
	unknown := ppp.Packet{Code: 0x20, ID: 3, Data: make([]byte, 1600)}
	for _, want := range []int{1492, 1500} {
		if p := l.Receive(start, unknown).Packets[0]; len(p.AppendTo(nil)) != want {
			t.Errorf("state %v: Code-Reject of %d octets, want %d", l.State(), len(p.AppendTo(nil)), want)
		}
		l.Receive(start, packet(t, "01 02 000a 0506 36bb605b")) // it begins anew
	}
}
