package session_test

import (
	"encoding/json"
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

// A session that is taken over is asked for at once, and its AC, which may have asked in vain
// for a while, hears an Echo-Reply before it gives us up.
func TestTakenOverSessionIsHeardOfAtOnce(t *testing.T) {
	l := newLine(t, both)
	l.up()
	l.now += 10 * time.Second
	m := session.Resume(l.m.Snapshot(), "secret", rand.New(rand.NewPCG(1, 2)))
	if out := m.Step(l.now, session.Input{Command: session.TakenOver}); len(out.Frames) != 0 || !m.Info().Suspect {
		t.Errorf("%d frames before the line is there, suspect: %v", len(out.Frames), m.Info().Suspect)
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

// takeOver puts another process in the session's place, some time after it ended.
func (l *line) takeOver(after time.Duration) {
	l.t.Helper()
	b, err := json.Marshal(l.m.Snapshot())
	if err != nil {
		l.t.Fatal(err)
	}
	if strings.Contains(string(b), l.cfg.Password) {
		l.t.Errorf("the password is in the snapshot: %s", b)
	}
	var s session.Snapshot
	if err := json.Unmarshal(b, &s); err != nil {
		l.t.Fatal(err)
	}
	l.m, l.next = session.Resume(s, l.cfg.Password, l.seed), 0
	l.now += after
	l.sent, l.events = nil, nil
	l.command(session.TakenOver)
	l.command(session.LineBack)
}

func TestTakenOverSessionIsResumedOnce(t *testing.T) {
	l := newLine(t, both)
	l.up()
	l.takeOver(time.Minute)
	if !l.m.Info().Suspect || l.has(session.Resumed) {
		t.Errorf("believed in before it has answered: %s", l.kinds())
	}
	l.run(time.Minute)
	if l.kinds() != "resumed" || l.m.Info().Suspect || l.sentCodes(pppoe.PADI) != 0 {
		t.Errorf("%s; %d PADIs", l.kinds(), l.sentCodes(pppoe.PADI))
	}
}

// Packets that came while nobody counted are no sign of life.
func TestDataFromBeforeTheTakeOverIsNoLife(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.ac.Forget()
	l.data = 1000
	l.takeOver(time.Minute)
	l.run(10 * time.Second)
	if e := l.closed(); e.Cause != cause.EchoLost || l.has(session.Resumed) {
		t.Errorf("%+v; %s", e, l.kinds())
	}
}

// The AC has lost the session meanwhile: it is given up within two seconds, with a PADT.
func TestTakenOverSessionThatTheACHasLostIsDialledAnewSoon(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.ac.Forget()
	l.takeOver(time.Minute)
	began := l.now
	l.lastQuestion()
	l.run(time.Second - time.Millisecond)
	if n := l.sentPPP(ppp.LCP, ppp.EchoRequest); n != 15 || l.m.Phase() != session.Up {
		t.Errorf("%d echoes, phase %q", n, l.m.Phase())
	}
	l.run(2 * time.Millisecond)
	if took := l.now - began; took > 2*time.Second {
		t.Errorf("given up after %v", took)
	}
	if e := l.closed(); e.Cause != cause.EchoLost || l.sentCodes(pppoe.PADT) != 1 {
		t.Errorf("%+v, %d PADTs", e, l.sentCodes(pppoe.PADT))
	}
}

// An AC that stands still for a moment after a start answers a PADI before it comes to our echoes: it has not lost
// the session. Only what stays unanswered after its offer counts.
func TestTakenOverSessionSurvivesAnACThatStandsStill(t *testing.T) {
	for _, still := range []time.Duration{900 * time.Millisecond, 1400 * time.Millisecond, 3 * time.Second} {
		t.Run(still.String(), func(t *testing.T) {
			l := newLine(t, nil)
			l.up()
			offers := l.now + time.Minute + still
			l.filter = func(f pppoe.Frame) bool {
				return f.Src == hostMAC || l.now >= offers && code(f) == pppoe.PADO || l.now >= offers+900*time.Millisecond
			}
			l.takeOver(time.Minute)
			l.run(10 * time.Second)
			if l.kinds() != "resumed" || l.sentCodes(pppoe.PADI) == 0 {
				t.Errorf("%s; %d PADIs", l.kinds(), l.sentCodes(pppoe.PADI))
			}
		})
	}
}

// A session that was alive a moment ago, as in an upgrade, is no more in doubt than one that goes on: an AC that is busy has as
// long to answer, and one that has lost it is found out as late.
func TestTakenOverSessionOfAMomentAgoIsAskedInNoHurry(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.run(25 * time.Second)
	began := l.now + 2*time.Second
	l.filter = func(f pppoe.Frame) bool {
		return f.Src == hostMAC || code(f) == pppoe.PADO || l.now >= began+4500*time.Millisecond
	}
	l.takeOver(2 * time.Second)
	l.run(4 * time.Second)
	if n := l.sentPPP(ppp.LCP, ppp.EchoRequest); n != 5 || l.sentCodes(pppoe.PADI) != 1 {
		t.Errorf("%d echoes, %d PADIs in four seconds", n, l.sentCodes(pppoe.PADI))
	}
	l.run(4 * time.Second)
	if l.kinds() != "resumed" {
		t.Errorf("%s", l.kinds())
	}
	l.ac.Forget()
	l.takeOver(2 * time.Second)
	began = l.now
	asked := l.lastQuestion()
	l.run(time.Second + time.Millisecond)
	if e := l.closed(); e.Cause != cause.EchoLost || asked-began < 4*time.Second || asked-began > 6*time.Second {
		t.Errorf("%+v; asked for the last time after %v", e, asked-began)
	}
}

// Where an echo was not answered, or not yet, nobody knows whether the session lives: it is asked in a hurry.
func TestTakenOverSessionInDoubtIsAskedInAHurry(t *testing.T) {
	for name, until := range map[string]func(lcp.EchoVars) bool{
		"an echo is out": func(e lcp.EchoVars) bool { return e.Pending && e.Since == 0 },
		"suspect":        func(e lcp.EchoVars) bool { return e.Pending && e.Since != 0 },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, nil)
			l.up()
			l.cut = true
			for end := l.now + time.Minute; !until(l.m.Info().Echo) && l.now < end; {
				l.run(time.Millisecond)
			}
			l.takeOver(100 * time.Millisecond)
			l.run(time.Second - time.Millisecond)
			if n := l.sentPPP(ppp.LCP, ppp.EchoRequest); n != 10 {
				t.Errorf("%d echoes in a second", n)
			}
		})
	}
}

// A line on which nothing is heard after a start, not even an offer, may be back soon, and the session with it; an
// AC whose first offers come later, and which says nothing then, has lost it.
func TestTakenOverSessionIsKeptWhileNobodyIsThere(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.ac.Forget()
	l.filter = func(f pppoe.Frame) bool { return code(f) != pppoe.PADO }
	l.takeOver(time.Minute)
	l.run(30 * time.Second)
	if l.m.Phase() != session.Up {
		t.Fatalf("phase %q; %v", l.m.Phase(), l.events)
	}
	l.filter = func(f pppoe.Frame) bool { // none comes while the question is asked once more
		return code(f) != pppoe.PADO || l.m.Snapshot().Session.Suspect.Asked == 0
	}
	for range 2 {
		began := l.now
		if asked := l.lastQuestion(); asked-began > 3*time.Second {
			t.Errorf("asked after %v", asked-began)
		}
		l.run(time.Second)
	}
	if e := l.closed(); e.Cause != cause.EchoLost || !strings.Contains(e.Text, "offers new sessions") {
		t.Errorf("%+v", e)
	}
}

func TestSnapshotNamesTheInterfaceAndNoPassword(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	if s := l.m.Snapshot(); s.MAC != hostMAC || s.Config.Password != "" {
		t.Errorf("MAC %v, password %q", s.MAC, s.Config.Password)
	}
}

// The AC asks for the login once more, and gets the password that no file holds.
func TestTakenOverSessionKnowsThePassword(t *testing.T) {
	for _, a := range []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5} {
		l := newLine(t, func(_ *session.Config, ac *concentrator.Config) { ac.Auth = []lcp.Auth{a} })
		l.up()
		l.takeOver(time.Second)
		l.inject(l.theSession().Renegotiate(l.now)...)
		l.run(5 * time.Second)
		if l.m.Phase() != session.Up || l.count(session.Resumed) != 1 || !l.has(session.Authenticated) {
			t.Errorf("%v: phase %q; %s", a, l.m.Phase(), l.kinds())
		}
	}
}

// withoutNetworks takes an open session's IPCP down, and lets nobody speak it any more.
func (l *line) withoutNetworks() {
	l.t.Helper()
	l.up()
	l.inject(l.theSession().CloseNetwork(l.now, ppp.IPCP)...)
	l.run(time.Second)
	l.filter = func(f pppoe.Frame) bool { return !isPPP(f, ppp.IPCP) }
	if l.m.Phase() != session.Network {
		l.t.Fatalf("phase %q", l.m.Phase())
	}
}

// Time in which nobody looked is not counted against a session without a network.
func TestTakenOverSessionWithoutANetworkIsGivenItsTimeAgain(t *testing.T) {
	l := newLine(t, nil)
	l.withoutNetworks()
	l.takeOver(5 * time.Minute)
	l.run(44 * time.Second)
	if l.has(session.Closed) {
		t.Errorf("%v", l.events)
	}
	l.run(2 * time.Second)
	if e := l.closed(); e.Cause != cause.NetworkFailed {
		t.Errorf("%+v", e)
	}
}

// The attempt itself must not count as the last network's failure.
func TestLastNetworkThatIsTriedAgainMayComeUp(t *testing.T) {
	l := newLine(t, nil)
	l.withoutNetworks()
	l.takeOver(5 * time.Minute)
	l.filter = nil
	l.run(5 * time.Second)
	if l.kinds() != "resumed, network_up ipv4, up" || l.m.Phase() != session.Up {
		t.Errorf("phase %q; %v", l.m.Phase(), l.events)
	}
}

// A network that was to be tried again while nobody looked is tried, but not before the
// session has proved itself.
func TestTakenOverSessionTriesAFailedNetworkASecondLater(t *testing.T) {
	l := newLine(t, both)
	l.filter = func(f pppoe.Frame) bool { return !isPPP(f, ppp.IPCP) }
	l.command(session.Dial)
	l.run(40 * time.Second)
	if l.last(session.NetworkFailed).Family != session.IPv4 {
		t.Fatalf("%s", l.kinds())
	}
	l.takeOver(10 * time.Minute)
	l.run(999 * time.Millisecond)
	if n := l.sentPPP(ppp.IPCP, ppp.ConfigureRequest); n != 0 {
		t.Errorf("%d Configure-Requests within a second", n)
	}
	l.run(time.Millisecond)
	if n := l.sentPPP(ppp.IPCP, ppp.ConfigureRequest); n != 1 {
		t.Errorf("%d Configure-Requests after a second", n)
	}
}

// RFC 1661 section 5.7: what the AC does not speak is not spoken by another process either.
func TestTakenOverSessionAsksForNoRejectedNetwork(t *testing.T) {
	l := newLine(t, func(c *session.Config, ac *concentrator.Config) {
		both(c, ac)
		c.Username, c.Password = "user@bizf.example.jp", "secret4" // for IPv4 alone
	})
	l.up()
	l.takeOver(time.Minute)
	l.run(10 * time.Minute)
	if n := l.sentPPP(ppp.IPv6CP, ppp.ConfigureRequest); n != 0 || l.m.Phase() != session.Up {
		t.Errorf("%d Configure-Requests for IPv6CP, phase %q", n, l.m.Phase())
	}
}

func TestOnlyWhatWasUpIsTakenOver(t *testing.T) {
	l := newLine(t, nil)
	for _, phase := range []string{"discovery", "lcp", "auth"} {
		phases[phase](l)
		s := l.m.Snapshot()
		if s.Resumable() {
			t.Errorf("%s is resumable", phase)
		}
		l.now += time.Second
		l.m = session.Resume(s, l.cfg.Password, l.seed)
		before := l.remembers()
		l.do(session.Input{Command: session.TakenOver})
		if s := l.m.Snapshot(); s.Session.LineLost {
			t.Errorf("%s: taken over: from %s", phase, before)
		}
		l = newLine(t, nil)
	}
	l.up()
	s := l.m.Snapshot()
	if !s.Resumable() {
		t.Error("a session that is up is not resumable")
	}
	s.Discovery.Session = 0
	if s.Resumable() {
		t.Error("resumable without a session id")
	}
	s = l.m.Snapshot()
	s.Link.Automaton.State = ppp.ReqSent
	if s.Resumable() {
		t.Error("resumable without LCP")
	}
}

func TestStaleSessionsAreTheSameByACAndID(t *testing.T) {
	one := session.Stale{AC: acMAC, Session: 1}
	for _, c := range []struct {
		other session.Stale
		same  bool
	}{
		{one, true},
		{session.Stale{AC: acMAC, Session: 1, MAC: hostMAC}, true},
		{session.Stale{AC: acMAC, Session: 2}, false},
		{session.Stale{AC: otherMAC, Session: 1}, false},
	} {
		if one.Same(c.other) != c.same {
			t.Errorf("%+v and %+v: same %v", one, c.other, !c.same)
		}
	}
	if (session.Stale{AC: acMAC}).Same(session.Stale{AC: acMAC}) {
		t.Error("no session is the same as none")
	}
}

// The line may go away once more before the AC has answered.
func TestTakenOverSessionWhoseLineIsLostIsStillToProveItself(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.cut = true
	l.takeOver(time.Minute)
	l.run(100 * time.Millisecond)
	l.command(session.LineLost)
	l.run(time.Minute)
	l.cut = false
	l.sent = nil
	l.command(session.LineBack)
	l.run(time.Second)
	if l.count(session.Resumed) != 1 || l.has(session.Alive) || l.sentPPP(ppp.LCP, ppp.EchoReply) != 1 {
		t.Errorf("%s; %d unasked Echo-Replies", l.kinds(), l.sentPPP(ppp.LCP, ppp.EchoReply))
	}
}

// An AC that is silent is asked by PADI as well, half a second later.
func TestTakenOverSessionAsksByPADIAfterHalfASecond(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.cut = true
	l.takeOver(time.Minute)
	l.run(500*time.Millisecond - 1)
	if n := l.sentCodes(pppoe.PADI); n != 0 {
		t.Errorf("%d PADIs too early", n)
	}
	l.run(1)
	if n := l.sentCodes(pppoe.PADI); n != 1 {
		t.Errorf("%d PADIs", n)
	}
}

// A snapshot that somebody else has made may have too much of one network and nothing of another.
func TestSnapshotOfOddNetworksIsTakenAsFarAsItGoes(t *testing.T) {
	l := newLine(t, both)
	l.up()
	s := l.m.Snapshot()
	s.Networks[1].IPCP, s.Networks[0].IPCP = s.Networks[0].IPCP, nil
	s.Networks[0].IPv6CP, s.Networks[1].IPv6CP = s.Networks[1].IPv6CP, nil
	if i := session.Resume(s, "secret", l.seed).Info(); i.Phase != session.Up || i.IPv4 == nil || i.IPv4.Local.IsValid() || i.IPv6 == nil || i.IPv6.Local.IsValid() {
		t.Errorf("%+v, %+v, %+v", i, i.IPv4, i.IPv6)
	}
	s = l.m.Snapshot()
	s.Config.Families = s.Config.Families[:1]
	if i := session.Resume(s, "secret", l.seed).Info(); i.IPv4 == nil || !i.IPv4.Local.IsValid() || i.IPv6 != nil {
		t.Errorf("of one family: %+v", i)
	}
}
