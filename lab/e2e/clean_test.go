package lab_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"pppoectl/labnet"
)

// everything is a configuration that changes all that can be changed.
const everything = `
run-dir: DIR/run
state-dir: DIR/state
bpf-dir: DIR/bpf/pppoectl
log: {level: debug}
uplinks:
  bizf:
    interface: eth1
    username: user@bizf.example.jp
    password-file: DIR/bizf.secret
    families: [ipv4]
    default-route: true
    nat: true
    dns: {write: DIR/resolv.conf}
  bizf6:
    interface: eth1
    username: user@bizf6.example.jp
    password-file: DIR/bizf6.secret
    families: [ipv6]
    default-route: true
    prefix: {request: true}
    firewall: true
    dns: {write: DIR/resolv.conf}
    lan:
      - {interface: lan0, subnet: 0, advertise: true}
      - {interface: lan1, subnet: 1, host: "::53"}
`

// whole is all of the system that pppoectl may change: what system tells, and
// settings, firewalls and name servers.
func (r *router) whole() string {
	r.t.Helper()
	text := r.system()
	for _, key := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv6/conf/lan0/accept_ra", "net/ipv6/conf/eth1/accept_ra"} {
		text += key + "=" + r.host.Run("cat", "/proc/sys/"+key)
	}
	r.host.Do(func() {
		conn, err := nftables.New()
		if err != nil {
			r.t.Error(err)
			return
		}
		tables, err := conn.ListTables()
		if err != nil {
			r.t.Error(err)
		}
		slices.SortFunc(tables, func(a, b *nftables.Table) int { return strings.Compare(a.Name, b.Name) })
		for _, t := range tables {
			text += "table " + t.Name + "\n"
		}
	})
	content, err := os.ReadFile(r.path("resolv.conf"))
	return text + fmt.Sprintf("resolv.conf: %s %v\n", content, err)
}

// restoredWhole expects all of it to be as it was.
func (r *router) restoredWhole(before, after string) {
	r.t.Helper()
	r.eventually("the system is as it was before "+after, sameAs(before, r.whole))
}

// A daemon that is killed at any moment leaves nothing behind that `clean` does not
// take away, and nothing that the next start cannot go on from.
func TestKilledAtAnyMomentAndCleaned(t *testing.T) {
	r := newRouter(t)
	r.fletsimOn(r.line, "br0", "busy: refuse", "busy: replace", "  line: 2 ", "  line: 90 ") // a PADR that is not answered yet leaves one
	r.configure(everything)
	r.writeFile(r.path("resolv.conf"), "nameserver 192.0.2.1\n")
	r.settled()
	before := r.whole()
	// The first moments are while it starts, dials and asks for a prefix.
	for i, after := range []time.Duration{0, 5, 10, 20, 40, 80, 150, 300, 700, 1500} {
		d := r.start()
		time.Sleep(after * time.Millisecond) // the moment
		d.end(unix.SIGKILL)
		if i%2 == 1 { // killed in the next start, too
			d = r.start()
			time.Sleep(after * time.Millisecond)
			d.end(unix.SIGKILL)
		}
		r.must(0, "clean")
		r.restoredWhole(before, fmt.Sprintf("kill -9 after %v and clean", after*time.Millisecond))
	}
	// That all of it had been there.
	r.run()
	r.up(both...)
	r.address(0, "2001:db8:100::/64")
	now := r.whole()
	for _, want := range []string{"pppoectl_bizf6", "pppoectl_bizf", "ip_forward=1", "forwarding=1", "nameserver 2001:db8:ffff::53", "2001:db8:100:1::53/64"} {
		if !strings.Contains(now, want) {
			t.Errorf("while it is up, %s is missing in\n%s", want, now)
		}
	}
	t.Logf("status:\n%s", r.must(0, "status").stdout)
	r.must(0, "stop")
	r.restoredWhole(before, "stop")
}

// What somebody takes away while the daemon runs comes back.
func TestWhatOthersTakeAwayComesBack(t *testing.T) {
	r := newRouter(t)
	r.fletsimOn(r.line, "br0")
	r.configure(everything)
	r.run()
	r.up(both...)
	r.settled()
	before := r.whole()
	for _, args := range []string{
		"-6 rule del pref 25600", "rule del pref 25601", "-6 route del default", "route del default",
		"-6 route del unreachable 2001:db8:100::/56", "address del 203.0.113.7/32 peer 203.0.113.1 dev bizf", "address del 2001:db8:100::1/64 dev lan0",
	} {
		r.host.IP(strings.Fields(args)...)
		r.restoredWhole(before, "ip "+args)
	}
	r.must(0, "stop")
}

// With a firewall, a neighbour on the line's Ethernet does not get to the LAN by
// going round the session.
func TestNeighbourOnTheLineDoesNotGetToTheLAN(t *testing.T) {
	r := newRouter(t)
	r.fletsimOn(r.line, "br0")
	r.configure(everything)
	r.settled()
	r.run()
	r.up(both...)
	host := r.address(0, "2001:db8:100::/64").String()
	listener := r.hosts[0].Command("socat", "TCP6-LISTEN:80,fork,reuseaddr", "SYSTEM:echo hello")
	if err := listener.Start(); err != nil {
		t.Skip(err)
	}
	defer listener.Wait()
	defer listener.Process.Kill()
	connects := func(n *labnet.Namespace) bool {
		out, _ := n.Command("socat", "-u", "-T1", "TCP6:["+host+"]:80,connect-timeout=1", "STDOUT").CombinedOutput()
		return strings.Contains(string(out), "hello")
	}
	r.eventually("the host listens", func() error {
		if !connects(r.host) {
			return errors.New("no answer")
		}
		return nil
	})
	neighbour := labnet.New(t)
	labnet.Veth(neighbour, "eth0", r.line, "n0")
	r.line.Join("br0", "n0")
	neighbour.IP("link", "set", "eth0", "up")
	neighbour.IP("address", "add", "2001:db8:ee::2/64", "dev", "eth0", "nodad")
	gateway := ""
	for line := range strings.Lines(r.host.IP("-6", "-o", "address", "show", "dev", "eth1", "scope", "link")) {
		gateway, _, _ = strings.Cut(strings.Fields(line)[3], "/")
	}
	neighbour.IP("route", "add", "2001:db8:100::/56", "via", gateway, "dev", "eth0")
	r.host.IP("route", "add", "2001:db8:ee::/64", "dev", "eth1")        // so that answers would come back
	r.eventually("the neighbour reaches the LAN at all", func() error { // pings may
		return neighbour.Command("ping", "-n", "-c1", "-W1", host).Run()
	})
	if connects(neighbour) {
		t.Error("a neighbour on the line connects to a host on the LAN")
	}
	r.must(0, "stop")
}
