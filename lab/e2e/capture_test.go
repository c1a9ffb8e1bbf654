package lab_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/labnet"
)

// Codes of PPPoE packets and of PPP control packets, and PPP protocols, by
// their RFCs' numbers: the tests do not use the program's own.
const (
	padi, pado, padr, pads, padt = 0x09, 0x07, 0x19, 0x65, 0xa7

	protocolLCP, protocolPAP, protocolIPv4, protocolIPv6 = 0xc021, 0xc023, 0x0021, 0x0057

	terminateRequest = 5
)

// frame is an Ethernet frame. What does not apply is zero.
type frame struct {
	at        time.Time
	src       string
	etherType uint16
	code      byte   // of the PPPoE packet
	session   uint16 // of the PPPoE packet
	protocol  uint16 // of the PPP frame in it
	payload   []byte // of the PPP frame, else of the Ethernet frame
}

func (f frame) String() string {
	return fmt.Sprintf("%s %s type %04x code %02x session %04x protocol %04x: % x",
		f.at.Format("05.000"), f.src, f.etherType, f.code, f.session, f.protocol, f.payload[:min(len(f.payload), 24)])
}

// is reports whether f is a PPPoE discovery packet with the given code.
func (f frame) is(code byte) bool { return f.etherType == 0x8863 && f.code == code }

// ip reports whether f carries an IP packet.
func (f frame) ip() bool {
	known := f.protocol == protocolIPv4 || f.protocol == protocolIPv6 || f.etherType == 0x0800 || f.etherType == 0x86dd
	return known && len(f.payload) > 0
}

// control reports whether f is a control packet of a PPP protocol.
func (f frame) control(protocol uint16, code byte) bool {
	return f.etherType == 0x8864 && f.protocol == protocol && len(f.payload) > 0 && f.payload[0] == code
}

func parse(at time.Time, b []byte) frame {
	f := frame{at: at, src: net.HardwareAddr(b[6:12]).String(), etherType: binary.BigEndian.Uint16(b[12:]), payload: b[14:]}
	if f.etherType != 0x8863 && f.etherType != 0x8864 || len(b) < 20 {
		return f
	}
	f.code, f.session = b[15], binary.BigEndian.Uint16(b[16:])
	if f.etherType == 0x8864 && len(b) >= 22 {
		f.protocol, f.payload = binary.BigEndian.Uint16(b[20:]), b[22:]
	}
	return f
}

// capture is all that passes a device, in both directions.
type capture struct {
	t      *testing.T
	mu     sync.Mutex
	frames []frame
}

// newCapture captures at a device until the test ends.
func newCapture(t *testing.T, n *labnet.Namespace, device string) *capture {
	t.Helper()
	c := &capture{t: t}
	var fd int
	var err error
	n.Do(func() { fd, err = listen(device) })
	if err != nil {
		t.Fatalf("%s: %v", device, err)
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer unix.Close(fd)
		buf, oob := make([]byte, 1<<16), make([]byte, 64)
		for {
			select {
			case <-end:
				return
			default:
			}
			n, beside, _, _, err := unix.Recvmsg(fd, buf, oob, 0) // fails with EAGAIN from time to time
			if err != nil || n < 14 {
				continue
			}
			c.mu.Lock()
			c.frames = append(c.frames, parse(seen(oob[:beside]), append([]byte(nil), buf[:n]...)))
			c.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		close(end)
		<-ended
	})
	return c
}

// seen is when the kernel saw a frame, however late that is read.
func seen(oob []byte) time.Time {
	list, _ := unix.ParseSocketControlMessage(oob)
	for _, m := range list {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		}
	}
	return time.Now()
}

// notDialled expects that no session was asked for since then. A PADI alone is a question of a session
// that is in doubt: whether an AC is there at all.
func (c *capture) notDialled(since time.Time) {
	c.t.Helper()
	c.none("PADR", since, discovery(padr))
}

// listen opens a packet socket for a device of this thread's namespace.
func listen(device string) (int, error) {
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return -1, err
	}
	const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // network byte order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20), // a burst of 94 segments is too much for 208 KiB
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000}),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all & 0xffff, Ifindex: ifi.Index}),
	)
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// find returns the frames since a time that are as ok wants them.
func (c *capture) find(since time.Time, ok func(frame) bool) []frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []frame
	for _, f := range c.frames {
		if f.at.After(since) && ok(f) {
			list = append(list, f)
		}
	}
	return list
}

// none fails the test if there is such a frame since a time.
func (c *capture) none(what string, since time.Time, ok func(frame) bool) {
	c.t.Helper()
	for _, f := range c.find(since, ok) {
		c.t.Errorf("%s on the line: %v", what, f)
	}
}

func discovery(code byte) func(frame) bool { return func(f frame) bool { return f.is(code) } }
