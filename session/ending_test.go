package session_test

import (
	"fmt"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// RFC 1661 section 4.6: an AC that says nothing any more is asked twice to let us go, three seconds apart, however
// little time the phase that ends would have had.
func TestDeafACIsAskedTwiceToTerminateInWhateverPhase(t *testing.T) {
	noIPCP := func(l *line) { // until a second before the session would be given up
		l.filter = func(f pppoe.Frame) bool { return !isPPP(f, ppp.IPCP) }
		l.command(session.Dial)
		l.run(44 * time.Second)
	}
	for name, c := range map[string]struct {
		to    func(*line)
		end   func(*line)
		cause cause.Code
	}{
		"hang-up while no network is open": {noIPCP, func(l *line) { l.command(session.Hangup) }, cause.Released},
		"LCP's codes rejected while no network is open": {
			noIPCP, func(l *line) { l.ppp("c021 0701 0008 01010004") }, cause.NegotiationError,
		},
		"LCP that does not converge": {func(l *line) {
			l.filter = func(f pppoe.Frame) bool { return f.EtherType == pppoe.EtherTypeDiscovery && code(f) != pppoe.PADT }
			l.command(session.Dial)
			l.run(0)
			for range 6 { // it is refused now and then, and so goes on
				l.run(9500 * time.Millisecond)
				l.refuse()
			}
		}, func(l *line) {
			for l.m.Phase() == session.Link {
				l.refuse()
			}
		}, cause.NegotiationError},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, nil)
			c.to(l)
			l.filter, l.cut, l.sent = nil, true, nil
			c.end(l)
			if l.m.Phase() != session.Terminating {
				t.Fatalf("phase %q; %v", l.m.Phase(), l.events)
			}
			l.run(6*time.Second - time.Millisecond)
			if n := l.sentPPP(ppp.LCP, ppp.TerminateRequest); n != 2 || l.m.Phase() != session.Terminating {
				t.Fatalf("%d Terminate-Requests, phase %q; %s", n, l.m.Phase(), l.kinds())
			}
			l.run(time.Millisecond)
			if e := l.closed(); e.Cause != c.cause || l.sentCodes(pppoe.PADT) != 1 {
				t.Errorf("%+v, %d PADTs", e, l.sentCodes(pppoe.PADT))
			}
		})
	}
}

// refuse answers our Configure-Request for LCP by a Nak of what it asks for.
func (l *line) refuse() {
	l.t.Helper()
	id := l.m.Snapshot().Link.Automaton.ID
	l.ppp(fmt.Sprintf("c021 03%02x 0008 0104 05%02x", id, 0x80+id))
}

// An AC may refuse the login and wait for us to go.
func TestRejectedLoginIsTerminatedByUs(t *testing.T) {
	l := newLine(t, nil)
	l.stuck(ppp.PAP)
	l.ppp(fmt.Sprintf("c023 03%02x 0005 00", l.m.Snapshot().Auth.ID))
	if n := l.sentPPP(ppp.LCP, ppp.TerminateRequest); n != 1 || l.m.Phase() != session.Terminating {
		t.Errorf("%d Terminate-Requests, phase %q", n, l.m.Phase())
	}
	l.command(session.Hangup) // what came first is the reason
	if e := l.closed(); e.Cause != cause.AuthRejected {
		t.Errorf("%+v", e)
	}
}

// A minute is for the login alone, however long LCP took.
func TestLoginHasAMinuteOfItsOwn(t *testing.T) {
	l := newLine(t, func(_ *session.Config, ac *concentrator.Config) { ac.Auth = []lcp.Auth{lcp.AuthCHAPMD5} })
	l.filter = func(f pppoe.Frame) bool { return f.EtherType == pppoe.EtherTypeDiscovery }
	l.command(session.Dial)
	l.run(20 * time.Second)
	l.filter = func(f pppoe.Frame) bool { return !isPPP(f, ppp.CHAP) }
	for l.m.Phase() == session.Link {
		l.run(time.Millisecond)
	}
	l.cut = true
	for range 59 { // the same challenge each second
		l.ppp("c223 0107 0009 04 01020304")
		l.run(time.Second)
	}
	if l.m.Phase() != session.Auth {
		t.Fatalf("phase %q; %v", l.m.Phase(), l.events)
	}
	l.ppp("c223 0107 0009 04 01020304")
	l.run(time.Second)
	l.command(session.Hangup)
	if e := l.closed(); e.Cause != cause.AuthTimeout {
		t.Errorf("%+v", e)
	}
}

func TestLinkTooNarrowForIPv6AloneEndsAtOnce(t *testing.T) {
	l := newLine(t, func(c *session.Config, ac *concentrator.Config) {
		both(c, ac)
		c.Families, ac.MRU = []session.Family{session.IPv6}, 1279
	})
	l.command(session.Dial)
	l.run(time.Second)
	if e := l.closed(); e.Cause != cause.NetworkFailed {
		t.Errorf("%+v", e)
	}
}

// There is nothing to end, to keep or to ask about.
func TestCommandsToASessionThatIsDownChangeNothing(t *testing.T) {
	for _, c := range []session.Command{
		session.Hangup, session.Abandon, session.Superseded, session.LineLost, session.LineBack, session.TakenOver,
	} {
		l := newLine(t, nil)
		before := l.remembers()
		l.command(c)
		if after := l.remembers(); after != before || len(l.events) != 0 || len(l.sent) != 0 || l.next != 0 {
			t.Errorf("command %d: %v, %d frames, deadline %v,\n%s\nbecame\n%s", c, l.events, len(l.sent), l.next, before, after)
		}
	}
}

// The name and the challenges of a session that is over are in no snapshot.
func TestSessionThatIsOverRemembersNoLogin(t *testing.T) {
	l := newLine(t, func(_ *session.Config, ac *concentrator.Config) { ac.Auth = []lcp.Auth{lcp.AuthCHAPMD5} })
	l.up()
	l.feed(pppoe.NewPADT(acMAC, hostMAC, 1, ""))
	if s := l.m.Snapshot(); l.m.Phase() != session.Down || s.Auth != nil {
		t.Errorf("phase %q, %+v", l.m.Phase(), s.Auth)
	}
}

// What is configured between two sessions holds for the next.
func TestAuthenticationThatIsAllowedFromNowOn(t *testing.T) {
	l := newLine(t, nil)
	l.configure(func(c *session.Config) { c.Auth = []lcp.Auth{lcp.AuthCHAPMD5} })
	l.command(session.Dial)
	l.run(5 * time.Minute)
	if n := l.sentPPP(ppp.PAP, 1); n != 0 {
		t.Errorf("%d passwords sent by PAP, which is not allowed any more", n)
	}
	l.closed()
}
