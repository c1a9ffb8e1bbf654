package dataplane

import (
	"errors"
	"fmt"
	"os"

	"github.com/mdlayher/packet"

	"pppoectl/pppoe"
	"pppoectl/rawsocket"
	"pppoectl/tun"
)

// maxPacket is the largest packet that is read from the device, in octets; more
// than any MTU that PPPoE can have. A larger one is cut, and so dropped.
const maxPacket = 2048

// maxFrame is the largest frame that is read from the line, in octets: a kernel
// whose GRO knows PPPoE merges many into one.
const maxFrame = 1 << 16

// portable is the path that works everywhere: a packet socket, a packet at a
// time.
type portable struct {
	carrier
	device Device
	conn   *packet.Conn
}

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
	p := &portable{carrier: newCarrier(s), device: device, conn: conn}
	p.start(p.download, p.upload)
	return p, nil
}

func (p *portable) Kind() string { return string(Portable) }

func (p *portable) Leave() error { return p.Close() }

func (p *portable) Close() error {
	close(p.done)
	err := p.conn.Close()
	p.device.Interrupt()
	p.wg.Wait()
	return err
}

// download carries packets from the line to the device.
func (p *portable) download() error {
	// Pages that no frame ever reaches cost nothing.
	buffers, err := rawsocket.NewBuffers(1, tun.HeaderLen+maxFrame)
	if err != nil {
		return err
	}
	defer buffers.Close()
	buf := buffers.List[0]
	for failures := 0; ; {
		n, _, err := p.conn.ReadFrom(buf[tun.HeaderLen:])
		if err != nil { // the interface went down: one error, then it works again
			if p.closing() {
				return nil
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
			continue
		}
		begin := header // packet begins at buf[HeaderLen+header]
		clear(buf[begin : begin+tun.HeaderLen])
		if _, err := p.device.Write(buf[begin : begin+tun.HeaderLen+len(packet)]); err != nil {
			if gone(err) {
				return fmt.Errorf("TUN device: %w", err)
			}
			p.drops[rxDevice].Add(1) // full, or set down
			continue
		}
		p.rxPackets.Add(1)
		p.rxBytes.Add(uint64(len(packet)))
	}
}

// upload carries packets from the device to the line.
func (p *portable) upload() error {
	buf := make([]byte, header+maxPacket)
	begin := header - tun.HeaderLen
	to := &packet.Addr{HardwareAddr: p.session.AC[:]}
	for {
		n, err := p.device.Read(buf[begin:])
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed) {
				return nil
			}
			return fmt.Errorf("TUN device: %w", err)
		}
		n -= tun.HeaderLen
		// A checksum that is still to be made is of a moment when another path had the device.
		if n < 0 || buf[begin] != 0 {
			p.drops[txLength].Add(1)
			continue
		}
		if !p.send(buf, n) {
			continue
		}
		if _, err := p.conn.WriteTo(buf[:header+n], to); err != nil {
			p.drops[txLine].Add(1) // no carrier, or the line's queue is full
			continue
		}
		p.txPackets.Add(1)
		p.txBytes.Add(uint64(n))
	}
}
