package linklocal

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/mdlayher/ndp"

	"pppoectl/fuzz"
)

// FuzzAdvertisement reads what an AC, or whoever is in its place, may say as a
// router. Only a whole advertisement that comes from the link counts, and it counts
// for what its header says, whatever options there are.
func FuzzAdvertisement(f *testing.F) {
	router := netip.MustParseAddr("fe80::1")
	for _, options := range [][]ndp.Option{
		nil,
		{&ndp.PrefixInformation{PrefixLength: 64, OnLink: true, Prefix: netip.MustParseAddr("2001:db8::"), ValidLifetime: time.Hour, PreferredLifetime: time.Hour}},
		{ndp.NewMTU(1454), &ndp.LinkLayerAddress{Direction: ndp.Source, Addr: []byte{2, 0, 0, 0, 0, 1}}},
		{&ndp.RecursiveDNSServer{Lifetime: time.Hour, Servers: []netip.Addr{router}}, &ndp.DNSSearchList{Lifetime: time.Hour, DomainNames: []string{"example.jp"}}},
		{&ndp.RouteInformation{PrefixLength: 56, Prefix: netip.MustParseAddr("2001:db8::"), RouteLifetime: time.Hour}},
	} {
		b, err := ndp.MarshalMessage(&ndp.RouterAdvertisement{RouterLifetime: 30 * time.Minute, Options: options})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 255)
	}
	f.Add([]byte{134, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 64)
	f.Fuzz(func(t *testing.T, b []byte, hops int) {
		was := bytes.Clone(b)
		var r Router
		var ok bool
		fuzz.Frugal(t, len(b), func() { r, ok = advertisement(b, router, hops) })
		if !bytes.Equal(b, was) {
			t.Fatal("the input was changed")
		}
		if !ok {
			return
		}
		lifetime := time.Duration(b[6])<<8*time.Second + time.Duration(b[7])*time.Second
		if hops != 255 || b[0] != 134 || b[1] != 0 || r != (Router{router, lifetime}) {
			t.Fatalf("%x with hop limit %d is %+v", b, hops, r)
		}
		if _, ok := advertisement(b, netip.MustParseAddr("2001:db8::1"), hops); ok {
			t.Fatal("taken from an address that is not the link's")
		}
	})
}
