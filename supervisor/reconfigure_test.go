package supervisor_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/session"
)

// reconfigured changes bizf and bizf6 while they are up and returns their sessions
// before and after.
func (w *world) reconfigured(change func(bizf, bizf6 *configs.Uplink)) (before, after [2]uint16) {
	w.t.Helper()
	ids := func() [2]uint16 { return [2]uint16{w.uplink("bizf").SessionID, w.uplink("bizf6").SessionID} }
	before = ids()
	uplinks := delegating()
	change(&uplinks[0], &uplinks[1])
	cfg := configuration()
	cfg.Uplinks = uplinks
	w.sup.Reload(cfg)
	w.pass(2 * time.Second)
	return before, ids()
}

// What needs no new login changes under the living session.
func TestSessionStaysWhereNoNewLoginIsNeeded(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(bizf, bizf6 *configs.Uplink)
		want   []string // lines of the system
		gone   []string
	}{
		{"metric", func(a, b *configs.Uplink) { a.Metric, b.Metric = 7, 8 }, []string{"bizf route 0.0.0.0/0 metric 7", "bizf6 route ::/0 metric 8"}, []string{"metric 100"}},
		{"no default route", func(a, b *configs.Uplink) { a.DefaultRoute, b.DefaultRoute = false, false }, nil, []string{"bizf route 0.0.0.0/0 metric 100", "bizf6 route ::/0 metric 100\n"}},
		{"another LAN", func(_, b *configs.Uplink) { b.LAN[0].Interface, b.LAN[0].Subnet = "eth2", 5 }, []string{"eth2 address 2001:db8:100:5::1/64"}, []string{"eth0 address"}},
		{"no LAN", func(_, b *configs.Uplink) { b.LAN = nil }, nil, []string{"eth0 address", "forwarding=1"}},
		{"no prefix", func(_, b *configs.Uplink) { b.LAN, b.Prefix.Request = nil, false }, nil, []string{"2001:db8:100", "forwarding=1"}},
		{"no source routing", func(_, b *configs.Uplink) { b.SourceRoute = false }, nil, []string{"rule add"}},
		{"a firewall", func(_, b *configs.Uplink) { b.Firewall = true }, []string{"nft add table inet pppoectl_bizf6 (filter for bizf6) 2001:db8:100::/56"}, nil},
		{"name servers", func(a, _ *configs.Uplink) { a.WriteDNS = configs.ToResolved }, []string{"resolvectl dns bizf 198.51.100.53"}, nil},
		{"password, AC", func(a, _ *configs.Uplink) { a.Password, a.Want.ACName = "wrong", "NOBODY" }, nil, nil},
		{"echo", func(a, _ *configs.Uplink) { a.EchoInterval = time.Second }, nil, nil},
		{"a block", func(a, _ *configs.Uplink) {
			a.Block = configs.Block{Prefix: netip.MustParsePrefix("60.32.85.216/29"), Host: netip.MustParseAddr("60.32.85.217"), Interface: "eth3"}
			a.SourceRoute, a.Table = true, 25600
		}, []string{
			"lo address 60.32.85.217/32", "eth3 address 60.32.85.217/29", "unreachable 60.32.85.216/29", "net/ipv4/ip_forward=1",
			"rule add from 60.32.85.216/29 lookup 25600 pref 25601",
		}, nil},
		{"hint", func(_, b *configs.Uplink) { b.Prefix.Hint = netip.MustParsePrefix("2001:db8:100::/56") }, []string{"eth0 address 2001:db8:100:1::1/64"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorldOf(t, delegating(), func(w *world) {
				w.pass(time.Second)
				before, after := w.reconfigured(c.change)
				if before != after {
					t.Errorf("sessions %v, had %v", after, before)
				}
				w.expect("bizf", control.Up)
				w.expect("bizf6", control.Up)
				show := w.show() + "\n"
				for _, line := range c.want {
					if !strings.Contains(show, line) {
						t.Errorf("missing: %s; system:\n%s", line, show)
					}
				}
				for _, line := range c.gone {
					if strings.Contains(show, line) {
						t.Errorf("still there: %s; system:\n%s", line, show)
					}
				}
				// And back again, to the same.
				if _, again := w.reconfigured(func(_, _ *configs.Uplink) {}); again != before {
					t.Errorf("sessions %v after the way back, had %v", again, before)
				}
				if got := w.system("eth0 address"); got != "eth0 address 2001:db8:100:1::1/64" {
					t.Errorf("after the way back: %q; system:\n%s", got, w.show())
				}
			})
		})
	}
}

// What is changed is not what those who read the line look at.
func TestLineIsReadWhileAnUplinkIsReconfigured(t *testing.T) {
	inWorldOf(t, delegating(), func(w *world) {
		w.pass(time.Second)
		w.strangers(4 * time.Second)
		for range 2 {
			if before, after := w.reconfigured(func(a, b *configs.Uplink) { a.Metric, b.Metric = a.Metric+1, b.Metric+1 }); before != after {
				t.Errorf("sessions %v, had %v", after, before)
			}
		}
	})
}

// A family that is not wanted any more ends alone; for one that is new there has
// to be another session.
func TestFamilyGoesWithoutALogin(t *testing.T) {
	uplinks := configuration().Uplinks[:1]
	uplinks[0].Username, uplinks[0].Password = "user@both.example.jp", "secret"
	uplinks[0].Families = []session.Family{session.IPv4, session.IPv6}
	inWorldOf(t, uplinks, func(w *world) {
		w.pass(time.Second)
		id := w.uplink("bizf").SessionID
		for i, families := range [][]session.Family{
			{session.IPv6}, {session.IPv4, session.IPv6}, {session.IPv4},
		} {
			cfg := configuration()
			cfg.Uplinks = cfg.Uplinks[:1]
			u := &cfg.Uplinks[0]
			u.Username, u.Password, u.Families = "user@both.example.jp", "secret", families
			w.sup.Reload(cfg)
			w.pass(2 * time.Second)
			w.expect("bizf", control.Up)
			var open []session.Family
			if strings.Contains(w.passing(), "ipv4") {
				open = append(open, session.IPv4)
			}
			if strings.Contains(w.passing(), "ipv6") {
				open = append(open, session.IPv6)
			}
			now := w.uplink("bizf").SessionID
			if len(open) != len(families) || open[0] != families[0] || (now == id) != (i != 1) {
				t.Errorf("%v: open are %v, session %d, was %d", families, open, now, id)
			}
			id = now
			has4 := strings.Contains(w.show(), "bizf address 203.0.113.8/32")
			has6 := strings.Contains(w.show(), "bizf address fe80::")
			if has4 != strings.Contains(w.passing(), "ipv4") || has6 != strings.Contains(w.passing(), "ipv6") {
				t.Errorf("%v: system:\n%s", families, w.show())
			}
		}
	})
}
