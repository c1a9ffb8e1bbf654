package ipv6cp_test

import (
	"testing"

	"pppoectl/ipv6cp"
	"pppoectl/ppp"
)

// A request for an interface identifier that is acknowledged: packets are made and read again,
// as on a line.
func BenchmarkNegotiation(b *testing.B) {
	want, err := ipv6cp.Parse("fd61:ff9b:eb97:1f93")
	if err != nil {
		b.Fatal(err)
	}
	r := rng(1)
	b.ReportAllocs()
	for b.Loop() {
		host, ac := ipv6cp.NewPolicy(want, r), ipv6cp.NewPolicy(ipv6cp.Identifier{7: 1}, r)
		host.Reset()
		ac.Reset()
		options, err := ppp.ParseOptions(ppp.AppendOptions(nil, host.Request()))
		if err != nil {
			b.Fatal(err)
		}
		code, options, err := ac.Judge(options, true)
		if err != nil || code != ppp.ConfigureAck {
			b.Fatal(code, err)
		}
		if _, err = ppp.ParseOptions(ppp.AppendOptions(nil, options)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ipv6cp.Parse("fd61:ff9b:eb97:1f93"); err != nil {
			b.Fatal(err)
		}
	}
}
