package session_test

import (
	"slices"
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

func TestLinkTooNarrowForIPv6CarriesIPv4Alone(t *testing.T) {
	l := newLine(t, func(c *session.Config, ac *concentrator.Config) { both(c, ac); ac.MRU = 1279 })
	l.up()
	if i := l.m.Info(); i.IPv4 == nil || i.IPv6 != nil || i.MTU != 1279 {
		t.Errorf("%+v", i)
	}
	if e := l.last(session.NetworkFailed); e.Family != session.IPv6 || !strings.Contains(e.Text, "1279") || !strings.Contains(e.Text, "1280") {
		t.Errorf("%+v, want both figures", e)
	}
	if n := l.sentPPP(ppp.IPv6CP, ppp.ConfigureRequest); n != 0 {
		t.Errorf("%d Configure-Requests for IPv6CP", n)
	}
	// The AC negotiates anew with a larger MRU.
	l.ac.Config().MRU = 1492
	l.inject(l.theSession().Renegotiate(l.now)...)
	l.run(time.Second)
	if i := l.m.Info(); i.IPv6 == nil || i.MTU != 1454 {
		t.Errorf("%+v; %s", i, l.kinds())
	}
}

// Some ACs acknowledge whatever they get.
func TestAcknowledgedNoAddressIsNoAddress(t *testing.T) {
	for name, change := range map[string]func(*session.Config, *concentrator.Config){"IPv4 alone": nil, "both": both} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, change)
			l.script(ppp.IPCP, func(p ppp.Packet) []ppp.Packet {
				switch p.Code {
				case ppp.ConfigureRequest:
					own := ppp.Packet{Code: ppp.ConfigureRequest, ID: 1, Data: []byte{3, 6, 203, 0, 113, 1}}
					return []ppp.Packet{own, {Code: ppp.ConfigureAck, ID: p.ID, Data: p.Data}}
				case ppp.TerminateRequest:
					return []ppp.Packet{{Code: ppp.TerminateAck, ID: p.ID}}
				}
				return nil
			})
			l.command(session.Dial)
			l.run(time.Second)
			if name != "both" {
				l.closed() // nothing is to be hoped for
			}
			l.run(2 * time.Minute)
			for _, e := range l.events {
				if e.Kind == session.NetworkUp && e.Family == session.IPv4 {
					t.Errorf("told as up: %v", l.events)
				}
			}
			if name == "both" {
				if l.m.Phase() != session.Up || l.m.Info().IPv6 == nil {
					t.Errorf("phase %q, %+v", l.m.Phase(), l.m.Info())
				}
				if n := l.count(session.NetworkFailed); n != 2 {
					t.Errorf("it was tried %d times, want once more after a minute", n)
				}
				return
			}
			if e := l.closed(); e.Cause != cause.NetworkFailed || !strings.Contains(e.Text, "0.0.0.0") {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestNetworksThatGetNoAnswerEndTheSessionWithTheReason(t *testing.T) {
	l := newLine(t, both)
	l.filter = func(f pppoe.Frame) bool { return !isPPP(f, ppp.IPCP) && !isPPP(f, ppp.IPv6CP) }
	l.command(session.Dial)
	l.run(2 * time.Minute)
	e := l.closed()
	if e.Cause != cause.NetworkFailed || !strings.Contains(e.Text, "IPCP") || !strings.Contains(e.Text, "IPv6CP") {
		t.Errorf("%+v", e)
	}
	if l.has(session.NetworkUp) || l.has(session.Ready) || len(l.ac.Sessions()) != 0 {
		t.Errorf("%s; %d sessions at the AC", l.kinds(), len(l.ac.Sessions()))
	}
}

func TestSessionOfAnEarlierRunIsReleasedFirst(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	snapshot := l.m.Snapshot()
	old, ok := snapshot.Peer()
	if !ok || old != (session.Stale{AC: acMAC, Session: 1}) {
		t.Fatalf("%+v, %v", old, ok)
	}
	l.m = session.New(l.cfg, l.seed) // a new daemon that could not take it over
	l.m.SetStale(old)
	kept := l.m.Snapshot()
	if peer, ok := kept.Peer(); !ok || peer != old {
		t.Errorf("in the snapshot: %+v, %v", peer, ok)
	}
	l.sent = nil
	l.up()
	if code(l.sent[0]) != pppoe.PADT || l.sent[0].Dst != acMAC || code(l.sent[1]) != pppoe.PADI {
		t.Errorf("sent %v first", code(l.sent[0]))
	}
	if len(l.ac.Sessions()) != 1 || l.m.Info().SessionID != 2 {
		t.Errorf("%d sessions at the AC, ours is %d", len(l.ac.Sessions()), l.m.Info().SessionID)
	}
	snapshot = l.m.Snapshot()
	if now, _ := snapshot.Peer(); now.Session != 2 {
		t.Errorf("stale still: %+v", now)
	}
	if l.m.MAC() != hostMAC {
		t.Error("MAC")
	}
}

// The first frames on a line that has just come up may get lost: a switch port that
// learns, a bridge. A stale session is released once more when the line is known to
// work, before the AC is asked for a new one; and no more often than that.
func TestStaleSessionIsReleasedAgainWhenTheLineWorks(t *testing.T) {
	for name, stale := range map[string]session.Stale{
		"our own":                      {AC: acMAC, Session: 1},
		"of the address that we had":   {AC: acMAC, Session: 1, MAC: hostMAC},
		"of an address that is no one": {AC: acMAC, Session: 9, MAC: hostMAC},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, nil)
			l.up()
			l.m, l.next = session.New(l.cfg, l.seed), 0 // it has lost its power
			l.sent = nil
			l.m.SetStale(stale)
			l.cut = true
			l.command(session.Dial)
			l.run(2 * time.Second)
			l.cut = false
			var order []pppoe.Code
			l.filter = func(f pppoe.Frame) bool {
				if p, err := pppoe.ParsePacket(f.Payload); err == nil && f.EtherType == pppoe.EtherTypeDiscovery {
					order = append(order, p.Code)
				}
				return true
			}
			l.run(time.Minute)
			want := []pppoe.Code{pppoe.PADI, pppoe.PADO, pppoe.PADT, pppoe.PADR, pppoe.PADS}
			if !slices.Equal(order, want) || l.sentCodes(pppoe.PADT) != 2 {
				t.Errorf("%v, want %v; %d PADTs", order, want, l.sentCodes(pppoe.PADT))
			}
			if n := len(l.ac.Sessions()); stale.Session == 1 && n != 1 || l.m.Phase() != session.Up {
				t.Errorf("%d sessions at the AC, phase %q", n, l.m.Phase())
			}
		})
	}
}

// Half a line must not stay away for ever, nor be asked for all the time.
func TestFailedNetworkIsTriedAgainEverLater(t *testing.T) {
	l := newLine(t, both)
	l.filter = func(f pppoe.Frame) bool { return !isPPP(f, ppp.IPCP) }
	l.command(session.Dial)
	var waits []time.Duration
	var failed time.Duration
	l.check = func() {
		if l.has(session.NetworkFailed) {
			l.events, failed = nil, l.now
			l.sent = nil
		}
		if failed != 0 && l.sentPPP(ppp.IPCP, ppp.ConfigureRequest) > 0 {
			waits, failed = append(waits, l.now-failed), 0
		}
	}
	l.run(time.Hour)
	want := []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute}
	if len(waits) < len(want) || !slices.Equal(waits[:len(want)], want) {
		t.Errorf("tried again after %v, want %v", waits, want)
	}
	l.filter, l.check = nil, nil
	l.run(10 * time.Minute)
	if i := l.m.Info(); i.IPv4 == nil || i.Phase != session.Up {
		t.Errorf("%+v", i)
	}
	if n := l.m.Snapshot().Networks[0]; n.Failure != "" || n.Retries != 0 || n.RetryAt != 0 {
		t.Errorf("the failure is remembered: %+v", n)
	}
}

// An AC that acknowledges all and asks for nothing never opens a network, and is not waited for without end.
func TestNetworkThatTheACNeverAsksForEndsTheSession(t *testing.T) {
	l := newLine(t, nil)
	l.script(ppp.IPCP, func(p ppp.Packet) []ppp.Packet {
		if p.Code == ppp.ConfigureRequest {
			return []ppp.Packet{{Code: ppp.ConfigureAck, ID: p.ID, Data: p.Data}}
		}
		return nil
	})
	l.command(session.Dial)
	l.run(45*time.Second - 1)
	if l.m.Phase() != session.Network {
		t.Fatalf("phase %q; %v", l.m.Phase(), l.events)
	}
	l.run(time.Second)
	if e := l.closed(); e.Cause != cause.NetworkFailed || e.Text != "IPCP: no answer" {
		t.Errorf("%+v", e)
	}
}

// RFC 1994 section 2: the AC may ask again at any time; its Success changes nothing.
func TestAuthenticationThatIsRepeatedDisturbsNoNetwork(t *testing.T) {
	l := newLine(t, func(c *session.Config, ac *concentrator.Config) { both(c, ac); ac.Auth = []lcp.Auth{lcp.AuthCHAPMD5} })
	l.up()
	l.events, l.sent = nil, nil
	if answers := l.ppp("c223 0163 0009 04 01020304"); len(answers) != 1 || l.sentPPP(ppp.CHAP, 2) != 1 {
		t.Fatalf("answers %x, want a Response", answers)
	}
	if answers := l.ppp("c223 0363 0004"); len(answers) != 0 || len(l.events) != 0 || l.m.Phase() != session.Up {
		t.Errorf("answers %x, events %v, phase %q", answers, l.events, l.m.Phase())
	}
}

// The session is up as soon as nothing more is to be hoped for: not when the last Terminate-Ack has come.
func TestSessionIsUpWhenTheOtherNetworkHasFailed(t *testing.T) {
	l := newLine(t, both)
	requests := 0
	l.script(ppp.IPCP, func(p ppp.Packet) []ppp.Packet {
		if requests++; p.Code == ppp.ConfigureRequest && requests > 1 { // IPv6 is open by then
			return []ppp.Packet{{Code: ppp.ConfigureReject, ID: p.ID, Data: p.Data}}
		}
		return nil
	})
	l.command(session.Dial)
	l.run(0)
	if l.m.Phase() != session.Network || l.m.Info().IPv6 == nil {
		t.Fatalf("phase %q; %s", l.m.Phase(), l.kinds())
	}
	l.run(100 * time.Millisecond)
	if l.m.Phase() != session.Up || l.last(session.NetworkFailed).Family != session.IPv4 {
		t.Errorf("phase %q; %s", l.m.Phase(), l.kinds())
	}
}
