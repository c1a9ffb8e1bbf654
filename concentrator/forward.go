package concentrator

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"pppoectl/ppp"
)

// routes say which session a packet goes to.
type routes struct {
	table   map[netip.Prefix]*Session
	lengths [2]map[int]int // how many routes of each length, IPv4 and IPv6
	sorted  [2][]int       // those lengths, the longest first
}

func newRoutes() routes {
	return routes{table: map[netip.Prefix]*Session{}, lengths: [2]map[int]int{{}, {}}}
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

func (r *routes) add(p netip.Prefix, s *Session) {
	if _, ok := r.table[p]; !ok {
		r.count(p, 1)
	}
	r.table[p] = s
}

// remove removes a route, unless it is another session's by now.
func (r *routes) remove(p netip.Prefix, s *Session) {
	if r.table[p] == s {
		delete(r.table, p)
		r.count(p, -1)
	}
}

func (r *routes) count(p netip.Prefix, by int) {
	f := family(p.Addr())
	if r.lengths[f][p.Bits()] += by; r.lengths[f][p.Bits()] == 0 {
		delete(r.lengths[f], p.Bits())
	}
	r.sorted[f] = slices.SortedFunc(maps.Keys(r.lengths[f]), func(a, b int) int { return b - a })
}

func (r *routes) lookup(a netip.Addr) *Session {
	for _, bits := range r.sorted[family(a)] {
		if p, err := a.Prefix(bits); err == nil {
			if s := r.table[p]; s != nil {
				return s
			}
		}
	}
	return nil
}

// routed is a route of a session.
type routed struct {
	prefix netip.Prefix
	until  time.Duration // when its lease ends; 0: with the session
}

// route sends what goes to p to the session, until a time unless that is 0.
func (s *Session) route(p netip.Prefix, until time.Duration) {
	s.ac.routes.add(p, s)
	for i := range s.routed {
		if s.routed[i].prefix == p {
			s.routed[i].until = until
			return
		}
	}
	s.routed = append(s.routed, routed{p, until})
}

// unroute ends all routes of the session for which f is true.
func (s *Session) unrouteIf(f func(routed) bool) {
	s.routed = slices.DeleteFunc(s.routed, func(r routed) bool {
		if !f(r) {
			return false
		}
		s.ac.routes.remove(r.prefix, s)
		if r.until != 0 {
			s.ac.tell(s, Withdrawn, r.prefix.String())
		}
		return true
	})
}

func (s *Session) unroute() { s.unrouteIf(func(routed) bool { return true }) }

// expire ends the routes whose lease is over.
func (s *Session) expire() {
	s.unrouteIf(func(r routed) bool { return r.until != 0 && s.ac.now >= r.until })
}

// Routes returns what is sent to the session.
func (s *Session) Routes() []netip.Prefix {
	var list []netip.Prefix
	for _, r := range s.routed {
		list = append(list, r.prefix)
	}
	return list
}

// networkUp routes what a network protocol brings.
func (s *Session) networkUp(protocol ppp.Protocol) {
	switch protocol {
	case ppp.IPCP:
		text := "IPv4"
		for _, p := range []netip.Prefix{netip.PrefixFrom(s.login.IPv4, 32), s.login.Block} {
			if p.IsValid() {
				s.route(p.Masked(), 0)
				text += " " + p.String()
			}
		}
		s.ac.tell(s, NetworkOpen, text)
	case ppp.IPv6CP:
		s.ac.tell(s, NetworkOpen, "IPv6 "+s.v6.Snapshot().Peer.LinkLocal().String())
		s.advertise()
	}
}

func (s *Session) networkDown(protocol ppp.Protocol) {
	v4 := protocol == ppp.IPCP
	s.unrouteIf(func(r routed) bool { return r.prefix.Addr().Is4() == v4 })
	what := "IPv6"
	if v4 {
		what = "IPv4"
	}
	s.ac.tell(s, NetworkShut, what)
}

// forward reports whether an IP packet of the host's is to go on to the network behind, and
// counts it if so. Only what the host may send from goes on: on a Flets line, a prefix that
// was not delegated does not.
func (s *Session) forward(protocol ppp.Protocol, packet []byte) bool {
	source, destination, ok := addresses(packet)
	if !ok || !s.carries(protocol) || source.Is4() != (protocol == ppp.IPv4) ||
		onLink(source, destination) || s.ac.routes.lookup(source) != s {
		return false
	}
	s.Traffic.RxPackets++
	s.Traffic.RxBytes += uint64(len(packet))
	return true
}

// onLink reports whether a packet stays on the link.
func onLink(source, destination netip.Addr) bool {
	return source.IsLinkLocalUnicast() || destination.IsLinkLocalUnicast() || destination.IsMulticast()
}

// carries reports whether packets of a PPP protocol may pass.
func (s *Session) carries(protocol ppp.Protocol) bool {
	switch protocol {
	case ppp.IPv4:
		return s.Opened(ppp.IPCP)
	case ppp.IPv6:
		return s.Opened(ppp.IPv6CP)
	}
	return false
}

// uplink takes an IP packet from the host.
func (s *Session) uplink(protocol ppp.Protocol, packet []byte) {
	if s.forward(protocol, packet) {
		s.ac.out.Packets = append(s.ac.out.Packets, packet)
		return
	}
	source, destination, ok := addresses(packet)
	if ok && s.carries(protocol) && source.Is4() == (protocol == ppp.IPv4) && onLink(source, destination) {
		s.local(source, destination, packet)
		return
	}
	s.Traffic.Dropped++
}

// Carry takes an IP packet for a host from the network behind.
func (a *AC) Carry(now time.Duration, packet []byte) Output {
	a.now = now
	_, destination, ok := addresses(packet)
	if !ok {
		return a.flush()
	}
	if s := a.routes.lookup(destination); s != nil {
		s.downlink(packet)
	}
	return a.flush()
}

// Routed reports whether a packet to an address would go to one of the
// sessions.
func (a *AC) Routed(to netip.Addr) bool { return a.routes.lookup(to) != nil }

// downlink sends an IP packet to the host.
func (s *Session) downlink(packet []byte) {
	protocol, ok := s.deliver(packet)
	if !ok {
		s.Traffic.Dropped++
		return
	}
	s.transmit(protocol, packet)
}

// deliver reports whether an IP packet may go to the host, as what, and counts it if so.
func (s *Session) deliver(packet []byte) (protocol ppp.Protocol, ok bool) {
	protocol = ppp.IPv4
	if packet[0]>>4 == 6 {
		protocol = ppp.IPv6
	}
	if len(packet) > s.link.MTU() || !s.carries(protocol) {
		return protocol, false
	}
	s.Traffic.TxPackets++
	s.Traffic.TxBytes += uint64(len(packet))
	return protocol, true
}

// addresses returns source and destination of an IP packet.
func addresses(packet []byte) (source, destination netip.Addr, ok bool) {
	switch {
	case len(packet) >= 20 && packet[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(packet[12:16])), netip.AddrFrom4([4]byte(packet[16:20])), true
	case len(packet) >= ipv6Len && packet[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(packet[8:24])), netip.AddrFrom16([16]byte(packet[24:40])), true
	}
	return source, destination, false
}

// Destination returns where an IP packet goes; invalid if it is none.
func Destination(packet []byte) netip.Addr {
	_, to, _ := addresses(packet)
	return to
}
