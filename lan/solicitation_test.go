package lan

import (
	"net"
	"testing"
)

// RFC 4861 section 6.1.1: what a solicitation must have to be answered.
func TestOnlyValidSolicitationsCount(t *testing.T) {
	host, none := &net.IPAddr{IP: net.ParseIP("fe80::1")}, &net.IPAddr{IP: net.IPv6unspecified}
	valid, named := []byte{133, 0, 0, 0, 0, 0, 0, 0}, []byte{133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1}
	for _, c := range []struct {
		name string
		b    []byte
		from net.Addr
		want bool
	}{
		{"of a host", valid, host, true}, {"without an address", valid, none, true}, {"naming the sender", named, host, true},
		{"naming who has no address", named, none, false}, {"of another code", []byte{133, 1, 0, 0, 0, 0, 0, 0}, host, false},
		{"cut", valid[:4], host, false}, {"an advertisement", append([]byte{134}, make([]byte, 15)...), host, false},
	} {
		if _, ok := solicitation(c.b, c.from); ok != c.want {
			t.Errorf("%s: %v, want %v", c.name, ok, c.want)
		}
	}
}
