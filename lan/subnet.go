package lan

import (
	"encoding/binary"
	"net/netip"
)

// hostBits is the length of an interface identifier (RFC 4291 section 2.5.1).
const hostBits = 64

// Subnet returns the /64 of a prefix with a number; false if it has none such.
func Subnet(p netip.Prefix, number int) (netip.Prefix, bool) {
	if !p.IsValid() || !p.Addr().Is6() || p.Bits() > hostBits || number < 0 || uint64(number)>>(hostBits-p.Bits()) != 0 {
		return netip.Prefix{}, false
	}
	b := p.Masked().Addr().As16()
	binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])|uint64(number))
	return netip.PrefixFrom(netip.AddrFrom16(b), hostBits), true
}

// Host returns the address in a subnet whose interface identifier is that of
// host: its lower 64 bits, of which only those behind the subnet's length count.
func Host(subnet netip.Prefix, host netip.Addr) netip.Addr {
	b, h := subnet.Masked().Addr().As16(), host.As16()
	for i := range b {
		bits := min(max(subnet.Bits()-8*i, 0), 8) // of this octet that are the subnet's
		if i < 8 && subnet.Bits() <= hostBits {
			bits = 8
		}
		b[i] |= h[i] & (0xff >> bits)
	}
	return netip.AddrFrom16(b)
}

// Own returns the router's own address in a prefix: the host in its last /64,
// where LANs rarely are.
func Own(p netip.Prefix, host netip.Addr) netip.Addr {
	if p.Bits() < hostBits {
		b := p.Masked().Addr().As16()
		binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])|^uint64(0)>>p.Bits())
		p = netip.PrefixFrom(netip.AddrFrom16(b), hostBits)
	}
	return Host(p, host)
}
