package linklocal

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/mdlayher/ndp"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
)

// allRouters is every router on a link.
var allRouters = netip.MustParseAddr("ff02::2")

// Router is what a router advertisement says of its sender.
type Router struct {
	Address  netip.Addr    // link-local
	Lifetime time.Duration // as a default router; 0: it is none
}

// Routers is a socket for router discovery on one link (RFC 4861 section 6.3).
type Routers struct {
	conn    *ipv6.PacketConn
	zone    string
	routers chan Router
	done    chan struct{}
	close   sync.Once
}

// OpenRouters opens the socket at local, a link-local address of device.
func OpenRouters(device string, local netip.Addr) (*Routers, error) {
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("router discovery: %s: %w", device, err)
	}
	zone := strconv.Itoa(ifi.Index)
	c, err := icmp.ListenPacket("ip6:ipv6-icmp", local.WithZone(zone).String())
	if err != nil {
		return nil, fmt.Errorf("router discovery on %s: %w", device, err)
	}
	conn := c.IPv6PacketConn()
	var filter ipv6.ICMPFilter
	filter.SetAll(true)
	filter.Accept(ipv6.ICMPTypeRouterAdvertisement)
	err = errors.Join(
		conn.SetICMPFilter(&filter), conn.SetMulticastHopLimit(ndp.HopLimit), conn.SetMulticastLoopback(false),
		conn.SetControlMessage(ipv6.FlagHopLimit, true),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("router discovery on %s: %w", device, err), conn.Close())
	}
	r := &Routers{conn: conn, zone: zone, routers: make(chan Router, 8), done: make(chan struct{})}
	go r.receive()
	return r, nil
}

// Found returns what routers advertise. When nobody takes it, it is lost.
func (r *Routers) Found() <-chan Router { return r.routers }

// Solicit asks all routers of the link to advertise themselves.
func (r *Routers) Solicit() error {
	b, err := ndp.MarshalMessage(&ndp.RouterSolicitation{})
	if err != nil {
		return err
	}
	_, err = r.conn.WriteTo(b, nil, &net.IPAddr{IP: allRouters.AsSlice(), Zone: r.zone})
	return err
}

// Close closes the socket.
func (r *Routers) Close() {
	r.close.Do(func() { close(r.done) })
	r.conn.Close()
}

// receive takes advertisements that are valid (section 6.1.2).
func (r *Routers) receive() {
	buffer := make([]byte, maxMessage)
	for {
		n, cm, from, err := r.conn.ReadFrom(buffer)
		select {
		case <-r.done:
			return
		default:
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || cm == nil || cm.HopLimit != ndp.HopLimit {
			continue
		}
		if found, ok := advertisement(buffer[:n], from); ok {
			select {
			case r.routers <- found:
			default:
			}
		}
	}
}

func advertisement(b []byte, from net.Addr) (Router, bool) {
	ip, isIP := from.(*net.IPAddr)
	m, err := ndp.ParseMessage(b)
	ra, isRA := m.(*ndp.RouterAdvertisement)
	if err != nil || !isRA || !isIP {
		return Router{}, false
	}
	a, ok := netip.AddrFromSlice(ip.IP)
	return Router{a, ra.RouterLifetime}, ok && a.IsLinkLocalUnicast()
}
