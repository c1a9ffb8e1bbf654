package lab_test

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// A contract for eight addresses: the session itself has none, the router's is on
// its loopback and on the LAN, and the LAN's hosts are reached from everywhere. What
// no host has does not go round in circles.
func TestBlockOfAddressesOnALAN(t *testing.T) {
	r := newRouter(t)
	r.fletsimOn(r.line, "br0", "    # block: 198.51.100.8/29 ", "    block: 198.51.100.8/29 #")
	r.configure(strings.Replace(configuration, "    families: [ipv4]\n", `    families: [ipv4]
    address: none
    nat: true
    block: {prefix: 198.51.100.8/29, interface: lan0}
`, 1))
	r.settled()
	before := r.whole()
	host := r.hosts[0]
	host.IP("address", "add", "198.51.100.10/29", "dev", "eth0")
	host.IP("route", "add", "default", "via", "198.51.100.9")
	r.run("bizf")
	r.up("bizf")
	if u := r.uplink("bizf"); u.IPv4 == nil || u.IPv4.Local != "" {
		t.Errorf("the session has %+v", u.IPv4)
	}
	pings := func(what string, command func(...string) ([]byte, error)) {
		t.Helper()
		r.eventually(what, func() error {
			if out, err := command(); err != nil {
				return errors.New(string(out))
			}
			return nil
		})
	}
	line := newCapture(t, r.line, "l1")
	began := time.Now()
	pings("a host of the block pings what is behind the line", func(...string) ([]byte, error) {
		return host.Command("ping", "-n", "-c1", "-W1", behindAC).CombinedOutput()
	})
	pings("what is behind the line pings the host", func(...string) ([]byte, error) {
		return r.line.Command("ping", "-n", "-c1", "-W1", "-I", behindAC, "198.51.100.10").CombinedOutput()
	})
	pings("and the router", func(...string) ([]byte, error) {
		return r.line.Command("ping", "-n", "-c1", "-W1", "-I", behindAC, "198.51.100.9").CombinedOutput()
	})
	r.ping(behindAC)
	mac := strings.TrimSpace(r.host.Run("cat", "/sys/class/net/eth1/address"))
	for _, f := range line.find(began, frame.ip) {
		if source, family := sourceOf(f.payload); f.src == mac && f.protocol != 0 && family == 4 &&
			source.String() != "198.51.100.9" && source.String() != "198.51.100.10" {
			t.Errorf("%v left by the session", source)
		}
	}
	if out, err := r.line.Command("ping", "-n", "-c1", "-W1", "-I", behindAC, "198.51.100.15").CombinedOutput(); err == nil || strings.Contains(string(out), "Time to live exceeded") {
		t.Errorf("an address that no host has: %v %s", err, out)
	}
	r.must(0, "stop")
	r.restoredWhole(before, "stop")
}
