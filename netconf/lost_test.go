package netconf_test

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pppoectl/labnet"
	"pppoectl/netconf"
)

// What somebody takes away in the kernel is put back, each thing once, and what is
// taken back by ourselves is not.
func TestWhatOthersTakeAwayIsPutBack(t *testing.T) {
	labnet.Supported(t)
	ns := labnet.New(t)
	prefix := netip.MustParsePrefix("2001:db8:100::/56")
	changes := []netconf.Change{
		netconf.Device{Name: "bizf6", Owner: "bizf6"},
		netconf.Link{Device: "bizf6", MTU: 1454},
		filter6,
		netconf.Address{Device: "bizf6", Address: netip.MustParsePrefix("fe80::1/64")},
		netconf.Address{Device: "bizf6", Address: netip.MustParsePrefix("203.0.113.7/32"), Peer: netip.MustParseAddr("203.0.113.1")},
		netconf.Route{Destination: prefix, Metric: 1<<31 - 1},
		netconf.Route{Device: "bizf6", Destination: netip.MustParsePrefix("::/0"), Metric: 100},
		netconf.Route{Device: "bizf6", Destination: netip.MustParsePrefix("::/0"), Metric: 100, Table: 25600},
		netconf.Route{Device: "bizf6", Destination: netip.MustParsePrefix("0.0.0.0/0"), Metric: 100, Source: netip.MustParseAddr("203.0.113.7")},
		netconf.Rule{From: prefix, Priority: 25600, Specific: true},
		netconf.Rule{From: prefix, Priority: 25601, Table: 25600},
	}
	var j *netconf.Journal
	var lost <-chan netconf.Lost
	in := func(f func() error) {
		t.Helper()
		var err error
		ns.Do(func() { err = f() })
		if err != nil {
			t.Fatal(err)
		}
	}
	in(func() (err error) {
		if j, err = netconf.OpenJournal(filepath.Join(t.TempDir(), "journal"), "b", netconf.Linux{}); err != nil {
			return err
		}
		if err := j.Apply("bizf6", changes); err != nil {
			return err
		}
		lost, err = netconf.WatchLost(t.Context())
		return err
	})
	// mended takes what is lost until all that is awaited was mended.
	mended := func(want ...string) {
		t.Helper()
		missing := slices.Clone(want)
		for end := time.After(20 * time.Second); len(missing) > 0; {
			select {
			case l := <-lost:
				in(func() error {
					list, err := j.Mend(l, func(netconf.Change) bool { return true })
					for _, m := range list {
						i := slices.IndexFunc(missing, func(s string) bool { return strings.HasPrefix(m.Change.String(), s) })
						if i < 0 {
							t.Errorf("mended, and not expected: %v", m.Change)
							continue
						}
						missing = slices.Delete(missing, i, i+1)
					}
					return err
				})
			case <-end:
				t.Fatalf("not mended: %q", missing)
			}
		}
	}
	before := all(ns)
	for _, c := range []struct {
		do   []string
		want []string
	}{
		{[]string{"ip", "-6", "rule", "del", "pref", "25601"}, []string{"rule add from 2001:db8:100::/56 lookup 25600"}},
		{[]string{"bash", "-c", "ip -6 rule flush; ip -6 rule add pref 32766 lookup main protocol kernel"}, []string{"rule add from 2001:db8:100::/56 lookup 25600", "rule add from 2001:db8:100::/56 lookup main"}},
		{[]string{"ip", "-6", "route", "del", "default", "dev", "bizf6"}, []string{"route add ::/0 dev bizf6 metric 100"}},
		{[]string{"ip", "-6", "route", "flush", "table", "25600"}, []string{"route add ::/0 dev bizf6 metric 100 table 25600"}},
		{[]string{"ip", "-6", "route", "del", "unreachable", "2001:db8:100::/56"}, []string{"route add unreachable 2001:db8:100::/56"}},
		{[]string{"ip", "address", "del", "fe80::1/64", "dev", "bizf6"}, []string{"addr add fe80::1/64"}},
		{[]string{"ip", "address", "flush", "dev", "bizf6", "scope", "global"}, []string{"addr add 203.0.113.7", "route add 0.0.0.0/0"}},
		{[]string{"nft", "delete", "table", "inet", "pppoectl_bizf6"}, []string{"nft add table"}},
		{[]string{"nft", "flush", "chain", "inet", "pppoectl_bizf6", "input"}, []string{"nft add table"}},
		{[]string{"nft", "flush", "table", "inet", "pppoectl_bizf6"}, []string{"nft add table"}},
	} {
		if c.do[0] == "nft" && ns.Command("nft", "list", "tables").Run() != nil {
			t.Log("not installed: nft")
			continue
		}
		ns.Run(c.do[0], c.do[1:]...)
		mended(c.want...)
		if now := all(ns); now != before {
			t.Errorf("after %v the system is\n%s\nwas\n%s", c.do, now, before)
		}
	}
	in(func() error { return j.Apply("bizf6", nil) })
	for end := time.After(300 * time.Millisecond); ; { // our own deletions are told by now
		select {
		case l := <-lost:
			in(func() error {
				list, err := j.Mend(l, func(netconf.Change) bool { return true })
				if len(list) > 0 {
					t.Errorf("our own undoing was undone: %v", list)
				}
				return err
			})
		case <-end:
			return
		}
	}
}

// all are addresses, routes and rules of a namespace, in order.
func all(n *labnet.Namespace) string {
	var lines []string
	for _, args := range []string{"-o address", "route show table all", "-6 route show table all", "rule", "-6 rule"} {
		for line := range strings.Lines(n.IP(strings.Fields(args)...)) {
			if !strings.Contains(line, " pref medium") || !strings.Contains(line, "multicast") {
				lines = append(lines, strings.TrimRight(line, " \n"))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
