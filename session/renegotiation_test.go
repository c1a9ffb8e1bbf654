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

// A BAS that asks for no login after a LAC that did: the login's protocol is not spoken any more.
func TestRenegotiationMayDropAuthentication(t *testing.T) {
	l := newLine(t, func(c *session.Config, ac *concentrator.Config) {
		ac.Subscribers.Logins[""] = ac.Subscribers.Logins[c.Username]
	})
	l.up()
	l.ac.Config().Auth = nil
	l.inject(l.theSession().Renegotiate(l.now)...)
	l.run(time.Second)
	if i := l.m.Info(); i.Phase != session.Up || i.Auth != "none" {
		t.Fatalf("%+v; %s", i, l.kinds())
	}
	oneReject(t, l.ppp("c023 0201 0005 00"), hexBytes(t, "c023 0201 0005 00"))
}

// What an AC says when it lets us in is told, with the protocol.
func TestLoginIsToldWithTheACsWords(t *testing.T) {
	l := newLine(t, nil)
	l.stuck(ppp.PAP)
	l.ppp(fmt.Sprintf("c023 02%02x 000d 08 4c6f67696e206f6b", l.m.Snapshot().Auth.ID))
	if e := l.last(session.Authenticated); e.Text != "PAP" || e.Peer != "Login ok" {
		t.Errorf("%+v", e)
	}
}

// An AC that begins anew, acknowledges all and agrees to nothing of ours is not waited for without end.
func TestRenegotiationThatComesToNothingEnds(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.script(ppp.LCP, func(p ppp.Packet) []ppp.Packet {
		if p.Code == ppp.ConfigureRequest {
			return []ppp.Packet{{Code: ppp.ConfigureAck, ID: p.ID, Data: p.Data}}
		}
		return nil
	})
	begin := l.now
	l.do(session.Input{Frame: new(l.fromAC(1, hexBytes(t, "c021 0163 0008 0304 c227")))}) // EAP, which is refused
	l.run(time.Minute - time.Millisecond)
	if l.m.Phase() != session.Link {
		t.Fatalf("phase %q after %v; %v", l.m.Phase(), l.now-begin, l.events)
	}
	l.run(10 * time.Second)
	if e := l.closed(); e.Cause != cause.NegotiationError || e.Text != "LCP: no agreement within 1m0s" {
		t.Errorf("%+v", e)
	}
}

// A session that was taken over and asks for its link anew asks for what it had.
func TestTakenOverSessionKeepsItsMRU(t *testing.T) {
	for _, mtu := range []int{1454, 1500} {
		l := newLine(t, func(c *session.Config, ac *concentrator.Config) {
			c.MTU, c.Discovery.MaxPayload, ac.MRU = mtu, mtu, 1500
		})
		l.up()
		l.takeOver(time.Second)
		l.inject(l.theSession().Renegotiate(l.now)...)
		l.run(5 * time.Second)
		if mru, i := l.m.Snapshot().Link.Link.MRU, l.m.Info(); mru != mtu || i.MTU != mtu || i.Phase != session.Up {
			t.Errorf("MTU %d: MRU %d, %+v", mtu, mru, i)
		}
	}
}

// An AC that ends a session that was taken over has shown life, but there is nothing to resume.
func TestTakenOverSessionThatTheACEndsIsNotResumed(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.takeOver(time.Second)
	l.ppp("c021 0501 0004")
	if l.has(session.Resumed) || l.closed().Cause != cause.Terminated {
		t.Errorf("%v", l.events)
	}
}

// A network that has failed is waited for again after the link was negotiated anew, and in the next session: the
// session is up when it has come, too, not before.
func TestNetworkThatHadFailedIsWaitedForAgain(t *testing.T) {
	for name, again := range map[string]func(*line){
		"renegotiated": func(l *line) { l.inject(l.theSession().Renegotiate(l.now)...) },
		"dialled": func(l *line) {
			l.feed(pppoe.NewPADT(acMAC, hostMAC, 1, ""))
			l.command(session.Dial)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, both)
			l.filter = func(f pppoe.Frame) bool { return !isPPP(f, ppp.IPv6CP) }
			l.command(session.Dial)
			l.run(40 * time.Second)
			if l.m.Phase() != session.Up || l.last(session.NetworkFailed).Family != session.IPv6 {
				t.Fatalf("phase %q; %v", l.m.Phase(), l.events)
			}
			l.events = nil
			again(l)
			l.run(time.Second)
			if i := l.m.Info(); i.IPv4 == nil || i.Phase != session.Network || l.has(session.Ready) {
				t.Errorf("%+v; %s", i, l.kinds())
			}
			l.filter = nil
			l.run(5 * time.Second)
			if i := l.m.Info(); i.IPv6 == nil || i.Phase != session.Up {
				t.Errorf("%+v; %s", i, l.kinds())
			}
		})
	}
}

// A Protocol-Reject that comes before the protocol was spoken is about nothing.
func TestProtocolRejectBeforeAuthenticationFailsNoNetwork(t *testing.T) {
	l := newLine(t, nil)
	l.stuck(ppp.PAP)
	l.events = nil
	l.ppp("c021 0801 000a 8021 0101 0004")
	if len(l.events) != 0 {
		t.Errorf("%v", l.events)
	}
}

// RFC 1661 section 5.6: what goes back is cut to what the AC takes, also by another process.
func TestCodeRejectOfANetworkProtocolIsCutToTheACsMRU(t *testing.T) {
	l := newLine(t, func(_ *session.Config, ac *concentrator.Config) { ac.MRU = 128 })
	l.up()
	for range 2 {
		answers := l.ppp("8021 2001 0104" + fmt.Sprintf("%0512x", 0))
		if len(answers) != 1 || !isPPP(answers[0], ppp.IPCP) {
			t.Fatalf("answers %x", answers)
		}
		if n := len(answers[0].Payload) - pppoe.HeaderLen - 2; n != 128 {
			t.Errorf("Code-Reject of %d octets, want 128", n)
		}
		l.takeOver(time.Second)
	}
}

// IPv6 needs 1280 octets, and that is enough.
func TestLinkThatIsJustWideEnoughForIPv6(t *testing.T) {
	l := newLine(t, func(c *session.Config, ac *concentrator.Config) { both(c, ac); ac.MRU = 1280 })
	l.up()
	if i := l.m.Info(); i.IPv6 == nil || i.MTU != 1280 {
		t.Errorf("%+v", i)
	}
}

// The AC's own Echo-Requests have a rate of their own: 20 at once and then ten each second.
func TestACsEchoRequestsAreAnsweredAtALimitedRate(t *testing.T) {
	l := newLine(t, func(c *session.Config, _ *concentrator.Config) { c.Echo = lcp.EchoConfig{} })
	l.up()
	magic := l.m.Snapshot().Link.Link.PeerMagic
	l.sent = nil
	l.flood(1000, func(i int) string { return fmt.Sprintf("c021 09%02x 0008 %08x", i&0xff, magic) })
	if n := l.sentPPP(ppp.LCP, ppp.EchoReply); n < 29 || n > 31 {
		t.Errorf("%d Echo-Replies in a second, want 30", n)
	}
	l.run(10 * time.Second)
	for range 200 { // no echoes, though they begin as such
		l.ppp(fmt.Sprintf("c021 2001 0008 %08x", magic))
	}
	l.sent = nil
	if l.ppp(fmt.Sprintf("c021 0901 0008 %08x", magic)); l.sentPPP(ppp.LCP, ppp.EchoReply) != 1 {
		t.Error("what is no echo has used up the echoes' share")
	}
}
