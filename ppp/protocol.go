package ppp

import "fmt"

// Protocol is a PPP protocol number, as in the first two octets of a frame
// (RFC 1661 section 2, big endian on the wire).
type Protocol uint16

// The protocol numbers that we speak or know by name.
const (
	IPv4   Protocol = 0x0021
	IPv6   Protocol = 0x0057
	IPCP   Protocol = 0x8021
	IPv6CP Protocol = 0x8057
	CCP    Protocol = 0x80fd
	LCP    Protocol = 0xc021
	PAP    Protocol = 0xc023
	CHAP   Protocol = 0xc223
	EAP    Protocol = 0xc227
)

var protocolNames = map[Protocol]string{
	IPv4: "IPv4", IPv6: "IPv6", IPCP: "IPCP", IPv6CP: "IPv6CP", CCP: "CCP",
	LCP: "LCP", PAP: "PAP", CHAP: "CHAP", EAP: "EAP",
}

// String returns the protocol's name, or its number in hexadecimal.
func (p Protocol) String() string {
	if s, ok := protocolNames[p]; ok {
		return s
	}
	return fmt.Sprintf("protocol 0x%04x", uint16(p))
}

// Valid reports whether p obeys RFC 1661 section 2: the least significant bit
// of the low octet is set, that of the high octet is clear.
func (p Protocol) Valid() bool { return p&0x0101 == 0x0001 }
