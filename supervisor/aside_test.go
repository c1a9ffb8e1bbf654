package supervisor_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pppoectl/concentrator"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/line"
	"pppoectl/netconf"
	"pppoectl/pppoe"
	"pppoectl/supervisor"
)

// A LAN that is not configured any more when the daemon begins again loses what the
// run before has given it.
func TestLANThatWasTakenOutBetweenTwoRunsIsCleanedUp(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		w.start()
		w.pass(10 * time.Minute)
		w.detach()
		w.cfg.Uplinks = advertising()
		w.cfg.Uplinks[1].LAN = w.cfg.Uplinks[1].LAN[:1]
		w.start()
		w.pass(time.Minute)
		w.expect("bizf6", control.Up)
		if got := w.system("eth2"); got != "" {
			t.Errorf("left over: %s", got)
		}
		l.says("eth2", "router 0, 2001:db8:100:2:: 0/0")
		if got := w.system("eth0 address"); got != addressEth0 {
			t.Errorf("eth0: %q", got)
		}
		w.detach()
		w.cfg.Uplinks[1].LAN = nil
		w.start()
		w.pass(time.Minute)
		if got := w.system("eth0"); got != "" || w.system("forwarding") != "" {
			t.Errorf("without a LAN: %s", w.show())
		}
	})
}

// Interfaces that live on router advertisements go on to.
func TestNativeIPv6OutlivesForwarding(t *testing.T) {
	const key = "net/ipv6/conf/eth9/accept_ra"
	for was, want := range map[string]string{
		"1": key + "=2", // the kernel's own, which would end with forwarding
		"0": "",         // a program's own, such as systemd-networkd: the kernel is to stay out of it
	} {
		t.Run(was, func(t *testing.T) {
			inLAN(t, advertising(), func(w *world, l *lans) {
				l.native = []string{"eth9"}
				if err := w.SetSysctl(key, was); err != nil {
					t.Fatal(err)
				}
				w.start()
				w.pass(10 * time.Second)
				if got := w.system(key); got != want {
					t.Errorf("up: %q, want %q", got, want)
				}
				if err := w.sup.Down(background(), "bizf6"); err != nil {
					t.Fatal(err)
				}
				if now, err := w.Sysctl(key); err != nil || now != was {
					t.Errorf("down: %q, %v", now, err)
				}
			})
		})
	}
}

// Such an interface may be gone one day: forwarding has nothing to do with it.
func TestNativeInterfaceThatIsGoneIsNotMissed(t *testing.T) {
	const key = "net/ipv6/conf/eth9/accept_ra"
	inLAN(t, advertising(), func(w *world, l *lans) {
		l.native = []string{"eth9"}
		if err := w.SetSysctl(key, "1"); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.pass(10 * time.Second)
		w.detach()
		l.fail(key, fs.ErrNotExist)
		l.native = nil
		if err := w.kernel.SetSysctl("net/ipv6/conf/all/forwarding", "0"); err != nil { // somebody has
			t.Fatal(err)
		}
		w.start()
		w.pass(time.Minute)
		w.expect("bizf6", control.Up)
		if w.system("forwarding=1") == "" {
			t.Error("nothing is forwarded")
		}
		for _, e := range w.events("bizf6") {
			if strings.Contains(e.Message, "forwarding of IPv6") {
				t.Errorf("complained: %s", e.Message)
			}
		}
	})
}

// Somebody else may have our routing table already: the default route of the main
// table has nothing to do with that.
func TestTakenTableLeavesTheDefaultRoute(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		w.env.System = occupied{lanKernel{w.kernel, l}, 25601}
		w.start()
		w.pass(10 * time.Second)
		if got := w.system("bizf6 route ::/0 metric 100"); got == "" {
			t.Errorf("system:\n%s", w.show())
		}
	})
}

// occupied is a kernel with somebody else's default route in a table.
type occupied struct {
	lanKernel
	table int
}

func (k occupied) AddRoute(r netconf.Route) error {
	if r.Table == k.table && r.Device != "" {
		return &netconf.ConflictError{Route: r, Device: "eth0"}
	}
	return k.lanKernel.AddRoute(r)
}

// A prefix whose preferred lifetime has run out is deprecated at the router, too,
// at that moment, though no server says anything.
func TestPrefixThatIsNotRenewedIsDeprecatedHereToo(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		w.start()
		w.pass(10 * time.Second)
		p := w.uplink("bizf6").IPv6.Prefixes[0]
		w.link(func(s *line.Status) { s.Carrier = false })
		left := time.Until(*p.PreferredUntil)
		w.pass(left - time.Minute)
		if got := w.system("eth0 address"); got != addressEth0 {
			t.Errorf("a minute before: %q", got)
		}
		w.pass(2 * time.Minute)
		if got := w.system("eth0 address"); got != addressEth0+" deprecated" {
			t.Errorf("a minute after: %q", got)
		}
	})
}

// A second uplink, which is nobody's default route, still carries what comes from
// its prefix: its LAN has a router.
func TestUplinkWithSourceRoutesOnlyIsARouterOfItsLAN(t *testing.T) {
	uplinks := advertising()
	uplinks[1].DefaultRoute = false
	inLAN(t, uplinks, func(w *world, l *lans) {
		w.start()
		w.pass(10 * time.Second)
		w.expect("bizf6", control.Up)
		if w.system("bizf6 route ::/0 metric 100 table 25601") == "" {
			t.Fatalf("system:\n%s", w.show())
		}
		l.says("eth0", usualEth0)
	})
}

// While another uplink of the LAN works, hosts are not to use the prefix of one that
// does not: nothing of it goes out, by its own rules.
func TestPrefixOfABrokenUplinkIsNotPreferred(t *testing.T) {
	uplinks := advertising()
	first := uplinks[1]
	first.Name, first.Ifname, first.Metric, first.Table = "bizf", "bizf", 200, 25602
	first.Username, first.Password = "user@both.example.jp", "secret"
	first.LAN = []configs.LAN{{Interface: "eth0", Subnet: 7, Host: netip.MustParseAddr("::1"), Advertise: true}}
	uplinks[0] = first
	inLAN(t, uplinks, func(w *world, l *lans) {
		w.loginPrefix("user@both.example.jp", "2001:db8:700::/56")
		w.start()
		w.pass(10 * time.Second)
		w.login("user@both.example.jp", func(l *concentrator.Login) { l.Password = "another" })
		w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame { ac.Forget(); return nil })
		w.pass(3 * time.Minute)
		w.expect("bizf6", control.Up)
		w.expect("bizf", control.Holdoff)
		all := l.on("eth0", 0)
		if last := all[len(all)-1].String(); !strings.Contains(last, "2001:db8:700:7:: 0/") || !strings.Contains(last, "2001:db8:100:1:: 2700/") {
			t.Errorf("on eth0: %s", last)
		}
	})
}

// A LAN interface that is made only while nobody can open a socket on it yet: it is
// tried again, and told of once.
func TestLANSocketIsTriedAgain(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		var ready atomic.Bool
		open := w.env.OpenLAN
		w.env.OpenLAN = func(ifi net.Interface) (supervisor.Advertisements, error) {
			if !ready.Load() {
				return nil, fmt.Errorf("%s: %w", ifi.Name, errors.New("no link-local address"))
			}
			return open(ifi)
		}
		w.start()
		w.pass(time.Minute)
		w.expect("bizf6", control.Up)
		ready.Store(true)
		w.pass(6 * time.Second)
		l.says("eth0", usualEth0)
	})
}
