package capture

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// vnetLen is the length in octets of the virtio-net header before each packet.
const vnetLen = 10

// offload is what is left to do to a packet before it is what goes over the wire: a
// virtio-net header (VIRTIO 1.2 section 5.1.6) in the machine's byte order.
type offload struct {
	checksum bool // is still to be made
	start    int  // of what it covers, from where it stands
	offset   int  // of the checksum from there
	kind     byte // of super-packet; 0 for none
	size     int  // octets of payload of each segment
}

func parseOffload(b []byte) offload {
	u16 := func(at int) int { return int(binary.NativeEndian.Uint16(b[at:])) }
	return offload{
		checksum: b[0]&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM != 0, start: u16(6), offset: u16(8),
		kind: b[1] &^ unix.VIRTIO_NET_HDR_GSO_ECN, size: u16(4),
	}
}

// Transport protocols, and offsets in IPv4, IPv6, TCP (RFC 9293 section 3.1) and UDP headers.
const (
	protocolTCP, protocolUDP           = 6, 17
	flagFIN, flagPSH, flagCWR          = 0x01, 0x08, 0x80
	tcpSequence, tcpFlags, tcpChecksum = 4, 13, 16
	udpLength, udpChecksum             = 4, 6
)

// finish does what is left to do to a session frame, and returns the frames that go over the
// wire in its place. What cannot be cut stays as it is.
func (o offload) finish(frame []byte) [][]byte {
	if o.kind == unix.VIRTIO_NET_HDR_GSO_NONE {
		if at := o.start + o.offset; o.checksum && at+2 <= len(frame) {
			binary.BigEndian.PutUint16(frame[at:], some(fold(sum(frame[o.start:], 0)))) // as the kernel, of TCP too
		}
		return [][]byte{frame}
	}
	s, ok := o.layout(frame)
	if !ok {
		return [][]byte{frame}
	}
	var list [][]byte
	for payload := frame[s.payload:]; len(payload) > 0; {
		n := min(o.size, len(payload))
		list = append(list, s.segment(frame, len(list), o.size, payload[:n], n == len(payload)))
		payload = payload[n:]
	}
	return list
}

// layout is where things stand in a super-packet.
type layout struct {
	protocol  byte
	transport int // offset of its header
	payload   int
}

// layout looks at IPv4 without and IPv6 without extension headers only; a tunnel's packet
// has another protocol there.
func (o offload) layout(frame []byte) (layout, bool) {
	if o.size == 0 || len(frame) < headerLen+40 {
		return layout{}, false
	}
	ip := frame[headerLen:]
	s := layout{ip[6], headerLen + 40, 0}
	if ip[0]>>4 == 4 {
		s.protocol, s.transport = ip[9], headerLen+int(ip[0]&15)*4
		if s.transport < headerLen+20 { // no such header (RFC 791 section 3.1)
			return layout{}, false
		}
	}
	switch {
	case (o.kind == unix.VIRTIO_NET_HDR_GSO_TCPV4 || o.kind == unix.VIRTIO_NET_HDR_GSO_TCPV6) &&
		s.protocol == protocolTCP && s.transport+20 <= len(frame):
		if n := int(frame[s.transport+12]>>4) * 4; n >= 20 {
			s.payload = s.transport + n
		}
	case o.kind == unix.VIRTIO_NET_HDR_GSO_UDP_L4 && s.protocol == protocolUDP:
		s.payload = s.transport + 8
	}
	return s, s.payload > s.transport && s.payload < len(frame)
}

// segment returns segment number i, with size octets of payload in each before it.
func (s layout) segment(frame []byte, i, size int, payload []byte, last bool) []byte {
	b := append(append(make([]byte, 0, s.payload+len(payload)), frame[:s.payload]...), payload...)
	setLength(b)
	ip, t := b[headerLen:], b[s.transport:]
	var addresses []byte
	if ip[0]>>4 == 4 {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		binary.BigEndian.PutUint16(ip[4:], binary.BigEndian.Uint16(ip[4:])+uint16(i))
		binary.BigEndian.PutUint16(ip[10:], 0)
		binary.BigEndian.PutUint16(ip[10:], fold(sum(ip[:s.transport-headerLen], 0)))
		addresses = ip[12:20]
	} else {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-40))
		addresses = ip[8:40]
	}
	checksum, form := t[udpChecksum:], some
	if s.protocol == protocolTCP {
		binary.BigEndian.PutUint32(t[tcpSequence:], binary.BigEndian.Uint32(t[tcpSequence:])+uint32(i*size))
		if !last {
			t[tcpFlags] &^= flagFIN | flagPSH
		}
		if i > 0 {
			t[tcpFlags] &^= flagCWR // RFC 3168 section 6.1.2
		}
		checksum, form = t[tcpChecksum:], func(v uint16) uint16 { return v }
	} else {
		binary.BigEndian.PutUint16(t[udpLength:], uint16(len(t)))
	}
	binary.BigEndian.PutUint16(checksum, 0)
	pseudo := sum(addresses, uint32(s.protocol)+uint32(len(t)))
	binary.BigEndian.PutUint16(checksum, form(fold(sum(t, pseudo))))
	return b
}

// sum adds 16-bit words (RFC 1071), an odd octet at the end as if a zero followed.
func sum(b []byte, n uint32) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		n += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		n += uint32(b[0]) << 8
	}
	return n
}

// fold makes a checksum of a sum.
func fold(n uint32) uint16 {
	for n > 0xffff {
		n = n>>16 + n&0xffff
	}
	return ^uint16(n)
}

// some returns a checksum in the form that is not 0, by which UDP means none.
func some(checksum uint16) uint16 {
	if checksum == 0 {
		return 0xffff
	}
	return checksum
}
