package dataplane

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"syscall"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// header is what stands before an IP packet on the line: Ethernet, PPPoE and the
// PPP protocol field.
const header = ethernetLen + pppoe.HeaderLen + 2

// ethernetLen is the length of an Ethernet header in octets.
const ethernetLen = 14

// receiveBuffer is how much a path's socket holds while we are busy, in octets.
const receiveBuffer = 4 << 20

// maxFailures is how many reads or writes in a row may fail.
const maxFailures = 16

// carrier is what the paths in user space have in common.
type carrier struct {
	counters
	gate
	session Session
	failed  chan error
	done    chan struct{}
	wg      sync.WaitGroup
}

func newCarrier(s Session) carrier {
	return carrier{session: s, failed: make(chan error, 1), done: make(chan struct{})}
}

func (c *carrier) Note() string         { return "" }
func (c *carrier) Failed() <-chan error { return c.failed }

func (c *carrier) Pass(ipv4, ipv6 bool) {
	c.ipv4.Store(ipv4)
	c.ipv6.Store(ipv6)
}

// start runs both directions.
func (c *carrier) start(download, upload func() error) {
	c.wg.Add(2)
	go c.run(download)
	go c.run(upload)
}

// run runs one direction until the path is closed or cannot go on.
func (c *carrier) run(direction func() error) {
	defer c.wg.Done()
	err := direction()
	select {
	case <-c.done:
	case c.failed <- err:
	default:
	}
}

// closing reports whether the path is.
func (c *carrier) closing() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// receive returns the IP packet in a frame of our session, ready for the device; nil if it
// must not pass, which is counted. The filter has looked at the addresses already.
func (c *carrier) receive(frame []byte) []byte {
	protocol, packet := c.packetIn(frame)
	switch {
	case packet == nil || family(packet) != protocol:
		c.drops[rxLength].Add(1)
		return nil
	case !c.gate.open(protocol):
		c.drops[rxClosed].Add(1)
		return nil
	}
	ClampMSS(packet, c.session.MTU)
	return packet
}

// packetIn returns what a frame of our session carries; nil if it is none, or not whole.
func (c *carrier) packetIn(frame []byte) (ppp.Protocol, []byte) {
	f, err := pppoe.ParseFrame(frame)
	if err != nil {
		return 0, nil
	}
	q, err := pppoe.ParsePacket(f.Payload)
	if err != nil || f.Src != c.session.AC || q.SessionID != c.session.ID || q.Code != pppoe.SessionData {
		return 0, nil
	}
	protocol, packet, err := ppp.ParseFrame(q.Payload)
	if err != nil {
		return 0, nil
	}
	return protocol, packet
}

// send completes a frame whose IP packet, of length octets, stands behind its [header]; it
// reports whether that may pass, and counts it if not.
func (c *carrier) send(frame []byte, length int) bool {
	packet := frame[header : header+length]
	protocol := family(packet)
	switch {
	case length > c.session.MTU:
		c.drops[txMTU].Add(1)
		return false
	case protocol == 0:
		c.drops[txLength].Add(1)
		return false
	case !c.gate.open(protocol):
		c.drops[txClosed].Add(1)
		return false
	}
	ClampMSS(packet, c.session.MTU)
	copy(frame, c.session.AC[:])
	copy(frame[6:], c.session.MAC[:])
	binary.BigEndian.PutUint16(frame[12:], pppoe.EtherTypeSession)
	frame[14], frame[15] = 0x11, byte(pppoe.SessionData)
	binary.BigEndian.PutUint16(frame[16:], c.session.ID)
	binary.BigEndian.PutUint16(frame[18:], uint16(length+2))
	binary.BigEndian.PutUint16(frame[20:], uint16(protocol))
	return true
}

// gone reports whether a device's error says that there is no device any more.
func gone(err error) bool {
	return errors.Is(err, syscall.EBADFD) || errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.ENODEV)
}
