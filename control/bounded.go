package control

import (
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// Connections that may be open at a time: whoever opens more must not keep others from
// the daemon, nor the daemon from its sessions.
const (
	maxOfRoot = 128 // root's, and those of our own user
	maxOfUser = 32  // of each other user
)

// bounded is the listener of the control socket; it closes what is too much at once.
type bounded struct {
	net.Listener
	own int // our user

	mu   sync.Mutex
	open map[int]int // connections, by user
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid := -1
		if cred := credentials(c); cred != nil {
			uid = int(cred.Uid)
		}
		if b.admit(uid) {
			return &counted{Conn: c, end: sync.OnceFunc(func() { b.leave(uid) })}, nil
		}
		c.Close()
	}
}

func (b *bounded) admit(uid int) bool {
	most := maxOfUser
	if uid == 0 || uid == b.own {
		most = maxOfRoot
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[uid] >= most {
		return false
	}
	b.open[uid]++
	return true
}

func (b *bounded) leave(uid int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[uid]--; b.open[uid] == 0 {
		delete(b.open, uid)
	}
}

// counted is a connection that counts until it is closed.
type counted struct {
	net.Conn
	end func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.end()
	return c.Conn.Close()
}

// credentials returns who is at the other end; nil if the kernel does not say.
func credentials(c net.Conn) *unix.Ucred {
	if n, ok := c.(*counted); ok {
		c = n.Conn
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil
	}
	rc, err := u.SyscallConn()
	if err != nil {
		return nil
	}
	var cred *unix.Ucred
	rc.Control(func(fd uintptr) {
		if c, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			cred = c
		}
	})
	return cred
}
