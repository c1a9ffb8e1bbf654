package main

import (
	"maps"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"pppoectl/labnet"
)

// A line that somebody lives on is refused, whatever stands between it and the
// route, and whatever table the route is in.
func TestGuardRefusesDefaultRoutes(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     []string // ip commands
		refuse bool
	}{
		{name: "no default route", do: []string{"route add 192.0.2.0/24 dev e0"}},
		{name: "another interface's", do: []string{"route add default dev d0"}},
		{"IPv4", []string{"route add default dev e0"}, true},
		{"IPv6", []string{"-6 route add default dev e0"}, true},
		{"another table", []string{"route add default dev e0 table 1234"}, true},
		{"several hops", []string{"route add default nexthop dev d0 nexthop dev e0"}, true},
		{"a bridge's", []string{"link add b0 type bridge", "link set e0 master b0", "link set b0 up", "route add default dev b0"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, far := labnet.New(t), labnet.New(t)
			labnet.Veth(n, "e0", far, "e1")
			n.IP("link", "add", "d0", "type", "bridge")
			for _, up := range []string{"e0", "d0"} {
				n.IP("link", "set", up, "up")
			}
			far.IP("link", "set", "e1", "up")
			for _, line := range c.do {
				n.IP(strings.Fields(line)...)
			}
			n.Do(func() {
				_, err := suitable("e0", false)
				if refused := err != nil && strings.Contains(err.Error(), "default route"); refused != c.refuse || err != nil && !refused {
					t.Errorf("%v, want refusal %v", err, c.refuse)
				}
				if _, err := suitable("e0", true); err != nil {
					t.Errorf("--default-route-too: %v", err)
				}
			})
		})
	}
}

// What is wrong with an interface is said together with what to do.
func TestGuardSaysWhatToDo(t *testing.T) {
	n, far := labnet.New(t), labnet.New(t)
	labnet.Veth(n, "e0", far, "e1")
	says := func(name, want string) {
		t.Helper()
		n.Do(func() {
			if _, err := suitable(name, false); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		})
	}
	says("e0", "ip link set e0 up")
	n.IP("link", "set", "e0", "up")
	says("e0", "no carrier")
	n.IP("link", "set", "e0", "mtu", "1492")
	says("e0", "ip link set e0 mtu 1500")
	says("lo", "no Ethernet")
	says("e9", "there is no interface e9")
}

// A VLAN on a bridge that the interface is a port of sends through it; the other end of a cable does not.
func TestAboveFollowsBridgesAndVLANs(t *testing.T) {
	links := []netlink.Link{
		&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "e0", Index: 2, ParentIndex: 3, MasterIndex: 4}},
		&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "e1", Index: 3, ParentIndex: 2}},
		&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "b0", Index: 4}},
		&netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: "v7", Index: 5, ParentIndex: 4}},
	}
	want := map[int]string{2: "e0", 4: "b0", 5: "v7"}
	if got := above(2, links); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
