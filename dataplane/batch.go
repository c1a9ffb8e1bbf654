package dataplane

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32 // of what was received
}

// messages are frames that one system call sends or receives.
type messages struct {
	vectors []unix.Iovec
	list    []message
}

// newMessages returns as many messages as there are buffers.
func newMessages(buffers [][]byte) *messages {
	m := &messages{vectors: make([]unix.Iovec, len(buffers)), list: make([]message, len(buffers))}
	for i, b := range buffers {
		m.vectors[i].Base = &b[0]
		m.vectors[i].SetLen(len(b))
		m.list[i].header.Iov = &m.vectors[i]
		m.list[i].header.SetIovlen(1)
	}
	return m
}

// receive receives frames, at least one, and returns how many.
func (m *messages) receive(conn syscall.RawConn) (int, error) {
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

// send sends the first count frames, and returns how many the line would not take.
func (m *messages) send(conn syscall.RawConn, count int) (lost int, err error) {
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
func (m *messages) call(number, fd uintptr, from, to int) (int, syscall.Errno) {
	n, _, errno := unix.Syscall6(number, fd, uintptr(unsafe.Pointer(&m.list[from])), uintptr(to-from), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
