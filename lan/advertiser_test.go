package lan_test

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/mdlayher/ndp"

	"pppoectl/lan"
)

const boot = 1000 * time.Second // when the tests begin, since boot

var (
	ourMAC   = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	allNodes = netip.MustParseAddr("ff02::1")
	prefixA  = netip.MustParsePrefix("2001:db8:100:1::/64")
	prefixB  = netip.MustParsePrefix("2001:db8:200:1::/64")
)

// told is an advertisement, as it came out of the wire.
type told struct {
	at time.Duration
	to netip.Addr
	ra *ndp.RouterAdvertisement
}

// router is an advertiser with a clock, and what it has said.
type router struct {
	t        testing.TB
	a        *lan.Advertiser
	now      time.Duration
	deadline time.Duration
	told     []told
	changed  int // how often what hosts may have was another
	heard    func(told)
}

func newRouter(t testing.TB, seed uint64, known ...lan.Stale) *router {
	return &router{t: t, now: boot, a: lan.NewAdvertiser(boot, ourMAC, known, rand.New(rand.NewPCG(seed, 1)))}
}

// step feeds one input, and takes what is said through its octets.
func (r *router) step(in lan.Input) {
	r.t.Helper()
	out := r.a.Step(r.now, in)
	r.deadline = out.Deadline
	if out.Changed {
		r.changed++
	}
	if out.Deadline != 0 && out.Deadline <= r.now {
		r.t.Fatalf("at %v the deadline is %v, which is over", r.now, out.Deadline)
	}
	for _, m := range out.Messages {
		b, err := ndp.MarshalMessage(m.Advertisement)
		if err != nil {
			r.t.Fatalf("%+v cannot be sent: %v", m.Advertisement, err)
		}
		parsed, err := ndp.ParseMessage(b)
		if err != nil {
			r.t.Fatalf("%x cannot be understood: %v", b, err)
		}
		ra := told{r.now, m.To, parsed.(*ndp.RouterAdvertisement)}
		r.told = append(r.told, ra)
		if r.heard != nil {
			r.heard(ra)
		}
	}
}

func (r *router) configure(c lan.Config) { r.t.Helper(); r.step(lan.Input{Config: &c}) }

func (r *router) ask(host string) { r.t.Helper(); r.step(lan.Input{Asked: netip.MustParseAddr(host)}) }

// pass lets time pass.
func (r *router) pass(d time.Duration) {
	r.t.Helper()
	end := r.now + d
	for r.deadline != 0 && r.deadline <= end {
		r.now = r.deadline
		r.step(lan.Input{})
	}
	r.now = end
}

// forget drops what was said until now.
func (r *router) forget() { r.told = nil }

// last returns the newest advertisement to all.
func (r *router) last() told {
	r.t.Helper()
	for i := len(r.told) - 1; i >= 0; i-- {
		if r.told[i].to == allNodes {
			return r.told[i]
		}
	}
	r.t.Fatal("nothing was said to all")
	return told{}
}

// prefix returns what an advertisement says of a prefix; nil: nothing, or two
// things.
func (m told) prefix(p netip.Prefix) *ndp.PrefixInformation {
	var found *ndp.PrefixInformation
	for _, o := range m.ra.Options {
		if i, ok := o.(*ndp.PrefixInformation); ok && netip.PrefixFrom(i.Prefix, int(i.PrefixLength)) == p {
			if found != nil {
				return nil
			}
			found = i
		}
	}
	return found
}

// option returns the only option of a kind; the zero value if there is none.
func option[T ndp.Option](t testing.TB, m told) T {
	t.Helper()
	var found []T
	for _, o := range m.ra.Options {
		if o, ok := o.(T); ok {
			found = append(found, o)
		}
	}
	if len(found) > 1 {
		t.Fatalf("%d options %v in one advertisement", len(found), reflect.TypeFor[T]())
	}
	var none T
	if len(found) == 0 {
		return none
	}
	return found[0]
}

// lasting is a prefix that ends so long after the begin of the tests.
func lasting(p netip.Prefix, preferred, valid time.Duration) lan.Prefix {
	return lan.Prefix{Prefix: p, PreferredUntil: boot + preferred, ValidUntil: boot + valid}
}

// usual is a LAN behind an uplink with a prefix for a year.
func usual() lan.Config {
	const year = 365 * 24 * time.Hour
	return lan.Config{
		Router: true, MTU: 1454, Prefixes: []lan.Prefix{lasting(prefixA, year, year)},
		Routes:  []lan.Prefix{lasting(netip.MustParsePrefix("2001:db8:100::/56"), year, year)},
		DNS:     []netip.Addr{netip.MustParseAddr("2001:db8:ffff::53")},
		Domains: []string{"example.jp"},
	}
}

// RFC 4861 section 6.2.4: the first at once, two more within 16 seconds each, and
// then one in 200 to 600 seconds.
func TestUnsolicitedAdvertisementsComeInTime(t *testing.T) {
	for seed := range uint64(50) {
		r := newRouter(t, seed)
		r.configure(usual())
		if len(r.told) != 1 || r.told[0].to != allNodes {
			t.Fatalf("seed %d: at once: %+v", seed, r.told)
		}
		r.pass(24 * time.Hour)
		different := map[time.Duration]bool{}
		for i := 1; i < len(r.told); i++ {
			gap := r.told[i].at - r.told[i-1].at
			least, most := 200*time.Second, 600*time.Second
			if i < 3 {
				least, most = 3*time.Second, 16*time.Second
			} else {
				different[gap] = true
			}
			if gap < least || gap > most {
				t.Fatalf("seed %d: number %d came %v after the one before it", seed, i+1, gap)
			}
		}
		if len(different) < 100 {
			t.Errorf("seed %d: only %d different intervals in a day", seed, len(different))
		}
	}
}

// What is news is told at once, but never two to all within three seconds.
func TestNewsAreToldAtOnceButNotTwiceInThreeSeconds(t *testing.T) {
	r := newRouter(t, 1)
	c := usual()
	r.configure(c)
	r.pass(5 * time.Minute)
	r.forget()
	began := r.now
	for range 100 { // an uplink that comes and goes ten times a second
		c.Router = !c.Router
		r.configure(c)
		r.pass(100 * time.Millisecond)
	}
	r.pass(3 * time.Second)
	if len(r.told) < 4 || r.told[0].at != began {
		t.Fatalf("%d advertisements: %v", len(r.told), r.told)
	}
	for i := 1; i < len(r.told); i++ {
		if gap := r.told[i].at - r.told[i-1].at; gap < 3*time.Second {
			t.Errorf("number %d came %v after the one before it", i+1, gap)
		}
	}
}

// What stays as it is is no news: a lease that is renewed each minute is not told
// each minute.
func TestRenewalIsNoNews(t *testing.T) {
	r := newRouter(t, 1)
	c := usual()
	r.configure(c)
	r.pass(10 * time.Minute)
	r.forget()
	changed := r.changed
	for range 600 {
		r.pass(time.Minute)
		c = usual()
		c.Prefixes[0].PreferredUntil, c.Prefixes[0].ValidUntil = r.now+2*time.Hour, r.now+4*time.Hour
		r.configure(c)
	}
	if n := len(r.told); n > 36000/200+1 {
		t.Errorf("%d advertisements in ten hours", n)
	}
	if r.changed != changed {
		t.Errorf("written to disk %d times for nothing", r.changed-changed)
	}
}

// Whatever comes up is told of, once there is something to tell.
func TestInterfaceThatComesUpIsTold(t *testing.T) {
	r := newRouter(t, 1)
	r.step(lan.Input{Restart: true})
	r.pass(time.Hour)
	if len(r.told) != 0 {
		t.Fatalf("said without a configuration: %+v", r.told)
	}
	r.configure(usual())
	r.pass(time.Hour)
	r.forget()
	began := r.now
	r.step(lan.Input{Restart: true})
	r.pass(40 * time.Second)
	if len(r.told) != 3 || r.told[0].at-began > 3*time.Second {
		t.Errorf("after the interface came up: %d advertisements", len(r.told))
	}
}
