package linklocal_test

import (
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv6"

	"pppoectl/labnet"
	"pppoectl/linklocal"
)

// advertise sends an ICMPv6 message, given in hexadecimal, to the client from an address
// of the other end.
func (l *link) advertise(from string, hops int, message string) {
	l.t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(message), ""))
	if err != nil {
		l.t.Fatal(err)
	}
	l.server.Do(func() {
		zone := "ppp0"
		if net.ParseIP(from).IsGlobalUnicast() {
			zone = ""
		}
		var c *net.IPConn
		if c, err = net.ListenIP("ip6:ipv6-icmp", &net.IPAddr{IP: net.ParseIP(from), Zone: zone}); err != nil {
			return
		}
		defer c.Close()
		_, err = ipv6.NewPacketConn(c).WriteTo(b, &ipv6.ControlMessage{HopLimit: hops}, &net.IPAddr{IP: net.ParseIP("fe80::1"), Zone: "ppp0"})
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// CVE-2026-14258: dhcpcd never came to the end of an option of length 0. What is broken
// or from further away is ignored, and the next advertisement is heard.
func TestBrokenAdvertisementsAreIgnored(t *testing.T) {
	const header = "86 00 0000  40 00" // a router advertisement, hop limit 64; the checksum is the kernel's
	bad := func(options string) string { return header + " 0001 00000000 00000000" + options }
	for name, c := range map[string]struct {
		from    string
		hops    int
		message string
	}{
		"option of length 0":          {"fe80::2", 255, bad("0500 0000 000005ae")},
		"a second option of length 0": {"fe80::2", 255, bad("0501 0000 000005ae 1800 0000 00000000")},
		"option past the end":         {"fe80::2", 255, bad("0502 0000 000005ae")},
		"option of 2040 octets":       {"fe80::2", 255, bad("03ff 0000 00000000")},
		"one octet of an option":      {"fe80::2", 255, bad("05")},
		"cut short":                   {"fe80::2", 255, header + " 0001 00000000 000000"},
		"the type alone":              {"fe80::2", 255, "86 00 0000"},
		"through a router":            {"fe80::2", 254, bad("")},
		"from a global address":       {"2001:db8::2", 255, bad("")},
		"a solicitation":              {"fe80::2", 255, "85 00 0000 00000000"},
		"a neighbour's advertisement": {"fe80::2", 255, "88 00 0000 00000000 fe800000000000000000000000000002"},
	} {
		t.Run(name, func(t *testing.T) {
			labnet.Supported(t)
			l := newLink(t)
			var r *linklocal.Routers
			var err error
			l.client.Do(func() { r, err = linklocal.OpenRouters("bizf6") })
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(r.Close)
			l.advertise(c.from, c.hops, c.message)
			l.advertise("fe80::2", 255, header+" 0708 00000000 00000000 0501 0000 000005ae")
			select {
			case got := <-r.Found():
				if got.Address.WithZone("") != netip.MustParseAddr("fe80::2") || got.Lifetime != 30*time.Minute {
					t.Errorf("%+v, want the good one's 30 minutes", got)
				}
			case <-time.After(patience):
				t.Fatal("the good one is not heard")
			}
		})
	}
}
