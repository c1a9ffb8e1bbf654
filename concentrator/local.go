package concentrator

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"time"

	"pppoectl/ppp"

	"github.com/mdlayher/ndp"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
)

// The link itself: what goes to the concentrator's own link-local address, which
// no kernel has, is answered here.

const (
	ipv6Len   = 40
	udpLen    = 8
	hopLimit  = 64
	protoUDP  = 17
	protoICMP = 58
)

var (
	allNodes   = netip.MustParseAddr("ff02::1")
	allRouters = netip.MustParseAddr("ff02::2")
	allAgents  = netip.MustParseAddr("ff02::1:2") // all DHCP relay agents and servers
)

// linkLocal returns the concentrator's address on the session.
func (s *Session) linkLocal() netip.Addr { return s.v6.Snapshot().Local.LinkLocal() }

// local takes an IPv6 packet that stays on the link.
func (s *Session) local(source, destination netip.Addr, packet []byte) {
	if !source.Is6() || !source.IsLinkLocalUnicast() {
		s.Traffic.Dropped++
		return
	}
	n := int(binary.BigEndian.Uint16(packet[4:6]))
	if n > len(packet)-ipv6Len {
		s.Traffic.Dropped++
		return
	}
	s.Traffic.RxPackets++
	s.Traffic.RxBytes += uint64(len(packet))
	payload := packet[ipv6Len : ipv6Len+n]
	ours := s.linkLocal()
	switch {
	case packet[6] == protoICMP && destination == allRouters:
		if len(payload) > 0 && payload[0] == byte(ipv6.ICMPTypeRouterSolicitation) && packet[7] == ndp.HopLimit {
			s.advertise()
		}
	case packet[6] == protoICMP && (destination == ours || destination == allNodes):
		s.echoReply(source, payload)
	case packet[6] == protoUDP && (destination == ours || destination == allAgents):
		s.datagram(source, payload)
	}
}

// echoReply answers a ping (RFC 4443 section 4.2).
func (s *Session) echoReply(to netip.Addr, payload []byte) {
	m, err := icmp.ParseMessage(protoICMP, payload)
	if err != nil || m.Type != ipv6.ICMPTypeEchoRequest {
		return
	}
	m.Type = ipv6.ICMPTypeEchoReply
	b, err := m.Marshal(icmp.IPv6PseudoHeader(s.linkLocal().AsSlice(), to.AsSlice()))
	if err != nil {
		return
	}
	s.downlink(s.ipv6Packet(protoICMP, to, b))
}

// Advertise sends a router advertisement to every host with IPv6, if the
// concentrator sends any.
func (a *AC) Advertise(now time.Duration) Output {
	a.now = now
	for _, id := range slices.Sorted(maps.Keys(a.sessions)) {
		if s := a.sessions[id]; s.Opened(ppp.IPv6CP) {
			s.advertise()
		}
	}
	return a.flush()
}

// advertise sends a router advertisement.
func (s *Session) advertise() {
	if !s.ac.cfg.Advertise {
		return
	}
	b, err := ndp.MarshalMessageChecksum(&ndp.RouterAdvertisement{CurrentHopLimit: hopLimit, RouterLifetime: s.ac.cfg.RouterLifetime}, s.linkLocal(), allNodes)
	if err != nil {
		return
	}
	p := s.ipv6Packet(protoICMP, allNodes, b)
	p[7] = ndp.HopLimit
	s.downlink(p)
}

// datagram takes a UDP datagram; its checksum is the line's affair.
func (s *Session) datagram(from netip.Addr, b []byte) {
	if len(b) < udpLen || int(binary.BigEndian.Uint16(b[4:6])) != len(b) {
		return
	}
	source, destination := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if destination != portServer || source != portClient {
		return
	}
	answer := s.dhcp(b[udpLen:])
	if answer == nil {
		return
	}
	u := binary.BigEndian.AppendUint16(nil, portServer)
	u = binary.BigEndian.AppendUint16(u, portClient)
	u = binary.BigEndian.AppendUint16(u, uint16(udpLen+len(answer)))
	u = append(binary.BigEndian.AppendUint16(u, 0), answer...)
	sum := checksum(s.linkLocal(), from, u)
	binary.BigEndian.PutUint16(u[6:], sum)
	s.downlink(s.ipv6Packet(protoUDP, from, u))
}

// checksum is UDP's over IPv6, with its pseudo header (RFC 8200 section 8.1).
func checksum(source, destination netip.Addr, datagram []byte) uint16 {
	sum := uint32(protoUDP) + uint32(len(datagram))
	add := func(b []byte) {
		for ; len(b) >= 2; b = b[2:] {
			sum += uint32(binary.BigEndian.Uint16(b))
		}
		if len(b) == 1 {
			sum += uint32(b[0]) << 8
		}
	}
	add(source.AsSlice())
	add(destination.AsSlice())
	add(datagram)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	if c := ^uint16(sum); c != 0 {
		return c
	}
	return 0xffff
}

// ipv6Packet wraps a payload for the host.
func (s *Session) ipv6Packet(next byte, to netip.Addr, payload []byte) []byte {
	b := make([]byte, ipv6Len, ipv6Len+len(payload))
	b[0], b[6], b[7] = 6<<4, next, hopLimit
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	copy(b[8:], s.linkLocal().AsSlice())
	copy(b[24:], to.AsSlice())
	return append(b, payload...)
}
