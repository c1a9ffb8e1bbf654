package ppp_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pppoectl/ppp"
)

const ms = time.Millisecond

func TestUnheardPeerIsAskedEagerlyThenTenTimes(t *testing.T) {
	a := ppp.NewAutomaton(&fake{Want: 0x11})
	a.Open(0)
	expect(t, a.Up(0), "Configure-Request 1 010311")
	times, outs := ticks(a, 100)

	var want []time.Duration
	for i := range 16 { // each 30 ms
		want = append(want, time.Duration(i+1)*30*ms)
	}
	want = append(want, 540*ms, 660*ms, 900*ms, 1380*ms, 2340*ms) // then doubling
	for i := range 10 + 1 {                                       // those that count, and the end
		want = append(want, 4260*ms+time.Duration(i)*ppp.RestartTimer)
	}
	if !slices.Equal(times, want) {
		t.Errorf("timer at\n%v, want\n%v", times, want)
	}
	for i, out := range outs[:len(outs)-1] {
		if got := tell(out); got != "Configure-Request 1 010311" || out.Err != nil {
			t.Errorf("retransmission %d is %q, error %v; want the same request with the same identifier", i, got, out.Err)
		}
	}
	last := outs[len(outs)-1]
	expect(t, last, "finished")
	if !errors.Is(last.Err, ppp.ErrNoAnswer) {
		t.Errorf("error %v, want ErrNoAnswer", last.Err)
	}
	expectState(t, a, ppp.Stopped)
}

func TestPeerHeardAtOnceIsAskedTenTimesMore(t *testing.T) {
	a, _ := in(t, ppp.ReqSent) // its first, eager request was heard by nobody
	times, outs := ticks(a, 100)
	if n := len(outs); n != 11 {
		t.Fatalf("%d time-outs, want 11", n)
	}
	for i := 1; i < len(times); i++ {
		if times[i]-times[i-1] != ppp.RestartTimer {
			t.Errorf("interval %d is %v, want %v", i, times[i]-times[i-1], ppp.RestartTimer)
		}
	}
	if err := outs[len(outs)-1].Err; !errors.Is(err, ppp.ErrNoAnswer) {
		t.Errorf("error %v, want ErrNoAnswer", err)
	}
}

// A peer that begins only now has not heard our request: it is repeated, and in
// front of our Ack, for the Ack opens the peer, to which a request would then mean
// that all begins anew.
func TestFirstRequestOfThePeerRepeatsOursBeforeTheAck(t *testing.T) {
	a := ppp.NewAutomaton(&fake{Want: 0x11})
	a.Open(0)
	a.Up(0)
	times, _ := ticks(a, 22)
	now := times[21] + time.Second // two seconds of waiting are left
	expect(t, a.Receive(now, packet(t, ppp.ConfigureRequest, 7, other)), "Configure-Request 1 010311, Configure-Ack 7 010322")
	if got, want := a.Deadline(), now+ppp.RestartTimer; got != want {
		t.Errorf("next request at %v, want %v", got, want)
	}
}

// The short timer is for a peer that does not listen yet. One that has acknowledged our request has as long as any
// for its own; else we would begin anew after 30 ms.
func TestPeerThatAnswersHasAWholeRestartTimer(t *testing.T) {
	a := ppp.NewAutomaton(&fake{Want: 0x11})
	a.Open(0)
	a.Up(0)
	expect(t, a.Receive(20*ms, packet(t, ppp.ConfigureAck, 1, ours)), "")
	if got, want := a.Deadline(), 20*ms+ppp.RestartTimer; got != want {
		t.Errorf("time-out at %v, want %v", got, want)
	}
	expectState(t, a, ppp.AckRcvd)
}

// A request that was sent at this very moment reaches the peer.
func TestRequestOfThisMomentIsNotRepeated(t *testing.T) {
	a := ppp.NewAutomaton(&fake{Want: 0x11})
	a.Open(0)
	a.Up(0)
	expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, 7, other)), "Configure-Ack 7 010322")
}

// A request that cannot be read is discarded (RFC 1661 section 5), and says nothing of ours.
func TestBrokenFirstRequestOfThePeerIsNotAnswered(t *testing.T) {
	a := ppp.NewAutomaton(&fake{Want: 0x11})
	a.Open(0)
	a.Up(0)
	deadline := a.Deadline()
	expectDropped(t, a.Receive(20*ms, packet(t, ppp.ConfigureRequest, 7, "01 ff 22")))
	if got := a.Deadline(); got != deadline {
		t.Errorf("next request at %v, want %v", got, deadline)
	}
}

// Each Up may lead to another peer, which has to be found listening anew.
func TestEachUpBeginsEagerly(t *testing.T) {
	for _, state := range []ppp.State{ppp.ReqSent, ppp.Opened} { // heard before
		a, _ := in(t, state)
		a.Down(0)
		a.Up(0)
		times, _ := ticks(a, 17)
		a.Down(times[16])
		a.Up(time.Hour)
		again, _ := ticks(a, 17)
		for i, at := range again {
			if at-time.Hour != times[i] || times[i] > time.Second+100*ms {
				t.Errorf("%v: request %d after %v, then after %v", state, i, times[i], at-time.Hour)
			}
		}
	}
}

// An Up of what is up already is an event that cannot be (RFC 1661 section 4.1): a peer
// that was heard stays so.
func TestSecondUpChangesNothing(t *testing.T) {
	for state := ppp.Closed; state <= ppp.Opened; state++ {
		a, _ := in(t, state)
		before := fmt.Sprint(a.Snapshot())
		expect(t, a.Up(time.Second), "")
		if after := fmt.Sprint(a.Snapshot()); after != before {
			t.Errorf("%s\nbecame\n%s", before, after)
		}
	}
}

// Max-Configure bounds a negotiation however often an unheard peer's layer is
// closed and opened again, and the timer never runs backwards.
func TestUnheardPeerClosedAndOpenedAgainIsNotFlooded(t *testing.T) {
	a := ppp.NewAutomaton(&fake{Want: 0x11})
	now := time.Duration(0)
	a.Up(now)
	for round := range 8 {
		a.Open(now)
		times, _ := ticks(a, 50)
		if len(times) > 32 {
			t.Fatalf("round %d: more than 32 time-outs", round)
		}
		for _, at := range times {
			if at < now {
				t.Fatalf("round %d: timer at %v, before %v", round, at, now)
			}
			now = at
		}
		a.Close(now, "")
	}
}

func TestTickBeforeTheDeadlineDoesNothing(t *testing.T) {
	a, _ := in(t, ppp.ReqSent)
	before := a.Snapshot()
	expect(t, a.Tick(a.Deadline()-1), "")
	if got := fmt.Sprint(a.Snapshot()); got != fmt.Sprint(before) {
		t.Errorf("%v became %v", before, got)
	}
}

func TestTerminateRequestIsSentTwice(t *testing.T) {
	a, _ := in(t, ppp.Opened)
	expect(t, a.Close(0, "bye"), "Terminate-Request 2 627965, down")
	times, outs := ticks(a, 10)
	if len(times) != ppp.MaxTerminate || times[0] != 3*time.Second || times[1] != 6*time.Second {
		t.Fatalf("time-outs at %v, want at 3 s and 6 s", times)
	}
	expect(t, outs[0], "Terminate-Request 2 627965")
	expect(t, outs[1], "finished")
	if outs[1].Err != nil {
		t.Errorf("error %v, but the end was our wish", outs[1].Err)
	}
	expectState(t, a, ppp.Closed)
}

// RFC 1661 section 4.4, Zero-Restart-Count: the peer that said Terminate gets
// one restart interval to hear our Ack; nothing is repeated.
func TestAfterThePeersTerminateRequestOneIntervalPasses(t *testing.T) {
	a, _ := in(t, ppp.Opened)
	out := a.Receive(time.Second, packet(t, ppp.TerminateRequest, 8, "62 79 65"))
	expect(t, out, "Terminate-Ack 8, down")
	var terminated *ppp.TerminatedError
	if !errors.As(out.Err, &terminated) || terminated.Text != "bye" {
		t.Errorf("error %v, want the peer's text", out.Err)
	}
	times, outs := ticks(a, 10)
	if len(times) != 1 || times[0] != time.Second+ppp.RestartTimer {
		t.Fatalf("time-outs at %v, want one after the restart interval", times)
	}
	expect(t, outs[0], "finished")
	expectState(t, a, ppp.Stopped)
}

func TestTerminatedErrorQuotesThePeer(t *testing.T) {
	hostile := (&ppp.TerminatedError{Text: "\x1b[2J"}).Error()
	if strings.Contains(hostile, "\x1b") {
		t.Errorf("%q is not quoted", hostile)
	}
	if silent := (&ppp.TerminatedError{}).Error(); silent != "terminated by the peer" {
		t.Errorf("got %q", silent)
	}
}

func TestOpeningAndClosingTheEndsOfTheTable(t *testing.T) {
	a := ppp.NewAutomaton(&fake{Want: 0x11})
	expect(t, a.Up(0), "")
	expect(t, a.Up(0), "") // impossible: nothing happens
	expect(t, a.Open(0), "Configure-Request 1 010311")
	expect(t, a.Down(0), "")
	expectState(t, a, ppp.Starting)
	if d := a.Deadline(); d != 0 {
		t.Errorf("timer runs until %v without a lower layer", d)
	}
	expect(t, a.Close(0, ""), "finished")
	expect(t, a.Open(0), "started")
	expect(t, a.Up(0), "Configure-Request 2 010311")
}

func TestDownWhileOpenedTellsTheLayerAbove(t *testing.T) {
	a, _ := in(t, ppp.Opened)
	expect(t, a.Down(0), "down")
	expectState(t, a, ppp.Starting)
}

// A peer that comes only after we have given up is asked once, not twice.
func TestRequestAfterGivingUpIsSentOnce(t *testing.T) {
	a := ppp.NewAutomaton(&fake{Want: 0x11})
	a.Open(0)
	a.Up(0)
	times, _ := ticks(a, 100)
	expectState(t, a, ppp.Stopped)
	expect(t, a.Receive(times[len(times)-1]+time.Minute, packet(t, ppp.ConfigureRequest, 7, other)), "Configure-Request 2 010311, Configure-Ack 7 010322")
}
