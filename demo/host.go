package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/icmp"

	"pppoectl/netspace"
)

// The LAN: the router's end of its cable, and a host at the other end, in a
// namespace of its own.
const (
	lanEnd    = "lan0"
	hostSpace = "host"
	hostCard  = "eth0"
)

// plugHost makes the host and its cable.
func plugHost() error {
	if _, err := netspace.Make(hostSpace); err != nil {
		return err
	}
	// Nobody else is on this LAN: looking for duplicates would only take a second. It
	// is no harm where that cannot be said.
	quick := func() error { return os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0) }
	_ = errors.Join(quick(), onHost(quick))
	attrs := netlink.NewLinkAttrs()
	attrs.Name = lanEnd
	cable := &netlink.Veth{LinkAttrs: attrs, PeerName: hostCard}
	if err := netlink.LinkAdd(cable); err != nil {
		return fmt.Errorf("cable: %w", err)
	}
	card, err := netlink.LinkByName(hostCard)
	if err != nil {
		return err
	}
	space, err := netspace.Open(hostSpace)
	if err != nil {
		return err
	}
	defer space.Close()
	if err := netlink.LinkSetNsFd(card, int(space.Fd())); err != nil {
		return fmt.Errorf("cable: %w", err)
	}
	return errors.Join(setUp(lanEnd), onHost(func() error { return setUp(hostCard) }))
}

func onHost(f func() error) error { return netspace.Do(netspace.Path(hostSpace), f) }

// hostAddress returns the address that the host has given itself.
func hostAddress() (netip.Addr, error) {
	var found netip.Addr
	err := onHost(func() error {
		ifi, err := net.InterfaceByName(hostCard)
		if err != nil {
			return err
		}
		all, err := ifi.Addrs()
		for _, a := range all {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is6() && p.Addr().IsGlobalUnicast() {
				found = p.Addr()
			}
		}
		return err
	})
	if err == nil && !found.IsValid() {
		err = errors.New("the host has no global address")
	}
	return found, err
}

// listenOnHost is icmp.ListenPacket at the host.
func listenOnHost(network, address string) (c *icmp.PacketConn, err error) {
	err = onHost(func() error {
		c, err = icmp.ListenPacket(network, address)
		return err
	})
	return c, err
}

// hostWeb is a web client at the host.
var hostWeb = &http.Client{Transport: &http.Transport{
	DialContext: func(ctx context.Context, network, address string) (c net.Conn, err error) {
		err = onHost(func() error {
			c, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return c, err
	},
}}
