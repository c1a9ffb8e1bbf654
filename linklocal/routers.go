package linklocal

import (
	"errors"
	"net/netip"
	"sync"

	"github.com/mdlayher/ndp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// allRouters is every router on a link.
var allRouters = netip.MustParseAddr("ff02::2")

// Routers is a socket for router discovery on one link (RFC 4861 section 6.3).
type Routers struct {
	socket  *socket
	routers chan Router
	done    chan struct{}
	closing sync.Once
}

// OpenRouters opens the socket on a device.
func OpenRouters(device string) (*Routers, error) {
	s, err := open(device, unix.SOCK_RAW, unix.IPPROTO_ICMPV6, func(fd int) error {
		return errors.Join(
			unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, onlyAdvertisements()),
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, ndp.HopLimit),
		)
	})
	if err != nil {
		return nil, on("router discovery", device, err)
	}
	r := &Routers{socket: s, routers: make(chan Router, 8), done: make(chan struct{})}
	go r.receive()
	return r, nil
}

// onlyAdvertisements is a filter with a bit for each type that is not wanted.
func onlyAdvertisements() *unix.ICMPv6Filter {
	var f unix.ICMPv6Filter
	for i := range f.Data {
		f.Data[i] = ^uint32(0)
	}
	const t = ipv6.ICMPTypeRouterAdvertisement
	f.Data[t>>5] &^= 1 << (t & 31)
	return &f
}

// Found returns what routers advertise. When nobody takes it, it is lost.
func (r *Routers) Found() <-chan Router { return r.routers }

// Solicit asks all routers of the link to advertise themselves.
func (r *Routers) Solicit() error {
	b, err := ndp.MarshalMessage(&ndp.RouterSolicitation{})
	if err != nil {
		return err
	}
	return r.socket.send(b, netip.AddrPortFrom(allRouters, 0))
}

// Close closes the socket.
func (r *Routers) Close() {
	r.closing.Do(func() {
		close(r.done)
		r.socket.close()
	})
}

// receive takes advertisements that are valid.
func (r *Routers) receive() {
	buffer := make([]byte, maxMessage)
	for {
		n, from, hops, err := r.socket.receive(buffer)
		select {
		case <-r.done:
			return
		default:
		}
		if errors.Is(err, errClosed) {
			return
		}
		if err != nil {
			continue
		}
		found, ok := advertisement(buffer[:n], from, hops)
		if !ok {
			continue
		}
		select {
		case r.routers <- found:
		default:
		}
	}
}
