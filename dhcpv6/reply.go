package dhcpv6

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	wire "github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// receive takes a message of a server.
func (s *step) receive(b []byte) {
	m, err := parse(b)
	if err == nil {
		err = s.expected(m)
	}
	if err != nil {
		s.tell(Dropped, err.Error(), "")
		return
	}
	if m.solMaxRT >= leastSolMaxRT && m.solMaxRT <= mostSolMaxRT {
		s.longest = m.solMaxRT
		if s.phase == Soliciting {
			s.exchange.times.longest = s.longest
		}
	}
	switch {
	case s.phase == Releasing:
		s.stop()
		s.tell(Released, "", "")
	case m.kind == wire.MessageTypeAdvertise:
		s.advertised(m)
	default:
		s.replied(m)
	}
}

// A SOL_MAX_RT outside of these is ignored (section 21.24).
const (
	leastSolMaxRT = time.Minute
	mostSolMaxRT  = 24 * time.Hour
)

// expected says what is wrong with a message, if anything (section 16).
func (c *Client) expected(m *message) error {
	x := &c.exchange
	soliciting := x.kind == wire.MessageTypeSolicit
	switch {
	case m.kind != wire.MessageTypeAdvertise && m.kind != wire.MessageTypeReply:
		return dropped(m, "not for a client that knows no Reconfigure")
	case x.kind == wire.MessageTypeNone || x.sent == 0:
		return dropped(m, "nothing was asked")
	case m.xid != x.xid:
		return dropped(m, "another transaction")
	case !bytes.Equal(m.client, c.cfg.DUID):
		return dropped(m, "for another client")
	case x.server != nil && !bytes.Equal(m.server, x.server):
		return dropped(m, "of another server than was asked")
	case m.kind == wire.MessageTypeAdvertise && !soliciting:
		return dropped(m, "no Solicit was sent")
	case m.kind == wire.MessageTypeReply && soliciting && !m.rapid:
		return dropped(m, "without Rapid Commit")
	}
	return nil
}

// verdict is what a message says of our IA_PD: what is in it, or nil, and why it
// is not.
func (c *Client) verdict(m *message) (*association, status) {
	if !m.status.ok() {
		return nil, m.status
	}
	for i := range m.ias {
		a := &m.ias[i]
		switch {
		case a.iaid != c.cfg.IAID:
		case !a.status.ok():
			return nil, a.status
		case len(a.prefixes) > 0:
			return a, status{}
		}
	}
	return nil, status{}
}

// usable are the prefixes that may be used.
func (a *association) usable() []netip.Prefix {
	var list []netip.Prefix
	for _, p := range a.prefixes {
		if p.valid > 0 && p.status.ok() {
			list = append(list, p.prefix)
		}
	}
	return list
}

// advertised takes an Advertise (section 18.2.9): the best of those that come
// before the first retransmission, or else the first.
func (s *step) advertised(m *message) {
	a, st := s.verdict(m)
	if a == nil || len(a.usable()) == 0 {
		s.refused(m, st)
		return
	}
	if s.offer == nil || m.preference > s.offer.preference {
		s.offer = &offer{m.server, m.preference, a.usable()}
	}
	if s.offer.preference == 255 || s.exchange.sent > 1 {
		s.request(s.offer.server, s.offer.prefixes)
	}
}

// replied takes a Reply (section 18.2.10).
func (s *step) replied(m *message) {
	a, st := s.verdict(m)
	if a != nil && (len(a.usable()) > 0 || len(s.lease.Prefixes) > 0) {
		s.take(m, a)
		return
	}
	switch s.phase {
	case Renewing, Rebinding, Confirming:
		if st.code == iana.StatusNoBinding {
			s.request(m.server, prefixesOf(s.lease.Prefixes))
			return
		}
	case Requesting:
		if st.code != iana.StatusUnspecFail && st.code != iana.StatusUseMulticast {
			s.failures++
			s.solicit()
		}
	}
	s.refused(m, st) // and asked again as if nothing had come (section 18.2.10.1)
}

// refused tells what a server has said instead of giving a prefix, once.
func (s *step) refused(m *message, st status) {
	text := fmt.Sprintf("server %s: %v", hex.EncodeToString(m.server), st.code)
	if st.ok() {
		text = fmt.Sprintf("server %s: no prefix in its answer", hex.EncodeToString(m.server))
	}
	if key := text + "\x00" + st.text; key != s.told {
		s.told = key
		s.tell(Refused, text, st.text)
	}
}

// take takes a lease. A prefix that the server does not speak of any more is kept
// until it runs out (section 18.2.10.1), but no new connection is to use it: on a
// line whose prefix has changed, nothing comes back to the old one.
func (s *step) take(m *message, a *association) {
	next := Lease{Client: s.cfg.DUID, IAID: s.cfg.IAID, Server: m.server, Told: m.told}
	t1, t2 := a.times()
	next.T1, next.T2 = after(s.now, t1), after(s.now, t2)
	for _, p := range a.prefixes {
		if p.valid > 0 && p.status.ok() {
			next.Prefixes = append(next.Prefixes, Prefix{p.prefix, after(s.now, p.preferred), after(s.now, p.valid)})
		} else if s.lease.has(p.prefix) {
			s.tell(Withdrawn, p.prefix.String(), p.status.text)
		}
	}
	for _, p := range s.lease.Prefixes {
		told := func(q delegated) bool { return q.prefix == p.Prefix }
		if !slices.ContainsFunc(a.prefixes, told) && len(next.Prefixes) < 2*maxPrefixes {
			p.PreferredUntil = min(p.PreferredUntil, s.now)
			next.Prefixes = append(next.Prefixes, p)
		}
	}
	kind := Renewed
	if !s.confirmed || s.lease.outline(s.now) != next.outline(s.now) {
		kind = Delegated
	}
	s.lease, s.told = next, ""
	if len(a.usable()) == 0 {
		s.failures++
		s.solicit()
	} else {
		s.failures, s.confirmed = 0, true
		s.phase, s.exchange, s.offer = Bound, exchange{}, nil
	}
	s.tell(kind, next.outline(s.now), "")
}

func prefixesOf(list []Prefix) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, p := range list {
		prefixes = append(prefixes, p.Prefix)
	}
	return prefixes
}

// outline names the prefixes, and tells those that are not preferred.
func (l *Lease) outline(now time.Duration) string {
	var s []string
	for _, p := range l.Prefixes {
		text := p.Prefix.String()
		if !p.Preferred(now) {
			text += " (deprecated)"
		}
		s = append(s, text)
	}
	return strings.Join(s, " ")
}
