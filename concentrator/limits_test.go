package concentrator_test

import (
	"fmt"
	"net/netip"
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

// expectRefused dials and expects that the concentrator does not let the host in.
func (h *host) expectRefused(c cause.Code, text string) {
	h.s.t.Helper()
	h.dial()
	h.s.run(10 * time.Second)
	if e := h.closed(); e.Cause != c || e.Peer != text {
		h.s.t.Errorf("%v: %+v, want %v with %q", h.mac, e, c, text)
	}
}

func TestLimitOfTheLine(t *testing.T) {
	s := newSegment(t, nil)
	s.subs.PerLine = 2
	mac := pppoe.MAC{2, 0, 0, 0, 0, 1}
	s.hostAt(mac, user4).up()
	six := s.hostAt(mac, user6).up()
	third := s.hostAt(mac, userBoth)
	third.expectRefused(cause.ACRefused, "session limit of the line")
	s.expectEvent(concentrator.SessionRefused, "session limit of the line")
	s.host(userBoth).up() // another line
	six.abandon()
	if n := len(s.acs[0].Sessions()); n != 2 {
		t.Fatalf("%d sessions, want 2", n)
	}
	third.up2(userBoth)
}

// up2 expects that a host that was away comes up.
func (h *host) up2(user string) {
	h.s.t.Helper()
	h.up()
	if got := h.theSession().User; got != user {
		h.s.t.Errorf("it is %q's, want %q's", got, user)
	}
}

func TestLimitOfALogin(t *testing.T) {
	for _, text := range []string{"", "Too many sessions"} {
		s := newSegment(t, nil)
		s.subs.PerLogin, s.subs.Busy = 1, text
		want := text
		if text == "" {
			want = "already logged in"
		}
		first, second := s.host(user4).up(), s.host(user4)
		second.expectRefused(cause.AuthRejected, want)
		if first.m.Phase() != session.Up || len(s.acs[0].Sessions()) != 1 {
			t.Errorf("the first is in phase %q; %d sessions", first.m.Phase(), len(s.acs[0].Sessions()))
		}
		s.expectEvent(concentrator.TurnedAway, want)
		s.host(user6).up() // another login
	}
}

func TestALoginIsFreeAgain(t *testing.T) {
	for name, leave := range map[string]func(s *segment, h *host){
		"after its PADT":        func(s *segment, h *host) { h.abandon() },
		"after its Terminate":   func(s *segment, h *host) { h.hangup() },
		"after our PADT":        func(s *segment, h *host) { s.act(h.theSession().End(s.now, "bye")) },
		"after our Terminate":   func(s *segment, h *host) { s.act(h.theSession().Terminate(s.now, "bye")) },
		"after a Drop":          func(s *segment, h *host) { h.theSession().Drop() },
		"after Forget":          func(s *segment, h *host) { s.acs[0].Forget() },
		"after lost echoes":     func(s *segment, h *host) { s.cut(h); s.run(40 * time.Second) },
		"after another's login": func(s *segment, h *host) { s.relogin(h, user6) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSegment(t, func(c *concentrator.Config) { c.Echo = 10 * time.Second })
			s.subs.PerLogin = 1
			first := s.host(user4).up()
			s.host(user4).expectRefused(cause.AuthRejected, "already logged in")
			leave(s, first)
			s.host(user4).up()
		})
	}
}

// cut lets nothing of a host through any more.
func (s *segment) cut(h *host) {
	s.filter = func(f pppoe.Frame) bool { return f.Src != h.mac && f.Dst != h.mac }
}

// relogin makes the host of a session log in as somebody else in its place, by
// frames: a machine has one user.
func (s *segment) relogin(h *host, user string) {
	s.filter = func(f pppoe.Frame) bool { return f.Dst != h.mac }
	h.ppp(ppp.LCP, ppp.Packet{Code: ppp.ConfigureRequest, ID: 200}.AppendTo(nil))
	var ours ppp.Packet
	s.filter = func(f pppoe.Frame) bool {
		if f.Dst != h.mac {
			return true
		}
		if p, err := ppp.ParsePacket(f.Payload[pppoe.HeaderLen+2:]); err == nil && p.Code == ppp.ConfigureRequest {
			ours = p
		}
		return false
	}
	s.run(0)
	ours.Code = ppp.ConfigureAck
	h.ppp(ppp.LCP, ours.AppendTo(nil))
	data := append([]byte{byte(len(user))}, user+"\x06secret"...)
	h.ppp(ppp.PAP, ppp.Packet{Code: 1, ID: 1, Data: data}.AppendTo(nil))
	s.run(0)
	s.filter = nil
	if got := h.theSession().User; got != user {
		s.t.Fatalf("the session is %q's", got)
	}
}

func TestReplaceEndsTheOldest(t *testing.T) {
	s := newSegment(t, nil)
	s.subs.PerLogin, s.subs.Replace = 2, true
	first, second := s.host(user4).up(), s.host(user4).up()
	third := s.host(user4).up()
	if e := first.closed(); e.Cause != cause.PADT || first.padts() != 1 {
		t.Errorf("the first: %+v, %d PADTs", e, first.padts())
	}
	if second.m.Phase() != session.Up || third.m.Phase() != session.Up || len(s.acs[0].Sessions()) != 2 {
		t.Errorf("the second is in phase %q, the third %q; %d sessions", second.m.Phase(), third.m.Phase(), len(s.acs[0].Sessions()))
	}
	s.expectEvent(concentrator.SessionEnded, "replaced by a newer session of its user")
	if got := third.m.Info().IPv4; got == nil || got.Local != addr("203.0.113.7") {
		t.Errorf("the third has %+v", got)
	}
	s.carry(ip4("198.51.100.1", "203.0.113.7", 0))
	if len(third.ip) != 1 {
		t.Error("packets do not go to the newest")
	}
}

func TestWhoIsTurnedAwayReplacesNobody(t *testing.T) {
	s := newSegment(t, nil)
	s.subs.PerLogin, s.subs.Replace = 1, true
	first := s.host(user4).up()
	s.wrongPassword(user4).expectRefused(cause.AuthRejected, "Login incorrect")
	if first.m.Phase() != session.Up {
		t.Errorf("the first is in phase %q", first.m.Phase())
	}
}

func (s *segment) wrongPassword(user string) *host {
	return s.hostWith(session.Config{
		MAC: pppoe.MAC{2, 0, 0, 0, 1, byte(len(s.hosts))}, MTU: 1454, Username: user, Password: "wrong",
		Auth: []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5}, Families: []session.Family{session.IPv4}, Failures: 5, DeadAfter: time.Hour,
	})
}

func TestRenegotiationIsNotStoppedByItsOwnLimit(t *testing.T) {
	for _, replace := range []bool{false, true} {
		for _, auth := range []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5} {
			s := newSegment(t, func(c *concentrator.Config) { c.Auth = []lcp.Auth{auth} })
			s.subs.PerLogin, s.subs.PerLine, s.subs.Replace = 1, 1, replace
			h := s.host(userBoth).up()
			id := h.m.Info().SessionID
			s.act(h.theSession().Renegotiate(s.now))
			s.run(time.Second)
			if h.m.Phase() != session.Up || h.m.Info().SessionID != id || len(s.happened(concentrator.LoggedIn)) != 2 {
				t.Errorf("replace %v, %v: phase %q, events %v", replace, auth, h.m.Phase(), s.events)
			}
			s.host(user4).up()
		}
	}
}

func TestConcentratorsShareTheirLimits(t *testing.T) {
	for _, replace := range []bool{false, true} {
		s := newSegment(t, nil)
		second := s.addAC("BAS-OSAKA", nil)
		s.subs.PerLogin, s.subs.PerLine, s.subs.Replace = 1, 2, replace
		at := func(mac pppoe.MAC, user, name string) *host {
			return s.hostWith(session.Config{
				MAC: mac, MTU: 1454, Username: user, Password: "secret", Discovery: pppoe.Want{ACName: name},
				Auth: []lcp.Auth{lcp.AuthPAP}, Families: []session.Family{session.IPv4}, Failures: 5, DeadAfter: time.Hour,
			})
		}
		a := pppoe.MAC{2, 0, 0, 0, 0, 1}
		first := at(a, user4, "BAS-TOKYO").up()
		other := at(pppoe.MAC{2, 0, 0, 0, 0, 2}, user4, "BAS-OSAKA")
		if !replace {
			other.expectRefused(cause.AuthRejected, "already logged in")
			first.abandon()
		}
		other.up()
		if len(second.Sessions()) != 1 || len(s.acs[0].Sessions()) != 0 {
			t.Errorf("replace %v: %d sessions at the first, %d at the second", replace, len(s.acs[0].Sessions()), len(second.Sessions()))
		}
		if replace && (first.padts() != 1 || first.closed().Cause != cause.PADT) {
			t.Errorf("%d PADTs, %+v", first.padts(), first.closed())
		}
		// The line's limit counts the sessions at both.
		at(a, userBoth, "BAS-TOKYO").up()
		l := s.hostAt(a, user6)
		l.up()
		at(a, user6, "BAS-OSAKA").expectRefused(cause.ACRefused, "session limit of the line")
	}
}

func TestRefusals(t *testing.T) {
	s := newSegment(t, nil)
	s.subs.Refuse(user4, "login limit", s.now+time.Minute)
	h := s.host(user4)
	h.expectRefused(cause.AuthRejected, "login limit")
	s.host(user6).up()
	s.run(time.Minute)
	h.up()
	s.subs.Refuse("", "maintenance", s.now+time.Minute)
	s.host(userBoth).expectRefused(cause.AuthRejected, "maintenance")
	h.abandon()
	h.expectRefused(cause.AuthRejected, "maintenance") // also one whose own refusal is over
	s.subs.RefuseNobody()
	h.up()
}

func TestRefusalOfOneEndsBeforeThatOfAll(t *testing.T) {
	s := newSegment(t, nil)
	s.subs.Refuse("", "maintenance", s.now+time.Hour)
	s.subs.Refuse(user4, "login limit", s.now+5*time.Second)
	s.host(user4).expectRefused(cause.AuthRejected, "login limit")
	s.host(user4).expectRefused(cause.AuthRejected, "maintenance")
}

func TestLoginThatIsAlwaysRejected(t *testing.T) {
	s := newSegment(t, nil)
	s.subs.Change(user4, func(l *concentrator.Login) { l.Reject = "contract ended" })
	s.host(user4).expectRefused(cause.AuthRejected, "contract ended")
	s.wrongPassword(user4).expectRefused(cause.AuthRejected, "Login incorrect") // the password counts first
	s.wrongPassword("nobody@example.jp").expectRefused(cause.AuthRejected, "Login incorrect")
}

func realm(c concentrator.Realm) func(*segment) {
	return func(s *segment) { s.subs.Realms["load.example.jp"] = c }
}

func TestRealmGivesEachUserHisOwn(t *testing.T) {
	for _, c := range []struct {
		pool, prefixes string
		length         int
		addresses      []string
		prefix         []string
	}{
		{"100.64.0.0/29", "2001:db8:8000::/40", 56, []string{"100.64.0.2", "100.64.0.3", "100.64.0.4", "100.64.0.5", "100.64.0.6"},
			[]string{"2001:db8:8000::/56", "2001:db8:8000:100::/56", "2001:db8:8000:200::/56", "2001:db8:8000:300::/56", "2001:db8:8000:400::/56"}},
		// The last addresses there are, and prefixes on either side of the 64th bit.
		{"255.255.255.248/29", "2001:db8:0:fffe::/63", 65, []string{"255.255.255.250", "255.255.255.251", "255.255.255.252", "255.255.255.253"},
			[]string{"2001:db8:0:fffe::/65", "2001:db8:0:fffe:8000::/65", "2001:db8:0:ffff::/65", "2001:db8:0:ffff:8000::/65"}},
		{"100.64.0.9/29", "ffff:ffff:ffff:fffc::/62", 64, []string{"100.64.0.10", "100.64.0.11", "100.64.0.12", "100.64.0.13"},
			[]string{"ffff:ffff:ffff:fffc::/64", "ffff:ffff:ffff:fffd::/64", "ffff:ffff:ffff:fffe::/64", "ffff:ffff:ffff:ffff::/64"}},
		{"100.64.0.0/30", "2001:db8::/126", 128, []string{"100.64.0.2"}, []string{"2001:db8::/128"}},
		{"", "2001:db8::/126", 128, nil, []string{"2001:db8::/128", "2001:db8::1/128", "2001:db8::2/128", "2001:db8::3/128"}},
	} {
		s := newSegment(t, nil)
		r := concentrator.Realm{Password: "secret", IPv6: true, Prefixes: pfx(c.prefixes), Length: c.length}
		if c.pool != "" {
			r.IPv4 = pfx(c.pool)
		}
		realm(r)(s)
		n := len(c.prefix)
		for round := range 2 { // the same again
			var hosts []*host
			for i := range n {
				h := s.host(fmt.Sprintf("u%d@load.example.jp", i))
				if c.pool == "" {
					h = s.hostAt(pppoe.MAC{2, 0, 0, 9, byte(round), byte(i)}, fmt.Sprintf("u%d@load.example.jp", i), session.IPv6)
				}
				h.up()
				if c.pool != "" && h.m.Info().IPv4.Local.String() != c.addresses[i] {
					t.Errorf("%s: user %d has %v, want %s", c.pool, i, h.m.Info().IPv4.Local, c.addresses[i])
				}
				if got := h.acquire(); got != netip.MustParsePrefix(c.prefix[i]) {
					t.Errorf("%s: user %d has %v, want %s", c.prefixes, i, got, c.prefix[i])
				}
				hosts = append(hosts, h)
			}
			for i := range hosts { // who comes back in another order has the same
				hosts[n-1-i].abandon()
			}
		}
		s.host(fmt.Sprintf("u%d@load.example.jp", n)).expectRefused(cause.AuthRejected, "no address is left")
	}
}

func TestWrongPasswordTakesNoPlaceInARealm(t *testing.T) {
	s := newSegment(t, nil)
	realm(concentrator.Realm{Password: "secret", IPv4: pfx("100.64.0.0/30")})(s)
	for i := range 5 {
		s.wrongPassword(fmt.Sprintf("guess%d@load.example.jp", i)).expectRefused(cause.AuthRejected, "Login incorrect")
	}
	h := s.hostAt(stationA, "me@load.example.jp", session.IPv4).up()
	if got := h.m.Info().IPv4.Local; got != addr("100.64.0.2") {
		t.Errorf("it has %v", got)
	}
	for _, name := range []string{"@load.example.jp", "load.example.jp", "me@example.jp", "me@load.example.jp@example.jp", ""} {
		if s.subs.Known(name) {
			t.Errorf("%q is known", name)
		}
	}
	if !s.subs.Known("a@b@load.example.jp") || !s.subs.Known(user4) {
		t.Error("somebody is not known")
	}
}

func TestChangedMemberOfARealmKeepsTheRest(t *testing.T) {
	for _, cameBefore := range []bool{true, false} {
		s := newSegment(t, nil)
		realm(concentrator.Realm{Password: "secret", IPv4: pfx("100.64.0.0/24"), IPv6: true, Prefixes: pfx("2001:db8:8000::/40"), Length: 56})(s)
		if cameBefore {
			s.host("me@load.example.jp").up().abandon()
		}
		s.subs.Change("me@load.example.jp", func(l *concentrator.Login) { l.IPv4 = addr("203.0.113.99") })
		h := s.host("me@load.example.jp").up()
		if got := h.m.Info().IPv4.Local; got != addr("203.0.113.99") {
			t.Errorf("came before: %v: it has %v", cameBefore, got)
		}
		if got := h.acquire(); got != pfx("2001:db8:8000::/56") {
			t.Errorf("came before: %v: it has %v", cameBefore, got)
		}
	}
}

func TestWhoeverAnswersNoEchoIsGone(t *testing.T) {
	s := newSegment(t, func(c *concentrator.Config) { c.Echo, c.Failures = 10*time.Second, 4 })
	dead, alive := s.host(user4).up(), s.host(user6).up()
	deaf := true
	s.filter = func(f pppoe.Frame) bool { return !deaf || f.Src != dead.mac }
	s.run(7 * time.Second)                       // the dials took two
	s.run(40*time.Second + 900*time.Millisecond) // asked at 10, 20, 30 and 40 s; the fourth has until 50 s
	if len(s.acs[0].Sessions()) != 2 {
		t.Fatalf("%d sessions after three lost echoes", len(s.acs[0].Sessions()))
	}
	s.run(200 * time.Millisecond)
	if len(s.acs[0].Sessions()) != 1 {
		t.Errorf("%d sessions after four", len(s.acs[0].Sessions()))
	}
	if dead.padts() != 1 {
		t.Errorf("%d PADTs after four", dead.padts())
	}
	s.expectEvent(concentrator.SessionEnded, "the host answers no echo")
	deaf = false
	s.run(10 * time.Minute)
	if alive.m.Phase() != session.Up || alive.padts() != 0 {
		t.Errorf("who answers is in phase %q", alive.m.Phase())
	}
	if n := len(alive.told(ppp.LCP, ppp.EchoRequest)); n < 60 {
		t.Errorf("%d echoes in ten minutes", n)
	}
}

func TestNobodyHasToLogIn(t *testing.T) {
	s := newSegment(t, func(c *concentrator.Config) { c.Auth = nil })
	s.subs.Logins[""] = s.subs.Logins[userBoth]
	h := s.host(userBoth).up()
	if got := h.m.Info().Auth; got != "none" || h.theSession().User != "" {
		t.Errorf("%s, user %q", got, h.theSession().User)
	}
}

func TestDestinations(t *testing.T) {
	s := newSegment(t, nil)
	realm(concentrator.Realm{IPv4: pfx("100.64.0.0/24"), Prefixes: pfx("2001:db8:8000::/40")})(s)
	got := fmt.Sprint(s.subs.Destinations())
	for _, want := range []string{"203.0.113.7/32", "198.51.100.8/29", "203.0.113.8/32", "2001:db8:100::/56", "2001:db8:200::/56", "100.64.0.0/24", "2001:db8:8000::/40"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in %s", want, got)
		}
	}
	if n := len(s.subs.Destinations()); n != 7 {
		t.Errorf("%d destinations: %s", n, got)
	}
}
