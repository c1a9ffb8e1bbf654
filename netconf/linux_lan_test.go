package netconf_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pppoectl/labnet"
	"pppoectl/netconf"
)

// lanChanges are all kinds of changes that a LAN and its uplink need.
func lanChanges() []netconf.Change {
	p := netip.MustParsePrefix("2001:db8:100::/56")
	four, six := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")
	own := netip.MustParseAddr("2001:db8:100:ff::1")
	return []netconf.Change{
		netconf.Device{Name: "bizf6", Owner: "bizf6"}, netconf.Link{Device: "bizf6", MTU: 1454},
		netconf.Address{Device: "bizf6", Address: netip.MustParsePrefix("203.0.113.7/32"), Peer: netip.MustParseAddr("203.0.113.1")},
		netconf.Address{Device: "bizf6", Address: netip.MustParsePrefix("fe80::1/64")},
		netconf.Route{Destination: p, Metric: 1<<31 - 1},
		netconf.Address{Device: "bizf6", Address: netip.PrefixFrom(own, 128)},
		netconf.Route{Device: "bizf6", Destination: six, Metric: 100, Table: 25601},
		netconf.Route{Destination: six, Metric: 1<<31 - 1, Table: 25601},
		netconf.Rule{From: p, Priority: 25600, Specific: true}, netconf.Rule{From: p, Priority: 25601, Table: 25601},
		netconf.Route{Device: "bizf6", Destination: four, Metric: 100, Table: 25601},
		netconf.Route{Destination: four, Metric: 1<<31 - 1, Table: 25601},
		netconf.Rule{From: netip.MustParsePrefix("203.0.113.7/32"), Priority: 25601, Table: 25601},
		netconf.Route{Device: "bizf6", Destination: six, Metric: 100, Source: own},
		netconf.Address{Device: "lan0", Address: netip.MustParsePrefix("2001:db8:100:1::1/64")},
		netconf.Address{Device: "lan0", Address: netip.MustParsePrefix("2001:db8:200:1::1/64"), Deprecated: true},
		netconf.Sysctl{Key: "net/ipv6/conf/all/forwarding", Value: "1"},
	}
}

// wired is a namespace with a LAN.
func wired(t *testing.T) *labnet.Namespace {
	t.Helper()
	ns := labnet.New(t)
	ns.IP("link", "add", "lan0", "type", "veth", "peer", "name", "peer0")
	ns.IP("link", "set", "lan0", "addrgenmode", "none", "up")
	ns.IP("link", "set", "peer0", "addrgenmode", "none", "up")
	return ns
}

// ipState is all that ip tells of a namespace.
func ipState(ns *labnet.Namespace) string {
	var all []string
	for _, args := range [][]string{
		{"-4", "rule"}, {"-6", "rule"}, {"-4", "route", "show", "table", "all"}, {"-6", "route", "show", "table", "all"}, {"-brief", "addr"},
	} {
		all = append(all, ns.IP(args...))
	}
	return strings.Join(all, "")
}

// The kernel takes all changes twice without an error, and holds them once; and so
// with taking them back.
func TestEveryChangeMayBeMadeTwiceInTheKernel(t *testing.T) {
	ns := wired(t)
	before := ipState(ns)
	var states [2]string
	for i := range states {
		for _, c := range lanChanges() {
			ns.Do(func() {
				if err := c.Do(netconf.Linux{}); err != nil {
					t.Errorf("time %d: %v: %v", i+1, c, err)
				}
			})
		}
		states[i] = ipState(ns)
	}
	if states[0] != states[1] || states[0] == before {
		t.Errorf("once:\n%s\ntwice:\n%s", states[0], states[1])
	}
	changes := lanChanges()
	for range 2 {
		for i := len(changes) - 1; i >= 0; i-- {
			ns.Do(func() {
				if err := changes[i].Undo(netconf.Linux{}); err != nil {
					t.Errorf("undo %v: %v", changes[i], err)
				}
			})
		}
	}
	if got := ipState(ns); got != before {
		t.Errorf("left over:\n%s\nbefore:\n%s", got, before)
	}
}

// add makes a change in a namespace.
func add(t *testing.T, ns *labnet.Namespace, c netconf.Change) {
	t.Helper()
	ns.Do(func() {
		if err := c.Do(netconf.Linux{}); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	})
}

// An address is deprecated, and preferred again, without being away for a moment.
func TestAddressIsDeprecatedAndPreferredAgain(t *testing.T) {
	ns := wired(t)
	a := netconf.Address{Device: "lan0", Address: netip.MustParsePrefix("2001:db8:100:1::1/64")}
	for i, deprecated := range []bool{false, true, true, false, true, false} {
		a.Deprecated = deprecated
		add(t, ns, a)
		got := ns.IP("-6", "addr", "show", "dev", "lan0")
		if strings.Contains(got, "deprecated") != deprecated || strings.Count(got, "inet6") != 1 || !strings.Contains(got, "valid_lft forever") {
			t.Errorf("time %d: deprecated %v wanted:\n%s", i+1, deprecated, got)
		}
		if got := ns.IP("-6", "route", "show", "dev", "lan0"); !strings.Contains(got, "2001:db8:100:1::/64") {
			t.Errorf("time %d: routes %q", i+1, got)
		}
	}
}

// What somebody else has given a device stays as it was, lifetimes included.
func TestForeignAddressStaysAsItWas(t *testing.T) {
	ns := wired(t)
	ns.IP("addr", "add", "2001:db8:100:1::1/64", "dev", "lan0", "valid_lft", "5000", "preferred_lft", "4000", "nodad")
	var j *netconf.Journal
	var err error
	ns.Do(func() {
		if j, err = netconf.OpenJournal(t.TempDir()+"/journal", "boot", netconf.Linux{}); err != nil {
			return
		}
		want := []netconf.Change{netconf.Address{Device: "lan0", Address: netip.MustParsePrefix("2001:db8:100:1::1/64")}}
		if err = j.Apply("lan", want); err == nil {
			err = j.Apply("lan", nil)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if got := ns.IP("-6", "addr", "show", "dev", "lan0"); !strings.Contains(got, "2001:db8:100:1::1/64") || strings.Contains(got, "forever") {
		t.Errorf("lifetimes were 5000 and 4000 seconds:\n%s", got)
	}
}

// A LAN that is set down has no packets to take: nobody waits for that.
func TestAddressOnADeviceThatIsDownTakesNoTime(t *testing.T) {
	for name, args := range map[string][]string{
		"down": {"link", "set", "lan0", "down"}, "without a carrier": {"link", "set", "peer0", "down"},
	} {
		t.Run(name, func(t *testing.T) {
			ns := wired(t)
			ns.IP(args...)
			began := time.Now()
			for i := range 10 {
				add(t, ns, netconf.Address{Device: "lan0", Address: netip.MustParsePrefix(fmt.Sprintf("2001:db8:100:%d::1/64", i))})
			}
			if took := time.Since(began); took > 6*time.Second { // one that waits does so for a second
				t.Errorf("ten addresses took %v", took)
			}
		})
	}
}

// A route of ours with another source address is not the same one.
func TestRouteOfAnotherSourceIsReplacedOrRefused(t *testing.T) {
	ns := wired(t)
	six := netip.MustParsePrefix("::/0")
	for _, a := range []string{"2001:db8::1", "2001:db8::2"} {
		add(t, ns, netconf.Address{Device: "lan0", Address: netip.MustParsePrefix(a + "/64")})
	}
	add(t, ns, netconf.Route{Device: "lan0", Destination: six, Metric: 100, Source: netip.MustParseAddr("2001:db8::1")})
	var err error
	ns.Do(func() {
		err = netconf.Route{Device: "lan0", Destination: six, Metric: 100, Source: netip.MustParseAddr("2001:db8::2")}.Do(netconf.Linux{})
	})
	if got := ns.IP("-6", "route", "show", "default"); err == nil && !strings.Contains(got, "src 2001:db8::2") {
		t.Errorf("no error, and yet %s", got)
	}
}
