package ipcp_test

import (
	"net/netip"
	"testing"

	"pppoectl/ipcp"
	"pppoectl/ppp"
)

// A host that asks for an address and two name servers, which a Nak names, until the Ack: packets
// are made and read again, as on a line.
func BenchmarkNegotiation(b *testing.B) {
	assign := ipcp.Config{
		Assign: netip.MustParseAddr("203.0.113.7"),
		Offer:  [2]netip.Addr{netip.MustParseAddr("198.51.100.53"), netip.MustParseAddr("198.51.100.54")},
	}
	b.ReportAllocs()
	for b.Loop() {
		host, ac := ipcp.NewPolicy(ipcp.Config{DNS: true}), ipcp.NewPolicy(assign)
		host.Reset()
		for code := ppp.ConfigureRequest; code != ppp.ConfigureAck; {
			options, err := ppp.ParseOptions(ppp.AppendOptions(nil, host.Request()))
			if err != nil {
				b.Fatal(err)
			}
			if code, options, err = ac.Judge(options, true); err != nil {
				b.Fatal(err)
			}
			if options, err = ppp.ParseOptions(ppp.AppendOptions(nil, options)); err != nil {
				b.Fatal(err)
			}
			if code == ppp.ConfigureAck {
				break
			}
			if err := host.Refused(code, options); err != nil {
				b.Fatal(err)
			}
		}
		if host.Snapshot().Local != assign.Assign {
			b.Fatalf("address %v", host.Snapshot().Local)
		}
	}
}
