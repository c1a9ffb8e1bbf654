package netconf

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Linux is the System of this network namespace.
type Linux struct{}

// ErrForeign is matched when a device of the wanted name is there and not ours.
var ErrForeign = errors.New("exists and is not ours")

// alias is written on our devices.
func alias(owner string) string { return "pppoectl " + owner }

// AddDevice makes a persistent TUN device, or takes the one that we made before.
func (Linux) AddDevice(name, owner string) error {
	link, err := netlink.LinkByName(name)
	if err == nil {
		if !isTUN(link) || link.Attrs().Alias != alias(owner) {
			return fmt.Errorf("device %s %w; remove it, or give the uplink another ifname", name, ErrForeign)
		}
		return mark(link, owner)
	}
	var missing netlink.LinkNotFoundError
	if !errors.As(err, &missing) {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	err = netlink.LinkAdd(&netlink.Tuntap{
		LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TUN,
		Flags: netlink.TUNTAP_NO_PI | netlink.TUNTAP_VNET_HDR,
	})
	if err != nil {
		return err
	}
	if link, err = netlink.LinkByName(name); err != nil {
		return err
	}
	if err := mark(link, owner); err != nil {
		return errors.Join(err, netlink.LinkDel(link))
	}
	return nil
}

// mark marks a TUN device as ours and keeps the kernel from giving it an
// address.
func mark(link netlink.Link, owner string) error {
	if err := netlink.LinkSetAlias(link, alias(owner)); err != nil {
		return err
	}
	// Before the device is set up: the kernel makes no link-local address of its own.
	if err := netlink.LinkSetIP6AddrGenMode(link, nl.IN6_ADDR_GEN_MODE_NONE); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
		return fmt.Errorf("IPv6 address generation mode of %s: %w", link.Attrs().Name, err)
	}
	return nil
}

func isTUN(link netlink.Link) bool { return link.Type() == "tuntap" || link.Type() == "tun" }

// DeleteDevice deletes a device of ours, and leaves any other alone.
func (Linux) DeleteDevice(name, owner string) error {
	link, err := netlink.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return err
	}
	// Without an alias it is one that we had not finished making.
	if a := link.Attrs().Alias; !isTUN(link) || a != alias(owner) && a != "" {
		return nil
	}
	return ignore(netlink.LinkDel(link), unix.ENODEV)
}

// SetMTU sets a device's MTU in octets.
func (Linux) SetMTU(device string, mtu int) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	return netlink.LinkSetMTU(link, mtu)
}

// SetUp sets a device up.
func (Linux) SetUp(device string) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// SetDown sets a device down, if it is there.
func (Linux) SetDown(device string) error {
	link, err := netlink.LinkByName(device)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return err
	}
	return netlink.LinkSetDown(link)
}

// AddAddress adds an address, or changes it, and returns when it can be used. No
// duplicate is looked for: on a PPP link negotiation has settled that (RFC 5072
// section 5), and on a LAN the prefix is ours to give out.
func (Linux) AddAddress(a Address) error {
	link, err := netlink.LinkByName(a.Device)
	if err != nil {
		return err
	}
	if err := netlink.AddrReplace(link, address(a)); err != nil {
		return err
	}
	if a.Address.Addr().Is6() {
		awaitLocal(a.Address.Addr())
	}
	return nil
}

// A new IPv6 address is a source at once, but a worker of the kernel makes it a
// destination later: until then an answer is dropped.
const (
	localPatience = time.Second
	localPause    = time.Millisecond
)

// awaitLocal waits until packets for a new IPv6 address are taken. On a device
// that is down they are not, which is no error.
func awaitLocal(a netip.Addr) {
	want := &netlink.Route{Table: unix.RT_TABLE_LOCAL, Dst: ipNet(netip.PrefixFrom(a, 128)), Type: unix.RTN_LOCAL}
	for end := time.Now().Add(localPatience); time.Now().Before(end); time.Sleep(localPause) {
		routes, err := netlink.RouteListFiltered(netlink.FAMILY_V6, want, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_DST|netlink.RT_FILTER_TYPE)
		if err != nil || len(routes) > 0 {
			return
		}
	}
}

// DeleteAddress deletes an address.
func (Linux) DeleteAddress(a Address) error {
	link, err := netlink.LinkByName(a.Device)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return err
	}
	return ignore(netlink.AddrDel(link, address(a)), unix.EADDRNOTAVAIL, unix.ENODEV)
}

// HasAddress reports whether an address is on its device.
func (Linux) HasAddress(a Address) (bool, error) {
	link, err := netlink.LinkByName(a.Device)
	if err != nil {
		return false, err
	}
	there, err := netlink.AddrList(link, family(a.Address.Addr()))
	for _, t := range there {
		if t.Equal(*address(a)) {
			return true, nil
		}
	}
	return false, err
}

func address(a Address) *netlink.Addr {
	n := &netlink.Addr{IPNet: ipNet(a.Address)}
	if a.Peer.IsValid() {
		n.Peer = ipNet(netip.PrefixFrom(a.Peer, a.Peer.BitLen()))
	}
	if a.Address.Addr().Is6() {
		n.Flags = unix.IFA_F_NODAD
	}
	if a.Deprecated {
		forever := uint32(math.MaxUint32) // on 32 bits an int cannot hold it, and the address stays preferred
		n.ValidLft, n.PreferedLft = int(forever), 0
	}
	if a.Address.Addr().IsLinkLocalUnicast() {
		n.Scope = unix.RT_SCOPE_LINK
	}
	return n
}

// IsUp reports whether a device is set up.
func (Linux) IsUp(device string) (bool, error) {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return false, err
	}
	return link.Attrs().RawFlags&unix.IFF_UP != 0, nil
}

// Namespace names this network namespace: what a journal says holds in it alone.
func Namespace() string {
	var s unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &s); err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%d:%d", s.Dev, s.Ino)
}

// family returns the address family of a, as netlink has it.
func family(a netip.Addr) int {
	if a.Is6() {
		return netlink.FAMILY_V6
	}
	return netlink.FAMILY_V4
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// ignore returns err unless it is one of those.
func ignore(err error, those ...error) error {
	for _, e := range those {
		if errors.Is(err, e) {
			return nil
		}
	}
	return err
}
