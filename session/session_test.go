package session_test

import (
	"fmt"
	"net/netip"
	"reflect"
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

func TestBothLoginsComeUp(t *testing.T) {
	for _, auth := range []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5, {}} {
		t.Run(auth.String(), func(t *testing.T) {
			l := newLine(t, func(c *session.Config, ac *concentrator.Config) {
				both(c, ac)
				ac.Auth = []lcp.Auth{auth}
				if auth == (lcp.Auth{}) {
					ac.Auth = nil
					ac.Subscribers.Logins[""] = ac.Subscribers.Logins[c.Username]
				}
			})
			begin := l.now
			l.command(session.Dial)
			l.run(0)
			if l.now != begin || l.m.Phase() != session.Up {
				t.Fatalf("not up without waiting: %q; %v", l.m.Phase(), l.events)
			}
			i := l.m.Info()
			if i.IPv4 == nil || i.IPv4.Local != netip.MustParseAddr("203.0.113.8") || i.IPv4.Peer != netip.MustParseAddr("203.0.113.1") {
				t.Errorf("IPv4 %+v", i.IPv4)
			}
			if i.IPv6 == nil || i.IPv6.Local != netip.MustParseAddr("fe80::fd61:ff9b:eb97:1f93") || !i.IPv6.Peer.IsLinkLocalUnicast() {
				t.Errorf("IPv6 %+v", i.IPv6)
			}
			if i.MTU != 1454 || i.Auth != auth.String() || i.ACName != "BAS-TOKYO" || i.AC != acMAC || i.SessionID != 1 {
				t.Errorf("%+v", i)
			}
		})
	}
}

// The AC's BAS authenticates, then the ISP's router behind it: LAC, then LNS.
func TestRenegotiationInPlaceKeepsTheSession(t *testing.T) {
	l := newLine(t, both)
	l.up()
	id := l.m.Info().SessionID
	l.inject(l.theSession().Renegotiate(l.now)...)
	l.events = nil
	l.run(time.Second)
	if l.m.Phase() != session.Up || l.m.Info().SessionID != id || l.has(session.Closed) || l.has(session.Opened) {
		t.Fatalf("phase %q, events %v", l.m.Phase(), l.events)
	}
	want := []session.Kind{session.LinkDown, session.NetworkDown, session.NetworkDown, session.LinkUp, session.Authenticated, session.NetworkUp, session.NetworkUp, session.Ready}
	var got []session.Kind
	for _, e := range l.events {
		got = append(got, e.Kind)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

func TestAuthenticationRejectedKeepsTheACsWords(t *testing.T) {
	for _, auth := range []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5} {
		l := newLine(t, func(c *session.Config, ac *concentrator.Config) {
			ac.Auth = []lcp.Auth{auth}
			login := ac.Subscribers.Logins[c.Username]
			login.Reject = "login limit"
			ac.Subscribers.Logins[c.Username] = login
		})
		l.command(session.Dial)
		l.run(10 * time.Second)
		if e := l.closed(); e.Cause != cause.AuthRejected || e.Peer != "login limit" {
			t.Errorf("%v: %+v", auth, e)
		}
		if l.has(session.NetworkUp) || len(l.ac.Sessions()) != 0 {
			t.Errorf("%v: %d sessions left at the AC; %v", auth, len(l.ac.Sessions()), l.events)
		}
	}
}

func TestNoIPBeforeAuthenticationAndNCP(t *testing.T) {
	l := newLine(t, func(c *session.Config, ac *concentrator.Config) { ac.Auth = []lcp.Auth{lcp.AuthCHAPMD5} })
	// The AC's verdict never comes, and IPCP is tried all the same.
	l.filter = func(f pppoe.Frame) bool { return !isPPP(f, ppp.CHAP) || f.Src == hostMAC }
	l.command(session.Dial)
	l.run(time.Second)
	l.inject(l.theSession().Send(ppp.IPCP, ppp.Packet{Code: ppp.ConfigureRequest, ID: 1, Data: []byte{3, 6, 203, 0, 113, 1}})...)
	l.inject(l.theSession().Send(ppp.IPCP, ppp.Packet{Code: ppp.ConfigureAck, ID: 1})...)
	l.sent = nil
	l.run(time.Second)
	if l.has(session.NetworkUp) || l.m.Phase() != session.Auth {
		t.Errorf("phase %q, events %v", l.m.Phase(), l.events)
	}
	for _, f := range l.sent {
		if isPPP(f, ppp.IPCP) {
			t.Errorf("IPCP answered before authentication: %x", f.Payload)
		}
	}
}

func isPPP(f pppoe.Frame, protocol ppp.Protocol) bool {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || f.EtherType != pppoe.EtherTypeSession {
		return false
	}
	got, _, err := ppp.ParseFrame(p.Payload)
	return err == nil && got == protocol
}

func TestOneRejectedNetworkLeavesTheOther(t *testing.T) {
	for _, c := range []struct {
		name     string
		username string
		password string
		up, down session.Family
	}{
		{"IPv6CP rejected", "user@bizf.example.jp", "secret4", session.IPv4, session.IPv6},
		{"IPCP rejected", "user@bizf6.example.jp", "secret6", session.IPv6, session.IPv4},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLine(t, func(cfg *session.Config, ac *concentrator.Config) {
				both(cfg, ac)
				cfg.Username, cfg.Password = c.username, c.password
			})
			l.up()
			l.run(time.Hour)
			if i := l.m.Info(); l.m.Phase() != session.Up || (i.IPv4 != nil) != (c.up == session.IPv4) || (i.IPv6 != nil) != (c.up == session.IPv6) {
				t.Errorf("phase %q, %+v", l.m.Phase(), i)
			}
			for _, e := range l.events {
				if e.Kind == session.NetworkFailed && e.Family == c.down {
					return
				}
			}
			t.Errorf("no event tells of %s: %v", c.down, l.events)
		})
	}
}

func TestEveryNetworkRejectedEndsTheSession(t *testing.T) {
	l := newLine(t, func(c *session.Config, _ *concentrator.Config) { c.Families = []session.Family{session.IPv6} })
	l.command(session.Dial)
	l.run(10 * time.Second)
	if e := l.closed(); e.Cause != cause.NetworkFailed || !strings.Contains(e.Text, "IPv6CP: peer rejects the protocol") {
		t.Errorf("%+v", e)
	}
}

func TestTerminatedNetworkMayComeBack(t *testing.T) {
	l := newLine(t, both)
	l.up()
	l.inject(l.theSession().CloseNetwork(l.now, ppp.IPCP)...)
	l.run(20 * time.Second)
	if e := l.last(session.NetworkDown); e.Family != session.IPv4 || e.Text != "terminated by the peer" {
		t.Errorf("%+v", e)
	}
	if i := l.m.Info(); i.IPv4 != nil || i.IPv6 == nil || l.m.Phase() != session.Up {
		t.Fatalf("phase %q, %+v", l.m.Phase(), i)
	}
	l.events = nil
	l.inject(l.theSession().Send(ppp.IPCP, ppp.Packet{Code: ppp.ConfigureRequest, ID: 99, Data: []byte{3, 6, 203, 0, 113, 1}})...)
	l.run(0)
	if l.sentPPP(ppp.IPCP, ppp.ConfigureAck) < 2 {
		t.Error("IPCP is not negotiated again")
	}
}

func (l *line) sentPPP(protocol ppp.Protocol, code ppp.Code) int {
	n := 0
	for _, f := range l.sent {
		if !isPPP(f, protocol) {
			continue
		}
		p, _ := pppoe.ParsePacket(f.Payload)
		if c, err := ppp.ParsePacket(p.Payload[2:]); err == nil && c.Code == code {
			n++
		}
	}
	return n
}

func TestHangupTerminatesAndReleases(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.command(session.Hangup)
	l.run(10 * time.Second)
	if e := l.closed(); e.Cause != cause.Released {
		t.Errorf("%+v", e)
	}
	if l.sentPPP(ppp.LCP, ppp.TerminateRequest) != 1 || l.sentCodes(pppoe.PADT) != 1 || len(l.ac.Sessions()) != 0 {
		t.Errorf("Terminate-Requests %d, PADTs %d", l.sentPPP(ppp.LCP, ppp.TerminateRequest), l.sentCodes(pppoe.PADT))
	}
}

// Who says it twice does not want to wait for the AC's Terminate-Ack.
func TestSecondHangupEndsAtOnce(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.cut = true
	l.command(session.Hangup)
	l.run(time.Second)
	if l.m.Phase() != session.Terminating {
		t.Fatalf("phase %q", l.m.Phase())
	}
	l.command(session.Hangup)
	if e := l.closed(); e.Cause != cause.Released || l.sentCodes(pppoe.PADT) != 1 || l.m.Phase() != session.Down {
		t.Errorf("%+v, %d PADTs, phase %q", e, l.sentCodes(pppoe.PADT), l.m.Phase())
	}
}

// Nothing but the end is spoken of after it was asked for.
func TestHangupDuringAuthenticationSaysNoNameAnyMore(t *testing.T) {
	l := newLine(t, nil)
	l.stuck(ppp.PAP)
	l.filter = func(f pppoe.Frame) bool { return f.Src == hostMAC && !isPPP(f, ppp.LCP) } // the AC hears nothing of it
	l.sent = nil
	l.command(session.Hangup)
	l.run(10 * time.Second)
	if n := l.sentPPP(ppp.PAP, 1); n != 0 || l.sentPPP(ppp.LCP, ppp.TerminateRequest) != ppp.MaxTerminate {
		t.Errorf("%d PAP requests, %d Terminate-Requests", n, l.sentPPP(ppp.LCP, ppp.TerminateRequest))
	}
	if e := l.closed(); e.Cause != cause.Released {
		t.Errorf("%+v", e)
	}
}

// A PADS that comes after the hang-up has opened a session all the same, and gets its PADT: also
// when an impatient operator has said it twice.
func TestHangupWhileAPADRIsOutReleasesWhatItOpened(t *testing.T) {
	for _, times := range []int{1, 2} {
		l := newLine(t, nil)
		var held []pppoe.Frame
		l.filter = func(f pppoe.Frame) bool {
			if p, _ := pppoe.ParsePacket(f.Payload); p.Code == pppoe.PADS {
				held = append(held, f)
				return false
			}
			return true
		}
		l.command(session.Dial)
		l.run(0)
		for range times {
			l.command(session.Hangup)
		}
		l.run(100 * time.Millisecond)
		l.filter = nil
		l.inject(held...)
		l.run(0)
		if len(held) == 0 || len(l.ac.Sessions()) != 0 || l.m.Phase() != session.Down {
			t.Errorf("hung up %d time(s): %d PADS held, %d sessions left, phase %q", times, len(held), len(l.ac.Sessions()), l.m.Phase())
		}
	}
}

func TestTerminateAndPADTFromTheAC(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.inject(l.theSession().Terminate(l.now, "maintenance")...)
	l.run(0)
	if e := l.closed(); e.Cause != cause.Terminated || e.Peer != "maintenance" {
		t.Errorf("%+v", e)
	}

	l = newLine(t, nil)
	l.up()
	l.inject(pppoe.NewPADT(acMAC, hostMAC, 1, "RP-PPPoE: Child pppd process terminated"))
	l.run(0)
	if e := l.closed(); e.Cause != cause.PADT || e.Peer != "RP-PPPoE: Child pppd process terminated" {
		t.Errorf("%+v", e)
	}
	if n := l.sentCodes(pppoe.PADT); n != 0 {
		t.Errorf("a PADT was answered by %d PADTs", n)
	}
}

func TestACRefusesByErrorTag(t *testing.T) {
	l := newLine(t, func(_ *session.Config, ac *concentrator.Config) { ac.Refuse = "No client slots available" })
	l.command(session.Dial)
	l.run(0)
	if e := l.closed(); e.Cause != cause.ACRefused || e.Peer != "No client slots available" {
		t.Errorf("%+v", e)
	}
}

func TestNoOfferIsTold(t *testing.T) {
	l := newLine(t, func(c *session.Config, _ *concentrator.Config) { c.Discovery.ACName = "BAS-OSAKA" })
	l.command(session.Dial)
	l.run(7 * time.Second) // 1, 2 and 4 s are waited, and a little more each
	if l.has(session.NoOffer) {
		t.Errorf("told too early, after %d PADIs", l.sentCodes(pppoe.PADI))
	}
	l.run(2 * time.Second)
	if e := l.last(session.NoOffer); e.Cause != cause.NoOffer || e.Text != "3 PADIs unanswered" || l.sentCodes(pppoe.PADI) != 4 {
		t.Errorf("%+v after %d PADIs", e, l.sentCodes(pppoe.PADI))
	}
	l.run(time.Hour)
	if l.count(session.NoOffer) != 1 || l.m.Phase() != session.Discovery {
		t.Errorf("phase %q, events %v", l.m.Phase(), l.events)
	}
}

func TestPeerThatDemandsForbiddenAuthentication(t *testing.T) {
	l := newLine(t, func(c *session.Config, _ *concentrator.Config) { c.Auth = []lcp.Auth{lcp.AuthCHAPMD5} })
	l.command(session.Dial)
	l.run(5 * time.Minute)
	if e := l.closed(); e.Cause != cause.NegotiationError && e.Cause != cause.Terminated {
		t.Errorf("%+v", e)
	}
	if l.sentPPP(ppp.PAP, 1) != 0 {
		t.Error("the password was sent by PAP although only CHAP is allowed")
	}
}

func TestSnapshotAtEveryStepChangesNothing(t *testing.T) {
	for name, change := range map[string]func(*session.Config, *concentrator.Config){
		"PAP": nil, "both": both,
		"CHAP": func(_ *session.Config, ac *concentrator.Config) { ac.Auth = []lcp.Auth{lcp.AuthCHAPMD5} },
	} {
		t.Run(name, func(t *testing.T) {
			through := newLine(t, change)
			through.up()
			l := newLine(t, change)
			l.restoreEachStep()
			l.up()
			if want, got := through.m.Info(), l.m.Info(); !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, restored at each step\n%+v", want, got)
			}
			l.run(time.Minute)
			l.inject(l.theSession().Renegotiate(l.now)...)
			l.run(time.Minute)
			l.cut = true
			l.run(50 * time.Second)
			l.cut = false
			l.run(20 * time.Second)
			if l.m.Phase() != session.Up || l.m.Info().Suspect {
				t.Fatalf("phase %q; %v", l.m.Phase(), l.events)
			}
			l.command(session.Hangup)
			l.run(10 * time.Second)
			if e := l.closed(); e.Cause != cause.Released {
				t.Errorf("%+v", e)
			}
		})
	}
}
