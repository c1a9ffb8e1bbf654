package ipv6cp_test

import (
	"testing"

	"pppoectl/ipv6cp"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"fd61:ff9b:eb97:1f93":   "fd61:ff9b:eb97:1f93",
		"FD61:FF9B:EB97:1F93":   "fd61:ff9b:eb97:1f93",
		"::fd61:ff9b:eb97:1f93": "fd61:ff9b:eb97:1f93",
		"::1":                   "0000:0000:0000:0001",
		"90:1a00:41a3:d3f3":     "0090:1a00:41a3:d3f3",
	} {
		id, err := ipv6cp.Parse(in)
		if err != nil || id.String() != want {
			t.Errorf("%q: %v, error %v; want %s", in, id, err, want)
		}
	}
	for _, in := range []string{"", "::", "0:0:0:0", "fe80::1", "1::", "::1%eth0", "host", "12345::", "1:2:3:4:5:6:7:8:9"} {
		if id, err := ipv6cp.Parse(in); err == nil {
			t.Errorf("%q was taken as %v", in, id)
		}
	}
}

func TestTextRoundTrip(t *testing.T) {
	for _, id := range []ipv6cp.Identifier{hostID, acID, {7: 1}, zero} {
		b, err := id.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		back := ipv6cp.Identifier{1}
		if err := back.UnmarshalText(b); err != nil || back != id {
			t.Errorf("%s: back %v, error %v", b, back, err)
		}
	}
	before := hostID
	if err := before.UnmarshalText([]byte("nonsense")); err == nil || before != hostID {
		t.Errorf("error %v, %v; want an error and no change", err, before)
	}
}

// The addresses of lab/captures/pap.pcap and of a Flets line.
func TestLinkLocal(t *testing.T) {
	for id, want := range map[ipv6cp.Identifier]string{
		hostID: "fe80::b9e5:704e:1dca:4545",
		{0, 0x90, 0x1a, 0, 0x41, 0xa3, 0xd3, 0xf3}: "fe80::90:1a00:41a3:d3f3",
		zero: "invalid IP",
	} {
		if got := id.LinkLocal().String(); got != want {
			t.Errorf("%v: %s, want %s", id, got, want)
		}
	}
}

// RFC 4291 appendix A.
func TestFromMAC(t *testing.T) {
	if got := ipv6cp.FromMAC([6]byte{0x00, 0x1e, 0x13, 0xc2, 0x69, 0xc2}); got.String() != "021e:13ff:fec2:69c2" {
		t.Errorf("got %v", got)
	}
}

// RFC 5072 section 4.1: the universal bit is clear in what is made at random.
func TestRandom(t *testing.T) {
	r := rng(1)
	seen := map[ipv6cp.Identifier]bool{}
	for range 1000 {
		id := ipv6cp.Random(r)
		if id == zero || id[0]&2 != 0 || seen[id] {
			t.Fatalf("%v is zero, universal or not new", id)
		}
		seen[id] = true
	}
}
