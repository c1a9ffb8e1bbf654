package dataplane

import (
	"testing"

	"pppoectl/ppp"
)

// mss1460 is the MSS option of a host on Ethernet.
var mss1460 = []byte{2, 4, 1460 >> 8, 1460 & 255}

// What each packet goes through, nearly all of which are no SYN.
func BenchmarkClampMSSOfData(b *testing.B) {
	for _, family := range []ppp.Protocol{ppp.IPv4, ppp.IPv6} {
		b.Run(family.String(), func(b *testing.B) {
			packet := segment(b, family, false, nil, make([]byte, 1380))
			b.ReportAllocs()
			for b.Loop() {
				if ClampMSS(packet, 1454) {
					b.Fatal("clamped")
				}
			}
		})
	}
}

func BenchmarkClampMSSOfSYN(b *testing.B) {
	for _, family := range []ppp.Protocol{ppp.IPv4, ppp.IPv6} {
		b.Run(family.String(), func(b *testing.B) {
			original := segment(b, family, true, mss1460, nil)
			packet := make([]byte, len(original))
			b.ReportAllocs()
			for b.Loop() {
				copy(packet, original) // it is changed
				if !ClampMSS(packet, 1454) {
					b.Fatal("not clamped")
				}
			}
		})
	}
}
