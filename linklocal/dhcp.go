package linklocal

import (
	"errors"
	"fmt"
	"net/netip"
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
	socket   *socket
	messages chan []byte
	done     chan struct{}
	closing  sync.Once
}

// OpenDHCP opens the socket at local, a link-local address of device. Only what
// comes from the link's servers is received.
func OpenDHCP(device string, local netip.Addr) (*DHCP, error) {
	s, err := open(device, unix.SOCK_DGRAM, unix.IPPROTO_UDP, func(fd int) error {
		index, err := indexOf(fd, device)
		if err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrInet6{Port: clientPort, Addr: local.As16(), ZoneId: index})
	})
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return nil, fmt.Errorf("DHCPv6: another program has port %d on %s; end its DHCPv6 client there: %w", clientPort, device, err)
	case errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("DHCPv6: port %d needs the capability CAP_NET_BIND_SERVICE: %w", clientPort, err)
	case err != nil:
		return nil, on("DHCPv6", device, err)
	}
	d := &DHCP{socket: s, messages: make(chan []byte, 8), done: make(chan struct{})}
	go d.receive()
	return d, nil
}

// Messages returns what servers send. When nobody takes it, it is lost.
func (d *DHCP) Messages() <-chan []byte { return d.messages }

// Send sends a message to all servers of the link.
func (d *DHCP) Send(message []byte) error {
	return d.socket.send(message, netip.AddrPortFrom(servers, serverPort))
}

// Close closes the socket.
func (d *DHCP) Close() {
	d.closing.Do(func() {
		close(d.done)
		d.socket.close()
	})
}

func (d *DHCP) receive() {
	buffer := make([]byte, maxMessage)
	for {
		n, from, _, err := d.socket.receive(buffer)
		select {
		case <-d.done:
			return
		default:
		}
		if errors.Is(err, errClosed) {
			return
		}
		if err != nil || !from.IsLinkLocalUnicast() {
			continue
		}
		select {
		case d.messages <- append([]byte(nil), buffer[:n]...):
		default:
		}
	}
}
