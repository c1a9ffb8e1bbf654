package lan

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/ndp"

	"pppoectl/timer"
)

// Stale is a prefix that hosts may still have, though it is no longer to be used.
type Stale struct {
	Prefix netip.Prefix  `json:"prefix"`
	Until  time.Duration `json:"until"` // how long they are told so, since boot; Forever: it is in use
}

// Times of RFC 4861 sections 6.2.1 and 10.
const (
	maxInterval    = 10 * time.Minute // MaxRtrAdvInterval
	minInterval    = 200 * time.Second
	firstInterval  = 16 * time.Second // MAX_INITIAL_RTR_ADVERT_INTERVAL
	firstCount     = 3                // MAX_INITIAL_RTR_ADVERTISEMENTS
	leastDelay     = 3 * time.Second  // MIN_DELAY_BETWEEN_RAS
	answerDelay    = 500 * time.Millisecond
	mostAsking     = 20 // hosts that are answered one by one; more are answered all together
	hopLimit       = 64
	preferredLimit = 2700 * time.Second // ND_PREFERRED_LIMIT (RFC 9096 section 4)
	validLimit     = 5400 * time.Second // ND_VALID_LIMIT
	mostStale      = 16                 // prefixes that are remembered as stale
	mostPrefixes   = 8                  // that are told, so that all of it fits into one packet
	mostServers    = 4                  // name servers
	mostNames      = 128                // octets of domains to search
)

// allNodes is every host on a link.
var allNodes = netip.MustParseAddr("ff02::1")

// Input is one thing that happens on a LAN. Without any it says that the deadline
// has come.
type Input struct {
	Config  *Config    // what to tell from now on
	Asked   netip.Addr // a host has sent a Router Solicitation from here; valid: it has
	Restart bool       // the interface has come up: begin anew
	Final   bool       // say that nothing of it is true any more
}

// Message is a router advertisement and whom it is for.
type Message struct {
	To            netip.Addr
	Advertisement *ndp.RouterAdvertisement
}

// Output is what follows from an input.
type Output struct {
	Messages []Message
	Deadline time.Duration // when to call Step again, since boot; 0: never
	Changed  bool          // [Advertiser.Known] is another than before
}

// Advertiser sends router advertisements on one interface (RFC 4861 section 6.2):
// what it does when, but not how.
type Advertiser struct {
	mac    net.HardwareAddr
	rand   *rand.Rand
	config Config
	stale  map[netip.Prefix]time.Duration // until when hosts are told so
	next   time.Duration                  // the next unsolicited one; 0: none
	last   time.Duration                  // the last to all; 0: none yet
	first  int                            // how many are to follow quickly
	asking []netip.Addr                   // hosts that are to be answered
	answer time.Duration                  // when; 0: nobody asks
}

// NewAdvertiser returns an advertiser of an interface with an Ethernet address. It
// says nothing before it has a Config. known is what was advertised by an earlier
// run, of which nothing is in use from now on unless the Config says so.
func NewAdvertiser(now time.Duration, mac net.HardwareAddr, known []Stale, rand *rand.Rand) *Advertiser {
	a := &Advertiser{mac: mac, rand: rand, stale: map[netip.Prefix]time.Duration{}}
	for _, s := range known {
		a.retire(s.Prefix, min(s.Until, now+validLimit))
	}
	return a
}

// retire notes that a prefix is stale. Of too many, the oldest is forgotten.
func (a *Advertiser) retire(p netip.Prefix, until time.Duration) {
	a.stale[p] = until
	for len(a.stale) > mostStale {
		oldest := p
		for q, t := range a.stale {
			if t < a.stale[oldest] {
				oldest = q
			}
		}
		delete(a.stale, oldest)
	}
}

// Known returns all prefixes that hosts may have from us, in order: to be kept on
// disk.
func (a *Advertiser) Known() []Stale {
	var list []Stale
	for p, until := range a.stale {
		list = append(list, Stale{p, until})
	}
	for _, p := range a.config.Prefixes {
		list = append(list, Stale{p.Prefix, Forever})
	}
	slices.SortFunc(list, func(a, b Stale) int { return a.Prefix.Addr().Compare(b.Prefix.Addr()) })
	return list
}

// Idle reports whether there is nothing to tell.
func (a *Advertiser) Idle() bool {
	return len(a.stale) == 0 && len(a.config.Prefixes) == 0 && !a.config.Router
}

// Step feeds one input to the advertiser. now is the time since boot.
func (a *Advertiser) Step(now time.Duration, in Input) Output {
	var out Output
	for p, until := range a.stale {
		if now >= until {
			delete(a.stale, p)
			out.Changed = true
		}
	}
	if out.Changed && a.Idle() {
		a.next = 0
	}
	switch {
	case in.Config != nil:
		out.Changed = a.configure(now, *in.Config) || out.Changed
	case in.Restart:
		a.begin(now)
	case in.Final:
		out.Messages = append(out.Messages, Message{allNodes, a.final()})
		a.next, a.answer = 0, 0
		return out
	case in.Asked.IsValid():
		a.asked(now, in.Asked)
	}
	if a.answer != 0 && now >= a.answer {
		for _, host := range a.asking {
			out.Messages = append(out.Messages, Message{host, a.advertisement(now)})
		}
		a.asking, a.answer = nil, 0
	}
	if a.next != 0 && now >= a.next {
		out.Messages = append(out.Messages, Message{allNodes, a.advertisement(now)})
		a.sent(now)
	}
	out.Deadline = timer.Earliest(a.next, a.answer)
	for _, until := range a.stale {
		out.Deadline = timer.Earliest(out.Deadline, until)
	}
	return out
}

// configure takes what to tell, and tells it quickly if it is news. It reports
// whether the prefixes have changed.
func (a *Advertiser) configure(now time.Duration, c Config) bool {
	c = bounded(c)
	changed, news := false, a.config.Router != c.Router || a.config.MTU != c.MTU ||
		!slices.Equal(a.config.DNS, c.DNS) || !slices.Equal(a.config.Domains, c.Domains)
	old := map[netip.Prefix]Prefix{}
	for _, p := range a.config.Prefixes {
		old[p.Prefix] = p
	}
	for _, p := range c.Prefixes {
		q, known := old[p.Prefix]
		delete(old, p.Prefix)
		delete(a.stale, p.Prefix)
		changed = changed || !known
		news = news || now < q.PreferredUntil != (now < p.PreferredUntil) || known && shortened(q, p)
	}
	for p := range old {
		a.retire(p, now+validLimit)
		changed = true
	}
	a.config = c
	if changed || news {
		a.begin(now)
	}
	return changed
}

// shortened reports whether what hosts were told of a prefix is too long by now.
func shortened(old, new Prefix) bool {
	return new.PreferredUntil < old.PreferredUntil-time.Minute || new.ValidUntil < old.ValidUntil-time.Minute
}

// begin sends the first few quickly (RFC 4861 section 6.2.4).
func (a *Advertiser) begin(now time.Duration) {
	if a.Idle() && a.last == 0 {
		a.next = 0
		return
	}
	a.first = firstCount
	a.next = max(now, a.earliest())
}

// earliest is when the next one to all may be sent.
func (a *Advertiser) earliest() time.Duration {
	if a.last == 0 {
		return 0
	}
	return a.last + leastDelay
}

// sent plans the one after one to all.
func (a *Advertiser) sent(now time.Duration) {
	a.last = now
	if a.Idle() {
		a.next = 0
		return
	}
	d := minInterval + time.Duration(a.rand.Int64N(int64(maxInterval-minInterval)))
	if a.first--; a.first > 0 {
		d = min(d, firstInterval)
	}
	a.next = now + max(min(d, a.shortest(now)/refreshes), leastDelay)
}

// refreshes is how often hosts hear of a prefix before its lifetimes end: those of
// a short lease must not run out between two advertisements.
const refreshes = 3

// shortest is the shortest lifetime that is advertised, but for those that are
// over.
func (a *Advertiser) shortest(now time.Duration) time.Duration {
	shortest := validLimit
	for _, p := range a.config.Prefixes {
		for _, until := range []time.Duration{p.PreferredUntil, p.ValidUntil} {
			if until > now {
				shortest = min(shortest, until-now)
			}
		}
	}
	return shortest
}

// asked plans the answer to a Router Solicitation (section 6.2.6): to the host
// alone if it has an address, else to all, and to all as well when many ask.
func (a *Advertiser) asked(now time.Duration, host netip.Addr) {
	if a.Idle() || slices.Contains(a.asking, host) {
		return
	}
	at := now + time.Duration(a.rand.Int64N(int64(answerDelay)))
	if host.IsLinkLocalUnicast() && len(a.asking) < mostAsking {
		a.asking = append(a.asking, host)
		if a.answer == 0 {
			a.answer = at
		}
		return
	}
	if at = max(at, a.earliest()); a.next == 0 || at < a.next {
		a.next = at
	}
}
