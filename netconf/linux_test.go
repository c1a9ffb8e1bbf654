package netconf_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"pppoectl/labnet"
	"pppoectl/netconf"
)

// A new IPv6 address takes packets as soon as AddAddress returns: an uplink that is
// told to be usable must not lose the first answer.
func TestIPv6AddressTakesPacketsAtOnce(t *testing.T) {
	ns := labnet.New(t)
	var system netconf.Linux
	for i := range 50 {
		name := fmt.Sprintf("bizf%d", i)
		address := netip.MustParsePrefix(fmt.Sprintf("fe80::1:%x/64", i+1))
		var err error
		var routes []netlink.Route
		ns.Do(func() {
			if err = system.AddDevice(name, "bizf"); err == nil {
				err = system.SetUp(name)
			}
			if err == nil {
				err = system.AddAddress(netconf.Address{Device: name, Address: address})
			}
			if err == nil { // at this very moment
				local := &netlink.Route{
					Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL,
					Dst: &net.IPNet{IP: address.Addr().AsSlice(), Mask: net.CIDRMask(128, 128)},
				}
				routes, err = netlink.RouteListFiltered(netlink.FAMILY_V6, local, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_DST|netlink.RT_FILTER_TYPE)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(routes) == 0 {
			t.Fatalf("device %d: no local route to %v", i, address)
		}
	}
}
