package concentrator_test

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

func TestLoginsThatHaveOneFamily(t *testing.T) {
	for user, protocol := range map[string]string{user4: "8057", user6: "8021"} {
		s := newSegment(t, nil)
		h := s.host(user, session.IPv4, session.IPv6).up()
		rejects := h.told(ppp.LCP, ppp.ProtocolReject)
		if len(rejects) != 1 || fmt.Sprintf("%x", rejects[0].Data[:2]) != protocol {
			t.Errorf("%s: Protocol-Rejects %v, want one of %s", user, rejects, protocol)
		}
		i := h.m.Info()
		if (i.IPv4 != nil) != (user == user4) || (i.IPv6 != nil) != (user == user6) {
			t.Errorf("%s: IPv4 %v, IPv6 %v", user, i.IPv4, i.IPv6)
		}
	}
}

func TestWhatIPCPTells(t *testing.T) {
	s := newSegment(t, nil)
	i := s.host(user4).up().m.Info().IPv4
	if i.Local != addr("203.0.113.7") || i.Peer != addr("203.0.113.1") || fmt.Sprint(i.DNS) != "[198.51.100.53 198.51.100.54]" {
		t.Errorf("%+v", i)
	}
	if i := s.host(userBoth).up().m.Info().IPv4; len(i.DNS) != 0 { // a login without name servers
		t.Errorf("%+v", i)
	}
}

func TestChangedAddressComesWithTheNextLogin(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user4).up()
	s.subs.Change(user4, func(l *concentrator.Login) { l.IPv4 = addr("203.0.113.77") })
	s.act(h.theSession().Renegotiate(s.now))
	s.run(time.Second)
	if got := h.m.Info().IPv4.Local; got != addr("203.0.113.77") {
		t.Errorf("it has %v", got)
	}
	if s.acs[0].Routed(addr("203.0.113.7")) || !s.acs[0].Routed(addr("203.0.113.77")) {
		t.Errorf("routes %v", h.theSession().Routes())
	}
}

// RFC 1661 section 3.5: other packets are silently discarded in this phase.
func TestNetworkProtocolsBeforeAuthenticationAreDiscarded(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user4)
	s.filter = func(f pppoe.Frame) bool { return f.Src != h.mac || !speaks(f, ppp.PAP) }
	h.dial()
	if !h.theSession().Opened(ppp.LCP) {
		t.Fatal("LCP is not open")
	}
	h.heard = nil
	for _, p := range []ppp.Protocol{ppp.IPCP, ppp.IPv6CP, ppp.CCP, ppp.CHAP} {
		h.ppp(p, ppp.Packet{Code: ppp.ConfigureRequest, ID: 1}.AppendTo(nil))
	}
	s.run(0)
	if len(h.heard) != 0 {
		t.Errorf("answered: %v", h.heard)
	}
	s.filter = nil
	s.run(5 * time.Second)
	if h.m.Phase() != session.Up {
		t.Errorf("phase %q, events %v", h.m.Phase(), h.events)
	}
}

// RFC 1661 section 5.7, whatever an unknown protocol's packets look like.
func TestUnknownProtocolsAreRejected(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user4).up()
	for _, c := range []struct {
		protocol    ppp.Protocol
		information string
	}{{ppp.CCP, "\x01\x01\x00\x04"}, {0x002b, "\xff\xff\x00"}, {0x8281, ""}, {ppp.IPv6CP, "\x01\x01\x00\x04"}} {
		h.heard = nil
		h.ppp(c.protocol, []byte(c.information))
		s.run(0)
		list := h.told(ppp.LCP, ppp.ProtocolReject)
		if want := string(ppp.AppendFrame(nil, c.protocol, []byte(c.information))); len(list) != 1 || string(list[0].Data) != want {
			t.Errorf("%v: %v", c.protocol, list)
		}
	}
	h.heard = nil
	h.ppp(ppp.IPCP, []byte{1, 1, 0, 200}) // a broken packet of a known one
	h.ppp(ppp.LCP, []byte{1})
	s.run(0)
	if len(h.heard) != 0 {
		t.Errorf("answered: %v", h.heard)
	}
}

func speaks(f pppoe.Frame, protocol ppp.Protocol) bool {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || f.EtherType != pppoe.EtherTypeSession {
		return false
	}
	got, _, err := ppp.ParseFrame(p.Payload)
	return err == nil && got == protocol
}

func TestNetworkThatIsClosedComesBack(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(userBoth).up()
	s.act(h.theSession().CloseNetwork(s.now, ppp.IPCP))
	s.run(10 * time.Second)
	if h.theSession().Opened(ppp.IPCP) || !h.theSession().Opened(ppp.IPv6CP) || s.acs[0].Routed(addr("203.0.113.8")) {
		t.Fatalf("routes %v", h.theSession().Routes())
	}
	s.expectEvent(concentrator.NetworkShut, "IPv4")
	h.ppp(ppp.IPCP, ppp.Packet{Code: ppp.ConfigureRequest, ID: 77}.AppendTo(nil)) // it tries again
	s.run(2 * time.Minute)
	if !h.theSession().Opened(ppp.IPCP) || !s.acs[0].Routed(addr("203.0.113.8")) {
		t.Errorf("routes %v, events %v", h.theSession().Routes(), h.events)
	}
}

func TestTerminateSaysWhy(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user4).up()
	s.act(h.theSession().Terminate(s.now, "maintenance at 3"))
	if e := h.closed(); e.Cause != cause.Terminated || e.Peer != "maintenance at 3" {
		t.Errorf("%+v", e)
	}
	s.run(time.Minute)
	if len(s.acs[0].Sessions()) != 0 {
		t.Error("the session is still there")
	}
	s.expectEvent(concentrator.SessionEnded, "terminated")
}

// A host that is gone does not keep a session that is being terminated.
func TestTerminateOfADeadHostEnds(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user4).up()
	s.cut(h)
	s.act(h.theSession().Terminate(s.now, ""))
	s.run(10 * time.Second)
	if len(s.acs[0].Sessions()) != 0 || s.acs[0].Routed(addr("203.0.113.7")) {
		t.Error("the session is still there")
	}
}

func TestHostThatSaysNothingIsForgotten(t *testing.T) {
	for _, auth := range []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5} {
		s := newSegment(t, func(c *concentrator.Config) { c.Auth = []lcp.Auth{auth} })
		h := s.host(user4)
		s.filter = func(f pppoe.Frame) bool { // either never says LCP, or never logs in
			return f.Src != h.mac || f.EtherType == pppoe.EtherTypeDiscovery || auth == lcp.AuthCHAPMD5 && !speaks(f, ppp.CHAP)
		}
		h.do(session.Input{Command: session.Dial})
		s.run(50 * time.Millisecond)
		if len(s.acs[0].Sessions()) != 1 {
			t.Fatalf("%d sessions", len(s.acs[0].Sessions()))
		}
		s.run(50 * time.Second)
		if len(s.acs[0].Sessions()) != 0 {
			t.Errorf("%v: the session is still there", auth)
		}
	}
}

func TestMutedAndForgottenSessionsSayNothing(t *testing.T) {
	for name, act := range map[string]func(*concentrator.Session){
		"Mute": (*concentrator.Session).Mute, "Drop": (*concentrator.Session).Drop,
	} {
		s := newSegment(t, func(c *concentrator.Config) { c.Echo = 10 * time.Second })
		h := s.host(userBoth).up()
		o := h.theSession()
		act(o)
		h.heard = nil
		h.ppp(ppp.LCP, ppp.Packet{Code: ppp.EchoRequest, ID: 1, Data: make([]byte, 4)}.AppendTo(nil))
		s.run(5 * time.Second)
		s.act(o.Send(ppp.LCP, ppp.Packet{Code: ppp.DiscardRequest, Data: make([]byte, 4)}))
		s.act(o.Terminate(s.now, ""))
		s.act(o.End(s.now, ""))
		s.act(o.Renegotiate(s.now))
		s.run(time.Minute)
		if len(h.heard) != 0 || len(s.acs[0].Sessions()) != 0 {
			t.Errorf("%s: heard %v, %d sessions", name, h.heard, len(s.acs[0].Sessions()))
		}
	}
}

func TestRenegotiationByTheHost(t *testing.T) {
	s := newSegment(t, nil)
	s.subs.PerLogin = 1
	h := s.host(userBoth).up()
	h.acquire()
	h.ppp(ppp.LCP, ppp.Packet{Code: ppp.ConfigureRequest, ID: 99, Data: []byte{1, 4, 5, 0xae}}.AppendTo(nil))
	s.run(time.Second)
	if h.m.Phase() != session.Up || len(s.happened(concentrator.NetworkOpen)) != 4 {
		t.Errorf("phase %q, events %v", h.m.Phase(), s.events)
	}
	if s.acs[0].Routed(addr("2001:db8:200::1")) || !s.acs[0].Routed(addr("203.0.113.8")) {
		t.Errorf("routes %v", h.theSession().Routes())
	}
}

func TestEventsQuoteTheHostsWords(t *testing.T) {
	e := concentrator.Event{AC: "BAS", Host: stationA, Session: 7, User: "a\n\x1b[2Jb", Kind: concentrator.TurnedAway, Text: "Login incorrect"}
	if got, want := e.String(), `rejected      BAS session 7 of 02:00:00:00:00:0a "a\n\x1b[2Jb": Login incorrect`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := (concentrator.Event{Kind: "fault"}).String(); got != "fault        " {
		t.Errorf("%q", got)
	}
}

func TestLeasesThatMakeNoSense(t *testing.T) {
	h := time.Hour
	for lease, good := range map[concentrator.Lease]bool{
		concentrator.DefaultLease:                          true,
		{Preferred: h, Valid: h}:                           true, // the client chooses T1 and T2
		{T1: h, T2: h, Preferred: h, Valid: h}:             true,
		{T1: h, Preferred: h, Valid: h}:                    true,
		{T1: 2 * h, T2: h, Preferred: 3 * h, Valid: 3 * h}: false,
		{T1: h, T2: 4 * h, Preferred: 3 * h, Valid: 3 * h}: false,
		{T1: h, T2: 2 * h, Preferred: 4 * h, Valid: 3 * h}: false,
		{T1: 4 * h, Preferred: 3 * h, Valid: 3 * h}:        false,
		{T1: h}: false, // ends before it is to be renewed
		{T1: -h, T2: 2 * h, Preferred: 3 * h, Valid: 3 * h}: false,
		{T2: -h, Preferred: 3 * h, Valid: 3 * h}:            false,
		{Preferred: -h, Valid: 3 * h}:                       false,
		{Valid: -h}:                                         false,
	} {
		if err := lease.Check(); (err == nil) != good {
			t.Errorf("%+v: %v", lease, err)
		}
	}
}

// RFC 1994 section 4.1: the identifier changes with each challenge. A response to one from before LCP
// was negotiated anew, which comes late, must not pass for a wrong answer to the next.
func TestEachChallengeOfASessionHasItsOwnIdentifier(t *testing.T) {
	s := newSegment(t, func(c *concentrator.Config) { c.Auth = []lcp.Auth{lcp.AuthCHAPMD5} })
	h := s.host(user4).up()
	for range 3 {
		s.act(h.theSession().Renegotiate(s.now))
		s.run(time.Second)
	}
	seen := map[uint8]bool{}
	for _, p := range h.told(ppp.CHAP, 1) {
		if seen[p.ID] {
			t.Errorf("identifier %d again", p.ID)
		}
		seen[p.ID] = true
	}
	if len(seen) < 4 || h.m.Phase() != session.Up {
		t.Errorf("%d challenges, phase %q", len(seen), h.m.Phase())
	}
}
