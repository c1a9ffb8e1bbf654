package lan_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mdlayher/ndp"

	"pppoectl/lan"
)

// host is a host on the LAN that believes what it hears: RFC 4861 section 6.3.4 of
// routers, RFC 4862 section 5.5.3 of addresses.
type host struct {
	address   netip.Addr
	router    time.Duration // until when there is one
	addresses map[netip.Prefix]lifetimes
}

// lifetimes end at these times.
type lifetimes struct{ preferred, valid time.Duration }

func newHost(address string) *host {
	return &host{address: netip.MustParseAddr(address), addresses: map[netip.Prefix]lifetimes{}}
}

// hear takes an advertisement.
func (h *host) hear(m told) {
	if m.to != allNodes && m.to != h.address {
		return
	}
	h.router = m.at + m.ra.RouterLifetime
	for _, o := range m.ra.Options {
		i, ok := o.(*ndp.PrefixInformation)
		if !ok || !i.AutonomousAddressConfiguration || i.PreferredLifetime > i.ValidLifetime || i.PrefixLength != 64 {
			continue
		}
		p := netip.PrefixFrom(i.Prefix, 64)
		a, known := h.addresses[p]
		if known = known && m.at < a.valid; !known && i.ValidLifetime == 0 {
			continue
		}
		// Nobody can make an address invalid by a forged advertisement: two hours are
		// left (5.5.3 e).
		const least = 2 * time.Hour
		switch left := a.valid - m.at; {
		case !known || i.ValidLifetime > least || i.ValidLifetime > left:
			a.valid = m.at + i.ValidLifetime
		case left > least:
			a.valid = m.at + least
		}
		a.preferred = m.at + i.PreferredLifetime
		h.addresses[p] = a
	}
}

// prefers reports whether the host uses a prefix for new connections.
func (h *host) prefers(now time.Duration, p netip.Prefix) bool { return now < h.addresses[p].preferred }

// lease is a delegated prefix whose server renews it for the same times.
type lease struct {
	preferred, valid time.Duration // of each renewal
	until            lan.Prefix
	deprecated       bool
}

// walk is a random history of a LAN, with what must be true of it at any moment.
type walk struct {
	*router
	rand    *rand.Rand
	leases  map[netip.Prefix]*lease
	up      bool
	dropped map[netip.Prefix]time.Duration // when
	settled time.Duration                  // when the last news must have been told
	toAll   time.Duration                  // the last one
	hosts   []*host
}

func newWalk(t *testing.T, seed uint64) *walk {
	w := &walk{
		router: newRouter(t, seed), rand: rand.New(rand.NewPCG(seed, 99)), leases: map[netip.Prefix]*lease{},
		dropped: map[netip.Prefix]time.Duration{}, hosts: []*host{newHost("fe80::a"), newHost("fe80::b")},
	}
	w.heard = w.check
	return w
}

// check compares one advertisement with the leases.
func (w *walk) check(m told) {
	w.t.Helper()
	if m.to == allNodes {
		if w.toAll != 0 && m.at-w.toAll < 3*time.Second {
			w.t.Fatalf("at %v: to all again after %v", m.at, m.at-w.toAll)
		}
		w.toAll = m.at
	}
	if (m.ra.RouterLifetime == 2700*time.Second) != w.up || !w.up && m.ra.RouterLifetime != 0 {
		w.t.Fatalf("at %v: uplink up %v, told %v", m.at, w.up, m.ra.RouterLifetime)
	}
	for p, l := range w.leases {
		i := m.prefix(p)
		left := func(until, limit time.Duration) time.Duration {
			if until == lan.Forever {
				return limit
			}
			return min(max(until-m.at, 0), limit)
		}
		preferred, valid := left(l.until.PreferredUntil, 2700*time.Second), left(l.until.ValidUntil, 5400*time.Second)
		if i == nil || i.PreferredLifetime > preferred || i.ValidLifetime > valid || i.PreferredLifetime > i.ValidLifetime ||
			preferred-i.PreferredLifetime >= time.Second || valid-i.ValidLifetime >= time.Second {
			w.t.Fatalf("at %v: %v has %v and %v left, told %+v", m.at, p, preferred, valid, i)
		}
	}
	for _, o := range m.ra.Options {
		i, ok := o.(*ndp.PrefixInformation)
		if !ok || w.leases[netip.PrefixFrom(i.Prefix, 64)] != nil {
			continue
		}
		p := netip.PrefixFrom(i.Prefix, 64)
		if at, was := w.dropped[p]; !was || i.PreferredLifetime != 0 || i.ValidLifetime != 0 || m.at >= at+5400*time.Second {
			w.t.Fatalf("at %v: %v was dropped at %v (%v), told %+v", m.at, p, at, was, i)
		}
	}
	for p, at := range w.dropped {
		if m.at < at+5400*time.Second && m.prefix(p) == nil {
			w.t.Fatalf("at %v: %v was dropped at %v, and is not told", m.at, p, at)
		}
	}
	for _, h := range w.hosts {
		h.hear(m)
	}
}

// believes compares what the hosts believe with the leases, once the news have had
// the time that they may take.
func (w *walk) believes() {
	w.t.Helper()
	if w.now < w.settled {
		return
	}
	for _, h := range w.hosts {
		if w.up != (w.now < h.router) {
			w.t.Fatalf("at %v: up %v, a host has a router until %v", w.now, w.up, h.router)
		}
		for p, l := range w.leases {
			if want := w.now < l.until.PreferredUntil; want != h.prefers(w.now, p) {
				// Whole seconds are told: the last one of a lease may be missing.
				if want && l.until.PreferredUntil-w.now < time.Second {
					continue
				}
				w.t.Fatalf("at %v: %v is preferred until %v, by a host until %v", w.now, p, l.until.PreferredUntil, h.addresses[p].preferred)
			}
		}
		for p := range w.dropped {
			if h.prefers(w.now, p) {
				w.t.Fatalf("at %v: a host prefers %v, which was dropped", w.now, p)
			}
		}
	}
}

// tell configures the router with what is true now.
func (w *walk) tell() {
	w.t.Helper()
	c := lan.Config{Router: w.up, MTU: 1454}
	for _, l := range w.leases {
		c.Prefixes = append(c.Prefixes, l.until)
	}
	slices.SortFunc(c.Prefixes, func(a, b lan.Prefix) int { return a.Prefix.Compare(b.Prefix) })
	w.configure(c)
}

func (w *walk) renew(l *lease) {
	if l.deprecated {
		return
	}
	l.until.PreferredUntil, l.until.ValidUntil = lan.Forever, lan.Forever
	if l.preferred != lan.Forever {
		l.until.PreferredUntil, l.until.ValidUntil = w.now+l.preferred, w.now+l.valid
	}
}

// chance changes something.
func (w *walk) chance() {
	w.t.Helper()
	p := netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x:1::/64", 1+w.rand.IntN(8)))
	l := w.leases[p]
	news := true
	switch n := w.rand.IntN(10); {
	case n < 3 && l == nil: // it comes, or returns
		preferred := []time.Duration{12 * time.Second, time.Minute, 30 * time.Minute, 4 * time.Hour, lan.Forever}[w.rand.IntN(5)]
		l = &lease{preferred: preferred, valid: preferred, until: lan.Prefix{Prefix: p}}
		if preferred != lan.Forever {
			l.valid *= 2
		}
		w.renew(l)
		w.leases[p] = l
		delete(w.dropped, p)
	case n < 5 && l != nil && len(w.leases) > 1: // it is taken back, or another one came in its place
		delete(w.leases, p)
		w.dropped[p] = w.now
	case n == 5 && l != nil: // it is not to be used any more
		l.deprecated = true
		l.until.PreferredUntil = min(l.until.PreferredUntil, w.now)
		if l.until.ValidUntil != lan.Forever {
			l.until.ValidUntil = max(l.until.ValidUntil, w.now+3*time.Hour)
		}
	case n == 6:
		w.up = !w.up && len(w.leases) > 0
	case n == 7:
		w.step(lan.Input{Restart: true})
	case n == 8: // the daemon crashes, and begins again
		known := w.a.Known()
		if w.rand.IntN(2) == 0 { // for too long a time for two to all to be near each other
			w.now += 5 * time.Second
		} else {
			w.toAll = 0
		}
		w.a = lan.NewAdvertiser(w.now, ourMAC, known, w.rand)
		for p := range w.dropped { // told on for as long as before, or longer
			for _, k := range known {
				if k.Prefix == p && k.Until < w.dropped[p]+5400*time.Second {
					w.t.Fatalf("%v was dropped at %v, and is known until %v", p, w.dropped[p], k.Until)
				}
			}
		}
	default:
		w.ask([]string{"::", "fe80::a", "fe80::b", "2001:db8::5"}[w.rand.IntN(4)])
		news = false
	}
	if news {
		w.settled = w.now + 3*time.Second
		w.tell()
	}
}

// Whatever happens in whatever order: hosts prefer exactly what is preferred, have
// a router exactly while there is one, and never hear of more than is left.
func TestHostsBelieveWhatIsTrue(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWalk(t, seed)
			for range 400 {
				w.chance()
				steps := 1 + w.rand.IntN(40)
				length := []time.Duration{100 * time.Millisecond, time.Second, 5 * time.Second, time.Minute}[w.rand.IntN(4)]
				for range steps {
					w.let(length)
					w.believes()
				}
			}
			if len(w.told) < 400 {
				t.Errorf("only %d advertisements were looked at", len(w.told))
			}
		})
	}
}

// let lets time pass, and renews each lease at half of its lifetime, as T1 says.
func (w *walk) let(d time.Duration) {
	w.t.Helper()
	for end := w.now + d; ; {
		next := end
		for _, l := range w.leases {
			next = min(next, l.due())
		}
		w.pass(max(next-w.now, 0))
		if w.renewals(); next == end {
			return
		}
	}
}

// due is when a lease is to be renewed, or has run out.
func (l *lease) due() time.Duration {
	if l.deprecated || l.preferred == lan.Forever {
		return l.until.ValidUntil
	}
	return l.until.PreferredUntil - l.preferred/2
}

// renewals does what is due.
func (w *walk) renewals() {
	w.t.Helper()
	told := false
	for p, l := range w.leases {
		if w.now < l.due() {
			continue
		}
		told = true
		if l.until.ValidUntil <= w.now {
			delete(w.leases, p)
			w.dropped[p] = w.now
			w.settled = w.now + 3*time.Second
			continue
		}
		w.renew(l)
	}
	if told {
		w.tell()
	}
}
