package capture

import (
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"pppoectl/rawsocket"
)

// receiveBuffer is how much a tap holds while we are busy, in octets.
const receiveBuffer = 16 << 20

// maxPacket is the largest super-packet that the kernel makes, in octets, and more.
const maxPacket = 1 << 20

// rest is how long a reader rests after an error: the interface went down.
const rest = 100 * time.Millisecond

// tap is a packet socket that sees both directions of an interface.
type tap struct {
	conn   *packet.Conn
	raw    syscall.RawConn
	index  int // of the interface
	filter []bpf.RawInstruction
	done   chan struct{}
	reader sync.WaitGroup
	broken uint64 // packets that the kernel could not hand over
}

// tapped is what a tap has seen.
type tapped struct {
	at      time.Time // by the kernel
	bare    bool      // an IP packet that a device has received, without the line's headers
	offload offload
	data    []byte
}

// openTap opens a tap; received says that it is to see no sent packets.
func openTap(ifi net.Interface, filter []bpf.Instruction, received bool) (*tap, error) {
	conn, err := rawsocket.Listen(ifi, unix.ETH_P_ALL, filter, receiveBuffer)
	if err != nil {
		return nil, err
	}
	t := &tap{conn: conn, index: ifi.Index, done: make(chan struct{})}
	if t.filter, err = bpf.Assemble(filter); err == nil {
		t.raw, err = conn.SyscallConn()
	}
	if err == nil {
		err = t.set(received)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return t, nil
}

// set has the kernel tell what it has left undone, and when it saw a packet.
func (t *tap) set(received bool) error {
	var err error
	control := t.raw.Control(func(fd uintptr) {
		err = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1))
		if received { // saves the kernel a copy of each; the filter rejects them in any case
			unix.SetsockoptInt(int(fd), unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
		}
	})
	return errors.Join(control, err)
}

// setFilter has the tap see what another filter admits.
func (t *tap) setFilter(filter []bpf.Instruction) error {
	raw, err := bpf.Assemble(filter)
	if err != nil || slices.Equal(raw, t.filter) {
		return err
	}
	t.filter = raw
	return t.conn.SetBPF(raw)
}

// read hands over what the tap sees, until it is closed.
func (t *tap) read(bare bool, to chan<- tapped) {
	t.reader.Go(func() {
		buf, oob := make([]byte, maxPacket), make([]byte, 64)
		for {
			n, at, err := t.receive(buf, oob)
			select {
			case <-t.done:
				return
			default:
			}
			switch {
			case errors.Is(err, unix.EINVAL): // of a kind for which virtio has no name
				t.broken++
				continue
			case err != nil || n < vnetLen:
				time.Sleep(rest)
				continue
			}
			select {
			case to <- tapped{at, bare, parseOffload(buf), slices.Clone(buf[vnetLen:n])}:
			case <-t.done:
				return
			}
		}
	})
}

// receive waits for a packet, which comes behind its virtio-net header.
func (t *tap) receive(buf, oob []byte) (n int, at time.Time, err error) {
	var told int
	wait := t.raw.Read(func(fd uintptr) bool {
		n, told, _, _, err = unix.Recvmsg(int(fd), buf, oob, unix.MSG_DONTWAIT)
		return err != unix.EAGAIN
	})
	if err = errors.Join(wait, err); err != nil {
		return 0, at, err
	}
	return n, kernelTime(oob[:told]), nil
}

// kernelTime returns when the kernel saw a packet.
func kernelTime(oob []byte) time.Time {
	messages, _ := unix.ParseSocketControlMessage(oob)
	for _, m := range messages {
		var ts unix.Timespec
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(ts)) {
			ts = *(*unix.Timespec)(unsafe.Pointer(&m.Data[0]))
			return time.Unix(ts.Unix())
		}
	}
	return time.Now()
}

// close ends the tap and returns how many packets it has lost.
func (t *tap) close() uint64 {
	if t == nil {
		return 0
	}
	close(t.done)
	var lost uint64
	if s, err := t.conn.Stats(); err == nil {
		lost = uint64(s.Drops)
	}
	t.conn.Close()
	t.reader.Wait()
	return lost + t.broken
}
