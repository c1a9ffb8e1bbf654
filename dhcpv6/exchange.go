package dhcpv6

import (
	"math/rand/v2"
	"net/netip"
	"time"

	wire "github.com/insomniacslk/dhcp/dhcpv6"
)

// parameters of retransmission (RFC 8415 section 15).
type parameters struct {
	initial time.Duration // IRT
	longest time.Duration // MRT; 0: no limit
	count   int           // MRC; 0: no limit
	lasting time.Duration // MRD; 0: no limit
}

// Those of section 7.6.
var (
	solicitTimes = parameters{initial: time.Second, longest: time.Hour}
	requestTimes = parameters{initial: time.Second, longest: 30 * time.Second, count: 10}
	renewTimes   = parameters{initial: 10 * time.Second, longest: 10 * time.Minute}
	rebindTimes  = parameters{initial: 10 * time.Second, longest: 10 * time.Minute}
	confirmTimes = parameters{initial: time.Second, longest: 4 * time.Second, lasting: 10 * time.Second}
	releaseTimes = parameters{initial: time.Second, count: 4}
)

// exchange is a message that is sent until it is answered.
type exchange struct {
	kind   wire.MessageType // MessageTypeNone: there is none
	xid    wire.TransactionID
	server []byte // whom it is for; nil: all

	prefixes []netip.Prefix // that it is about

	times parameters
	began time.Duration
	rt    time.Duration // the present retransmission time
	next  time.Duration // when to send it; since boot
	sent  int
}

// jitter returns d more or less by up to a tenth (section 15's RAND).
func jitter(r *rand.Rand, d time.Duration) time.Duration {
	return d + time.Duration((r.Float64()*2-1)*0.1*float64(d))
}

// schedule plans the next transmission after one at now.
func (x *exchange) schedule(now time.Duration, r *rand.Rand) {
	switch {
	case x.rt != 0:
		x.rt += jitter(r, x.rt)
	case x.kind == wire.MessageTypeSolicit: // RAND must be greater than 0 (section 18.2.1)
		x.rt = x.times.initial + time.Duration((1-r.Float64())*0.1*float64(x.times.initial))
	default:
		x.rt = jitter(r, x.times.initial)
	}
	if longest := x.times.longest; longest != 0 && x.rt > longest {
		x.rt = jitter(r, longest)
	}
	x.sent++
	x.next = now + x.rt
}

// over reports whether the exchange has failed (section 15).
func (x *exchange) over(now time.Duration) bool {
	return x.times.count != 0 && x.sent >= x.times.count && now >= x.next ||
		x.times.lasting != 0 && now >= x.began+x.times.lasting
}

// deadline is when something is to be done; 0: never.
func (x *exchange) deadline() time.Duration {
	if x.kind == wire.MessageTypeNone {
		return 0
	}
	if x.times.lasting != 0 {
		return min(x.next, x.began+x.times.lasting)
	}
	return x.next
}
