package main

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ethernetMTU is that of Ethernet, in octets.
const ethernetMTU = 1500

// suitable returns an interface that we may use: Ethernet, up, and not the one
// that this machine reaches the world by.
func suitable(name string, anyway bool) (*net.Interface, error) {
	if name == "" {
		return nil, usageError{fmt.Errorf("which interface? -i IFACE")}
	}
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("there is no interface %s", name)
	}
	if len(ifi.HardwareAddr) != 6 {
		return nil, fmt.Errorf("%s is no Ethernet interface", name)
	}
	if ifi.MTU < ethernetMTU {
		// A frame that is not sent would be the peer's failure.
		return nil, fmt.Errorf("%s has an MTU of %d, and cases need %d: `ip link set %s mtu %d`", name, ifi.MTU, ethernetMTU, name, ethernetMTU)
	}
	if ifi.Flags&net.FlagUp == 0 {
		return nil, fmt.Errorf("%s is down: `ip link set %s up`", name, name)
	}
	if ifi.Flags&net.FlagRunning == 0 {
		return nil, fmt.Errorf("%s has no carrier: plug the cable in, and switch the other end on", name)
	}
	if anyway {
		return ifi, nil
	}
	with, err := defaultRoute(ifi.Index)
	if err != nil {
		return nil, err
	}
	if with != "" {
		return nil, fmt.Errorf("%s has a default route by %s: somebody needs it; --default-route-too if you mean it", name, with)
	}
	return ifi, nil
}

// defaultRoute returns which interface, of that index and those that send through
// it (VLANs, bridges), has a default route; empty: none.
func defaultRoute(index int) (string, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return "", fmt.Errorf("looking for interfaces: %w", err)
	}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return "", fmt.Errorf("looking for default routes: %w", err)
	}
	on := above(index, links)
	for _, r := range routes {
		if r.Type != unix.RTN_UNICAST || !isDefault(r.Dst) {
			continue
		}
		outputs := []int{r.LinkIndex}
		for _, hop := range r.MultiPath {
			outputs = append(outputs, hop.LinkIndex)
		}
		for _, o := range outputs {
			if name, ok := on[o]; ok {
				return name, nil
			}
		}
	}
	return "", nil
}

func isDefault(to *net.IPNet) bool {
	if to == nil {
		return true
	}
	ones, _ := to.Mask.Size()
	return ones == 0
}

// above returns the names of an interface and of all that send through it, by
// index. Not sysfs: it may be another namespace's.
func above(index int, links []netlink.Link) map[int]string {
	on := map[int]string{}
	var add func(index int)
	add = func(index int) {
		if _, there := on[index]; there {
			return
		}
		for _, l := range links {
			if a := l.Attrs(); a.Index == index {
				on[index] = a.Name
				if a.MasterIndex != 0 {
					add(a.MasterIndex)
				}
			}
		}
		for _, l := range links {
			// A veth's parent is the other end of the cable, perhaps of another namespace.
			if a := l.Attrs(); a.ParentIndex == index && l.Type() != "veth" {
				add(a.Index)
			}
		}
	}
	add(index)
	return on
}
