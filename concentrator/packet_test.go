package concentrator_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// Packets are made, and read, by gopacket: a second opinion on checksums and
// lengths.

func serialize(list ...gopacket.SerializableLayer) []byte {
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, list...); err != nil {
		panic(err)
	}
	return bytes.Clone(b.Bytes())
}

// ip4 returns an IPv4 packet with n octets of payload.
func ip4(from, to string, n int) []byte {
	return serialize(&layers.IPv4{
		Version: 4, TTL: 64, Protocol: 253, SrcIP: addr(from).AsSlice(), DstIP: addr(to).AsSlice(),
	}, gopacket.Payload(make([]byte, n)))
}

// ip6 returns an IPv6 packet with n octets of payload.
func ip6(from, to string, n int) []byte {
	return serialize(ip6Header(addr(from), addr(to), 253), gopacket.Payload(make([]byte, n)))
}

func ip6Header(from, to netip.Addr, next layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, NextHeader: next, HopLimit: 64, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
}

// ping returns an ICMPv6 echo request.
func ping(from, to netip.Addr, data string) []byte {
	h := ip6Header(from, to, layers.IPProtocolICMPv6)
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeEchoRequest, 0)}
	_ = icmp.SetNetworkLayerForChecksum(h)
	return serialize(h, icmp, &layers.ICMPv6Echo{Identifier: 7, SeqNumber: 9}, gopacket.Payload(data))
}

// udp returns a UDP datagram over IPv6.
func udp(from, to netip.Addr, source, destination uint16, data []byte) []byte {
	h := ip6Header(from, to, layers.IPProtocolUDP)
	u := &layers.UDP{SrcPort: layers.UDPPort(source), DstPort: layers.UDPPort(destination)}
	_ = u.SetNetworkLayerForChecksum(h)
	return serialize(h, u, gopacket.Payload(data))
}

// wellFormed decodes an IPv6 packet and fails unless its lengths and checksums
// are those that gopacket would write.
func wellFormed(t testing.TB, packet []byte) gopacket.Packet {
	t.Helper()
	p := gopacket.NewPacket(packet, layers.LayerTypeIPv6, gopacket.Default)
	if p.ErrorLayer() != nil {
		t.Fatalf("%x: %v", packet, p.ErrorLayer().Error())
	}
	h := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	again := []gopacket.SerializableLayer{h}
	if u, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok {
		if u.Checksum == 0 {
			t.Error("UDP over IPv6 without a checksum")
		}
		c := *u
		_ = c.SetNetworkLayerForChecksum(h)
		again = append(again, &c, gopacket.Payload(u.Payload))
	}
	if i, ok := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6); ok {
		c := *i
		_ = c.SetNetworkLayerForChecksum(h)
		again = append(again, &c, gopacket.Payload(i.Payload))
	}
	b := serialize(again...)
	if h.NextHeader == layers.IPProtocolUDP && b[46] == 0 && b[47] == 0 {
		b[46], b[47] = 0xff, 0xff // RFC 8200 section 8.1, which gopacket does not know
	}
	if !bytes.Equal(b, packet) {
		t.Errorf("%x\nis not\n%x", packet, b)
	}
	return p
}

// DHCPv6.

var (
	allAgents = addr("ff02::1:2")
	duid      = dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}}
	otherDUID = dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: net.HardwareAddr{2, 0, 0, 0, 0, 2}}
	serverID  = dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: acMAC[:]}
	rapid     = &dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionRapidCommit}
)

// iapd is an IA_PD with prefixes in it.
func iapd(id byte, prefixes ...string) *dhcpv6.OptIAPD {
	ia := &dhcpv6.OptIAPD{IaId: [4]byte{0, 0, 0, id}}
	for _, p := range prefixes {
		_, n, err := net.ParseCIDR(p)
		if err != nil {
			panic(err)
		}
		ia.Options.Add(&dhcpv6.OptIAPrefix{Prefix: n})
	}
	return ia
}

// message makes a DHCPv6 message; a client id is given unless id is nil.
func message(kind dhcpv6.MessageType, id dhcpv6.DUID, options ...dhcpv6.Option) *dhcpv6.Message {
	m := &dhcpv6.Message{MessageType: kind, TransactionID: dhcpv6.TransactionID{1, 2, byte(kind)}}
	if id != nil {
		m.AddOption(dhcpv6.OptClientID(id))
	}
	for _, o := range options {
		m.AddOption(o)
	}
	return m
}

// toServer makes a message that names our server.
func toServer(kind dhcpv6.MessageType, id dhcpv6.DUID, options ...dhcpv6.Option) *dhcpv6.Message {
	return message(kind, id, append([]dhcpv6.Option{dhcpv6.OptServerID(&serverID)}, options...)...)
}

// linkLocal is the host's link-local address.
func (h *host) linkLocal() netip.Addr { return h.m.Info().IPv6.Local }

// ask sends a DHCPv6 message and returns the answer; nil if there is none.
func (h *host) ask(m *dhcpv6.Message) *dhcpv6.Message {
	h.s.t.Helper()
	return h.answer(udp(h.linkLocal(), allAgents, 546, 547, m.ToBytes()), m)
}

// answer sends a packet and returns the DHCPv6 message that comes back.
func (h *host) answer(packet []byte, m *dhcpv6.Message) *dhcpv6.Message {
	t := h.s.t
	t.Helper()
	h.ip = nil
	h.send(packet)
	if len(h.ip) == 0 {
		return nil
	}
	if len(h.ip) > 1 {
		t.Fatalf("%d answers", len(h.ip))
	}
	p := wellFormed(t, h.ip[0])
	i, u := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6), p.Layer(layers.LayerTypeUDP).(*layers.UDP)
	if u.SrcPort != 547 || u.DstPort != 546 || !i.DstIP.Equal(h.linkLocal().AsSlice()) || !i.SrcIP.Equal(h.m.Info().IPv6.Peer.AsSlice()) {
		t.Errorf("answer from %v port %d to %v port %d", i.SrcIP, u.SrcPort, i.DstIP, u.DstPort)
	}
	answer, err := dhcpv6.MessageFromBytes(u.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if answer.TransactionID != m.TransactionID {
		t.Errorf("transaction %v answered by %v", m.TransactionID, answer.TransactionID)
	}
	if id := answer.Options.ServerID(); id == nil || !id.Equal(&serverID) {
		t.Errorf("server id %v", id)
	}
	if want, id := m.Options.ClientID(), answer.Options.ClientID(); want != nil && (id == nil || !id.Equal(want)) {
		t.Errorf("client id %v", id)
	}
	return answer
}

// acquire gets a prefix by Rapid Commit; invalid if there is none.
func (h *host) acquire() netip.Prefix {
	h.s.t.Helper()
	return h.acquireAs(&duid)
}

func (h *host) acquireAs(id dhcpv6.DUID) netip.Prefix {
	h.s.t.Helper()
	m := h.ask(message(dhcpv6.MessageTypeSolicit, id, rapid, iapd(1)))
	if m == nil || m.MessageType != dhcpv6.MessageTypeReply {
		h.s.t.Fatalf("Solicit with Rapid Commit: %v", m)
	}
	list := prefixes(m)
	if len(list) == 0 {
		return netip.Prefix{}
	}
	return list[0].prefix
}

// given is a prefix of an answer with its lifetimes, in seconds.
type given struct {
	prefix           netip.Prefix
	preferred, valid int
}

func (g given) String() string { return fmt.Sprintf("%v %d/%d", g.prefix, g.preferred, g.valid) }

func prefixes(m *dhcpv6.Message) []given {
	var list []given
	for _, ia := range m.Options.IAPD() {
		for _, p := range ia.Options.Prefixes() {
			a, _ := netip.AddrFromSlice(p.Prefix.IP)
			bits, _ := p.Prefix.Mask.Size()
			list = append(list, given{netip.PrefixFrom(a, bits), int(p.PreferredLifetime.Seconds()), int(p.ValidLifetime.Seconds())})
		}
	}
	return list
}

// codeOf is the status of the only IA_PD of an answer.
func codeOf(m *dhcpv6.Message) iana.StatusCode {
	if list := m.Options.IAPD(); len(list) == 1 {
		if s := list[0].Options.Status(); s != nil {
			return s.StatusCode
		}
	}
	return iana.StatusSuccess
}
