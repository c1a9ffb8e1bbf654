package ppp_test

import (
	"testing"
	"time"

	"pppoectl/ppp"
)

// requested is the Configure-Request of a real client, and its options.
func requested(b *testing.B) (frame []byte, p ppp.Packet, options []ppp.Option) {
	b.Helper()
	frame = hexFrame(b, request)
	_, information, err := ppp.ParseFrame(frame)
	if err == nil {
		p, err = ppp.ParsePacket(information)
	}
	if err == nil {
		options, err = ppp.ParseOptions(p.Data)
	}
	if err != nil {
		b.Fatal(err)
	}
	return frame, p, options
}

// What each IP packet goes through.
func BenchmarkParseFrame(b *testing.B) {
	frame := ppp.AppendFrame(nil, ppp.IPv4, make([]byte, 1454))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ppp.ParseFrame(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	information := make([]byte, 1454)
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf = ppp.AppendFrame(buf[:0], ppp.IPv4, information)
	}
}

func BenchmarkParsePacket(b *testing.B) {
	frame, _, _ := requested(b)
	b.ReportAllocs()
	for b.Loop() {
		_, information, err := ppp.ParseFrame(frame)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ppp.ParsePacket(information); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendPacket(b *testing.B) {
	_, p, _ := requested(b)
	buf := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		buf = p.AppendTo(buf[:0])
	}
}

func BenchmarkParseOptions(b *testing.B) {
	_, p, _ := requested(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ppp.ParseOptions(p.Data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendOptions(b *testing.B) {
	_, _, options := requested(b)
	buf := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		buf = ppp.AppendOptions(buf[:0], options)
	}
}

// Two automata, joined back to back, from Initial to Opened.
func BenchmarkAutomataOpen(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		now := time.Hour
		one, two := ppp.NewAutomaton(numbered{}), ppp.NewAutomaton(numbered{})
		one.Open(now)
		two.Open(now)
		toTwo, toOne := one.Up(now).Packets, two.Up(now).Packets
		for len(toOne)+len(toTwo) > 0 {
			var fromOne, fromTwo []ppp.Packet
			for _, p := range toTwo {
				fromTwo = append(fromTwo, two.Receive(now, p).Packets...)
			}
			for _, p := range toOne {
				fromOne = append(fromOne, one.Receive(now, p).Packets...)
			}
			toOne, toTwo = fromTwo, fromOne
		}
		if one.State() != ppp.Opened || two.State() != ppp.Opened {
			b.Fatalf("%v and %v", one.State(), two.State())
		}
	}
}
