package dhcpv6_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pppoectl/dhcpv6"
)

// From the first Solicit to a lease: two messages are made and two are read.
func BenchmarkLease(b *testing.B) {
	r := rand.New(rand.NewPCG(8415, 18))
	answer := func(kind byte, asked []byte, options ...[]byte) []byte {
		return slices.Concat([]byte{kind}, asked[1:4], clientID(duid), serverID(serverA), slices.Concat(options...))
	}
	b.ReportAllocs()
	for b.Loop() {
		now := time.Hour
		c := dhcpv6.New(dhcpv6.Config{DUID: duid, IAID: iaid}, r)
		out := c.Step(now, dhcpv6.Input{Command: dhcpv6.Start})
		for len(out.Messages) == 0 { // the first Solicit may wait
			now = out.Deadline
			out = c.Step(now, dhcpv6.Input{})
		}
		out = c.Step(now, dhcpv6.Input{Message: answer(byte(advertise), out.Messages[0], preference(255), usual())})
		c.Step(now, dhcpv6.Input{Message: answer(byte(reply), out.Messages[0], usual())})
		if c.Phase() != dhcpv6.Bound {
			b.Fatalf("phase %q", c.Phase())
		}
	}
}

// A message about somebody else's exchange is read and dropped: the least that one costs.
func BenchmarkForeignMessage(b *testing.B) {
	l := newLink(b)
	bound(l)
	message := slices.Concat([]byte{byte(reply), 1, 2, 3}, clientID(duid), serverID(serverA), usual())
	b.ReportAllocs()
	for b.Loop() {
		l.c.Step(l.now, dhcpv6.Input{Message: message})
	}
}
