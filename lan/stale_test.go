package lan_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/mdlayher/ndp"

	"pppoectl/lan"
)

// without is the usual LAN with another prefix.
func without() lan.Config {
	c := usual()
	c.Prefixes = []lan.Prefix{lasting(prefixB, 1000*time.Hour, 1000*time.Hour)}
	return c
}

// RFC 9096 section 3.5: what is not ours any more is told as 0/0 as long as hosts
// could have it, and then forgotten.
func TestDroppedPrefixIsToldAsStaleFor90Minutes(t *testing.T) {
	r := newRouter(t, 1)
	r.configure(usual())
	r.pass(time.Hour)
	r.forget()
	dropped := r.now
	r.configure(without())
	if m := r.last(); m.at != r.now {
		t.Errorf("told %v late", r.now-m.at)
	}
	r.pass(3 * time.Hour)
	stale := 0
	for _, m := range r.told {
		p := m.prefix(prefixA)
		if want := m.at < dropped+5400*time.Second; want != (p != nil) {
			t.Fatalf("after %v: %+v", m.at-dropped, p)
		}
		if p == nil {
			continue
		}
		stale++
		if p.PreferredLifetime != 0 || p.ValidLifetime != 0 || !p.OnLink || !p.AutonomousAddressConfiguration {
			t.Fatalf("after %v: %+v", m.at-dropped, p)
		}
		if m.prefix(prefixB).PreferredLifetime == 0 {
			t.Errorf("the new one: %+v", m.prefix(prefixB))
		}
	}
	if stale < 5400/600 {
		t.Errorf("told %d times only", stale)
	}
}

// The last prefix may go, too, and is told of all the same; then there is silence.
func TestLastPrefixIsToldAsStaleToo(t *testing.T) {
	r := newRouter(t, 1)
	r.configure(usual())
	r.pass(time.Hour)
	r.configure(lan.Config{})
	if m := r.last(); m.at != r.now || m.ra.RouterLifetime != 0 || m.prefix(prefixA) == nil || m.prefix(prefixA).ValidLifetime != 0 {
		t.Errorf("%v late: %+v", r.now-m.at, m.ra)
	}
	r.pass(5400 * time.Second)
	r.forget()
	r.pass(24 * time.Hour)
	if len(r.told) != 0 || !r.a.Idle() || len(r.a.Known()) != 0 {
		t.Errorf("still told of: %+v, known %v", r.told, r.a.Known())
	}
}

func TestPrefixThatReturnsIsNotStaleAnyMore(t *testing.T) {
	r := newRouter(t, 1)
	r.configure(usual())
	r.pass(time.Minute)
	r.configure(without())
	r.pass(time.Minute)
	r.configure(usual())
	m := r.last()
	if p := m.prefix(prefixA); m.at != r.now || p == nil || p.PreferredLifetime != 2700*time.Second {
		t.Errorf("%v late: %+v", r.now-m.at, p)
	}
	if p := m.prefix(prefixB); p == nil || p.ValidLifetime != 0 {
		t.Errorf("the other one: %+v", p)
	}
	r.pass(24 * time.Hour)
	if p := r.last().prefix(prefixA); p == nil || p.PreferredLifetime != 2700*time.Second {
		t.Errorf("a day later: %+v", p)
	}
}

// A run that begins again knows what the one before it has told.
func TestStalePrefixesOfAnEarlierRun(t *testing.T) {
	r := newRouter(t, 1)
	r.configure(usual())
	r.pass(time.Hour)
	known := r.a.Known()
	if len(known) != 1 || known[0] != (lan.Stale{Prefix: prefixA, Until: lan.Forever}) {
		t.Fatalf("known %+v", known)
	}
	next := newRouter(t, 2)
	next.now = r.now
	next.a = lan.NewAdvertiser(next.now, ourMAC, known, rand.New(rand.NewPCG(2, 1)))
	end := next.now + 5400*time.Second
	if next.a.Idle() {
		t.Error("idle with stale prefixes")
	}
	next.configure(without())
	if p := next.last().prefix(prefixA); p == nil || p.ValidLifetime != 0 {
		t.Errorf("%+v", p)
	}
	if got := fmt.Sprint(next.a.Known()); got != fmt.Sprint([]lan.Stale{{Prefix: prefixA, Until: end}, {Prefix: prefixB, Until: lan.Forever}}) {
		t.Errorf("known %v", got)
	}
	next.pass(5401 * time.Second)
	if next.last().prefix(prefixA) != nil && next.last().at > end {
		t.Errorf("still told of: %+v", next.last())
	}
	if next.changed != 2 {
		t.Errorf("told %d times to write down, want when B came and when A was over", next.changed)
	}
}

// One that is ours again is not stale for a moment.
func TestSamePrefixAfterAnEarlierRunIsNeverStale(t *testing.T) {
	r := newRouter(t, 1, lan.Stale{Prefix: prefixA, Until: boot + time.Hour})
	r.configure(usual())
	r.step(lan.Input{Restart: true})
	r.pass(2 * time.Hour)
	for _, m := range r.told {
		if p := m.prefix(prefixA); p == nil || p.PreferredLifetime == 0 {
			t.Fatalf("after %v: %+v", m.at-boot, p)
		}
	}
}

// On a line that brings another prefix each minute, it is the newest that hosts
// still have.
func TestNewestOfManyDroppedPrefixesAreTold(t *testing.T) {
	r := newRouter(t, 1)
	var last netip.Prefix
	for i := range 40 {
		c := usual()
		last = c.Prefixes[0].Prefix
		if i < 39 {
			last = netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x:1::/64", 0x300+i))
		}
		c.Prefixes[0].Prefix = last
		r.configure(c)
		r.pass(time.Minute)
	}
	before := netip.MustParsePrefix("2001:db8:326:1::/64") // number 39 of 40
	m := r.last()
	if p := m.prefix(before); p == nil || p.ValidLifetime != 0 {
		t.Errorf("the prefix of a minute ago is told as %+v", p)
	}
	n := 0
	for _, o := range m.ra.Options {
		if _, ok := o.(*ndp.PrefixInformation); ok {
			n++
		}
	}
	if n > 17 {
		t.Errorf("%d prefixes in one advertisement", n)
	}
}

// RFC 4861 section 6.2.5, and RFC 9096: nothing of it is true any more.
func TestFinalAdvertisementTakesAllBack(t *testing.T) {
	r := newRouter(t, 1)
	r.configure(without())
	r.pass(time.Minute)
	r.configure(usual())
	r.pass(time.Minute)
	r.forget()
	r.step(lan.Input{Final: true})
	if len(r.told) != 1 || r.told[0].to != allNodes || r.deadline != 0 {
		t.Fatalf("%+v, next at %v", r.told, r.deadline)
	}
	m := r.told[0]
	if m.ra.RouterLifetime != 0 {
		t.Errorf("%+v", m.ra)
	}
	for _, p := range []netip.Prefix{prefixA, prefixB} {
		if i := m.prefix(p); i == nil || i.PreferredLifetime != 0 || i.ValidLifetime != 0 {
			t.Errorf("%v: %+v", p, i)
		}
	}
	if o := option[*ndp.RecursiveDNSServer](t, m); o == nil || o.Lifetime != 0 {
		t.Errorf("name servers %+v", o)
	}
	if o := option[*ndp.DNSSearchList](t, m); o == nil || o.Lifetime != 0 {
		t.Errorf("domains %+v", o)
	}
	if o := option[*ndp.RouteInformation](t, m); o == nil || o.RouteLifetime != 0 {
		t.Errorf("route %+v", o)
	}
	if option[*ndp.LinkLayerAddress](t, m) == nil {
		t.Error("no Ethernet address")
	}
}
