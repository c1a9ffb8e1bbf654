package pppoe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
)

// The EtherTypes of RFC 2516 section 4.
const (
	EtherTypeDiscovery uint16 = 0x8863
	EtherTypeSession   uint16 = 0x8864
)

// HeaderLen is the length of the PPPoE header in octets (RFC 2516 section 4).
const HeaderLen = 6

// MaxMTU is the largest PPP MTU over an Ethernet of 1500 octets: 1500 less the
// PPPoE header and the PPP protocol field (RFC 2516 section 7). Larger ones
// need RFC 4638.
const MaxMTU = 1492

// versionType is VER 1 and TYPE 1.
const versionType = 0x11

// Errors of the parsers.
var (
	// ErrTruncated is matched when octets end before their length fields say.
	ErrTruncated = errors.New("truncated")
	// ErrVersion is matched by frames whose VER or TYPE is not 1.
	ErrVersion = errors.New("not PPPoE version 1 type 1")
)

// MAC is an Ethernet address; comparable, and text in JSON.
type MAC [6]byte

// Broadcast is the address that PADIs go to.
var Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// ParseMAC reads an address such as 00:1e:13:c2:69:c2.
func ParseMAC(s string) (MAC, error) {
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != 6 {
		return MAC{}, fmt.Errorf("%q is no Ethernet address", s)
	}
	return MAC(hw), nil
}

func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// Unicast reports whether m is the address of one station.
func (m MAC) Unicast() bool { return m[0]&1 == 0 && m != MAC{} }

// MarshalText implements encoding.TextMarshaler.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *MAC) UnmarshalText(b []byte) (err error) {
	*m, err = ParseMAC(string(b))
	return err
}

// Frame is an Ethernet frame of either EtherType. Payload begins with the
// PPPoE header and may end with Ethernet's padding.
type Frame struct {
	Dst, Src  MAC
	EtherType uint16
	Payload   []byte
}

// ethernetLen is the length of an Ethernet header in octets.
const ethernetLen = 14

// ParseFrame reads an untagged Ethernet frame without its FCS. Payload aliases b.
// The error matches ErrTruncated.
func ParseFrame(b []byte) (Frame, error) {
	if len(b) < ethernetLen {
		return Frame{}, fmt.Errorf("frame of %d octets: %w", len(b), ErrTruncated)
	}
	return Frame{MAC(b[:6]), MAC(b[6:12]), binary.BigEndian.Uint16(b[12:]), b[ethernetLen:]}, nil
}

// AppendTo appends f as it goes on the wire, without FCS; it is ParseFrame
// reversed.
func (f Frame) AppendTo(b []byte) []byte {
	b = append(b, f.Dst[:]...)
	b = append(b, f.Src[:]...)
	b = binary.BigEndian.AppendUint16(b, f.EtherType)
	return append(b, f.Payload...)
}

// Code says what a PPPoE packet is.
type Code uint8

// The codes of RFC 2516 section 5; session data has code 0.
const (
	SessionData Code = 0x00
	PADO        Code = 0x07
	PADI        Code = 0x09
	PADR        Code = 0x19
	PADS        Code = 0x65
	PADT        Code = 0xa7
)

func (c Code) String() string {
	switch c {
	case SessionData:
		return "session data"
	case PADO:
		return "PADO"
	case PADI:
		return "PADI"
	case PADR:
		return "PADR"
	case PADS:
		return "PADS"
	case PADT:
		return "PADT"
	}
	return fmt.Sprintf("PPPoE code 0x%02x", uint8(c))
}

// Packet is a PPPoE packet: tags for the discovery codes, a PPP frame for
// SessionData.
type Packet struct {
	Code      Code
	SessionID uint16
	Payload   []byte
}

// ParsePacket reads a PPPoE packet. Octets past its length field are padding
// and not read. Payload aliases b. Errors match ErrVersion or ErrTruncated.
func ParsePacket(b []byte) (Packet, error) {
	if len(b) < HeaderLen {
		return Packet{}, fmt.Errorf("PPPoE packet of %d octets: %w", len(b), ErrTruncated)
	}
	if b[0] != versionType {
		return Packet{}, fmt.Errorf("%w: 0x%02x", ErrVersion, b[0])
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n > len(b)-HeaderLen {
		return Packet{}, fmt.Errorf("PPPoE packet of %d octets says length %d: %w", len(b)-HeaderLen, n, ErrTruncated)
	}
	return Packet{Code(b[1]), binary.BigEndian.Uint16(b[2:]), b[HeaderLen : HeaderLen+n]}, nil
}

// AppendTo appends p's wire form to b; it is ParsePacket reversed.
func (p Packet) AppendTo(b []byte) []byte {
	return append(AppendHeader(b, p.Code, p.SessionID, len(p.Payload)), p.Payload...)
}

// AppendHeader appends the header of a packet whose payload has n octets.
func AppendHeader(b []byte, c Code, session uint16, n int) []byte {
	b = append(b, versionType, byte(c))
	b = binary.BigEndian.AppendUint16(b, session)
	return binary.BigEndian.AppendUint16(b, uint16(n))
}
