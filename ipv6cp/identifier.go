package ipv6cp

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
)

// Identifier is an interface identifier: the last 64 bits of a link-local
// address, in network byte order (RFC 5072 section 4.1).
type Identifier [8]byte

// universal is the universal/local bit (RFC 5072 section 4.1).
const universal = 0x02

// Random returns an identifier that is not zero, with the universal bit clear
// as for every identifier that no registered number stands behind.
func Random(rand *rand.Rand) Identifier {
	for {
		var id Identifier
		for i := range id {
			id[i] = byte(rand.Uint32())
		}
		id[0] &^= universal
		if id != (Identifier{}) {
			return id
		}
	}
}

// FromMAC returns the identifier that belongs to an Ethernet address
// (RFC 4291 appendix A: modified EUI-64).
func FromMAC(mac [6]byte) Identifier {
	return Identifier{mac[0] ^ universal, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]}
}

// Parse reads an identifier as four groups of hexadecimal digits, such as
// fd61:ff9b:eb97:1f93, or as an IPv6 address whose first half is zero, such as
// ::1. Zero is none.
func Parse(s string) (Identifier, error) {
	if !strings.Contains(s, "::") {
		s = "::" + s
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return Identifier{}, fmt.Errorf("%q is no interface identifier; one looks like fd61:ff9b:eb97:1f93", strings.TrimPrefix(s, "::"))
	}
	b := a.As16()
	id := Identifier(b[8:])
	if [8]byte(b[:8]) != [8]byte{} || id == (Identifier{}) {
		return Identifier{}, fmt.Errorf("%q is no interface identifier: 64 bits that are not all zero", strings.TrimPrefix(s, "::"))
	}
	return id, nil
}

// LinkLocal returns the link-local address with identifier id; invalid for the
// zero Identifier.
func (id Identifier) LinkLocal() netip.Addr {
	if id == (Identifier{}) {
		return netip.Addr{}
	}
	b := [16]byte{0xfe, 0x80}
	copy(b[8:], id[:])
	return netip.AddrFrom16(b)
}

func (id Identifier) String() string {
	h := hex.EncodeToString(id[:])
	return h[:4] + ":" + h[4:8] + ":" + h[8:12] + ":" + h[12:]
}

// MarshalText implements encoding.TextMarshaler.
func (id Identifier) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; unlike Parse it takes the
// zero Identifier as well.
func (id *Identifier) UnmarshalText(b []byte) error {
	if string(b) == (Identifier{}).String() {
		*id = Identifier{}
		return nil
	}
	v, err := Parse(string(b))
	if err == nil {
		*id = v
	}
	return err
}
