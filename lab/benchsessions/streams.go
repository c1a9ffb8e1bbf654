package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/control"
	"pppoectl/netspace"
)

// streams are TCP connections between the namespaces, each through a session of its own.
// They are ours and not those of 200 processes of iperf3, so that all are counted in the very
// same window of time, those that hardly get anything, too.
type streams struct {
	down     bool // from the line to the host
	listener net.Listener

	mu       sync.Mutex
	conns    []net.Conn
	received []*atomic.Int64 // octets of payload, by connection
	ends     sync.WaitGroup
}

// connecting is how long a connection may take: on a line that is overloaded, SYNs get lost.
const connecting = 20 * time.Second

// connect opens a stream through each uplink; they run until close.
func (s *site) connect(ctx context.Context, uplinks []control.Uplink, down bool) (*streams, error) {
	t := &streams{down: down}
	err := netspace.Do(netspace.Path(s.line), func() (err error) {
		t.listener, err = net.Listen("tcp4", far+":0")
		return err
	})
	if err != nil {
		return nil, err
	}
	t.ends.Go(t.accept)
	failed := make(chan error, len(uplinks))
	for _, u := range uplinks {
		go func() { failed <- t.dial(ctx, netspace.Path(s.host), u) }()
	}
	for range uplinks {
		if e := <-failed; e != nil {
			err = e // one says it all: there may be a hundred
		}
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// dial opens a stream from an uplink's address and device.
func (t *streams) dial(ctx context.Context, space string, u control.Uplink) error {
	if u.IPv4 == nil {
		return fmt.Errorf("%s has no IPv4 address", u.Name)
	}
	d := net.Dialer{
		Timeout: connecting, LocalAddr: &net.TCPAddr{IP: net.ParseIP(u.IPv4.Local)},
		Control: func(_, _ string, c syscall.RawConn) (err error) {
			if e := c.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), u.Device) }); e != nil {
				return e
			}
			return err
		},
	}
	return netspace.Do(space, func() error {
		conn, err := d.DialContext(ctx, "tcp4", t.listener.Addr().String())
		if err != nil {
			return fmt.Errorf("%s: %w", u.Name, err)
		}
		t.add(conn, t.down)
		return nil
	})
}

// accept takes the streams' other ends.
func (t *streams) accept() {
	for {
		conn, err := t.listener.Accept()
		if err != nil {
			return
		}
		t.add(conn, !t.down)
	}
}

// add has an end of a stream receive, or send.
func (t *streams) add(conn net.Conn, receives bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns = append(t.conns, conn)
	b := make([]byte, 128<<10)
	if !receives {
		t.ends.Go(func() {
			for {
				if _, err := conn.Write(b); err != nil {
					return
				}
			}
		})
		return
	}
	sum := new(atomic.Int64)
	t.received = append(t.received, sum)
	t.ends.Go(func() {
		for {
			n, err := conn.Read(b)
			sum.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
}

// octets is what each stream has received so far.
func (t *streams) octets() (list []int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.received {
		list = append(list, r.Load())
	}
	return list
}

// close ends all streams, at once and not when what they hold is sent.
func (t *streams) close() {
	t.listener.Close()
	t.mu.Lock()
	for _, c := range t.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	t.mu.Unlock()
	t.ends.Wait()
}
