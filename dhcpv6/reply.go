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
	case x.sent == 0:
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

// association returns our IA_PD in a message: the first that says anything; nil if none does.
func (c *Client) association(m *message) *association {
	for i := range m.ias {
		a := &m.ias[i]
		if a.iaid == c.cfg.IAID && (len(a.prefixes) > 0 || !a.status.ok()) {
			return a
		}
	}
	return nil
}

// verdict is what a message says of our IA_PD: whether it has something for us,
// and else why not.
func (c *Client) verdict(m *message) (usable bool, why status) {
	a := c.association(m)
	switch {
	case !m.status.ok():
		return false, m.status
	case a == nil:
		return false, status{}
	case !a.status.ok():
		return false, a.status
	}
	return len(a.usable()) > 0, status{}
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
	usable, why := s.verdict(m)
	if !usable {
		s.refused(m, why)
		return
	}
	avoided := func(server []byte) bool { return bytes.Equal(server, s.avoid) }
	better := s.offer == nil || avoided(s.offer.server) && !avoided(m.server) ||
		avoided(s.offer.server) == avoided(m.server) && m.preference > s.offer.preference
	if better {
		s.offer = &offer{m.server, m.preference, s.association(m).usable()}
	}
	if s.offer.preference == 255 || s.exchange.sent > 1 && !avoided(s.offer.server) {
		s.request(s.offer.server, s.offer.prefixes)
	}
}

// replied takes a Reply (section 18.2.10).
func (s *step) replied(m *message) {
	lost := s.withdraw(m)
	usable, why := s.verdict(m)
	if usable {
		s.take(m)
		return
	}
	if lost && len(s.lease.Prefixes) == 0 {
		s.failures++
		s.solicit()
		return
	}
	switch s.phase {
	case Renewing, Rebinding, Confirming:
		if why.code == iana.StatusNoBinding {
			s.request(m.server, s.lease.ours())
			return
		}
	case Requesting:
		if why.code != iana.StatusUnspecFail && why.code != iana.StatusUseMulticast {
			s.avoid = m.server
			s.failures++
			s.solicit()
		}
	}
	s.refused(m, why) // and asked again as if nothing had come (section 18.2.10.1)
}

// withdraw forgets prefixes that the server has taken back, whatever else it says,
// and reports whether there were any.
func (s *step) withdraw(m *message) bool {
	a := s.association(m)
	if a == nil {
		return false
	}
	n := len(s.lease.Prefixes)
	for _, p := range a.prefixes {
		if p.valid > 0 && p.status.ok() || !s.lease.has(p.prefix) {
			continue
		}
		s.lease.Prefixes = slices.DeleteFunc(s.lease.Prefixes, func(q Prefix) bool { return q.Prefix == p.prefix })
		s.tell(Withdrawn, p.prefix.String(), p.status.text)
	}
	return len(s.lease.Prefixes) < n
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
func (s *step) take(m *message) {
	a := s.association(m)
	next := Lease{Client: s.cfg.DUID, IAID: s.cfg.IAID, Server: m.server, Told: m.told}
	t1, t2 := a.times()
	next.T1, next.T2 = after(s.now, t1), after(s.now, t2)
	for _, p := range a.prefixes {
		if p.valid > 0 && p.status.ok() {
			next.Prefixes = append(next.Prefixes, Prefix{p.prefix, after(s.now, p.preferred), after(s.now, p.valid), m.server})
		}
	}
	fresh := a.usable()
	for _, p := range s.lease.Prefixes {
		switch {
		case slices.Contains(fresh, p.Prefix):
		case len(next.Prefixes) < 2*maxPrefixes:
			p.PreferredUntil = min(p.PreferredUntil, s.now)
			next.Prefixes = append(next.Prefixes, p)
		default:
			s.tell(Withdrawn, p.Prefix.String(), "")
		}
	}
	kind := Renewed
	if s.confirmed == nil || s.lease.outline(s.now) != next.outline(s.now) {
		kind = Delegated
	}
	s.lease, s.told, s.avoid, s.failures = next, "", nil, 0
	s.confirmed, s.last = fresh, fresh[0]
	s.phase, s.exchange, s.offer = Bound, exchange{}, nil
	s.outline = next.outline(s.now)
	s.tell(kind, s.outline, "")
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
