// Package rawsocket opens packet sockets: filtered from the first frame on, and
// with room for bursts; and moves many frames in one system call.
package rawsocket

import (
	"errors"
	"net"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Listen opens a socket for the frames of an EtherType on an interface that the
// filter admits. buffer is how much it is to hold while we are busy, in octets;
// the kernel may give less.
func Listen(ifi net.Interface, etherType uint16, filter []bpf.Instruction, buffer int) (*packet.Conn, error) {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return nil, err
	}
	// The filter is attached before the socket is bound, so that no other frame
	// slips in.
	c, err := packet.Listen(&ifi, packet.Raw, int(etherType), &packet.Config{Filter: raw})
	if err != nil {
		return nil, err
	}
	if err := enlarge(c, buffer); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// enlarge asks for a receive buffer beyond the system's limit, or else up to it.
func enlarge(c *packet.Conn, octets int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, octets) != nil {
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, octets)
		}
	})
}
