package lab_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pppoectl/control"
)

// twoUplinks are two sessions with both families each, and prefixes for one LAN.
const twoUplinks = `
run-dir: DIR/run
state-dir: DIR/state
bpf-dir: DIR/bpf/pppoectl
uplinks:
  one:
    interface: eth1
    username: user@both.example.jp
    password: secret
    families: [ipv4, ipv6]
    default-route: true
    prefix: {request: true}
    firewall: false
    lan: [{interface: lan0, subnet: 0, advertise: true}]
  two:
    interface: eth1
    username: a@load.example.jp
    password: load
    families: [ipv4, ipv6]
    default-route: true
    metric: 200
    prefix: {request: true}
    firewall: false
    lan: [{interface: lan0, subnet: 0, advertise: true}]
`

// Whatever asks, each answer leaves by the uplink that its address is of: on a
// Flets line, by another one it would never arrive.
func TestEachAnswerLeavesByItsOwnUplink(t *testing.T) {
	r := newRouter(t)
	r.fletsimOn(r.line, "br0", "  line: 2 ", "  line: 4 ")
	r.configure(twoUplinks)
	r.settled()
	before := r.whole()
	r.run()
	r.up("one", "two")
	one, two := r.uplink("one"), r.uplink("two")
	prefixes := map[uint16]netip.Prefix{}
	addresses := map[uint16]netip.Addr{}
	var ping []string
	for _, u := range []control.Uplink{one, two} {
		p := netip.MustParsePrefix(u.IPv6.Prefixes[0].Prefix)
		prefixes[u.SessionID], addresses[u.SessionID] = p, netip.MustParseAddr(u.IPv4.Local)
		ping = append(ping, u.IPv4.Local, r.address(0, p.String()).String(), r.own(u))
	}
	wire := newCapture(t, r.line, "l1")
	began := time.Now()
	for _, a := range ping {
		took := r.eventually("an answer from "+a, func() error {
			out, err := r.line.Command("ping", "-n", "-c1", "-W1", a).CombinedOutput()
			if err != nil {
				return errors.New(string(out))
			}
			return nil
		})
		t.Logf("%s answers after %v", a, took.Round(time.Millisecond))
	}
	// What the host and the router begin themselves leaves by the right one, too.
	r.ping6(0, inside6)
	r.ping(behindAC)
	r.ping(inside6)

	mac := strings.TrimSpace(r.host.Run("cat", "/sys/class/net/eth1/address"))
	seen := map[string]int{}
	for _, f := range wire.find(began, frame.ip) {
		if f.src != mac || f.protocol == 0 {
			continue
		}
		source, family := sourceOf(f.payload)
		if source.IsLinkLocalUnicast() {
			continue
		}
		if family == 6 && !prefixes[f.session].Contains(source) || family == 4 && addresses[f.session] != source {
			t.Errorf("session %d carries a packet from %v", f.session, source)
		}
		seen[fmt.Sprintf("session %d, IPv%d", f.session, family)]++
	}
	t.Logf("seen: %v", seen)
	if len(seen) != 4 {
		t.Errorf("seen are %v, want both families of both sessions", seen)
	}
	r.must(0, "stop")
	r.restoredWhole(before, "stop")
}

// own returns the router's own address in an uplink's prefix.
func (r *router) own(u control.Uplink) string {
	r.t.Helper()
	for line := range strings.Lines(r.host.IP("-6", "-o", "address", "show", "dev", u.Device, "scope", "global")) {
		if p, err := netip.ParsePrefix(strings.Fields(line)[3]); err == nil {
			return p.Addr().String()
		}
	}
	r.t.Fatalf("%s has no address of its own", u.Device)
	return ""
}

// sourceOf returns the source address of an IP packet and its version.
func sourceOf(b []byte) (netip.Addr, int) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(b[12:16])), 4
	case len(b) >= 40 && b[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(b[8:24])), 6
	}
	return netip.Addr{}, 0
}

// A concentrator that advertises itself as a router is one; one that says that it is
// none gets no default route, and it is heard on the real device.
func TestAdvertisementsOfTheLineAreHeard(t *testing.T) {
	for lifetime, metric := range map[string]string{"30m": "metric 100 ", "0s": "metric 10100 "} {
		t.Run(lifetime, func(t *testing.T) {
			s := newSite(t)
			s.fletsimOn(s.line, "br0", "    # advertise: 30m ", "    advertise: "+lifetime+" #")
			s.configure(configuration + "    prefix: {request: true}\n")
			s.run("bizf6")
			s.up("bizf6")
			s.eventually("the default route", func() error {
				if route := s.host.IP("-6", "route", "show", "default"); !strings.Contains(route, metric) {
					return errors.New(route)
				}
				return nil
			})
			if _, told := s.event("bizf6", "no_router", time.Time{}); told != (lifetime == "0s") {
				t.Errorf("told that it is no router: %v", told)
			}
			s.must(0, "stop")
		})
	}
}
