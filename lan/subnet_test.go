package lan_test

import (
	"net/netip"
	"testing"

	"pppoectl/lan"
)

func TestSubnetsOfDelegatedPrefixes(t *testing.T) {
	for _, c := range []struct {
		prefix string
		number int
		want   string // empty: none
	}{
		{"2001:db8:100::/56", 0, "2001:db8:100::/64"},
		{"2001:db8:100::/56", 1, "2001:db8:100:1::/64"},
		{"2001:db8:100::/56", 255, "2001:db8:100:ff::/64"},
		{"2001:db8:100::/56", 256, ""},
		{"2001:db8:100::/48", 65535, "2001:db8:100:ffff::/64"},
		{"2001:db8:100::/48", 65536, ""},
		{"2001:db8:100:42::/64", 0, "2001:db8:100:42::/64"},
		{"2001:db8:100:42::/64", 1, ""},
		{"2001:db8:100:42::/65", 0, ""},
		{"2001:db8:100::/56", -1, ""},
	} {
		got, ok := lan.Subnet(netip.MustParsePrefix(c.prefix), c.number)
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("/64 number %d of %s: %v %v, want %q", c.number, c.prefix, got, ok, c.want)
		}
	}
}

func TestOwnAddressIsInTheLastSubnet(t *testing.T) {
	host := netip.MustParseAddr("fe80::fd61:ff9b:eb97:1f93")
	for prefix, want := range map[string]string{
		"2001:db8:100::/56":    "2001:db8:100:ff:fd61:ff9b:eb97:1f93",
		"2001:db8:100::/48":    "2001:db8:100:ffff:fd61:ff9b:eb97:1f93",
		"2001:db8:100:42::/64": "2001:db8:100:42:fd61:ff9b:eb97:1f93",
		"2001:db8::1200/120":   "2001:db8::1293",
		"2001:db8::1/128":      "2001:db8::1",
	} {
		if got := lan.Own(netip.MustParsePrefix(prefix), host).String(); got != want {
			t.Errorf("of %s: %s, want %s", prefix, got, want)
		}
	}
}
