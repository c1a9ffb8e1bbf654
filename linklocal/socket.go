package linklocal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket is an IPv6 socket that is bound to a device. Package net would look the
// device up by listing all of them, for each packet, which is felt with a thousand
// sessions; and it remembers which index a name had.
type socket struct {
	file *os.File
	raw  syscall.RawConn
}

// open opens a socket on a device; options are set before it is of use.
func open(device string, kind, protocol int, options func(fd int) error) (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET6, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		unix.BindToDevice(fd, device),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0),
	)
	if err == nil {
		err = options(fd)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	s := &socket{file: os.NewFile(uintptr(fd), device)}
	if s.raw, err = s.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	return s, nil
}

// indexOf returns the index that a device has now.
func indexOf(fd int, device string) (uint32, error) {
	r, err := unix.NewIfreq(device)
	if err != nil {
		return 0, err
	}
	err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, r)
	return r.Uint32(), err
}

// send sends to an address on the link.
func (s *socket) send(b []byte, to netip.AddrPort) error {
	var failed error
	err := s.raw.Write(func(fd uintptr) bool {
		failed = unix.Sendto(int(fd), b, 0, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()})
		return !errors.Is(failed, unix.EAGAIN)
	})
	return errors.Join(err, failed)
}

// errClosed is matched when the socket was closed.
var errClosed = os.ErrClosed

// receive waits for a packet, and returns its length, where it comes from and its
// hop limit.
func (s *socket) receive(b []byte) (n int, from netip.Addr, hops int, err error) {
	control := make([]byte, 64)
	var failed error
	err = s.raw.Read(func(fd uintptr) bool {
		var size int
		var sender unix.Sockaddr
		if n, size, _, sender, failed = unix.Recvmsg(int(fd), b, control, 0); failed != nil {
			return !errors.Is(failed, unix.EAGAIN)
		}
		if a, ok := sender.(*unix.SockaddrInet6); ok {
			from = netip.AddrFrom16(a.Addr)
		}
		hops = hopLimit(control[:size])
		return true
	})
	return n, from, hops, errors.Join(err, failed)
}

// hopLimit finds the hop limit among control messages; 0 if it is not there.
func hopLimit(b []byte) int {
	messages, err := unix.ParseSocketControlMessage(b)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		if m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_HOPLIMIT && len(m.Data) >= 4 {
			return int(binary.NativeEndian.Uint32(m.Data))
		}
	}
	return 0
}

func (s *socket) close() { s.file.Close() }

// on says what err is about.
func on(what, device string, err error) error { return fmt.Errorf("%s on %s: %w", what, device, err) }
