package concentrator

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// DHCPv6 ports (RFC 8415 section 7.2).
const (
	portClient = 546
	portServer = 547
)

// binding is a prefix that a client was given (RFC 8415 section 12).
type binding struct {
	duid   string
	iaid   [4]byte
	number int // of the client among those of its login, from 0
	prefix netip.Prefix
	until  time.Duration // when it ends
}

// ForgetLeases loses what was delegated, as a server's disk crash does.
func (s *Subscribers) ForgetLeases() { clear(s.leases) }

// bindingOf returns a client's binding, nil if it has none.
func (s *Subscribers) bindingOf(user string, duid []byte, iaid [4]byte) *binding {
	for _, b := range s.leases[user] {
		if b.duid == string(duid) && b.iaid == iaid {
			return b
		}
	}
	return nil
}

// bind gives a client its prefix, the same one each time; false if the login has
// none left. Without commit nothing is remembered.
func (s *Subscribers) bind(now time.Duration, user string, l Login, duid []byte, iaid [4]byte, commit bool) (netip.Prefix, bool) {
	b := s.bindingOf(user, duid, iaid)
	if b == nil {
		b = &binding{duid: string(duid), iaid: iaid, number: s.number(now, user, l)}
	}
	p, ok := nth(l.Prefix, l.Length, b.number)
	if !ok && b.until != 0 { // the login has another, smaller pool by now
		b.number = s.number(now, user, l)
		p, ok = nth(l.Prefix, l.Length, b.number)
	}
	if ok && commit {
		if !slices.Contains(s.leases[user], b) {
			s.leases[user] = append(s.leases[user], b)
		}
		b.prefix, b.until = p, now+l.lease().Valid
	}
	return p, ok
}

// maxBindings bounds what one login can make us remember.
const maxBindings = 64

// number returns the first number that no client of a login has; -1 if all are
// taken. A login with one prefix gives it to whoever asks, which is how a router
// is exchanged. What has run out is kept for its client until others need the
// room.
func (s *Subscribers) number(now time.Duration, user string, l Login) int {
	room := maxBindings
	if bits := l.Length - l.Prefix.Bits(); bits < 6 {
		room = 1 << max(bits, 0)
	}
	if len(s.leases[user]) >= maxBindings || room > 1 && len(s.leases[user]) >= room {
		s.leases[user] = slices.DeleteFunc(s.leases[user], func(b *binding) bool { return b.until <= now })
	}
	if len(s.leases[user]) >= maxBindings {
		return -1
	}
	if room == 1 {
		return 0
	}
	for n := range room {
		if !slices.ContainsFunc(s.leases[user], func(b *binding) bool { return b.number == n }) {
			return n
		}
	}
	return -1
}

func (l Login) lease() Lease {
	if l.Lease.Valid == 0 {
		return DefaultLease
	}
	return l.Lease
}

// dhcp answers a DHCPv6 message (RFC 8415 section 18.3); nil if it deserves no
// answer.
func (s *Session) dhcp(b []byte) []byte {
	m, err := dhcpv6.MessageFromBytes(b)
	if err != nil || !s.valid(m) {
		return nil
	}
	d := delegation{s: s, m: m, commit: m.MessageType != dhcpv6.MessageTypeSolicit}
	if client := m.Options.ClientID(); client != nil {
		d.duid = client.ToBytes()
	}
	answer := &dhcpv6.Message{MessageType: dhcpv6.MessageTypeReply, TransactionID: m.TransactionID}
	if m.MessageType == dhcpv6.MessageTypeSolicit {
		if m.GetOneOption(dhcpv6.OptionRapidCommit) != nil && !s.login.Lease.NoRapidCommit {
			d.commit = true
			answer.AddOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionRapidCommit})
		} else {
			answer.MessageType = dhcpv6.MessageTypeAdvertise
		}
	}
	if client := m.Options.ClientID(); client != nil {
		answer.AddOption(dhcpv6.OptClientID(client))
	}
	answer.AddOption(dhcpv6.OptServerID(s.serverID()))
	for _, ia := range m.Options.IANA() { // there are no addresses here (section 18.3.2)
		answer.AddOption(&dhcpv6.OptIANA{IaId: ia.IaId, Options: dhcpv6.IdentityOptions{Options: status(iana.StatusNoAddrsAvail, "prefixes only")}})
	}
	for _, ia := range m.Options.IAPD() {
		answer.AddOption(d.answer(ia))
	}
	if m.MessageType == dhcpv6.MessageTypeRelease || m.MessageType == dhcpv6.MessageTypeDecline {
		answer.AddOption(&dhcpv6.OptStatusCode{StatusCode: iana.StatusSuccess})
	}
	if len(s.login.DNS6) > 0 {
		var servers []net.IP
		for _, a := range s.login.DNS6 {
			servers = append(servers, a.AsSlice())
		}
		answer.AddOption(dhcpv6.OptDNS(servers...))
	}
	return answer.ToBytes()
}

// serverID is the server's DUID-LL (RFC 8415 section 11.4).
func (s *Session) serverID() dhcpv6.DUID {
	return &dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: s.ac.cfg.MAC[:]}
}

// valid is RFC 8415 section 16: who must and must not name a server, or itself.
func (s *Session) valid(m *dhcpv6.Message) bool {
	client, server := m.Options.ClientID(), m.Options.ServerID()
	if server != nil && !server.Equal(s.serverID()) {
		return false
	}
	switch m.MessageType {
	case dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeRebind:
		return client != nil && server == nil
	case dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		return client != nil && server != nil
	case dhcpv6.MessageTypeInformationRequest:
		return len(m.Options.IAPD()) == 0 && len(m.Options.IANA()) == 0
	}
	return false // Confirm is about addresses; the rest is not for servers
}

// delegation is what one message is answered with.
type delegation struct {
	s      *Session
	m      *dhcpv6.Message
	duid   []byte
	commit bool
}

// answer answers one IA_PD.
func (d delegation) answer(ia *dhcpv6.OptIAPD) *dhcpv6.OptIAPD {
	s, subs := d.s, d.s.ac.cfg.Subscribers
	login, _ := subs.Find(s.User) // it may have been changed since the login
	out := &dhcpv6.OptIAPD{IaId: ia.IaId}
	had := subs.bindingOf(s.User, d.duid, ia.IaId)
	switch d.m.MessageType {
	case dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		if had == nil {
			out.Options.Options = status(iana.StatusNoBinding, "no such binding")
			return out
		}
		s.unrouteIf(func(r routed) bool { return r.prefix == had.prefix })
		had.until = max(s.ac.now, 1)
		return out
	case dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		if had == nil {
			out.Options.Options = status(iana.StatusNoBinding, "no such binding")
			return out
		}
	}
	var old netip.Prefix
	if had != nil {
		old = had.prefix
	}
	p, ok := subs.bind(s.ac.now, s.User, login, d.duid, ia.IaId, d.commit)
	if !ok {
		out.Options.Options = status(iana.StatusNoPrefixAvail, "no prefix for this login")
		return out
	}
	lease := login.lease()
	out.T1, out.T2 = lease.T1, lease.T2
	out.Options.Add(prefixOption(p, lease.Preferred, lease.Valid))
	for _, asked := range ia.Options.Prefixes() { // what is not his any more ends at once
		if q, ok := toPrefix(asked.Prefix); ok && q != p && d.commit {
			out.Options.Add(prefixOption(q, 0, 0))
		}
	}
	if d.commit {
		if old.IsValid() && old != p {
			s.unrouteIf(func(r routed) bool { return r.prefix == old })
		}
		s.route(p, s.ac.now+lease.Valid)
		s.ac.tell(s, Delegated, p.String())
	}
	return out
}

func prefixOption(p netip.Prefix, preferred, valid time.Duration) *dhcpv6.OptIAPrefix {
	return &dhcpv6.OptIAPrefix{
		PreferredLifetime: preferred, ValidLifetime: valid,
		Prefix: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 128)},
	}
}

func toPrefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	if !ok || a.IsUnspecified() {
		return netip.Prefix{}, false
	}
	p := netip.PrefixFrom(a, bits)
	return p, p.IsValid()
}

func status(code iana.StatusCode, text string) dhcpv6.Options {
	return dhcpv6.Options{&dhcpv6.OptStatusCode{StatusCode: code, StatusMessage: text}}
}

// Delegations returns the prefixes that are delegated to a user, in order.
func (s *Subscribers) Delegations(now time.Duration, user string) []netip.Prefix {
	var list []netip.Prefix
	for _, b := range s.leases[user] {
		if b.until > now {
			list = append(list, b.prefix)
		}
	}
	slices.SortFunc(list, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	return list
}
