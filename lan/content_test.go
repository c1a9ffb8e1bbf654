package lan_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/ndp"

	"pppoectl/lan"
)

func TestAdvertisementHoldsAllThatHostsNeed(t *testing.T) {
	r := newRouter(t, 1)
	r.configure(usual())
	m := r.last()
	if m.ra.RouterLifetime != 2700*time.Second || m.ra.CurrentHopLimit != 64 || m.ra.ManagedConfiguration || m.ra.OtherConfiguration {
		t.Errorf("%+v", m.ra)
	}
	p := m.prefix(prefixA)
	if p == nil || !p.OnLink || !p.AutonomousAddressConfiguration || p.PreferredLifetime != 2700*time.Second || p.ValidLifetime != 5400*time.Second {
		t.Errorf("prefix %+v", p)
	}
	if o := option[*ndp.MTU](t, m); o == nil || o.MTU != 1454 {
		t.Errorf("MTU %+v", o)
	}
	if o := option[*ndp.RecursiveDNSServer](t, m); o == nil || o.Lifetime != 5400*time.Second || fmt.Sprint(o.Servers) != "[2001:db8:ffff::53]" {
		t.Errorf("DNS %+v", o)
	}
	if o := option[*ndp.DNSSearchList](t, m); o == nil || o.Lifetime != 5400*time.Second || fmt.Sprint(o.DomainNames) != "[example.jp]" {
		t.Errorf("domains %+v", o)
	}
	if o := option[*ndp.RouteInformation](t, m); o == nil || o.RouteLifetime != 5400*time.Second || o.PrefixLength != 56 || o.Prefix.String() != "2001:db8:100::" {
		t.Errorf("route %+v", o)
	}
	if o := option[*ndp.LinkLayerAddress](t, m); o == nil || o.Direction != ndp.Source || o.Addr.String() != ourMAC.String() {
		t.Errorf("Ethernet address %+v", o)
	}
}

// What is not known is not told.
func TestOptionsThatAreNotKnownAreLeftOut(t *testing.T) {
	r := newRouter(t, 1)
	r.a = lan.NewAdvertiser(r.now, nil, nil, rand.New(rand.NewPCG(1, 2)))
	r.configure(lan.Config{Prefixes: usual().Prefixes})
	m := r.last()
	if len(m.ra.Options) != 1 || m.prefix(prefixA) == nil || m.ra.RouterLifetime != 0 {
		t.Errorf("%+v", m.ra)
	}
}

// While no uplink carries IPv6 the router is no way to the Internet, nor to its
// name servers; hosts keep their addresses and reach each other.
func TestRouterWithoutAnUplinkSaysSo(t *testing.T) {
	r := newRouter(t, 1)
	c := usual()
	r.configure(c)
	r.pass(10 * time.Second)
	c.Router = false
	r.configure(c)
	m := r.last()
	if m.at != r.now || m.ra.RouterLifetime != 0 || m.prefix(prefixA).PreferredLifetime != 2700*time.Second {
		t.Errorf("%v late: %+v", r.now-m.at, m.ra)
	}
	if option[*ndp.RouteInformation](t, m) == nil || option[*ndp.RecursiveDNSServer](t, m) != nil {
		t.Errorf("%+v", m.ra)
	}
	r.pass(time.Minute)
	c.Router = true
	r.configure(c)
	if m := r.last(); m.at != r.now || m.ra.RouterLifetime != 2700*time.Second {
		t.Errorf("back: %v late: %+v", r.now-m.at, m.ra)
	}
}

// RFC 7084 G-5: a router that is none any more must say so, even if that was all
// that it has ever said.
func TestRouterWithoutPrefixesSaysThatItIsNoneAnyMore(t *testing.T) {
	r := newRouter(t, 1)
	r.configure(lan.Config{Router: true})
	if r.last().ra.RouterLifetime == 0 {
		t.Fatalf("%+v", r.told)
	}
	r.pass(10 * time.Second)
	r.configure(lan.Config{})
	r.pass(10 * time.Second)
	if m := r.last(); m.ra.RouterLifetime != 0 {
		t.Errorf("the last word is a router lifetime of %v", m.ra.RouterLifetime)
	}
}

// RFC 9096 section 3.3: never longer than what is left of the lease.
func TestLifetimesAreCountedDownWithTheLease(t *testing.T) {
	r := newRouter(t, 1)
	c := usual()
	c.Prefixes = []lan.Prefix{lasting(prefixA, 3000*time.Second, 6000*time.Second)}
	c.Routes = []lan.Prefix{lasting(netip.MustParsePrefix("2001:db8:100::/56"), 3000*time.Second, 6000*time.Second)}
	r.configure(c)
	r.pass(5999 * time.Second)
	for _, m := range r.told {
		gone := m.at - boot
		preferred := min(max(3000*time.Second-gone, 0), 2700*time.Second).Truncate(time.Second)
		valid := min(6000*time.Second-gone, 5400*time.Second).Truncate(time.Second)
		p := m.prefix(prefixA)
		if p == nil || p.PreferredLifetime != preferred || p.ValidLifetime != valid {
			t.Fatalf("after %v: %+v, want %v and %v", gone, p, preferred, valid)
		}
		if o := option[*ndp.RouteInformation](t, m); o.RouteLifetime != valid {
			t.Errorf("after %v: route for %v, want %v", gone, o.RouteLifetime, valid)
		}
		if valid == 0 {
			continue
		}
		if o := option[*ndp.RecursiveDNSServer](t, m); o.Lifetime != valid {
			t.Errorf("after %v: name servers for %v, want %v", gone, o.Lifetime, valid)
		}
	}
}

func TestInfiniteLeaseIsToldLikeALongOne(t *testing.T) {
	r := newRouter(t, 1)
	c := usual()
	c.Prefixes = []lan.Prefix{{Prefix: prefixA, PreferredUntil: lan.Forever, ValidUntil: lan.Forever}}
	r.configure(c)
	r.pass(100 * 24 * time.Hour)
	for _, m := range r.told {
		if p := m.prefix(prefixA); p.PreferredLifetime != 2700*time.Second || p.ValidLifetime != 5400*time.Second {
			t.Fatalf("after %v: %+v", m.at-boot, p)
		}
	}
}

// A prefix that is not preferred is still valid: connections go on.
func TestDeprecatedPrefixStaysValid(t *testing.T) {
	r := newRouter(t, 1)
	c := usual()
	c.Prefixes = []lan.Prefix{lasting(prefixA, time.Hour, 3*time.Hour)}
	r.configure(c)
	r.pass(10 * time.Minute)
	c.Prefixes = []lan.Prefix{lasting(prefixA, 10*time.Minute, 3*time.Hour), lasting(prefixB, 3*time.Hour, 3*time.Hour)}
	r.configure(c)
	m := r.last()
	if m.at != r.now || m.prefix(prefixA).PreferredLifetime != 0 || m.prefix(prefixA).ValidLifetime != 5400*time.Second {
		t.Errorf("%v late: %+v", r.now-m.at, m.prefix(prefixA))
	}
	if p := m.prefix(prefixB); p == nil || p.PreferredLifetime != 2700*time.Second {
		t.Errorf("the new one: %+v", p)
	}
}

// A lease of seconds that is renewed in time never runs out at a host.
func TestShortLeasesNeverRunOutBetweenTwoAdvertisements(t *testing.T) {
	for _, preferred := range []time.Duration{12 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour} {
		t.Run(preferred.String(), func(t *testing.T) {
			for seed := range uint64(10) {
				r := newRouter(t, seed)
				for range 300 {
					r.configure(lan.Config{Prefixes: []lan.Prefix{{Prefix: prefixA, PreferredUntil: r.now + preferred, ValidUntil: r.now + 2*preferred}}})
					r.pass(preferred / 2)
				}
				for i := 1; i < len(r.told); i++ {
					until := r.told[i-1].at + r.told[i-1].prefix(prefixA).PreferredLifetime
					if r.told[i].at >= until {
						t.Fatalf("seed %d: told at %v for %v, and again only at %v", seed, r.told[i-1].at, until-r.told[i-1].at, r.told[i].at)
					}
				}
			}
		})
	}
}

func TestUplinksOfOneLANAreMerged(t *testing.T) {
	dns := func(s string) []netip.Addr {
		return []netip.Addr{netip.MustParseAddr("2001:db8::53"), netip.MustParseAddr(s)}
	}
	one := lan.Config{
		Router: true, MTU: 1454, Prefixes: []lan.Prefix{lasting(prefixB, 1, 2)}, DNS: dns("2001:db8::1"),
		Routes: []lan.Prefix{lasting(prefixB, 1, 9)}, Domains: []string{"a.jp", "b.jp"},
	}
	two := lan.Config{
		Router: true, MTU: 1400, Prefixes: []lan.Prefix{lasting(prefixA, 3, 4), lasting(prefixB, 5, 1)}, DNS: dns("2001:db8::2"),
		Routes: []lan.Prefix{lasting(prefixA, 1, 9)}, Domains: []string{"b.jp", "c.jp"},
	}
	got := lan.Merge(map[string]lan.Config{"two": two, "one": one, "none": {}})
	want := lan.Config{
		Router: true, MTU: 1400, Prefixes: []lan.Prefix{lasting(prefixA, 3, 4), lasting(prefixB, 5, 2)},
		Routes:  []lan.Prefix{lasting(prefixA, 1, 9), lasting(prefixB, 1, 9)},
		DNS:     []netip.Addr{netip.MustParseAddr("2001:db8::53"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")},
		Domains: []string{"a.jp", "b.jp", "c.jp"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	if one.Prefixes[0] != lasting(prefixB, 1, 2) || len(one.DNS) != 2 {
		t.Errorf("an uplink's own part was changed: %+v", one)
	}
	if empty := lan.Merge(nil); !reflect.DeepEqual(empty, lan.Config{}) {
		t.Errorf("of nothing: %+v", empty)
	}
}

// As long as another uplink is the way to the Internet, nobody begins anything with
// a prefix of one that is not.
func TestPrefixOfAnUplinkWithoutASessionIsNotPreferred(t *testing.T) {
	dead := lan.Config{Prefixes: []lan.Prefix{lasting(prefixB, 1, 2)}, DNS: []netip.Addr{netip.MustParseAddr("2001:db8::1")}}
	alive := lan.Config{Router: true, Prefixes: []lan.Prefix{lasting(prefixA, 3, 4)}}
	got := lan.Merge(map[string]lan.Config{"dead": dead, "alive": alive})
	if got.Prefixes[0].PreferredUntil == 0 || got.Prefixes[1].PreferredUntil != 0 || got.Prefixes[1].ValidUntil != dead.Prefixes[0].ValidUntil || len(got.DNS) != 0 {
		t.Errorf("%+v", got)
	}
	if alone := lan.Merge(map[string]lan.Config{"dead": dead}); alone.Prefixes[0] != dead.Prefixes[0] {
		t.Errorf("without another: %+v", alone)
	}
}

// Servers may tell as much as the client takes: eight name servers for each of two
// uplinks, and domains of 255 octets. An advertisement must go out all the same,
// and in one piece (RFC 6980).
func TestMuchToTellIsStillToldInOnePacket(t *testing.T) {
	much := usual()
	much.DNS, much.Domains = nil, nil
	for i := range 16 {
		much.DNS = append(much.DNS, netip.MustParseAddr(fmt.Sprintf("2001:db8:ffff::%x", i+1)))
	}
	for i := range 8 {
		much.Domains = append(much.Domains, strings.Repeat("abcdefg.", 7)+fmt.Sprintf("n%d.jp", i))
	}
	prefixes := usual()
	for i := range 32 {
		p := netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x:1::/64", 0x300+i))
		prefixes.Prefixes = append(prefixes.Prefixes, lasting(p, time.Hour, time.Hour))
		prefixes.Routes = append(prefixes.Routes, lasting(netip.PrefixFrom(p.Addr(), 56).Masked(), time.Hour, time.Hour))
	}
	for name, c := range map[string]lan.Config{
		"name servers": {Prefixes: much.Prefixes, Router: true, DNS: much.DNS},
		"domains":      {Prefixes: much.Prefixes, Router: true, Domains: much.Domains},
		"prefixes":     prefixes,
	} {
		t.Run(name, func(t *testing.T) {
			out := newRouter(t, 1).a.Step(boot, lan.Input{Config: &c})
			if len(out.Messages) != 1 {
				t.Fatalf("%d messages", len(out.Messages))
			}
			b, err := ndp.MarshalMessage(out.Messages[0].Advertisement)
			if err != nil {
				t.Errorf("it cannot be sent: %v", err)
			}
			if len(b)+40 > 1500 {
				t.Errorf("a packet of %d octets: hosts ignore fragments", len(b)+40)
			}
		})
	}
}

// Names that the server made up must not spoil the list, nor keep the rest from being
// told: an empty label ends it, and what looks like punycode and is none (RFC 5891
// section 5.4) cannot be sent.
func TestSearchListHoldsOnlyWholeNames(t *testing.T) {
	for _, name := range []string{"a..b", "example.jp.", "xn--zz.jp", "xn--.jp"} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t, 1)
			c := usual()
			c.Domains = []string{name, "example.com"}
			r.configure(c)
			o := option[*ndp.DNSSearchList](t, r.last())
			if o == nil || o.DomainNames[len(o.DomainNames)-1] != "example.com" {
				t.Errorf("%+v", o)
			}
		})
	}
}
