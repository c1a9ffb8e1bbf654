package dataplane

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/mdlayher/packet"

	"pppoectl/pppoe"
	"pppoectl/rawsocket"
	"pppoectl/tun"
)

// offloaded is the fastest path in user space: super-packets between us and the kernel,
// and many frames in one system call between us and the line.
type offloaded struct {
	carrier
	batch *tun.Batch
	conn  *packet.Conn
	raw   syscall.RawConn
}

// NewOffloaded returns the path with offloads of a session; it needs a kernel whose TUN
// devices have them. It has the device until Close, but does not own it.
func NewOffloaded(s Session, device Device) (Path, error) {
	conn, err := rawsocket.Listen(s.Interface, pppoe.EtherTypeSession, dataFilter(s), receiveBuffer)
	if err != nil {
		return nil, err
	}
	p := &offloaded{carrier: newCarrier(s), conn: conn}
	if p.raw, err = conn.SyscallConn(); err == nil {
		p.batch, err = device.Batch()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	p.start(p.download, p.upload)
	return p, nil
}

func (p *offloaded) Kind() string { return string(Offload) }

func (p *offloaded) Leave() error { return p.Close() }

func (p *offloaded) Close() error {
	close(p.done)
	err := errors.Join(p.conn.Close(), p.batch.Close())
	p.wg.Wait()
	return err
}

// download carries packets from the line to the device.
func (p *offloaded) download() error {
	// As large as the largest packet, for the device joins many in the first one's buffer.
	frames, err := rawsocket.NewBuffers(p.batch.Size(), tun.HeaderLen+maxFrame)
	if err != nil {
		return err
	}
	defer frames.Close()
	m := rawsocket.NewMessages(frames.List)
	packets := make([][]byte, 0, len(frames.List))
	for failures := 0; ; {
		n, err := m.Receive(p.raw)
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
		packets = packets[:0]
		var octets uint64
		for i := range n {
			b := frames.List[i]
			packet := p.receive(b[:m.Len(i)])
			if packet == nil {
				continue
			}
			packets = append(packets, b[:header+len(packet)])
			octets += uint64(len(packet))
		}
		if len(packets) == 0 {
			continue
		}
		count := uint64(len(packets))
		if err := p.batch.Write(packets, header); err != nil {
			if gone(err) {
				return fmt.Errorf("TUN device: %w", err)
			}
			p.drops[rxDevice].Add(count) // full, or set down
			continue
		}
		p.rxPackets.Add(count)
		p.rxBytes.Add(octets)
	}
}

// upload carries packets from the device to the line.
func (p *offloaded) upload() error {
	frames, err := rawsocket.NewBuffers(p.batch.Size(), header+maxPacket)
	if err != nil {
		return err
	}
	defer frames.Close()
	m := rawsocket.NewMessages(frames.List)
	sizes := make([]int, len(frames.List))
	for failures := 0; ; {
		n, err := p.batch.Read(frames.List, sizes, header)
		if err != nil {
			if errors.Is(err, os.ErrClosed) && p.closing() {
				return nil
			}
			if failures++; gone(err) || failures > maxFailures {
				return fmt.Errorf("TUN device: %w", err)
			}
			p.drops[txLength].Add(1) // a packet that makes no sense
			continue
		}
		failures = 0
		count := 0
		var octets uint64
		for i := range n {
			if !p.send(frames.List[i], sizes[i]) {
				continue
			}
			m.Set(count, frames.List[i][:header+sizes[i]])
			count++
			octets += uint64(sizes[i])
		}
		lost, err := m.Send(p.raw, count)
		if err != nil {
			if p.closing() {
				return nil
			}
			lost = count
		}
		p.drops[txLine].Add(uint64(lost))
		p.txPackets.Add(uint64(count - lost))
		p.txBytes.Add(octets) // those of lost ones are a few
	}
}
