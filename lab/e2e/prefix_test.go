package lab_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/control"
	"pppoectl/labnet"
)

// routing is the configuration of a router: bizf6's prefix goes to two LANs.
const routing = configuration + `
    prefix: {request: true}
    firewall: false
    lan:
      - {interface: lan0, subnet: 0, advertise: true}
      - {interface: lan1, subnet: 1, advertise: true}
`

// inside6 is an IPv6 address behind the access concentrator.
const inside6 = "2001:db8:ffff::1"

// router is a site with two LANs, a host in each.
type router struct {
	*site
	hosts [2]*labnet.Namespace
}

// newRouter makes a router that is not running yet.
func newRouter(t *testing.T) *router {
	t.Helper()
	r := &router{site: newSite(t)}
	for i := range r.hosts {
		r.hosts[i] = labnet.New(t)
		name := fmt.Sprintf("lan%d", i)
		labnet.Veth(r.host, name, r.hosts[i], "eth0")
		r.host.IP("link", "set", name, "up")
		r.hosts[i].IP("link", "set", "eth0", "up")
	}
	r.configure(routing)
	return r
}

// address waits until a LAN's host has a preferred global address in a prefix,
// and returns it.
func (r *router) address(lan int, prefix string) netip.Addr {
	r.t.Helper()
	var found netip.Addr
	within := netip.MustParsePrefix(prefix)
	r.eventually(fmt.Sprintf("the host in lan%d has an address in %s", lan, prefix), func() error {
		list := r.addresses(lan)
		for a, deprecated := range list {
			if within.Contains(a) && !deprecated {
				found = a
				return nil
			}
		}
		return fmt.Errorf("it has %v", list)
	})
	return found
}

// addresses are the global addresses that a LAN's host can use, and whether each
// is deprecated.
func (r *router) addresses(lan int) map[netip.Addr]bool {
	list := map[netip.Addr]bool{}
	for line := range strings.Lines(r.hosts[lan].IP("-6", "-o", "address", "show", "dev", "eth0", "scope", "global")) {
		f := strings.Fields(line)
		if p, err := netip.ParsePrefix(f[3]); err == nil && !strings.Contains(line, "tentative") {
			list[p.Addr()] = strings.Contains(line, "deprecated")
		}
	}
	return list
}

// ping6 pings from a LAN's host until an answer comes.
func (r *router) ping6(lan int, to string) time.Duration {
	r.t.Helper()
	return r.eventually(fmt.Sprintf("ping %s from lan%d", to, lan), func() error {
		out, err := r.hosts[lan].Command("ping", "-n", "-c1", "-W1", to).CombinedOutput()
		if err != nil {
			return errors.New(string(out))
		}
		return nil
	})
}

// The seed of the project: link-local addresses came up, the prefix was put on the
// LAN, and no packet came back. Here a host gets an address by router
// advertisement and reaches what is behind the access concentrator.
func TestLANHasIPv6(t *testing.T) {
	r := newRouter(t)
	before := r.settled()
	r.concentrator()
	r.run("bizf6")
	begin := time.Now()
	r.eventually("up with a prefix", func() error {
		switch res := r.pppoectl("up", "bizf6"); res.code {
		case 0:
			return nil
		case 22: // this AC's DHCPv6 server is started with the session
			return errors.New(res.stderr)
		default:
			t.Fatalf("exit status %d: %s", res.code, res.stderr)
			return nil
		}
	})
	t.Logf("up after %v", time.Since(begin).Round(time.Millisecond))
	u := r.uplink("bizf6")
	if u.IPv6 == nil || len(u.IPv6.Prefixes) != 1 || u.IPv6.Prefixes[0].Prefix != "2001:db8:100::/56" {
		t.Fatalf("%+v", u.IPv6)
	}
	if len(u.IPv6.DNS) != 1 || u.IPv6.DNS[0] != "2001:db8:ffff::53" {
		t.Errorf("DNS %v", u.IPv6.DNS)
	}
	took := r.ping(inside6) // this AC looks each 0.2 s what to route
	t.Logf("the router itself: first answer after %v", took.Round(time.Millisecond))
	hosts := [2]netip.Addr{}
	for i, prefix := range []string{"2001:db8:100::/64", "2001:db8:100:1::/64"} {
		hosts[i] = r.address(i, prefix)
		took := r.ping6(i, inside6)
		t.Logf("lan%d: %v, first answer after %v; %s", i, hosts[i], took.Round(time.Millisecond), r.hosts[i].IP("-6", "route", "show", "default"))
	}
	// From one LAN to the other, though the source address has a rule.
	r.ping6(0, hosts[1].String())
	r.ping6(1, hosts[0].String())
	if out, err := r.hosts[0].Command("ping", "-n", "-c1", "-W20", "2001:db8:100:77::1").CombinedOutput(); err == nil || !strings.Contains(string(out), "unreachable") {
		t.Errorf("a part of the prefix that no LAN has: %v %s", err, out)
	}
	if mtu := r.hosts[0].IP("-6", "route", "get", inside6); !strings.Contains(mtu, "mtu 1454") && !strings.Contains(r.hosts[0].Run("cat", "/proc/sys/net/ipv6/conf/eth0/mtu"), "1454") {
		t.Errorf("the LAN does not know the MTU: %s", mtu)
	}
	checkMSS6(t, r)
	r.must(0, "down", "bizf6")
	r.eventually("the host's default route is gone", func() error {
		if route := r.hosts[0].IP("-6", "route", "show", "default"); strings.Contains(route, "default") {
			return errors.New(route)
		}
		return nil
	})
	r.must(0, "stop")
	r.restored(before, "up, down and stop")
}

// checkMSS6 looks at a SYN from the LAN on the line: the MTU of 1454 less 60.
func checkMSS6(t *testing.T, r *router) {
	t.Helper()
	line := newCapture(t, r.line, "ac0")
	cmd := r.hosts[0].Command("timeout", "20", "bash", "-c", "exec 3<>/dev/tcp/"+inside6+"/5201")
	out, err := cmd.CombinedOutput()
	t.Logf("connect: %v %s", err, strings.TrimSpace(string(out)))
	if mss := synMSS(t, r.site, "a SYN from the LAN on the line", line, "2001:db8:100:"); mss != 1394 {
		t.Errorf("MSS %d on the wire, want 1394", mss)
	}
}

// The commonest complaint about every other client.
func TestPrefixIsBackAfterEachDeathOfTheAC(t *testing.T) {
	r := newRouter(t)
	ac := r.concentrator()
	r.run("bizf6")
	r.up("bizf6")
	host := r.address(0, "2001:db8:100::/64")
	rounds := 2
	if n, err := strconv.Atoi(os.Getenv("ROUNDS")); err == nil {
		rounds = n // as often as somebody wants to see it
	}
	for i := range rounds {
		killed := time.Now()
		ac.kill()
		ac = r.concentrator()
		ready := time.Now()
		r.awaitWithin(100*time.Second, "bizf6", "back by itself", func(u control.Uplink) bool {
			if _, ok := r.addresses(0)[host]; !ok {
				t.Fatalf("round %d: the host has lost %v", i, host)
			}
			return u.State == control.Up && u.LastDrop != nil && u.LastDrop.At.After(killed)
		})
		took := time.Since(ready)
		r.ping6(0, inside6)
		t.Logf("round %d: up %v after the AC was ready", i, took.Round(10*time.Millisecond))
	}
	// Another prefix: the old one is deprecated on the LAN within seconds.
	ac.kill()
	b := r.script("", "2001:db8:100::", "2001:db8:200::")
	r.boot(b)
	r.awaitWithin(100*time.Second, "bizf6", "up with another prefix", func(u control.Uplink) bool {
		return u.State == control.Up && u.IPv6 != nil && len(u.IPv6.Prefixes) > 0 && u.IPv6.Prefixes[0].Prefix == "2001:db8:200::/56"
	})
	begin := time.Now()
	r.address(0, "2001:db8:200::/64")
	r.eventually("the old prefix is deprecated", func() error {
		list := r.addresses(0)
		if deprecated, there := list[host]; there && !deprecated {
			return fmt.Errorf("the host has %v", list)
		}
		return nil
	})
	t.Logf("the old prefix was deprecated %v after the uplink was up", time.Since(begin).Round(10*time.Millisecond))
	r.ping6(0, inside6)
	r.must(0, "stop")
}

// A daemon that is killed and started again keeps what the LAN has.
func TestLANKeepsItsAddressesOverAKilledDaemon(t *testing.T) {
	r := newRouter(t)
	before := r.settled()
	r.concentrator()
	d := r.run("bizf6")
	r.up("bizf6")
	host := r.address(0, "2001:db8:100::/64")
	d.end(unix.SIGKILL)
	r.run("bizf6")
	r.await("bizf6", "up", func(u control.Uplink) bool {
		if !strings.Contains(r.host.IP("-6", "address", "show", "dev", "lan0"), "2001:db8:100::1/64") {
			t.Fatal("the router has lost its address")
		}
		return u.State == control.Up
	})
	if deprecated, there := r.addresses(0)[host]; !there || deprecated {
		t.Errorf("the host has %v", r.addresses(0))
	}
	r.ping6(0, inside6)
	r.must(0, "stop")
	r.restored(before, "kill and stop")
}
