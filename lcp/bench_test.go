package lcp_test

import (
	"testing"
	"time"

	"pppoectl/ppp"
)

// From the first Configure-Request to an open link.
func BenchmarkOpen(b *testing.B) {
	in := request(b, 1, "0104 05d4 0304 c023 0506 36bb605a")
	b.ReportAllocs()
	for b.Loop() {
		l := newLink(client, 10*time.Second)
		own := l.Up(0).Packets[0]
		l.Receive(0, in)
		own.Code = ppp.ConfigureAck
		l.Receive(0, own)
		if !l.Opened() {
			b.Fatalf("state %v", l.State())
		}
	}
}

// A peer's request that is acknowledged, and one that gets a Configure-Reject.
func BenchmarkConfigureRequest(b *testing.B) {
	for _, c := range []struct{ name, options string }{
		{"ack", "0104 05d4 0304 c023 0506 36bb605a"}, {"reject", "0104 05d4 0702 0802 0506 11223344"},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := request(b, 1, c.options)
			l := newLink(client, 0)
			l.Up(0)
			b.ReportAllocs()
			for b.Loop() {
				p.ID++ // else it is a repeated frame
				l.Receive(0, p)
			}
		})
	}
}

// The AC's echo, which is answered.
func BenchmarkEchoRequest(b *testing.B) {
	l := opened(b, 0, 10*time.Second)
	p := echo(ppp.EchoRequest, 1, 0x36bb605a, "")
	b.ReportAllocs()
	for b.Loop() {
		if out := l.Receive(0, p); len(out.Packets) != 1 {
			b.Fatal("no reply")
		}
	}
}

// Our own echo, and its answer.
func BenchmarkEcho(b *testing.B) {
	l := opened(b, 0, 10*time.Second)
	b.ReportAllocs()
	for b.Loop() {
		now := l.Deadline()
		out := l.Tick(now, 0)
		if len(out.Packets) != 1 {
			b.Fatal("no echo")
		}
		reply := ppp.Packet{Code: ppp.EchoReply, ID: out.Packets[0].ID, Data: []byte{0x36, 0xbb, 0x60, 0x5a}}
		l.Receive(now, reply)
	}
}
