package fuzz_test

import (
	"crypto/md5"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	wire "github.com/insomniacslk/dhcp/dhcpv6"

	"pppoectl/concentrator"
	"pppoectl/ipv6cp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// customer is a host of FuzzConcentrator: what it remembers of what it has heard.
type customer struct {
	mac       pppoe.MAC
	local     netip.Addr // link-local
	id        uint16     // of its newest session
	cookie    []byte
	challenge ppp.Packet   // the last; zero: none
	asked     []controlled // what it has not answered
}

type controlled struct {
	protocol ppp.Protocol
	packet   ppp.Packet
}

func newCustomer(n byte) *customer {
	return &customer{mac: pppoe.MAC{2, 0, 0, 0, 0, n}, local: up6(n).LinkLocal()}
}

// hear takes what the concentrator says. What it says must be well formed.
func (h *customer) hear(t *testing.T, etherType uint16, q pppoe.Packet) {
	if etherType == pppoe.EtherTypeDiscovery {
		tags, err := pppoe.ParseTags(q.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := tags.Get(pppoe.ACCookie); ok && q.Code == pppoe.PADO {
			h.cookie = c
		}
		if q.Code == pppoe.PADS && q.SessionID != 0 {
			*h = customer{mac: h.mac, local: h.local, cookie: h.cookie, id: q.SessionID}
		}
		return
	}
	protocol, information, err := ppp.ParseFrame(q.Payload)
	if err != nil {
		t.Fatal(err)
	}
	switch protocol {
	case ppp.IPv4:
		return
	case ppp.IPv6:
		if len(information) < 40 || len(information) != 40+int(binary.BigEndian.Uint16(information[4:])) {
			t.Fatalf("IPv6 packet %x", information)
		}
		return
	}
	p, err := ppp.ParsePacket(information)
	if err != nil || len(p.AppendTo(nil)) != len(information) {
		t.Fatalf("%v %x: %v", protocol, information, err)
	}
	if protocol == ppp.CHAP && p.Code == 1 {
		h.challenge = p
	}
	if h.asked = append(h.asked, controlled{protocol, p}); len(h.asked) > 8 {
		h.asked = h.asked[1:]
	}
}

// answers is what a good host says to all that it was asked.
func (h *customer) answers() []controlled {
	var list []controlled
	for _, a := range h.asked {
		code := ppp.Code(0)
		switch {
		case a.packet.Code == ppp.ConfigureRequest && a.protocol != ppp.PAP && a.protocol != ppp.CHAP:
			code = ppp.ConfigureAck
		case a.packet.Code == ppp.TerminateRequest && a.protocol != ppp.PAP && a.protocol != ppp.CHAP:
			code = ppp.TerminateAck
		case a.packet.Code == ppp.EchoRequest && a.protocol == ppp.LCP:
			code = ppp.EchoReply
		case a.packet.Code == ppp.ConfigureNak && a.protocol == ppp.IPCP: // what it was told
			list = append(list, controlled{a.protocol, ppp.Packet{Code: ppp.ConfigureRequest, ID: a.packet.ID + 1, Data: a.packet.Data}})
		}
		if code != 0 {
			list = append(list, controlled{a.protocol, ppp.Packet{Code: code, ID: a.packet.ID, Data: a.packet.Data}})
		}
	}
	h.asked = nil
	return list
}

// wish is a host's Configure-Request; nil if it has none for a protocol.
func (h *customer) wish(protocol ppp.Protocol) []byte {
	switch protocol {
	case ppp.LCP:
		return []byte{1, 4, 5, 0xae, 5, 6, 1, 2, 3, h.mac[5]}
	case ppp.IPCP:
		return []byte{3, 6, 0, 0, 0, 0}
	case ppp.IPv6CP:
		id := up6(h.mac[5])
		return append([]byte{1, 10}, id[:]...)
	}
	return nil
}

// response is that to the last challenge (RFC 1994 section 4.1).
func (h *customer) response(user, password string) ppp.Packet {
	challenge := h.challenge.Data[1:min(len(h.challenge.Data), 1+int(h.challenge.Data[0]))]
	sum := md5.Sum(slices.Concat([]byte{h.challenge.ID}, []byte(password), challenge))
	return ppp.Packet{Code: 2, ID: h.challenge.ID, Data: slices.Concat([]byte{16}, sum[:], []byte(user))}
}

// addressees are addresses that packets come from and go to: what logins have, what
// nobody has, and the link's.
var addressees = []netip.Addr{
	netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("198.51.100.9"), netip.MustParseAddr("203.0.113.8"), netip.MustParseAddr("203.0.113.66"),
	netip.MustParseAddr("2001:db8:100::1"), netip.MustParseAddr("2001:db8:200::1"), netip.MustParseAddr("2001:db8:300::1"), netip.MustParseAddr("2001:db8:ffff::1"),
	netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("::"), netip.MustParseAddr("ff02::1"), netip.MustParseAddr("ff02::2"),
	ipv6cp.FromMAC(ac).LinkLocal(), netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2001:db8:400::1"),
}

// packetOf is an IP packet; 255 as its source is the host itself, on the link. If
// the families differ, the destination counts.
func packetOf(h *customer, source, destination byte, payload []byte) []byte {
	from, to := addressees[int(source)%len(addressees)], addressees[int(destination)%len(addressees)]
	if source == 255 {
		from = h.local
	}
	if to.Is4() {
		b := make([]byte, 20, 20+len(payload))
		b[0], b[8], b[9] = 0x45, 64, 253
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
		if from.Is4() {
			copy(b[12:], from.AsSlice())
		}
		copy(b[16:], to.AsSlice())
		return append(b, payload...)
	}
	b := make([]byte, 40, 40+len(payload))
	a := from.As16()
	b[0], b[6], b[7] = 0x60, 58, 255
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	copy(b[8:], a[:])
	copy(b[24:], to.AsSlice())
	return append(b, payload...)
}

// sourceOf returns where an IP packet comes from.
func sourceOf(b []byte) netip.Addr {
	if b[0]>>4 == 4 {
		return netip.AddrFrom4([4]byte(b[12:16]))
	}
	return netip.AddrFrom16([16]byte(b[8:24]))
}

// dhcpOf is a DHCPv6 message of the host to this concentrator's server.
func dhcpOf(h *customer, kind byte, options []byte) []byte {
	b := []byte{1 + kind%13, 1, 2, 3}
	b = append(b, option6(wire.OptionClientID, []byte{0, 3, 0, 1}, h.mac[:])...)
	if b[0] != 1 && b[0] != 6 {
		b = append(b, option6(wire.OptionServerID, []byte{0, 3, 0, 1}, ac[:])...)
	}
	if kind < 128 {
		b = append(b, option6(wire.OptionIAPD, []byte{0, 0, 0, kind / 13, 0, 0, 0, 0, 0, 0, 0, 0})...)
	}
	return append(b, options...)
}

// dialled is the way of a host into a session, and up.
func dialled(host, who byte) []byte {
	b := []byte{opcSolicit, host, 4, 1, 3, 0, 0, opcRequest, host, 0, opcAnswer, host, opcAsk, host, 0, opcAnswer, host, opcLogin, host, who, 1, opcAnswer, host}
	for _, network := range []byte{3, 4} { // of protocols
		b = append(b, opcAsk, host, network, opcAnswer, host, opcAnswer, host)
	}
	return b
}

// calls adds what a concentrator may go through.
func calls(f *testing.F) {
	f.Helper()
	for kind := range byte(3) {
		for who := range byte(len(customers)) {
			f.Add(slices.Concat([]byte{kind}, dialled(0, who), []byte{opcPacket, 0, 0, 8, 3, 1, 2, 3, opcPacket, 0, 255, 13, 8, 128, 0, 0, 0, 0, 1, 0, 1, opcPacket, 0, 255, 12, 1, 133,
				opcDHCP, 0, 0, 0, opcDHCP, 0, 2, 0, opcPacket, 0, 4, 7, 0, opcCarry, 0, 4, 10, opcCarry, 0, 0, 10, opcDHCP, 0, 4, 0, opcDHCP, 0, 7, 0, opcTime, 0, 80, opcOrder, 0, 6, opcAnswer, 0, opcTime, 0, 255}))
		}
	}
	for what := range byte(13) {
		f.Add(slices.Concat([]byte{4}, dialled(0, 2), []byte{opcDHCP, 0, 2, 0}, dialled(1, 2), []byte{opcDHCP, 1, 2, 0, opcOrder, 1, what, opcAnswer, 1, opcDHCP, 1, 4, 0, opcDHCP, 1, 15, 0,
			opcTime, 0, 40, opcSolicit, 2, 0, opcRequest, 2, 0}))
	}
	f.Add(slices.Concat([]byte{0}, dialled(1, 0), []byte{opcForeign, 0, 1, 2, 0xc0, 0x21, opcForeign, 0, 1, 24, 0, 0x21, 0x45}, make([]byte, 11), []byte{203, 0, 113, 7, 8, 8, 8, 8, 0, 0, opcForeign, 0, 0, 0}))
	for _, name := range recordings { // what real clients say, in sessions of ours
		b := []byte{0}
		perFrame(f, name, func(frame []byte) {
			if len(frame) <= 20 || pppoe.MAC(frame[6:12]) == ac || len(frame) > 20+255 || len(b) > 2000 {
				return
			}
			n := byte(len(frame) - 20)
			switch code := pppoe.Code(frame[15]); {
			case frame[13] == 0x64:
				b = append(b, opcSession, 0, n)
			case code == pppoe.PADI:
				b = append(b, opcSolicit, 0, n)
			case code == pppoe.PADR:
				b = append(b, opcRequest, 0, n)
			default:
				b = append(b, opcDiscovery, 0, frame[15], frame[17], n)
			}
			b = append(append(b, frame[20:]...), opcAnswer, 0)
		})
		f.Add(b)
	}
}

// The language must reach the places that matter, or it finds nothing.
func TestTheLanguageBringsHostsUp(t *testing.T) {
	for kind := range byte(3) {
		x := newExchange(t, slices.Concat([]byte{kind}, dialled(0, 2), []byte{opcDHCP, 0, 2, 0}))
		for len(x.data) > 0 {
			x.step()
		}
		s := x.ac.Sessions()[x.hosts[0].id]
		if s == nil || !s.Opened(ppp.IPCP) || !s.Opened(ppp.IPv6CP) || len(s.Routes()) != 2 {
			t.Fatalf("logins as %d: %+v", kind, s)
		}
		x.data = []byte{opcPacket, 0, 2, 8, 0, opcPacket, 0, 5, 7, 0, opcCarry, 0, 5, 1}
		for len(x.data) > 0 {
			x.step()
		}
		if want := (concentrator.Traffic{RxPackets: 2, TxPackets: 1}); s.Traffic.RxPackets < want.RxPackets || s.Traffic.TxPackets < want.TxPackets {
			t.Errorf("carried %+v", s.Traffic)
		}
	}
}
