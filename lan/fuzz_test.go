package lan

import (
	"bytes"
	"net"
	"testing"

	"github.com/mdlayher/ndp"

	"pppoectl/fuzz"
)

// FuzzSolicitation reads what a host of the LAN may say. Only a Router Solicitation
// counts, and not one that names the Ethernet address of a host without an address
// (RFC 4861 section 6.1.1).
func FuzzSolicitation(f *testing.F) {
	for _, m := range []ndp.Message{
		&ndp.RouterSolicitation{},
		&ndp.RouterSolicitation{Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: net.HardwareAddr{2, 0, 0, 0, 0, 1}}}},
		&ndp.RouterAdvertisement{},
	} {
		b, err := ndp.MarshalMessage(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		link, none := &net.IPAddr{IP: net.ParseIP("fe80::1")}, &net.IPAddr{IP: net.IPv6unspecified}
		var host, stranger bool
		fuzz.Frugal(t, len(b), func() { _, host = solicitation(b, link) })
		fuzz.Frugal(t, len(b), func() { _, stranger = solicitation(b, none) })
		if !bytes.Equal(b, was) {
			t.Fatal("the input was changed")
		}
		if host && (b[0] != 133 || b[1] != 0) || stranger && !host {
			t.Fatalf("%x is taken for a solicitation: of a host %v, without an address %v", b, host, stranger)
		}
		if stranger {
			m, err := ndp.ParseMessage(b)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range m.(*ndp.RouterSolicitation).Options {
				if isSource(o) {
					t.Fatalf("%x names an Ethernet address", b)
				}
			}
		}
	})
}
