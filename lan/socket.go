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
	"golang.org/x/net/ipv6"
)

// allRouters is every router on a link.
var allRouters = netip.MustParseAddr("ff02::2")

// Socket sends router advertisements on one interface and hears Router
// Solicitations.
type Socket struct {
	conn  *ndp.Conn
	asked chan netip.Addr
	done  chan struct{}
	once  sync.Once
}

// Listen opens the socket of an interface, which must have a link-local address.
func Listen(ifi net.Interface) (*Socket, error) {
	name := ifi.Name
	ifi.Name = strconv.Itoa(ifi.Index) // as a zone: a name would be looked up in what net remembers for a minute
	conn, _, err := ndp.Listen(&ifi, ndp.LinkLocal)
	if err != nil {
		return nil, fmt.Errorf("router advertisements on %s: %w", name, err)
	}
	var filter ipv6.ICMPFilter
	filter.SetAll(true)
	filter.Accept(ipv6.ICMPTypeRouterSolicitation)
	err = errors.Join(conn.SetICMPFilter(&filter), conn.JoinGroup(allRouters), conn.SetControlMessage(ipv6.FlagHopLimit, true))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("router advertisements on %s: %w", name, err), conn.Close())
	}
	s := &Socket{conn: conn, asked: make(chan netip.Addr, 16), done: make(chan struct{})}
	go s.receive()
	return s, nil
}

// Asked tells from where Router Solicitations come; the unspecified address if the
// host has none. When nobody takes it, it is lost.
func (s *Socket) Asked() <-chan netip.Addr { return s.asked }

// Send sends an advertisement.
func (s *Socket) Send(m Message) error { return s.conn.WriteTo(m.Advertisement, nil, m.To) }

// Close closes the socket.
func (s *Socket) Close() {
	s.once.Do(func() { close(s.done) })
	s.conn.Close()
}

// receive takes Router Solicitations that are valid (RFC 4861 section 6.1.1).
func (s *Socket) receive() {
	for {
		m, cm, from, err := s.conn.ReadFrom()
		select {
		case <-s.done:
			return
		default:
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		rs, ok := m.(*ndp.RouterSolicitation)
		if err != nil || !ok || cm == nil || cm.HopLimit != ndp.HopLimit {
			continue
		}
		from = from.WithZone("")
		if from.IsUnspecified() && slices.ContainsFunc(rs.Options, isSource) {
			continue
		}
		select {
		case s.asked <- from:
		default:
		}
	}
}

// isSource reports whether an option names the sender's Ethernet address.
func isSource(o ndp.Option) bool {
	a, ok := o.(*ndp.LinkLayerAddress)
	return ok && a.Direction == ndp.Source
}
