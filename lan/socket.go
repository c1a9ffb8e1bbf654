package lan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/mdlayher/ndp"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
)

// allRouters is every router on a link.
var allRouters = netip.MustParseAddr("ff02::2")

// Socket sends router advertisements on one interface and hears Router
// Solicitations.
type Socket struct {
	conn  *ipv6.PacketConn
	zone  string
	asked chan netip.Addr
	done  chan struct{}
	once  sync.Once
}

// Listen opens the socket of an interface, which must have a link-local address.
// What it sends does not come back: the kernel would believe it.
func Listen(ifi net.Interface) (*Socket, error) {
	conn, zone, err := listen(&ifi)
	if err != nil {
		return nil, fmt.Errorf("router advertisements on %s: %w", ifi.Name, err)
	}
	s := &Socket{conn: conn, zone: zone, asked: make(chan netip.Addr, 16), done: make(chan struct{})}
	go s.receive()
	return s, nil
}

func listen(ifi *net.Interface) (*ipv6.PacketConn, string, error) {
	local, err := linkLocal(ifi)
	if err != nil {
		return nil, "", err
	}
	zone := strconv.Itoa(ifi.Index) // a name would be looked up in what net remembers for a minute
	c, err := icmp.ListenPacket("ip6:ipv6-icmp", local.WithZone(zone).String())
	if err != nil {
		return nil, "", err
	}
	conn := c.IPv6PacketConn()
	var filter ipv6.ICMPFilter
	filter.SetAll(true)
	filter.Accept(ipv6.ICMPTypeRouterSolicitation)
	err = errors.Join(
		conn.SetICMPFilter(&filter), conn.SetHopLimit(ndp.HopLimit), conn.SetMulticastHopLimit(ndp.HopLimit),
		conn.SetMulticastLoopback(false), conn.SetMulticastInterface(ifi), conn.SetControlMessage(ipv6.FlagHopLimit, true),
		conn.JoinGroup(ifi, &net.IPAddr{IP: allRouters.AsSlice()}),
	)
	if err != nil {
		return nil, "", errors.Join(err, conn.Close())
	}
	return conn, zone, nil
}

// linkLocal returns an interface's link-local address.
func linkLocal(ifi *net.Interface) (netip.Addr, error) {
	all, err := ifi.Addrs()
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
			return p.Addr(), nil
		}
	}
	return netip.Addr{}, errors.Join(errors.New("it has no link-local address"), err)
}

// Asked tells from where Router Solicitations come; the unspecified address if the
// host has none. When nobody takes it, it is lost.
func (s *Socket) Asked() <-chan netip.Addr { return s.asked }

// Send sends an advertisement.
func (s *Socket) Send(m Message) error {
	b, err := ndp.MarshalMessage(m.Advertisement)
	if err != nil {
		return err
	}
	_, err = s.conn.WriteTo(b, nil, &net.IPAddr{IP: m.To.AsSlice(), Zone: s.zone})
	return err
}

// Close closes the socket.
func (s *Socket) Close() {
	s.once.Do(func() { close(s.done) })
	s.conn.Close()
}

// receive takes Router Solicitations that are valid (RFC 4861 section 6.1.1).
func (s *Socket) receive() {
	buffer := make([]byte, 1500)
	for {
		n, cm, from, err := s.conn.ReadFrom(buffer)
		select {
		case <-s.done:
			return
		default:
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || cm == nil || cm.HopLimit != ndp.HopLimit {
			continue
		}
		host, ok := solicitation(buffer[:n], from)
		if !ok {
			continue
		}
		select {
		case s.asked <- host:
		default:
		}
	}
}

// solicitation returns where a Router Solicitation comes from; false if it is none
// that is valid. Who has no address yet must not name its Ethernet address.
func solicitation(b []byte, from net.Addr) (netip.Addr, bool) {
	m, err := ndp.ParseMessage(b)
	rs, isRS := m.(*ndp.RouterSolicitation)
	ip, isIP := from.(*net.IPAddr)
	if err != nil || !isRS || !isIP || b[1] != 0 { // the code
		return netip.Addr{}, false
	}
	host, ok := netip.AddrFromSlice(ip.IP)
	return host, ok && !(host.IsUnspecified() && slices.ContainsFunc(rs.Options, isSource))
}

// isSource reports whether an option names the sender's Ethernet address.
func isSource(o ndp.Option) bool {
	a, ok := o.(*ndp.LinkLayerAddress)
	return ok && a.Direction == ndp.Source
}
