package concentrator_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/gopacket/layers"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"pppoectl/concentrator"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// passes sends a packet from a host and reports whether it goes on to the network
// behind, as it is; if not, it must be counted.
func (h *host) passes(packet []byte) bool {
	t := h.s.t
	t.Helper()
	before := h.theSession().Traffic
	h.s.packets = nil
	h.send(packet)
	after := h.theSession().Traffic
	switch {
	case len(h.s.packets) == 1 && bytes.Equal(h.s.packets[0], packet):
		if after.RxPackets != before.RxPackets+1 || after.RxBytes != before.RxBytes+uint64(len(packet)) || after.Dropped != before.Dropped {
			t.Errorf("%+v became %+v", before, after)
		}
		return true
	case len(h.s.packets) != 0:
		t.Errorf("%x became %x", packet, h.s.packets)
	case after.Dropped != before.Dropped+1 || after.RxPackets != before.RxPackets:
		t.Errorf("dropped, but %+v became %+v", before, after)
	}
	return false
}

func TestOnlyOwnSourcesPass(t *testing.T) {
	s := newSegment(t, nil)
	four, both := s.host(user4).up(), s.host(userBoth).up()
	const out4, out6 = "198.51.100.1", "2001:db8:ffff::1"
	if both.passes(ip6("2001:db8:200::1", out6, 8)) {
		t.Error("a prefix that was not delegated passes")
	}
	both.acquire()
	both.ip = nil
	for _, c := range []struct {
		h      *host
		packet []byte
		want   bool
	}{
		{four, ip4("203.0.113.7", out4, 8), true},
		{four, ip4("198.51.100.8", out4, 8), true}, // of its block
		{four, ip4("198.51.100.15", out4, 8), true},
		{four, ip4("198.51.100.16", out4, 8), false},
		{four, ip4("198.51.100.7", out4, 8), false},
		{four, ip4("203.0.113.8", out4, 8), false}, // the other's
		{four, ip4("10.0.0.1", out4, 8), false},
		{four, ip4("0.0.0.0", out4, 8), false},
		{four, ip4("169.254.1.1", out4, 8), false},
		{four, ip4("203.0.113.7", "224.0.0.1", 8), false},
		{four, ip6("2001:db8:200::1", out6, 8), false}, // it has no IPv6
		{both, ip4("203.0.113.8", out4, 8), true},
		{both, ip4("203.0.113.7", out4, 8), false},
		{both, ip6("2001:db8:200::1", out6, 8), true},
		{both, ip6("2001:db8:200:ff:ffff:ffff:ffff:ffff", out6, 0), true},
		{both, ip6("2001:db8:200:100::1", out6, 8), false},
		{both, ip6("2001:db8:100::1", out6, 8), false},
		{both, ip6("2001:db8:200::1", "ff02::1", 8), false},
		{both, ip6("2001:db8:200::1", "fe80::1", 8), false},
		{both, ip6("::ffff:203.0.113.8", out6, 8), false},
		{both, ip6("::", out6, 8), false},
		{both, ip4("203.0.113.8", "203.0.113.7", 8), true}, // to another host: by the network behind
		{both, ip6("2001:db8:200::1", "2001:db8:200::2", 8), true},
	} {
		if got := c.h.passes(c.packet); got != c.want {
			t.Errorf("from %v, %x: passes %v", c.h.mac, c.packet, got)
		}
	}
	if len(four.ip)+len(both.ip) != 0 {
		t.Error("a packet turned round in the concentrator")
	}
}

func TestPacketsThatAreNone(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(userBoth).up()
	h.acquire()
	good4, good6 := ip4("203.0.113.8", "198.51.100.1", 8), ip6("2001:db8:200::1", "2001:db8:ffff::1", 8)
	for name, c := range map[string]struct {
		protocol ppp.Protocol
		packet   []byte
	}{
		"cut in the header":  {ppp.IPv4, good4[:19]},
		"cut IPv6":           {ppp.IPv6, good6[:39]},
		"empty":              {ppp.IPv4, nil},
		"IPv6 as IPv4":       {ppp.IPv4, good6},
		"IPv4 as IPv6":       {ppp.IPv6, good4},
		"of another version": {ppp.IPv4, append([]byte{0x55}, good4[1:]...)},
	} {
		before := h.theSession().Traffic.Dropped
		s.packets = nil
		h.ppp(c.protocol, c.packet)
		s.run(0)
		if len(s.packets) != 0 || h.theSession().Traffic.Dropped != before+1 {
			t.Errorf("%s: %x, %d dropped", name, s.packets, h.theSession().Traffic.Dropped-before)
		}
	}
}

func TestPacketsGoToTheRightHost(t *testing.T) {
	s := newSegment(t, nil)
	four, both, six := s.host(user4).up(), s.host(userBoth).up(), s.host(user6).up()
	both.acquire()
	six.acquire()
	for to, want := range map[string]*host{
		"203.0.113.7": four, "198.51.100.9": four, "203.0.113.8": both, "2001:db8:200::9": both, "2001:db8:100:ff::9": six,
		"203.0.113.9": nil, "198.51.100.16": nil, "2001:db8:101::1": nil, "2001:db8:200:100::1": nil, "::1": nil,
	} {
		for _, h := range s.hosts {
			h.ip = nil
		}
		var packet []byte
		if a := addr(to); a.Is4() {
			packet = ip4("198.51.100.1", to, 8)
		} else {
			packet = ip6("2001:db8:ffff::1", to, 8)
		}
		s.carry(packet)
		for _, h := range s.hosts {
			if got := len(h.ip) == 1 && bytes.Equal(h.ip[0], packet); got != (h == want) {
				t.Errorf("%s at %v: %x", to, h.mac, h.ip)
			}
		}
		if s.acs[0].Routed(addr(to)) != (want != nil) || concentrator.Destination(packet) != addr(to) {
			t.Errorf("%s: Routed %v, Destination %v", to, s.acs[0].Routed(addr(to)), concentrator.Destination(packet))
		}
	}
	if got := four.theSession().Traffic; got.TxPackets != 2 || got.TxBytes != 56 || got.Dropped != 0 {
		t.Errorf("%+v", got)
	}
	for _, broken := range [][]byte{nil, {}, {0x45}, {0x60, 0}, make([]byte, 100)} {
		if concentrator.Destination(broken).IsValid() {
			t.Errorf("%x goes somewhere", broken)
		}
		if out := s.acs[0].Carry(s.now, broken); len(out.Frames)+len(out.Packets) != 0 {
			t.Errorf("%x: %+v", broken, out)
		}
	}
}

// The longest prefix counts: a /29 within nobody's, an address within the /29.
func TestLongestPrefixWins(t *testing.T) {
	s := newSegment(t, nil)
	s.subs.Change(userBoth, func(l *concentrator.Login) { l.IPv4 = addr("198.51.100.10") })
	four, both := s.host(user4).up(), s.host(userBoth).up()
	s.carry(ip4("10.0.0.1", "198.51.100.10", 0))
	s.carry(ip4("10.0.0.1", "198.51.100.11", 0))
	if len(four.ip) != 1 || len(both.ip) != 1 {
		t.Errorf("%d and %d packets", len(four.ip), len(both.ip))
	}
	both.abandon()
	s.carry(ip4("10.0.0.1", "198.51.100.10", 0))
	if len(four.ip) != 2 {
		t.Error("the shorter prefix is not back")
	}
}

// The ghost of a host that has dialled again goes away, and takes nothing along.
func TestGhostsTakeNoRoutesAlong(t *testing.T) {
	s := newSegment(t, nil)
	ghost, h := s.host(userBoth).up(), s.host(userBoth)
	ghost.acquire()
	h.up().acquire()
	ghost.abandon()
	h.ip = nil
	s.carry(ip4("198.51.100.1", "203.0.113.8", 0))
	s.carry(ip6("2001:db8:ffff::1", "2001:db8:200::1", 0))
	if len(h.ip) != 2 || !h.passes(ip4("203.0.113.8", "198.51.100.1", 0)) {
		t.Errorf("%d of 2 packets", len(h.ip))
	}
}

func TestWhatDoesNotFitIsDropped(t *testing.T) {
	for _, mru := range []int{1454, 1400} { // the host's is 1454
		s := newSegment(t, func(c *concentrator.Config) { c.MRU = mru })
		h := s.host(user4).up()
		s.carry(ip4("198.51.100.1", "203.0.113.7", mru-20))
		s.carry(ip4("198.51.100.1", "203.0.113.7", mru-19))
		if got := h.theSession().Traffic; len(h.ip) != 1 || got.Dropped != 1 || got.TxPackets != 1 || got.TxBytes != uint64(mru) {
			t.Errorf("MRU %d: %d packets, %+v", mru, len(h.ip), got)
		}
	}
}

func TestNothingPassesBeforeTheNetworkIsOpen(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(userBoth)
	s.filter = func(f pppoe.Frame) bool { return !speaks(f, ppp.IPCP) && !speaks(f, ppp.IPv6CP) }
	h.do(session.Input{Command: session.Dial})
	s.run(0)
	if !h.theSession().Opened(ppp.LCP) || h.theSession().User != userBoth {
		t.Fatalf("not logged in: %v", s.events)
	}
	ll := addr("fe80::fd61:ff9b:eb97:1f01")
	for _, packet := range [][]byte{
		ip4("203.0.113.8", "198.51.100.1", 8), ip6("2001:db8:200::1", "2001:db8:ffff::1", 8), ping(ll, addr("ff02::1"), ""),
		udp(ll, allAgents, 546, 547, message(dhcpv6.MessageTypeSolicit, &duid, rapid, iapd(1)).ToBytes()),
	} {
		if h.passes(packet) {
			t.Errorf("%x passes", packet)
		}
	}
	for _, to := range []string{"203.0.113.8", "2001:db8:200::1"} {
		if s.acs[0].Routed(addr(to)) {
			t.Errorf("%s is routed", to)
		}
	}
	s.carry(ip4("198.51.100.1", "203.0.113.8", 8))
	if len(h.ip) != 0 {
		t.Errorf("the host was sent %x", h.ip)
	}
}

func TestPingOfTheConcentrator(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user6).up()
	peer := h.m.Info().IPv6.Peer
	for _, data := range []string{"", "x", "hello concentrator", string(make([]byte, 1400))} {
		for _, to := range []netip.Addr{peer, addr("ff02::1")} {
			h.ip = nil
			h.send(ping(h.linkLocal(), to, data))
			if len(h.ip) != 1 {
				t.Fatalf("%d answers to %d octets", len(h.ip), len(data))
			}
			p := wellFormed(t, h.ip[0])
			i, e := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6), p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
			if e.TypeCode.Type() != layers.ICMPv6TypeEchoReply || !i.SrcIP.Equal(peer.AsSlice()) || !i.DstIP.Equal(h.linkLocal().AsSlice()) || string(e.Payload) != "\x00\x07\x00\x09"+data {
				t.Errorf("%v from %v to %v: %x", e.TypeCode, i.SrcIP, i.DstIP, e.Payload)
			}
		}
	}
	h.ip = nil
	reply := ping(h.linkLocal(), peer, "")
	reply[40] = 129
	short := ping(h.linkLocal(), peer, "")
	short[5] = 1 // payload of one octet
	for _, packet := range [][]byte{
		reply, short, ping(h.linkLocal(), addr("fe80::9"), ""), ping(h.linkLocal(), addr("ff02::2"), ""),
		ping(addr("2001:db8:100::1"), peer, ""), ip6(h.linkLocal().String(), peer.String(), 8), ip6(h.linkLocal().String(), peer.String(), 0),
	} {
		h.send(packet)
	}
	if len(h.ip) != 0 || len(s.packets) != 0 {
		t.Errorf("answered: %x, passed on: %x", h.ip, s.packets)
	}
}

func TestHostileDatagrams(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user6).up()
	ll, peer := h.linkLocal(), h.m.Info().IPv6.Peer
	solicit := message(dhcpv6.MessageTypeSolicit, &duid, rapid, iapd(1)).ToBytes()
	good := udp(ll, allAgents, 546, 547, solicit)
	changed := func(at int, value uint16) []byte {
		b := bytes.Clone(good)
		binary.BigEndian.PutUint16(b[at:], value)
		return b
	}
	n := uint16(len(good) - 40)
	for name, packet := range map[string][]byte{
		"from another port":          udp(ll, allAgents, 1024, 547, solicit),
		"to another port":            udp(ll, allAgents, 546, 546, solicit),
		"to another group":           udp(ll, addr("ff02::1:3"), 546, 547, solicit),
		"from a global address":      udp(addr("2001:db8:100::1"), allAgents, 546, 547, solicit),
		"from nowhere":               udp(addr("::"), allAgents, 546, 547, solicit),
		"UDP length 0":               changed(44, 0),
		"UDP length 7":               changed(44, 7),
		"UDP length too large":       changed(44, n+1),
		"UDP length too small":       changed(44, n-1),
		"UDP length 65535":           changed(44, 0xffff),
		"IPv6 length too large":      changed(4, n+1),
		"IPv6 length 65535":          changed(4, 0xffff),
		"IPv6 length 0":              changed(4, 0),
		"IPv6 length 7":              changed(4, 7),
		"no message":                 udp(ll, allAgents, 546, 547, nil),
		"a type alone":               udp(ll, allAgents, 546, 547, []byte{1}),
		"garbage":                    udp(ll, allAgents, 546, 547, bytes.Repeat([]byte{0xff}, 100)),
		"zeros":                      udp(ll, allAgents, 546, 547, make([]byte, 100)),
		"an option without its end":  udp(ll, allAgents, 546, 547, append(bytes.Clone(solicit), 0, 25, 0, 200)),
		"a relay's message":          udp(ll, allAgents, 546, 547, append([]byte{12, 0}, make([]byte, 32)...)),
		"an IA_PD of one octet":      udp(ll, allAgents, 546, 547, append(bytes.Clone(solicit), 0, 25, 0, 1, 0)),
		"a client id without a type": udp(ll, allAgents, 546, 547, []byte{1, 0, 0, 1, 0, 1, 0, 1, 0}),
	} {
		h.ip = nil
		h.send(packet)
		if len(h.ip) != 0 || len(s.packets) != 0 {
			t.Errorf("%s: answered by %x", name, h.ip)
		}
	}
	for i := range solicit {
		h.ip = nil
		h.send(udp(ll, allAgents, 546, 547, solicit[:i]))
		if i < 18 && len(h.ip) != 0 { // without a whole client id
			t.Errorf("the first %d octets: %x", i, h.ip)
		}
	}
	// Padding behind the IPv6 payload is none of the message's.
	m := message(dhcpv6.MessageTypeSolicit, &duid, rapid, iapd(1))
	if a := h.answer(append(udp(ll, peer, 546, 547, m.ToBytes()), 1, 2, 3), m); a == nil || len(prefixes(a)) != 1 {
		t.Errorf("to our own address, padded: %v", a)
	}
}
