package rawsocket

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Buffers are equally large buffers in one piece of memory, whose pages cost nothing until
// something is written there.
type Buffers struct {
	List   [][]byte
	memory []byte
}

// NewBuffers returns count buffers of size octets each.
func NewBuffers(count, size int) (*Buffers, error) {
	memory, err := unix.Mmap(-1, 0, count*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("buffers: %w", err)
	}
	b := &Buffers{memory: memory}
	for i := range count {
		b.List = append(b.List, memory[i*size:(i+1)*size:(i+1)*size])
	}
	return b, nil
}

// Close gives the memory back.
func (b *Buffers) Close() { unix.Munmap(b.memory) }

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32 // of what was received
}

// Messages are frames that one system call sends or receives.
type Messages struct {
	vectors []unix.Iovec
	list    []message
}

// NewMessages returns as many messages as there are buffers, each in its own.
func NewMessages(buffers [][]byte) *Messages {
	m := &Messages{vectors: make([]unix.Iovec, len(buffers)), list: make([]message, len(buffers))}
	for i, b := range buffers {
		m.Set(i, b)
		m.list[i].header.Iov = &m.vectors[i]
		m.list[i].header.SetIovlen(1)
	}
	return m
}

// Set makes b the i-th frame, or the buffer that it is received into.
func (m *Messages) Set(i int, b []byte) {
	m.vectors[i].Base = &b[0]
	m.vectors[i].SetLen(len(b))
}

// Len returns how many octets of the i-th frame were received.
func (m *Messages) Len(i int) int { return int(m.list[i].length) }

// Receive receives frames, at least one, and returns how many.
func (m *Messages) Receive(conn syscall.RawConn) (int, error) {
	var n int
	var errno syscall.Errno
	err := conn.Read(func(fd uintptr) bool {
		n, errno = m.call(unix.SYS_RECVMMSG, fd, 0, len(m.list))
		return errno != unix.EAGAIN
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return n, err
}

// Send sends the first count frames, and returns how many the line would not take.
func (m *Messages) Send(conn syscall.RawConn, count int) (lost int, err error) {
	err = conn.Write(func(fd uintptr) bool {
		for done := 0; done < count; {
			n, errno := m.call(unix.SYS_SENDMMSG, fd, done, count)
			switch {
			case errno == 0:
				done += n
			case errno == unix.EINTR:
			default: // no carrier, or the line's queue is full: the next may fit
				done++
				lost++
			}
		}
		return true
	})
	return lost, err
}

// call is sendmmsg or recvmmsg, without waiting.
func (m *Messages) call(number, fd uintptr, from, to int) (int, syscall.Errno) {
	n, _, errno := unix.Syscall6(number, fd, uintptr(unsafe.Pointer(&m.list[from])), uintptr(to-from), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
