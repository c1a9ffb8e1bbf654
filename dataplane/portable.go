package dataplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/rawsocket"
	"pppoectl/tun"
)

// header is what stands before an IP packet on the line: Ethernet, PPPoE and the
// PPP protocol field.
const header = ethernetLen + pppoe.HeaderLen + 2

// maxPacket is the largest packet that is read from the device, in octets; more
// than any MTU that PPPoE can have. A larger one is cut, and so dropped.
const maxPacket = 2048

// maxFrame is the largest frame that is read from the line, in octets: a kernel
// whose GRO knows PPPoE merges many into one.
const maxFrame = 1 << 16

// ethernetLen is the length of an Ethernet header in octets.
const ethernetLen = 14

// Device is the TUN device as a path uses it: packets behind a virtio-net
// header, and Reads that can be ended for the path's end.
type Device interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	Interrupt() error // makes Reads end with os.ErrDeadlineExceeded
	Resume() error    // makes them wait again
}

// portable is the path that works everywhere: a packet socket, a packet at a
// time.
type portable struct {
	counters
	gate
	session Session
	device  Device
	conn    *packet.Conn
	failed  chan error
	done    chan struct{}
	wg      sync.WaitGroup
}

// receiveBuffer is how much a path's socket holds while we are busy, in octets.
const receiveBuffer = 4 << 20

// NewPortable returns the portable path of a session. It reads and writes the
// device until Close, but does not own it.
func NewPortable(s Session, device Device) (Path, error) {
	conn, err := rawsocket.Listen(s.Interface, pppoe.EtherTypeSession, dataFilter(s), receiveBuffer)
	if err != nil {
		return nil, err
	}
	if err := device.Resume(); err != nil {
		conn.Close()
		return nil, err
	}
	p := &portable{session: s, device: device, conn: conn, failed: make(chan error, 1), done: make(chan struct{})}
	p.wg.Add(2)
	go p.run(p.download)
	go p.run(p.upload)
	return p, nil
}

// dataFilter admits only IP of this session, from its AC to us, untagged.
func dataFilter(s Session) []bpf.Instruction {
	const reject = 16 // index of the last instruction
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		jumpUnless(0, 1, reject),
		bpf.LoadAbsolute{Off: 0, Size: 4}, // destination
		jumpUnless(binary.BigEndian.Uint32(s.MAC[:]), 3, reject),
		bpf.LoadAbsolute{Off: 4, Size: 4}, // its end, and the begin of the source
		jumpUnless(uint32(s.MAC[4])<<24|uint32(s.MAC[5])<<16|uint32(s.AC[0])<<8|uint32(s.AC[1]), 5, reject),
		bpf.LoadAbsolute{Off: 8, Size: 4},
		jumpUnless(binary.BigEndian.Uint32(s.AC[2:]), 7, reject),
		bpf.LoadAbsolute{Off: 14, Size: 4}, // version, type, code, session
		jumpUnless(0x1100<<16|uint32(s.ID), 9, reject),
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: packetOutgoing, SkipTrue: reject - 12},
		bpf.LoadAbsolute{Off: 20, Size: 2}, // PPP protocol
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(ppp.IPv4), SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(ppp.IPv6), SkipFalse: 1},
		bpf.RetConstant{Val: maxFrame},
		bpf.RetConstant{Val: 0},
	}
	return program
}

// packetOutgoing is Linux's PACKET_OUTGOING: our own frames.
const packetOutgoing = 4

// jumpUnless, as instruction number at, goes to reject unless the value is val.
func jumpUnless(val uint32, at, reject int) bpf.JumpIf {
	return bpf.JumpIf{Cond: bpf.JumpEqual, Val: val, SkipFalse: uint8(reject - at - 1)}
}

func (p *portable) Kind() string         { return "portable" }
func (p *portable) Counters() Counters   { return p.load() }
func (p *portable) Failed() <-chan error { return p.failed }

func (p *portable) Pass(ipv4, ipv6 bool) {
	p.ipv4.Store(ipv4)
	p.ipv6.Store(ipv6)
}

func (p *portable) Close() error {
	close(p.done)
	err := p.conn.Close()
	p.device.Interrupt()
	p.wg.Wait()
	return err
}

// run runs one direction until the path is closed or cannot go on.
func (p *portable) run(direction func() error) {
	defer p.wg.Done()
	err := direction()
	select {
	case <-p.done:
	case p.failed <- err:
	default:
	}
}

// maxFailures is how many reads or writes in a row may fail.
const maxFailures = 16

// download carries packets from the line to the device.
func (p *portable) download() error {
	// Pages that no frame ever reaches cost nothing.
	buf, err := unix.Mmap(-1, 0, tun.HeaderLen+maxFrame, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("a buffer: %w", err)
	}
	defer unix.Munmap(buf)
	for failures := 0; ; {
		n, _, err := p.conn.ReadFrom(buf[tun.HeaderLen:])
		if err != nil { // the interface went down: one error, then it works again
			select {
			case <-p.done:
				return nil
			default:
			}
			if failures++; failures > maxFailures {
				return fmt.Errorf("line: %w", err)
			}
			continue
		}
		failures = 0
		// The packet is moved to where the device's header can stand before it.
		packet := p.receive(buf[tun.HeaderLen : tun.HeaderLen+n])
		if packet == nil {
			p.rxDropped.Add(1)
			continue
		}
		begin := header // packet begins at buf[HeaderLen+header]
		clear(buf[begin : begin+tun.HeaderLen])
		if _, err := p.device.Write(buf[begin : begin+tun.HeaderLen+len(packet)]); err != nil {
			if gone(err) {
				return fmt.Errorf("TUN device: %w", err)
			}
			p.rxDropped.Add(1) // full, or set down
			continue
		}
		p.rxPackets.Add(1)
		p.rxBytes.Add(uint64(len(packet)))
	}
}

// receive returns the IP packet in a frame of our session, ready for the device;
// nil if it must not pass. The filter has looked at the addresses already.
func (p *portable) receive(frame []byte) []byte {
	f, err := pppoe.ParseFrame(frame)
	if err != nil {
		return nil
	}
	q, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		return nil
	}
	protocol, packet, err := ppp.ParseFrame(q.Payload)
	if err != nil || f.Src != p.session.AC || q.SessionID != p.session.ID || q.Code != pppoe.SessionData ||
		!p.gate.open(protocol) || family(packet) != protocol {
		return nil
	}
	ClampMSS(packet, p.session.MTU)
	return packet
}

// upload carries packets from the device to the line.
func (p *portable) upload() error {
	buf := make([]byte, header+maxPacket)
	copy(buf, p.session.AC[:])
	copy(buf[6:], p.session.MAC[:])
	binary.BigEndian.PutUint16(buf[12:], pppoe.EtherTypeSession)
	begin := header - tun.HeaderLen // the device's header overwrites all but Ethernet's first part
	var ethernet [ethernetLen]byte
	copy(ethernet[:], buf)
	to := &packet.Addr{HardwareAddr: p.session.AC[:]}
	for {
		n, err := p.device.Read(buf[begin:])
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed) {
				return nil
			}
			return fmt.Errorf("TUN device: %w", err)
		}
		if n < tun.HeaderLen {
			continue
		}
		packet := buf[header : begin+n]
		protocol := family(packet)
		if len(packet) > p.session.MTU || !p.gate.open(protocol) {
			p.txDropped.Add(1)
			continue
		}
		ClampMSS(packet, p.session.MTU)
		copy(buf, ethernet[:])
		buf[14], buf[15] = 0x11, byte(pppoe.SessionData)
		binary.BigEndian.PutUint16(buf[16:], p.session.ID)
		binary.BigEndian.PutUint16(buf[18:], uint16(len(packet)+2))
		binary.BigEndian.PutUint16(buf[20:], uint16(protocol))
		if _, err := p.conn.WriteTo(buf[:header+len(packet)], to); err != nil {
			p.txDropped.Add(1) // no carrier, or the line's queue is full
			continue
		}
		p.txPackets.Add(1)
		p.txBytes.Add(uint64(len(packet)))
	}
}

// gone reports whether a device's error says that there is no device any more.
func gone(err error) bool {
	return errors.Is(err, syscall.EBADFD) || errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.ENODEV)
}
