package dataplane

import (
	"net"
	"sync/atomic"

	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/tun"
)

// Session is what a path needs to know of a session.
type Session struct {
	Interface net.Interface // the line
	MAC       pppoe.MAC     // of the line's interface
	AC        pppoe.MAC
	ID        uint16
	MTU       int // octets; larger packets are not sent
}

// Device is the TUN device as a path uses it: packets behind a virtio-net
// header, and Reads that can be ended for the path's end.
type Device interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	Interrupt() error // makes Reads end with os.ErrDeadlineExceeded
	Resume() error    // makes them wait again
	Batch() (*tun.Batch, error)
}

// Kind is a kind of path, as it stands in the configuration and in status.
type Kind string

// The kinds, the fastest first.
const (
	Auto     Kind = "auto"     // the first that works
	Offload  Kind = "offload"  // many packets a system call, super-packets towards the kernel
	Portable Kind = "portable" // works everywhere
)

// Path carries one session's packets. It is safe for concurrent use.
type Path interface {
	// Pass says which families may flow; all others are dropped and counted. A
	// new path carries nothing.
	Pass(ipv4, ipv6 bool)
	// Counters returns what the path has carried so far.
	Counters() Counters
	// Failed delivers one error when the path cannot go on: its TUN device or
	// its line is gone.
	Failed() <-chan error
	// Kind names the path, as in status.
	Kind() string
	// Close ends the path and waits for its goroutines. The TUN device stays.
	Close() error
}

// Counters counts packets, and their octets as IP sees them.
type Counters struct {
	RxPackets, RxBytes, RxDropped uint64 // from the line
	TxPackets, TxBytes, TxDropped uint64 // to the line
}

// Add returns the sum of c and d.
func (c Counters) Add(d Counters) Counters {
	return Counters{
		c.RxPackets + d.RxPackets, c.RxBytes + d.RxBytes, c.RxDropped + d.RxDropped,
		c.TxPackets + d.TxPackets, c.TxBytes + d.TxBytes, c.TxDropped + d.TxDropped,
	}
}

// counters are Counters that two goroutines write.
type counters struct {
	rxPackets, rxBytes, rxDropped atomic.Uint64
	txPackets, txBytes, txDropped atomic.Uint64
}

func (c *counters) load() Counters {
	return Counters{
		c.rxPackets.Load(), c.rxBytes.Load(), c.rxDropped.Load(),
		c.txPackets.Load(), c.txBytes.Load(), c.txDropped.Load(),
	}
}

// gate is which families may flow.
type gate struct{ ipv4, ipv6 atomic.Bool }

func (g *gate) open(protocol ppp.Protocol) bool {
	switch protocol {
	case ppp.IPv4:
		return g.ipv4.Load()
	case ppp.IPv6:
		return g.ipv6.Load()
	}
	return false
}

// family returns the PPP protocol of an IP packet by its version; 0 if it has
// none or is shorter than its header.
func family(packet []byte) ppp.Protocol {
	switch {
	case len(packet) >= 20 && packet[0]>>4 == 4:
		return ppp.IPv4
	case len(packet) >= ipv6Len && packet[0]>>4 == 6:
		return ppp.IPv6
	}
	return 0
}
