package netconf_test

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"pppoectl/labnet"
	"pppoectl/netconf"
)

// guarded is a router between a LAN and the world, with a firewall on the device
// "bizf6":
//
//	host 2001:db8:100::2 ---- lan0 :router: bizf6 ---- world 2001:db8:ffff::1
type guarded struct {
	t                   *testing.T
	host, router, world *labnet.Namespace
}

func newGuarded(t *testing.T, f netconf.Firewall) *guarded {
	t.Helper()
	labnet.Supported(t)
	g := &guarded{t, labnet.New(t), labnet.New(t), labnet.New(t)}
	for _, n := range []*labnet.Namespace{g.host, g.router, g.world} { // addresses are of use at once
		n.Run("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
	}
	labnet.Veth(g.router, "lan0", g.host, "eth0")
	labnet.Veth(g.router, "bizf6", g.world, "eth0")
	up := func(n *labnet.Namespace, device string, addresses ...string) {
		n.IP("link", "set", "lo", "up")
		n.IP("link", "set", device, "up")
		for _, a := range addresses {
			n.IP("address", "add", a, "dev", device, "nodad")
		}
	}
	up(g.host, "eth0", "2001:db8:100::2/64", "192.168.77.2/24")
	up(g.router, "lan0", "2001:db8:100::1/64", "2001:db8:bad::1/64", "192.168.77.1/24")
	up(g.router, "bizf6", "2001:db8:fe::1/64", "203.0.113.7/24")
	up(g.world, "eth0", "2001:db8:fe::2/64", "2001:db8:ffff::1/128", "203.0.113.1/24", "198.51.100.1/32")
	g.router.Run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1", "net.ipv4.ip_forward=1")
	g.host.IP("route", "add", "default", "via", "192.168.77.1")
	g.host.IP("route", "add", "default", "via", "2001:db8:100::1")
	g.router.IP("route", "add", "2001:db8:ffff::1", "via", "2001:db8:fe::2")
	g.router.IP("route", "add", "198.51.100.1", "via", "203.0.113.1")
	for _, p := range []string{"2001:db8:100::/56", "2001:db8:bad::/64", "fd00::/8"} {
		g.world.IP("route", "add", p, "via", "2001:db8:fe::1")
	}
	g.set(f)
	return g
}

func (g *guarded) set(f netconf.Firewall) {
	g.t.Helper()
	var err error
	g.router.Do(func() { err = netconf.Linux{}.SetFirewall(f) })
	if err != nil {
		g.t.Fatal(err)
	}
}

// listen answers on TCP and UDP ports of a namespace until the test ends.
func (g *guarded) listen(n *labnet.Namespace, ports ...string) {
	g.t.Helper()
	for _, p := range ports {
		cmd := n.Command("socat", "TCP6-LISTEN:"+p+",fork,reuseaddr,ipv6only=0", "SYSTEM:echo hello")
		if err := cmd.Start(); err != nil {
			g.t.Fatal(err)
		}
		g.t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
}

func (g *guarded) pings(n *labnet.Namespace, args ...string) bool {
	return n.Command("ping", append([]string{"-n", "-c1", "-W1"}, args...)...).Run() == nil
}

// connects reports whether a TCP connection from n to an address and port comes
// about.
func (g *guarded) connects(n *labnet.Namespace, to string) bool {
	for range 20 { // the listener may not be there yet
		out, err := n.Command("socat", "-u", "-T1", "TCP:"+to+",connect-timeout=1", "STDOUT").CombinedOutput()
		if err == nil && strings.Contains(string(out), "hello") {
			return true
		}
		if !strings.Contains(string(out), "refused") {
			return false
		}
	}
	return false
}

var filter6 = netconf.Firewall{Table: "pppoectl_bizf6", Device: "bizf6", Filter: true, Prefixes: "2001:db8:100::/56"}

// RFC 6092: out is free, in is what was asked for, pings and IPsec.
func TestFirewallLetsOutAndNotIn(t *testing.T) {
	if _, err := exec.LookPath("socat"); err != nil {
		t.Skip("not installed: socat; lab/install installs it")
	}
	g := newGuarded(t, filter6)
	g.listen(g.world, "80")
	g.listen(g.host, "80")
	g.listen(g.router, "80")
	for _, c := range []struct {
		name string
		got  bool
		want bool
	}{
		{"a host pings the world", g.pings(g.host, "2001:db8:ffff::1"), true},
		{"a host connects to the world", g.connects(g.host, "[2001:db8:ffff::1]:80"), true},
		{"the world pings a host", g.pings(g.world, "2001:db8:100::2"), true},
		{"the world connects to a host", g.connects(g.world, "[2001:db8:100::2]:80"), false},
		{"the world pings the router", g.pings(g.world, "2001:db8:fe::1"), true},
		{"the world connects to the router", g.connects(g.world, "[2001:db8:fe::1]:80"), false},
		{"the world connects to the router, IPv4", g.connects(g.world, "203.0.113.7:80"), false},
		{"the world pings the router, IPv4", g.pings(g.world, "203.0.113.7"), true},
		{"a host connects to the router", g.connects(g.host, "[2001:db8:100::1]:80"), true},
		{"the world pretends to be inside", g.pings(g.world, "-I", "2001:db8:ffff::1", "2001:db8:100::2"), true},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	// A source address that nothing would come back to: the host is told (RFC 7084 L-14).
	g.host.IP("address", "add", "2001:db8:bad::2/64", "dev", "eth0", "nodad")
	out, err := g.host.Command("ping", "-n", "-c1", "-W1", "-I", "2001:db8:bad::2", "2001:db8:ffff::1").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "code 5") && !strings.Contains(string(out), "policy") {
		t.Errorf("from an address of no delegated prefix: %v %s", err, out)
	}
	// The prefix changes: at once, and what was open stays so.
	next := filter6
	next.Prefixes = "2001:db8:bad::/64 2001:db8:100::/56"
	g.set(next)
	if !g.pings(g.host, "-I", "2001:db8:bad::2", "2001:db8:ffff::1") {
		t.Error("from the new prefix: no answer")
	}
}

func TestMasqueradeHidesTheLANButNotTheBlock(t *testing.T) {
	f := netconf.Firewall{Table: "pppoectl_bizf", Device: "bizf6", Masquerade: true, Block: netip.MustParsePrefix("60.32.85.216/29")}
	g := newGuarded(t, f)
	if !g.pings(g.host, "198.51.100.1") { // the world has no route to 192.168.77.0/24
		t.Error("no answer to a masqueraded ping")
	}
	g.host.IP("address", "add", "60.32.85.217/32", "dev", "eth0")
	g.router.IP("route", "add", "60.32.85.216/29", "dev", "lan0")
	if g.pings(g.host, "-I", "60.32.85.217", "198.51.100.1") {
		t.Error("a public address was masqueraded: the world has no route to it, and yet there is an answer")
	}
	g.world.IP("route", "add", "60.32.85.216/29", "via", "203.0.113.7")
	if !g.pings(g.host, "-I", "60.32.85.217", "198.51.100.1") {
		t.Error("no answer to a public address")
	}
}

func TestFirewallIsTakenAwayWhole(t *testing.T) {
	g := newGuarded(t, filter6)
	var there, left bool
	var err error
	g.router.Do(func() {
		var l netconf.Linux
		there, _ = l.HasFirewall(filter6)
		if err = l.DeleteFirewall(filter6.Table); err == nil {
			err = l.DeleteFirewall(filter6.Table) // a second time is no error
		}
		left, _ = l.HasFirewall(filter6)
	})
	if err != nil || !there || left {
		t.Errorf("there before: %v, after: %v, %v", there, left, err)
	}
}
