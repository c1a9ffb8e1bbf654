package dataplane

import (
	"encoding/binary"
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

	Device     string // the TUN device's name
	Programs   string // where the line's programs are pinned; empty: it has none
	NoPrograms string // why not
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
	EBPF     Kind = "ebpf"     // by programs in the kernel, without a system call
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
	// Note says what of it goes another way, and why; empty for nothing.
	Note() string
	// Reasons counts packets that were dropped, or went another way, by direction and reason.
	Reasons() map[string]uint64
	// Close ends the path and waits for its goroutines. The TUN device stays.
	Close() error
	// Leave does the same, but what goes on without this process goes on.
	Leave() error
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

// reason is why a packet was dropped.
type reason int

const (
	rxClosed reason = iota // the family's NCP is not open
	rxLength               // a length that lies, or no IP
	rxDevice               // the TUN device did not take it
	txClosed
	txLength
	txMTU  // too large
	txLine // the line did not take it
	reasons
)

// reasonNames are how they are told in status.
var reasonNames = [reasons]string{"rx_closed", "rx_length", "rx_device", "tx_closed", "tx_length", "tx_mtu", "tx_line"}

// counters are Counters that two goroutines write.
type counters struct {
	rxPackets, rxBytes atomic.Uint64
	txPackets, txBytes atomic.Uint64
	drops              [reasons]atomic.Uint64
}

func (c *counters) Counters() Counters {
	v := Counters{
		RxPackets: c.rxPackets.Load(), RxBytes: c.rxBytes.Load(),
		TxPackets: c.txPackets.Load(), TxBytes: c.txBytes.Load(),
	}
	for r := range reasons {
		if r < txClosed {
			v.RxDropped += c.drops[r].Load()
		} else {
			v.TxDropped += c.drops[r].Load()
		}
	}
	return v
}

// Reasons returns the drops by reason.
func (c *counters) Reasons() map[string]uint64 {
	m := map[string]uint64{}
	for r, name := range reasonNames {
		m[name] = c.drops[r].Load()
	}
	return m
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

// family returns the PPP protocol of an IP packet by its version; 0 if it has none, or its
// header says that it is longer than it is.
func family(packet []byte) ppp.Protocol {
	switch {
	case len(packet) >= ipv4Len && packet[0]>>4 == 4:
		own, total := int(packet[0]&15)*4, int(binary.BigEndian.Uint16(packet[2:]))
		if own >= ipv4Len && total >= own && total <= len(packet) {
			return ppp.IPv4
		}
	case len(packet) >= ipv6Len && packet[0]>>4 == 6:
		if ipv6Len+int(binary.BigEndian.Uint16(packet[4:])) <= len(packet) {
			return ppp.IPv6
		}
	}
	return 0
}
