package lcp_test

import (
	"fmt"
	"testing"
	"time"

	"pppoectl/lcp"
	"pppoectl/ppp"
)

// Times of the tests below: the link opens at start, an echo is due each ten.
const (
	start = time.Hour
	ten   = 10 * time.Second
)

// tickTo ticks l at each deadline up to end, with data packets received so far,
// and returns when echoes were sent, in seconds since start.
func tickTo(t testing.TB, l *lcp.Link, end time.Duration, received uint64) []int {
	t.Helper()
	var sent []int
	for l.Deadline() != 0 && l.Deadline() <= end {
		if len(sent) > 1000 {
			t.Fatal("echoes without end")
		}
		now := l.Deadline()
		for range l.Tick(now, received).Packets {
			sent = append(sent, int((now-start)/time.Second))
		}
	}
	return sent
}

func TestEchoesGoOutAtTheInterval(t *testing.T) {
	l := opened(t, start, ten)
	for i := range 5 {
		now := start + time.Duration(i+1)*ten
		if l.Deadline() > now {
			t.Fatalf("echo %d at %v, want %v", i, l.Deadline(), now)
		}
		out := l.Tick(now, 0)
		expect(t, out, fmt.Sprintf("Echo-Request %d %08x", i+1, l.Vars().Magic))
		if r := l.Receive(now, answer(t, out)); r.Dropped != nil {
			t.Fatalf("reply %d dropped: %v", i, r.Dropped)
		}
	}
	if e := l.Echo(); e.Sent != 5 || e.Lost != 0 || e.Since != 0 {
		t.Errorf("%+v", e)
	}
}

func TestNoEchoWithoutAnInterval(t *testing.T) {
	for _, interval := range []time.Duration{0, -time.Second} {
		l := opened(t, start, interval)
		l.Suspect(start)
		if d := l.Deadline(); d != 0 {
			t.Errorf("interval %v: timer until %v", interval, d)
		}
		if out := l.Tick(start+24*time.Hour, 0); len(out.Packets) != 0 || l.Echo().Since != 0 {
			t.Errorf("interval %v: %q, %+v", interval, tell(out), l.Echo())
		}
	}
}

func TestLostEchoMakesThePeerSuspect(t *testing.T) {
	l := opened(t, start, ten)
	if got, want := fmt.Sprint(tickTo(t, l, start+15*time.Second, 0)), "[10 11 12 13 14 15]"; got != want {
		t.Errorf("echoes at %s, want %s", got, want)
	}
	e := l.Echo()
	if e.Since != start+ten {
		t.Errorf("suspect since %v, want since the first lost echo at %v", e.Since, start+ten)
	}
	if e.Unanswered != 5 || e.Lost != 5 || e.Sent != 6 {
		t.Errorf("%+v, want 5 of 6 lost", e)
	}
}

func TestReplyEndsTheSuspicion(t *testing.T) {
	l := opened(t, start, ten)
	tickTo(t, l, start+12*time.Second, 0)
	now := start + 12*time.Second + 4*time.Millisecond
	l.Receive(now, echo(ppp.EchoReply, l.Echo().ID, peerMagic, ""))
	if e := l.Echo(); e.Since != 0 || e.Unanswered != 0 || e.RTT != 4*time.Millisecond {
		t.Errorf("%+v, want the peer alive and an RTT of 4 ms", e)
	}
	if l.Deadline() != now+ten {
		t.Errorf("next echo at %v, want %v", l.Deadline(), now+ten)
	}
}

// On a slow line the reply to an echo comes after the next echo was sent.
func TestLateReplyCounts(t *testing.T) {
	l := opened(t, start, ten)
	first := answer(t, l.Tick(start+ten, 0))
	tickTo(t, l, start+12*time.Second, 0)
	if out := l.Receive(start+12500*time.Millisecond, first); out.Dropped != nil {
		t.Fatalf("dropped: %v", out.Dropped)
	}
	if e := l.Echo(); e.RTT != 2500*time.Millisecond || e.Since != 0 {
		t.Errorf("%+v, want an RTT of 2.5 s and the peer alive", e)
	}
}

func TestReplyCountsOnce(t *testing.T) {
	l := opened(t, start, ten)
	reply := answer(t, l.Tick(start+ten, 0))
	l.Receive(start+ten, reply)
	expectDropped(t, l, reply)
}

func TestRepliesThatCountForNothing(t *testing.T) {
	l := opened(t, start, ten)
	good := answer(t, l.Tick(start+ten, 0))
	for name, in := range map[string]ppp.Packet{
		"the identifier after": echo(ppp.EchoReply, good.ID+1, peerMagic, ""),
		"an identifier before": echo(ppp.EchoReply, good.ID-1, peerMagic, ""),
		"another magic number": echo(ppp.EchoReply, good.ID, peerMagic+1, ""),
		"our magic number":     echo(ppp.EchoReply, good.ID, l.Vars().Magic, ""),
		"magic number 1":       echo(ppp.EchoReply, good.ID, 1, ""),
		"half a magic number":  {Code: ppp.EchoReply, ID: good.ID, Data: []byte{0x36, 0xbb}},
		"three octets of it":   {Code: ppp.EchoReply, ID: good.ID, Data: []byte{0x36, 0xbb, 0x60}},
	} {
		t.Run(name, func(t *testing.T) { expectDropped(t, l, in) })
	}
	if out := l.Receive(start+ten, good); out.Dropped != nil {
		t.Errorf("the good one dropped: %v", out.Dropped)
	}
}

// Some peers leave the magic number out of their replies.
func TestReplyWithoutAMagicNumberCounts(t *testing.T) {
	l := opened(t, start, ten)
	id := answer(t, l.Tick(start+ten, 0)).ID
	if out := l.Receive(start+ten, echo(ppp.EchoReply, id, 0, "")); out.Dropped != nil || l.Echo().Pending {
		t.Errorf("dropped %v, %+v", out.Dropped, l.Echo())
	}
}

func TestNoEchoBeforeItsTime(t *testing.T) {
	l := opened(t, start, ten)
	expect(t, l.Tick(start+ten-1, 0), "")
	if e := l.Echo(); e.Sent != 0 || l.Deadline() != start+ten {
		t.Errorf("%+v, next echo in %v", e, l.Deadline()-start)
	}
}

// Each reply is measured from its own request, also one that comes when seven others are out.
func TestRoundTripTimesAreThoseOfTheRequest(t *testing.T) {
	for _, late := range []int{0, 1, 7, 8} {
		l := opened(t, start, ten)
		var out []ppp.Packet
		for i := range 40 {
			now := l.Deadline()
			out = append(out, answer(t, l.Tick(now, 0)))
			if i%10 != late {
				continue
			}
			before := l.Echo().RTT
			rtt := time.Duration(late)*time.Second + time.Duration(i+1)*time.Millisecond
			l.Receive(now+time.Duration(i+1)*time.Millisecond, out[len(out)-1-late])
			if late == 8 { // nobody knows any more when that was sent
				rtt = before
			}
			if e := l.Echo(); e.RTT != rtt || e.Since != 0 {
				t.Errorf("%d behind, echo %d: %+v, want an RTT of %v", late, i, e, rtt)
			}
		}
	}
}

func TestDataCountsAsLife(t *testing.T) {
	l := opened(t, start, ten)
	l.Tick(start+ten, 100)
	expect(t, l.Tick(start+ten+lcp.EchoWait, 101), "")
	if e := l.Echo(); e.Since != 0 || e.Unanswered != 0 || e.Lost != 1 {
		t.Errorf("%+v, want one lost echo and the peer alive", e)
	}
	if want := start + ten + lcp.EchoWait + ten; l.Deadline() != want {
		t.Errorf("next echo at %v, want %v", l.Deadline(), want)
	}
}

func TestDataBeforeTheEchoIsNoLifeAfterIt(t *testing.T) {
	l := opened(t, start, ten)
	l.Tick(start+ten, 100)
	l.Tick(start+ten+lcp.EchoWait, 100)
	if l.Echo().Since == 0 {
		t.Error("the peer counts as alive")
	}
}

func TestSuspicionAsksAtOnceAndEachSecond(t *testing.T) {
	l := opened(t, start, ten)
	now := start + 3*time.Second
	l.Suspect(now)
	if got, want := fmt.Sprint(tickTo(t, l, start+6*time.Second, 0)), "[3 4 5 6]"; got != want {
		t.Errorf("echoes at %s, want %s", got, want)
	}
	if e := l.Echo(); e.Since != now {
		t.Errorf("suspect since %v, want %v", e.Since, now)
	}
	l.Suspect(start + 6*time.Second) // nothing new
	if e := l.Echo(); e.Since != now || !e.Pending {
		t.Errorf("%+v after a second suspicion", e)
	}
}

// The peer answers the echo that was out when suspicion rose: it is alive.
func TestReplyToAnEchoFromBeforeTheSuspicionCounts(t *testing.T) {
	for name, ticked := range map[string]bool{"before the next echo": false, "after the next echo": true} {
		t.Run(name, func(t *testing.T) {
			l := opened(t, start, ten)
			reply := answer(t, l.Tick(start+ten, 0))
			now := start + ten + 100*time.Millisecond
			l.Suspect(now)
			if ticked {
				l.Tick(now, 0)
			}
			if out := l.Receive(now+time.Millisecond, reply); out.Dropped != nil {
				t.Errorf("dropped: %v", out.Dropped)
			}
			if e := l.Echo(); e.Since != 0 {
				t.Errorf("still suspect: %+v", e)
			}
		})
	}
}

func TestPauseAsksNothingUntilSuspicion(t *testing.T) {
	l := opened(t, start, ten)
	tickTo(t, l, start+12*time.Second, 0)
	l.Pause()
	if sent := tickTo(t, l, start+time.Hour, 0); len(sent) != 0 || l.Echo().Since != 0 {
		t.Errorf("echoes at %v, %+v", sent, l.Echo())
	}
	if out := l.Tick(start+time.Hour, 0); len(out.Packets) != 0 {
		t.Errorf("got %q", tell(out))
	}
	now := start + 2*time.Hour
	l.Suspect(now)
	if l.Deadline() != now || len(l.Tick(now, 0).Packets) != 1 {
		t.Errorf("next echo at %v, want %v", l.Deadline(), now)
	}
}

func TestCodeRejectOfEchoesSwitchesThemOff(t *testing.T) {
	for _, code := range []ppp.Code{ppp.EchoRequest, ppp.EchoReply} {
		l := opened(t, start, ten)
		tickTo(t, l, start+12*time.Second, 0)
		out := l.Receive(start+12*time.Second, packet(t, fmt.Sprintf("07 01 000c %02x01 0008 00000000", uint8(code))))
		if out.Err != nil || !l.Opened() {
			t.Fatalf("%v: state %v, error %v; want the link to stay", code, l.State(), out.Err)
		}
		if e := l.Echo(); e.On || e.Off == "" || e.Since != 0 || l.Deadline() != 0 {
			t.Errorf("%v: %+v, timer until %v", code, e, l.Deadline())
		}
	}
}

func TestCodeRejectOfIdentificationLeavesEchoesOn(t *testing.T) {
	l := opened(t, start, ten)
	l.Receive(start, packet(t, "07 01 000c 0c01 0008 00000000"))
	if !l.Echo().On {
		t.Error("echoes are off")
	}
}

func TestEchoesStopWithTheLinkAndKeepTheirFigures(t *testing.T) {
	l := opened(t, start, ten)
	tickTo(t, l, start+12*time.Second, 0)
	l.Down(start + 12*time.Second)
	if e := l.Echo(); e.On || e.Since != 0 || l.Deadline() != 0 {
		t.Errorf("%+v, timer until %v", e, l.Deadline())
	}
	if e := l.Echo(); e.Sent != 3 || e.Lost != 2 {
		t.Errorf("%d sent, %d lost; want 3 and 2", e.Sent, e.Lost)
	}
}

func TestEchoRequestIsAnsweredWithOurMagic(t *testing.T) {
	l := opened(t, start, 0)
	out := l.Receive(start, echo(ppp.EchoRequest, 9, peerMagic, "hello"))
	expect(t, out, fmt.Sprintf("Echo-Reply 9 %08x%x", l.Vars().Magic, "hello"))
	out = l.Receive(start, echo(ppp.EchoRequest, 10, 0, "")) // a peer without a magic number
	expect(t, out, fmt.Sprintf("Echo-Reply 10 %08x", l.Vars().Magic))
}

func TestEchoReplyDoesNotWriteIntoTheRequest(t *testing.T) {
	l := opened(t, start, 0)
	in := echo(ppp.EchoRequest, 9, peerMagic, "")
	l.Receive(start, in)
	if fmt.Sprintf("%x", in.Data) != fmt.Sprintf("%x", uint32(peerMagic)) {
		t.Errorf("the request became %x", in.Data)
	}
}

func TestEchoReplyIsCutToThePeersMRU(t *testing.T) {
	l := opened(t, start, 0) // the peer's MRU is 1492
	out := l.Receive(start, ppp.Packet{Code: ppp.EchoRequest, Data: make([]byte, 3000)})
	if n := len(out.Packets[0].AppendTo(nil)); n != 1492 {
		t.Errorf("%d octets, want 1492", n)
	}
}

func TestEchoRequestsThatGetNoReply(t *testing.T) {
	l := opened(t, start, 0)
	for n := range 4 {
		expectDropped(t, l, ppp.Packet{Code: ppp.EchoRequest, Data: make([]byte, n)})
	}
	expectDropped(t, l, echo(ppp.EchoRequest, 1, l.Vars().Magic, "")) // looped
	for _, code := range []ppp.Code{ppp.EchoRequest, ppp.EchoReply, ppp.DiscardRequest, ppp.ProtocolReject, ppp.Identification, ppp.TimeRemaining} {
		expectDropped(t, asking(t, client), echo(code, 1, peerMagic, "")) // not open yet
	}
}
