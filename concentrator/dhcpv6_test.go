package concentrator_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"pppoectl/concentrator"
	"pppoectl/ppp"
)

const delegated = "2001:db8:100::/56"

// routedAt reports whether a packet for an address comes to the host.
func (h *host) routedAt(to string) bool {
	h.s.t.Helper()
	h.ip = nil
	h.s.carry(ip6("2001:db8:ffff::1", to, 8))
	return len(h.ip) == 1
}

func TestFourMessages(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user6).up()
	a := h.ask(message(dhcpv6.MessageTypeSolicit, &duid, iapd(1)))
	if a == nil || a.MessageType != dhcpv6.MessageTypeAdvertise || fmt.Sprint(prefixes(a)) != "[2001:db8:100::/56 12600/14400]" {
		t.Fatalf("Solicit: %v", a)
	}
	if h.routedAt("2001:db8:100::1") || len(s.subs.Delegations(s.now, user6)) != 0 {
		t.Error("an Advertise routes the prefix already")
	}
	r := h.ask(toServer(dhcpv6.MessageTypeRequest, &duid, iapd(1, delegated)))
	if r == nil || r.MessageType != dhcpv6.MessageTypeReply || fmt.Sprint(prefixes(r)) != "[2001:db8:100::/56 12600/14400]" {
		t.Fatalf("Request: %v", r)
	}
	if ia := r.Options.IAPD()[0]; ia.T1 != 2*time.Hour || ia.T2 != 3*time.Hour || ia.IaId != [4]byte{0, 0, 0, 1} {
		t.Errorf("%+v", ia)
	}
	if got := fmt.Sprint(r.Options.DNS()); got != "[2001:db8:ffff::53 2001:db8:ffff::54]" {
		t.Errorf("DNS %s", got)
	}
	for to, want := range map[string]bool{
		"2001:db8:100::": true, "2001:db8:100:ff:ffff:ffff:ffff:ffff": true, "2001:db8:100:100::": false, "2001:db8:ff:ffff::1": false,
	} {
		if h.routedAt(to) != want {
			t.Errorf("%s: routed %v", to, !want)
		}
	}
	s.expectEvent(concentrator.Delegated, delegated)
}

func TestRapidCommit(t *testing.T) {
	for _, off := range []bool{false, true} {
		s := newSegment(t, nil)
		s.subs.Change(user6, func(l *concentrator.Login) { l.Lease.NoRapidCommit = off })
		h := s.host(user6).up()
		a := h.ask(message(dhcpv6.MessageTypeSolicit, &duid, rapid, iapd(1)))
		if a == nil || (a.MessageType == dhcpv6.MessageTypeReply) == off || (a.GetOneOption(dhcpv6.OptionRapidCommit) != nil) == off {
			t.Fatalf("off: %v: %v", off, a)
		}
		if a.MessageType == dhcpv6.MessageTypeReply != h.routedAt("2001:db8:100::1") || codeOf(a) != iana.StatusSuccess {
			t.Errorf("off: %v: %v, routed %v", off, a.MessageType, !off)
		}
	}
}

// The lease of a login: DefaultLease's other figures are in TestFourMessages.
func TestLeaseAsConfigured(t *testing.T) {
	s := newSegment(t, nil)
	s.subs.Change(user6, func(l *concentrator.Login) {
		l.Lease = concentrator.Lease{T1: 10 * time.Second, T2: 20 * time.Second, Preferred: 30 * time.Second, Valid: 40 * time.Second}
	})
	h := s.host(user6).up()
	h.acquire()
	a := h.ask(toServer(dhcpv6.MessageTypeRenew, &duid, iapd(1, delegated)))
	if got := fmt.Sprint(prefixes(a)); got != "[2001:db8:100::/56 30/40]" || a.Options.IAPD()[0].T1 != 10*time.Second || a.Options.IAPD()[0].T2 != 20*time.Second {
		t.Errorf("%v", a)
	}
}

func TestRenewAndRebindProlong(t *testing.T) {
	for _, m := range []*dhcpv6.Message{
		toServer(dhcpv6.MessageTypeRenew, &duid, iapd(1, delegated)), message(dhcpv6.MessageTypeRebind, &duid, iapd(1, delegated)),
	} {
		s := newSegment(t, nil)
		h := s.host(user6).up()
		h.acquire()
		s.run(2 * time.Hour)
		if a := h.ask(m); a == nil || a.MessageType != dhcpv6.MessageTypeReply || fmt.Sprint(prefixes(a)) != "[2001:db8:100::/56 12600/14400]" {
			t.Errorf("%v: %v", m.MessageType, a)
		}
		s.run(4*time.Hour - time.Second)
		if !h.routedAt("2001:db8:100::1") {
			t.Errorf("%v: not routed before the new lifetime is over", m.MessageType)
		}
		s.run(2 * time.Second)
		if h.routedAt("2001:db8:100::1") || len(s.subs.Delegations(s.now, user6)) != 0 {
			t.Errorf("%v: still routed after the lifetime", m.MessageType)
		}
	}
}

func TestLifetimeEndsToTheSecond(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user6).up()
	h.acquire()
	s.run(4*time.Hour - time.Nanosecond)
	if !h.routedAt("2001:db8:100::1") {
		t.Error("not routed a moment before")
	}
	s.run(time.Nanosecond)
	if h.routedAt("2001:db8:100::1") {
		t.Error("routed at the end of the lifetime")
	}
	s.expectEvent(concentrator.Withdrawn, delegated)
	if h.acquire() != pfx(delegated) || !h.routedAt("2001:db8:100::1") {
		t.Error("not given again")
	}
}

func TestUnknownClientsHaveNoBinding(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user6).up()
	h.acquire()
	for _, m := range []*dhcpv6.Message{
		toServer(dhcpv6.MessageTypeRenew, &otherDUID, iapd(1, delegated)),
		message(dhcpv6.MessageTypeRebind, &otherDUID, iapd(1, delegated)),
		toServer(dhcpv6.MessageTypeRelease, &otherDUID, iapd(1, delegated)),
		toServer(dhcpv6.MessageTypeDecline, &otherDUID, iapd(1, delegated)),
		toServer(dhcpv6.MessageTypeRenew, &duid, iapd(2, delegated)),
	} {
		a := h.ask(m)
		if a == nil || a.MessageType != dhcpv6.MessageTypeReply || codeOf(a) != iana.StatusNoBinding || len(prefixes(a)) != 0 {
			t.Errorf("%v: %v", m.MessageType, a)
		}
	}
	if !h.routedAt("2001:db8:100::1") {
		t.Error("the prefix was taken from its client")
	}
	s.subs.ForgetLeases()
	if a := h.ask(message(dhcpv6.MessageTypeRebind, &duid, iapd(1, delegated))); codeOf(a) != iana.StatusNoBinding {
		t.Errorf("after the loss of all leases: %v", a)
	}
}

func TestRelease(t *testing.T) {
	for _, kind := range []dhcpv6.MessageType{dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline} {
		s := newSegment(t, nil)
		h := s.host(user6).up()
		h.acquire()
		a := h.ask(toServer(kind, &duid, iapd(1, delegated)))
		if a == nil || a.MessageType != dhcpv6.MessageTypeReply || a.Options.Status() == nil || a.Options.Status().StatusCode != iana.StatusSuccess || codeOf(a) != iana.StatusSuccess {
			t.Fatalf("%v: %v", kind, a)
		}
		if h.routedAt("2001:db8:100::1") || len(s.subs.Delegations(s.now, user6)) != 0 {
			t.Errorf("%v: still routed", kind)
		}
		s.expectEvent(concentrator.Withdrawn, delegated)
	}
}

func TestRoutesEndWithWhatCarriesThem(t *testing.T) {
	for name, end := range map[string]func(s *segment, h *host){
		"our PADT":    func(s *segment, h *host) { s.act(h.theSession().End(s.now, "bye")) },
		"its PADT":    func(s *segment, h *host) { h.abandon() },
		"a Drop":      func(s *segment, h *host) { h.theSession().Drop() },
		"Forget":      func(s *segment, h *host) { s.acs[0].Forget() },
		"IPv6CP down": func(s *segment, h *host) { s.act(h.theSession().CloseNetwork(s.now, ppp.IPv6CP)) },
		"Protocol-Reject": func(s *segment, h *host) {
			reject := ppp.Packet{Code: ppp.ProtocolReject, ID: 9, Data: []byte{0x80, 0x57, 1, 1, 0, 4}}
			h.ppp(ppp.LCP, reject.AppendTo(nil))
			s.run(0)
		},
		"renegotiation": func(s *segment, h *host) { s.act(h.theSession().Renegotiate(s.now)) },
	} {
		s := newSegment(t, nil)
		h := s.host(user6).up()
		h.acquire()
		end(s, h)
		if s.acs[0].Routed(addr("2001:db8:100::1")) || h.routedAt("2001:db8:100::1") {
			t.Errorf("%s: still routed", name)
		}
		s.acs[0].Step(s.now, nil)
		if got := s.subs.Delegations(s.now, user6); len(got) != 1 { // the binding outlives the session
			t.Errorf("%s: delegations %v", name, got)
		}
	}
}

func TestBindingOutlivesItsSession(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user6).up()
	h.acquire()
	h.abandon()
	h.up()
	if h.routedAt("2001:db8:100::1") {
		t.Error("routed before the client asks")
	}
	if a := h.ask(message(dhcpv6.MessageTypeRebind, &duid, iapd(1, delegated))); a == nil || len(prefixes(a)) != 1 || !h.routedAt("2001:db8:100::1") {
		t.Errorf("%v", a)
	}
}

func TestNoPrefixAndNoAddress(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(userBare).up()
	for _, m := range []*dhcpv6.Message{
		message(dhcpv6.MessageTypeSolicit, &duid, iapd(1)), message(dhcpv6.MessageTypeSolicit, &duid, rapid, iapd(1)),
		toServer(dhcpv6.MessageTypeRequest, &duid, iapd(1, delegated)),
	} {
		if a := h.ask(m); a == nil || codeOf(a) != iana.StatusNoPrefixAvail || len(prefixes(a)) != 0 {
			t.Errorf("%v: %v", m.MessageType, a)
		}
	}
	m := message(dhcpv6.MessageTypeSolicit, &duid, rapid, iapd(1), &dhcpv6.OptIANA{IaId: [4]byte{7}})
	a := s.host(user6).up().ask(m)
	if list := a.Options.IANA(); len(list) != 1 || list[0].Options.Status() == nil || list[0].Options.Status().StatusCode != iana.StatusNoAddrsAvail || list[0].IaId != [4]byte{7} {
		t.Errorf("IA_NA: %v", list)
	}
	if len(prefixes(a)) != 1 {
		t.Errorf("beside an IA_NA: %v", a)
	}
}

// RFC 8415 section 16.
func TestMessagesThatServersDrop(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user6).up()
	other := dhcpv6.OptServerID(&otherDUID)
	ours := dhcpv6.OptServerID(&serverID)
	for name, m := range map[string]*dhcpv6.Message{
		"Solicit without client id":         message(dhcpv6.MessageTypeSolicit, nil, rapid, iapd(1)),
		"Solicit with server id":            message(dhcpv6.MessageTypeSolicit, &duid, ours, iapd(1)),
		"Request without server id":         message(dhcpv6.MessageTypeRequest, &duid, iapd(1)),
		"Request without client id":         message(dhcpv6.MessageTypeRequest, nil, ours, iapd(1)),
		"Request of another server":         message(dhcpv6.MessageTypeRequest, &duid, other, iapd(1)),
		"Renew without server id":           message(dhcpv6.MessageTypeRenew, &duid, iapd(1)),
		"Renew of another server":           message(dhcpv6.MessageTypeRenew, &duid, other, iapd(1)),
		"Rebind with server id":             message(dhcpv6.MessageTypeRebind, &duid, ours, iapd(1)),
		"Rebind without client id":          message(dhcpv6.MessageTypeRebind, nil, iapd(1)),
		"Release without server id":         message(dhcpv6.MessageTypeRelease, &duid, iapd(1)),
		"Release without client id":         message(dhcpv6.MessageTypeRelease, nil, ours, iapd(1)),
		"Decline of another server":         message(dhcpv6.MessageTypeDecline, &duid, other, iapd(1)),
		"Information-request with an IA_PD": message(dhcpv6.MessageTypeInformationRequest, &duid, iapd(1)),
		"Information-request of another":    message(dhcpv6.MessageTypeInformationRequest, &duid, other),
		"Advertise":                         message(dhcpv6.MessageTypeAdvertise, &duid, ours, iapd(1)),
		"Reply":                             message(dhcpv6.MessageTypeReply, &duid, ours, iapd(1)),
		"Reconfigure":                       message(dhcpv6.MessageTypeReconfigure, &duid, ours),
		"Confirm":                           message(dhcpv6.MessageTypeConfirm, &duid),
	} {
		if a := h.ask(m); a != nil {
			t.Errorf("%s: %v", name, a)
		}
	}
	for _, m := range []*dhcpv6.Message{
		message(dhcpv6.MessageTypeInformationRequest, nil), message(dhcpv6.MessageTypeInformationRequest, &duid, ours),
	} {
		if a := h.ask(m); a == nil || a.MessageType != dhcpv6.MessageTypeReply || len(a.Options.DNS()) != 2 || len(a.Options.IAPD()) != 0 {
			t.Errorf("Information-request: %v", a)
		}
	}
}

func TestOnePrefixIsForWhoeverAsks(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user6).up()
	if a, b := h.acquireAs(&duid), h.acquireAs(&otherDUID); a != b || a != pfx(delegated) {
		t.Errorf("%v and %v", a, b)
	}
}

func TestPoolOfALogin(t *testing.T) {
	s := newSegment(t, nil)
	s.subs.Change(user6, func(l *concentrator.Login) { l.Prefix, l.Length = pfx("2001:db8:0:fffe::/63"), 64 })
	h := s.host(user6).up()
	third := dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: acMAC[:]}
	first := h.acquireAs(&duid)
	for range 2 {
		if a, b := h.acquireAs(&duid), h.acquireAs(&otherDUID); a != first || a != pfx("2001:db8:0:fffe::/64") || b != pfx("2001:db8:0:ffff::/64") {
			t.Errorf("%v and %v", a, b)
		}
		if c := h.acquireAs(&third); c.IsValid() {
			t.Errorf("a third prefix of two: %v", c)
		}
		h.abandon()
		h.up()
	}
	if got := s.subs.Delegations(s.now, user6); len(got) != 2 || got[0] != first {
		t.Errorf("delegations %v", got)
	}
	// What was released is kept for its client until others need the room.
	h.ask(toServer(dhcpv6.MessageTypeRelease, &duid, iapd(1)))
	if a := h.acquireAs(&duid); a != first {
		t.Errorf("back: %v", a)
	}
	h.ask(toServer(dhcpv6.MessageTypeRelease, &duid, iapd(1)))
	if c := h.acquireAs(&third); c != first {
		t.Errorf("after the release: %v", c)
	}
	if a := h.acquireAs(&duid); a.IsValid() {
		t.Errorf("taken away from the third: %v", a)
	}
}

func TestClientsOfALoginAreBounded(t *testing.T) {
	for _, length := range []int{56, 64} { // one prefix, or 256
		s := newSegment(t, nil)
		s.subs.Change(user6, func(l *concentrator.Login) { l.Length = length })
		h := s.host(user6).up()
		n := 0
		seen := map[netip.Prefix]bool{}
		for i := range 100 {
			id := dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: []byte{4, 0, 0, 0, 0, byte(i)}}
			if p := h.acquireAs(&id); p.IsValid() {
				n++
				seen[p] = true
			}
		}
		if n != 64 || len(seen) != map[int]int{56: 1, 64: 64}[length] {
			t.Errorf("/%d: %d clients, %d prefixes", length, n, len(seen))
		}
		s.run(5 * time.Hour)
		if !h.acquireAs(&duid).IsValid() {
			t.Errorf("/%d: no room after all leases are over", length)
		}
	}
}

func TestChangedPrefixEndsTheOldOne(t *testing.T) {
	for _, m := range []*dhcpv6.Message{
		toServer(dhcpv6.MessageTypeRenew, &duid, iapd(1, delegated)), message(dhcpv6.MessageTypeRebind, &duid, iapd(1, delegated)),
	} {
		s := newSegment(t, nil)
		h := s.host(user6).up()
		h.acquire()
		s.subs.Change(user6, func(l *concentrator.Login) { l.Prefix, l.Length = pfx("2001:db8:300::/56"), 0 })
		if !h.routedAt("2001:db8:100::1") {
			t.Error("the old prefix is not routed before the client knows of the new one")
		}
		a := h.ask(m)
		if got := fmt.Sprint(prefixes(a)); got != "[2001:db8:300::/56 12600/14400 2001:db8:100::/56 0/0]" {
			t.Errorf("%v: %s", m.MessageType, got)
		}
		if h.routedAt("2001:db8:100::1") || !h.routedAt("2001:db8:300::1") {
			t.Errorf("%v: routes %v", m.MessageType, h.theSession().Routes())
		}
	}
}

func TestChangedPoolTakesItsClientsAlong(t *testing.T) {
	s := newSegment(t, nil)
	s.subs.Change(user6, func(l *concentrator.Login) { l.Length = 64 })
	h := s.host(user6).up()
	h.acquireAs(&duid)
	h.acquireAs(&otherDUID)
	s.subs.Change(user6, func(l *concentrator.Login) { l.Prefix, l.Length = pfx("2001:db8:300::/56"), 0 })
	a := h.ask(toServer(dhcpv6.MessageTypeRenew, &otherDUID, iapd(1, "2001:db8:100:1::/64")))
	if got := fmt.Sprint(prefixes(a)); got != "[2001:db8:300::/56 12600/14400 2001:db8:100:1::/64 0/0]" {
		t.Errorf("%s, status %v", got, codeOf(a))
	}
}
