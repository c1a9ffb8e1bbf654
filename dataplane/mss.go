package dataplane

import (
	"encoding/binary"
	"errors"
	"fmt"

	"pppoectl/ppp"
)

// ErrMTU is matched when a link is too narrow for a family.
var ErrMTU = errors.New("MTU too small")

// MSS returns the largest TCP segment in octets that a link of mtu octets
// carries: mtu-40 for IPv4, mtu-60 for IPv6 (RFC 9293 section 3.7.1), so 1414
// and 1394 on Flets. Below 68 (RFC 791) or 1280 (RFC 8200) the error matches
// ErrMTU.
func MSS(family ppp.Protocol, mtu int) (int, error) {
	least, headers := 68, 40
	if family == ppp.IPv6 {
		least, headers = 1280, 60
	}
	if mtu < least {
		return 0, fmt.Errorf("%w: %d octets, %v needs %d", ErrMTU, mtu, family, least)
	}
	return mtu - headers, nil
}

// Offsets and values of IPv4, IPv6 and TCP headers.
const (
	protocolTCP = 6
	ipv4Len     = 20 // without options
	ipv6Len     = 40
	tcpLen      = 20
	flagSYN     = 0x02
	optEnd      = 0
	optNOP      = 1
	optMSS      = 2
)

// ClampMSS lowers the MSS option of a TCP SYN in an IP packet to what a link of
// mtu octets carries, and corrects the checksum. It reports whether it did.
// Everything else, and everything malformed, is left as it is.
func ClampMSS(packet []byte, mtu int) bool {
	segment, family := synSegment(packet)
	if segment == nil {
		return false
	}
	mss, err := MSS(family, mtu)
	if err != nil {
		return false
	}
	at := mssOption(segment)
	if at == 0 || int(binary.BigEndian.Uint16(segment[at:])) <= mss {
		return false
	}
	old := binary.BigEndian.Uint16(segment[at:])
	binary.BigEndian.PutUint16(segment[at:], uint16(mss))
	adjustChecksum(segment, at, old, uint16(mss))
	return true
}

// synSegment returns the TCP segment of packet if it is a SYN that is not
// fragmented, and the packet's family.
func synSegment(packet []byte) ([]byte, ppp.Protocol) {
	var segment []byte
	var family ppp.Protocol
	switch {
	case len(packet) >= 20 && packet[0]>>4 == 4:
		n := int(packet[0]&0x0f) * 4
		fragment := binary.BigEndian.Uint16(packet[6:]) & 0x3fff // more fragments, or an offset
		if packet[9] != protocolTCP || n < 20 || n > len(packet) || fragment != 0 {
			return nil, 0
		}
		segment, family = packet[n:], ppp.IPv4
	case len(packet) >= ipv6Len && packet[0]>>4 == 6:
		if packet[6] != protocolTCP {
			return nil, 0
		}
		segment, family = packet[ipv6Len:], ppp.IPv6
	}
	if len(segment) < tcpLen || segment[13]&flagSYN == 0 {
		return nil, 0
	}
	return segment, family
}

// mssOption returns the offset of the value of the MSS option; 0 if there is
// none, or the options are malformed before it.
func mssOption(segment []byte) int {
	end := int(segment[12]>>4) * 4
	if end < tcpLen || end > len(segment) {
		return 0
	}
	for at := tcpLen; at < end; {
		switch segment[at] {
		case optEnd:
			return 0
		case optNOP:
			at++
			continue
		}
		if at+1 >= end {
			return 0
		}
		n := int(segment[at+1])
		if n < 2 || at+n > end {
			return 0
		}
		if segment[at] == optMSS {
			if n != 4 {
				return 0
			}
			return at + 2
		}
		at += n
	}
	return 0
}

// adjustChecksum corrects a TCP checksum for a changed 16-bit value at offset at
// (RFC 1624). A value at an odd offset counts with its octets swapped. It also
// holds for a checksum that is still partial, as one that the kernel has left to
// the network card is not yet inverted: the callers never see those.
func adjustChecksum(segment []byte, at int, old, new uint16) {
	if at%2 == 1 {
		old, new = old<<8|old>>8, new<<8|new>>8
	}
	sum := uint32(^binary.BigEndian.Uint16(segment[16:])) + uint32(^old) + uint32(new)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(segment[16:], ^uint16(sum))
}
