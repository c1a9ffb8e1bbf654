package conformance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"pppoectl/ppp"
)

// delegation is what has been said in DHCPv6 (RFC 8415): whoever is the client.
type delegation struct {
	clientID, serverID []byte // DUIDs
	iaid               []byte
	transaction        []byte // of the client's last message
	pending            uint8  // the client's message that nobody has answered; 0: none
	advertised         bool   // as a client: a server has offered a prefix
	prefix             []byte // the IA_PD option's content that we were offered or have
	bound              bool
	dhcpAt             time.Duration
}

const dhcpRetry = 2 * time.Second

// UDP ports of RFC 8415 section 7.2, and All_DHCP_Relay_Agents_and_Servers.
const (
	clientPort = 546
	serverPort = 547
)

var allServers = netip.MustParseAddr("ff02::1:2")

// iaPrefix is an IAPREFIX option (RFC 8415 section 21.22), lifetimes in seconds.
func iaPrefix(p netip.Prefix, preferred, valid uint32) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, optIAPrefix, 0, 25}, preferred)
	b = append(binary.BigEndian.AppendUint32(b, valid), byte(p.Bits()))
	a := p.Addr().As16()
	return append(b, a[:]...)
}

// message is a DHCPv6 message in a datagram.
type message struct {
	kind        uint8
	transaction []byte
	options     []typed
}

func (m *message) option(code uint16) ([]byte, bool) {
	for _, o := range m.options {
		if o.code == code {
			return o.data, true
		}
	}
	return nil, false
}

// parseDHCP reads an IPv6 packet that is a DHCPv6 message.
func parseDHCP(b []byte) (m message, ok bool) {
	const ip, udp = 40, 8
	if len(b) < ip+udp+4 || b[0]>>4 != 6 || b[6] != 17 {
		return m, false
	}
	from, to := binary.BigEndian.Uint16(b[ip:]), binary.BigEndian.Uint16(b[ip+2:])
	if from != clientPort && from != serverPort && to != clientPort && to != serverPort {
		return m, false
	}
	b = b[ip+udp:]
	m.kind, m.transaction = b[0], b[1:4]
	for b = b[4:]; len(b) >= 4; {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b)-4 {
			return m, false
		}
		m.options = append(m.options, typed{binary.BigEndian.Uint16(b), b[4 : 4+n]})
		b = b[4+n:]
	}
	return m, true
}

func (c *conversation) heardDHCP(b []byte) {
	m, ok := parseDHCP(b)
	if !ok {
		return
	}
	if c.o.Peer == Client {
		c.transaction, c.pending = bytes.Clone(m.transaction), m.kind
		if id, ok := m.option(optClientID); ok {
			c.clientID = bytes.Clone(id)
		}
		if ia, ok := m.option(optIAPD); ok && len(ia) >= 4 {
			c.iaid = bytes.Clone(ia[:4])
		}
		return
	}
	if !bytes.Equal(m.transaction, c.transaction) {
		return
	}
	ia, ok := m.option(optIAPD)
	if !ok || len(ia) < 12 || !bytes.Contains(ia, []byte{0, optIAPrefix, 0, 25}) {
		return
	}
	id, _ := m.option(optServerID)
	switch m.kind {
	case dhcpAdvertise:
		c.advertised, c.dhcpAt = true, 0
		c.serverID, c.prefix = bytes.Clone(id), bytes.Clone(ia[12:])
	case dhcpReply:
		c.bound = c.advertised
	}
}

// delegate answers a client's message, or asks a server for a prefix.
func (m *manners) delegate(now time.Duration) {
	kind := uint8(0)
	switch {
	case m.o.Peer == Client && m.pending == dhcpSolicit:
		kind = dhcpAdvertise
	case m.o.Peer == Client && m.pending != 0:
		kind = dhcpReply
	case m.o.Peer == AC && m.o.Delegation && !m.bound && now >= m.dhcpAt:
		m.dhcpAt = now + dhcpRetry
		kind = dhcpSolicit
		if m.advertised {
			kind = dhcpRequest
		}
	default:
		return
	}
	if f, err := m.build(&template{layer: dhcp, kind: kind, fields: []field{{name: "usual"}}}); err == nil {
		m.bound = m.bound || m.o.Peer == Client && kind == dhcpReply && m.pending == dhcpRequest
		m.pending = 0
		m.add(f)
	}
}

// datagram makes the IPv6 packet of a DHCPv6 message.
func (c *conversation) datagram(t *template) ([]byte, error) {
	client := c.o.Peer == AC // we are
	if client && (t.kind == dhcpSolicit || c.transaction == nil || t.kind != dhcpRequest) {
		c.transaction = []byte{byte(c.rand.Uint32()), byte(c.rand.Uint32()), byte(c.rand.Uint32())}
	}
	if c.transaction == nil {
		return nil, fmt.Errorf("the client has not asked for a prefix")
	}
	options, err := c.typedList(t, c.usualOptions(t.kind), appendOption)
	if err != nil {
		return nil, err
	}
	b := append(append([]byte{t.kind}, c.transaction...), options...)
	if _, other := t.at["transaction"]; other {
		b[3]++
	}
	from, to := clientPort, serverPort
	src, dst := c.linkLocal(c.identifier[:]), allServers
	if !client {
		from, to = serverPort, clientPort
		theirs, _ := c.theirOption(c.of(ppp.IPv6CP), 1)
		dst = c.linkLocal(theirs)
	}
	return udp6(src, dst, uint16(from), uint16(to), b), nil
}

func (c *conversation) usualOptions(kind uint8) []typed {
	empty := append(bytes.Clone(c.iaid), 0, 0, 0, 0, 0, 0, 0, 0)
	full := append(bytes.Clone(empty), iaPrefix(c.o.Prefix, 3600, 7200)...)
	all := []typed{{optClientID, c.clientID}}
	switch kind {
	case dhcpSolicit, 6:
		return append(all, typed{optIAPD, append(empty, c.prefix...)})
	case dhcpAdvertise, dhcpReply:
		return append(all, typed{optServerID, c.serverID}, typed{optIAPD, full})
	}
	return append(all, typed{optServerID, c.serverID}, typed{optIAPD, append(empty, c.prefix...)})
}

func appendOption(b []byte, o typed) []byte {
	b = binary.BigEndian.AppendUint16(b, o.code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(o.data)))
	return append(b, o.data...)
}

func (c *conversation) linkLocal(identifier []byte) netip.Addr {
	a := [16]byte{0xfe, 0x80}
	copy(a[8:], identifier)
	return netip.AddrFrom16(a)
}

// udp6 is an IPv6 packet with a UDP datagram (RFC 8200 section 3, RFC 768).
func udp6(src, dst netip.Addr, from, to uint16, data []byte) []byte {
	n := 8 + len(data)
	b := []byte{0x60, 0, 0, 0, byte(n >> 8), byte(n), 17, 1}
	s, d := src.As16(), dst.As16()
	b = append(append(b, s[:]...), d[:]...)
	b = binary.BigEndian.AppendUint16(b, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = append(b, byte(n>>8), byte(n), 0, 0)
	b = append(b, data...)
	// The pseudo-header is the addresses, the length, and the next header.
	sum := uint32(n) + 17
	rest := b[8:]
	for i := 0; i < len(rest); i += 2 {
		if i+1 < len(rest) {
			sum += uint32(rest[i])<<8 | uint32(rest[i+1])
		} else {
			sum += uint32(rest[i]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	if sum = 0xffff &^ sum; sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[46:], uint16(sum))
	return b
}

func (c *conversation) matchDHCP(t *template, b []byte) bool {
	m, ok := parseDHCP(b)
	if !ok || m.kind != t.kind {
		return false
	}
	for _, f := range t.fields {
		data, there := m.option(f.code)
		if there == f.none || there && !f.none && !c.matchField(f, data) {
			return false
		}
	}
	return true
}

func describeDHCP(p ppp.Protocol, b []byte) (string, bool) {
	if p != ppp.IPv6 {
		return "", false
	}
	m, ok := parseDHCP(b)
	if !ok {
		return "", false
	}
	s := dhcpName + " " + nameOf(dhcpCodes, m.kind)
	for _, o := range m.options {
		s += " " + describeOption(dhcpOptions, o.code, o.data)
	}
	return s, true
}
