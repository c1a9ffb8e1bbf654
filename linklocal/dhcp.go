package linklocal

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Ports of DHCPv6 (RFC 8415 section 7.2).
const (
	clientPort = 546
	serverPort = 547
)

// servers are all DHCPv6 relay agents and servers on a link (section 7.1).
var servers = netip.MustParseAddr("ff02::1:2")

// maxMessage is how long a message may be, in octets: what a link of 1500 carries
// in one piece, and some more. A longer one is cut, and not understood.
const maxMessage = 4096

// DHCP is the socket of a DHCPv6 client on one link.
type DHCP struct {
	conn     *net.UDPConn
	to       netip.AddrPort
	messages chan []byte
	done     chan struct{}
	close    sync.Once
}

// OpenDHCP opens the socket at local, a link-local address of device. Only what
// comes from the link's servers is received.
func OpenDHCP(device string, local netip.Addr) (*DHCP, error) {
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("DHCPv6: %s: %w", device, err)
	}
	zone := strconv.Itoa(ifi.Index) // a name would be looked up in what net remembers for a minute
	conn, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local.WithZone(zone), clientPort)))
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("DHCPv6: another program has port %d on %s; end its DHCPv6 client there: %w", clientPort, device, err)
	}
	if errors.Is(err, unix.EACCES) {
		return nil, fmt.Errorf("DHCPv6: port %d needs the capability CAP_NET_BIND_SERVICE: %w", clientPort, err)
	}
	if err != nil {
		return nil, fmt.Errorf("DHCPv6: %w", err)
	}
	d := &DHCP{
		conn: conn, to: netip.AddrPortFrom(servers.WithZone(zone), serverPort),
		messages: make(chan []byte, 8), done: make(chan struct{}),
	}
	go d.receive()
	return d, nil
}

// Messages returns what servers send. When nobody takes it, it is lost.
func (d *DHCP) Messages() <-chan []byte { return d.messages }

// Send sends a message to all servers of the link.
func (d *DHCP) Send(message []byte) error {
	_, err := d.conn.WriteToUDPAddrPort(message, d.to)
	return err
}

// Close closes the socket.
func (d *DHCP) Close() {
	d.close.Do(func() { close(d.done) })
	d.conn.Close()
}

func (d *DHCP) receive() {
	buffer := make([]byte, maxMessage)
	for {
		n, from, err := d.conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || !from.Addr().IsLinkLocalUnicast() {
			select {
			case <-d.done:
				return
			default:
				continue
			}
		}
		select {
		case d.messages <- append([]byte(nil), buffer[:n]...):
		case <-d.done:
			return
		default:
		}
	}
}
