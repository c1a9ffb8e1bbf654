package simulator

import (
	"errors"
	"fmt"
	"os"

	"pppoectl/concentrator"
	"pppoectl/pppoe"
	"pppoectl/rawsocket"
)

// What is at the edges: many frames of the line in one system call, and many packets of the
// device. Those that need no more than to be passed on are gathered; any other goes through
// the line by itself, after those that were before it.

// batch is how many frames are read from the line at a time.
const batch = 128

// upload carries session frames of the hosts until the socket is closed.
func (s *Simulator) upload() error {
	// As large as the largest packet, for the device joins many in the first one's buffer.
	frames, err := rawsocket.NewBuffers(batch, concentrator.HeadLen+maxPacket)
	if err != nil {
		return err
	}
	defer frames.Close()
	messages := rawsocket.NewMessages(frames.List)
	packets := make([][]byte, 0, batch)
	return s.read(func() error {
		n, err := messages.Receive(s.raw)
		if err != nil {
			return err
		}
		packets = packets[:0]
		s.mu.Lock()
		now := s.now()
		for i := range n {
			frame := frames.List[i][:messages.Len(i)]
			f, err := pppoe.ParseFrame(frame)
			if err != nil {
				continue
			}
			if p := s.line.Forward(now, f); p != nil {
				packets = append(packets, frame[:concentrator.HeadLen+len(p)])
				continue
			}
			s.toBehind.Lock()
			s.write(packets)
			s.toBehind.Unlock()
			packets = packets[:0]
			s.send(s.line.Receive(now, f))
		}
		s.toBehind.Lock() // before mu is free, so that nobody comes in between
		s.mu.Unlock()
		s.write(packets)
		s.toBehind.Unlock()
		return nil
	})
}

// write writes packets, which stand behind [concentrator.HeadLen] octets. What the device does
// not take is lost, as on any line.
func (s *Simulator) write(packets [][]byte) {
	if len(packets) > 0 {
		s.behind.device.Write(packets, concentrator.HeadLen)
	}
}

// download carries packets from the network behind until its device is closed.
func (s *Simulator) download() error {
	device := s.behind.device
	frames, err := rawsocket.NewBuffers(device.Size(), concentrator.HeadLen+maxPacket)
	if err != nil {
		return err
	}
	defer frames.Close()
	messages := rawsocket.NewMessages(frames.List)
	sizes := make([]int, len(frames.List))
	for failures := 0; ; {
		n, err := device.Read(frames.List, sizes, concentrator.HeadLen)
		if err != nil {
			if s.closing() {
				return nil
			}
			if failures++; errors.Is(err, os.ErrClosed) || failures > maxFailures {
				return fmt.Errorf("TUN device: %w", err)
			}
			continue // a packet that makes no sense
		}
		failures = 0
		count := 0
		s.mu.Lock()
		now := s.now()
		for i := range n {
			frame := frames.List[i][:concentrator.HeadLen+sizes[i]]
			if s.line.Deliver(now, frame) {
				messages.Set(count, frame)
				count++
				continue
			}
			s.toLine.Lock()
			s.transmit(messages, count)
			s.toLine.Unlock()
			count = 0
			s.send(s.line.Carry(now, frame[concentrator.HeadLen:]))
		}
		s.toLine.Lock() // as in upload
		s.mu.Unlock()
		s.transmit(messages, count)
		s.toLine.Unlock()
	}
}

// transmit sends the first count messages. What the line does not take is lost.
func (s *Simulator) transmit(messages *rawsocket.Messages, count int) {
	if count > 0 {
		messages.Send(s.raw, count)
	}
}
