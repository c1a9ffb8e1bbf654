package ppp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrTruncated is matched by every error of this package's parsers: the octets
// end before the length fields say that they do, or a length is impossible.
var ErrTruncated = errors.New("truncated")

// MRUDefault is the MRU of a peer that does not name one, in octets
// (RFC 1661 section 6.1).
const MRUDefault = 1500

// ParseFrame splits a PPP frame without address, control and FCS, as PPPoE
// carries it, into its protocol number and information field. Information
// aliases b. The error matches ErrTruncated when there is no whole protocol
// field; one-octet protocol fields (PFC) are never negotiated on PPPoE
// (RFC 2516 section 7) and not understood.
func ParseFrame(b []byte) (Protocol, []byte, error) {
	if len(b) < 2 {
		return 0, nil, fmt.Errorf("PPP frame of %d octets: %w", len(b), ErrTruncated)
	}
	return Protocol(binary.BigEndian.Uint16(b)), b[2:], nil
}

// AppendFrame appends the frame of protocol p with the given information field.
func AppendFrame(b []byte, p Protocol, information []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(p))
	return append(b, information...)
}

// Code says what a control packet is (RFC 1661 section 5).
type Code uint8

// Codes 1 to 7 belong to every control protocol, 8 to 13 to LCP alone.
const (
	ConfigureRequest Code = 1
	ConfigureAck     Code = 2
	ConfigureNak     Code = 3
	ConfigureReject  Code = 4
	TerminateRequest Code = 5
	TerminateAck     Code = 6
	CodeReject       Code = 7
	ProtocolReject   Code = 8
	EchoRequest      Code = 9
	EchoReply        Code = 10
	DiscardRequest   Code = 11
	Identification   Code = 12 // RFC 1570 section 2.1
	TimeRemaining    Code = 13 // RFC 1570 section 2.2
)

var codeNames = [...]string{
	ConfigureRequest: "Configure-Request", ConfigureAck: "Configure-Ack",
	ConfigureNak: "Configure-Nak", ConfigureReject: "Configure-Reject",
	TerminateRequest: "Terminate-Request", TerminateAck: "Terminate-Ack",
	CodeReject: "Code-Reject", ProtocolReject: "Protocol-Reject",
	EchoRequest: "Echo-Request", EchoReply: "Echo-Reply",
	DiscardRequest: "Discard-Request", Identification: "Identification",
	TimeRemaining: "Time-Remaining",
}

// String returns the code's name in the RFCs, or its number.
func (c Code) String() string {
	if int(c) < len(codeNames) && codeNames[c] != "" {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// HeaderLen is the length of a control packet's header in octets: Code,
// Identifier and a Length of two octets (RFC 1661 section 5).
const HeaderLen = 4

// Packet is a control packet of LCP, an NCP, PAP or CHAP; they share a header.
type Packet struct {
	Code Code
	ID   uint8 // Identifier
	Data []byte
}

// ParsePacket reads a control packet. Octets past the Length field are padding
// and not read (RFC 1661 section 5). Data aliases b. The error matches
// ErrTruncated.
func ParsePacket(b []byte) (Packet, error) {
	if len(b) < HeaderLen {
		return Packet{}, fmt.Errorf("control packet of %d octets: %w", len(b), ErrTruncated)
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < HeaderLen || n > len(b) {
		return Packet{}, fmt.Errorf("control packet of %d octets says length %d: %w", len(b), n, ErrTruncated)
	}
	return Packet{Code: Code(b[0]), ID: b[1], Data: b[HeaderLen:n]}, nil
}

// AppendTo appends p's wire form to b; it is ParsePacket reversed. Data longer
// than the Length field can say is cut.
func (p Packet) AppendTo(b []byte) []byte {
	data := p.Data[:min(len(p.Data), 0xffff-HeaderLen)]
	b = append(b, byte(p.Code), p.ID)
	b = binary.BigEndian.AppendUint16(b, uint16(HeaderLen+len(data)))
	return append(b, data...)
}
