package concentrator

import (
	"time"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// The express: most frames are data that change nothing but counters. They need not go
// through Step and Carry, which gather all that may follow from an input, and cost no
// allocation.

// HeadLen is the length in octets of what stands before an IP packet on the line: Ethernet's
// header, PPPoE's (RFC 2516 section 4) and the PPP protocol field.
const HeadLen = 14 + pppoe.HeaderLen + 2

// Forward returns the IP packet of a frame that does no more than to go on to the network
// behind; it stands in the frame's memory, [HeadLen] octets from its begin. For any other
// frame it returns nil and has done nothing: that one is Step's.
func (a *AC) Forward(f pppoe.Frame) []byte {
	if f.EtherType != pppoe.EtherTypeSession || f.Dst != a.cfg.MAC {
		return nil
	}
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || p.Code != pppoe.SessionData {
		return nil
	}
	s := a.sessions[p.SessionID]
	if s == nil || s.Host != f.Src {
		return nil
	}
	protocol, packet, err := ppp.ParseFrame(p.Payload)
	if err != nil || !s.forward(protocol, packet) {
		return nil
	}
	return packet
}

// Deliver completes the frame of an IP packet for a host: frame has [HeadLen] octets for the
// rest before the packet. If it returns false it has done nothing, and the packet is Carry's.
func (a *AC) Deliver(frame []byte) bool {
	packet := frame[HeadLen:]
	_, destination, ok := addresses(packet)
	if !ok {
		return false
	}
	s := a.routes.lookup(destination)
	if s == nil || s.mute {
		return false
	}
	protocol, ok := s.deliver(packet)
	if !ok {
		return false
	}
	head := pppoe.Frame{Dst: s.Host, Src: a.cfg.MAC, EtherType: pppoe.EtherTypeSession}.AppendTo(frame[:0])
	head = pppoe.AppendHeader(head, pppoe.SessionData, s.ID, 2+len(packet))
	ppp.AppendFrame(head, protocol, nil)
	return true
}

// Deadline returns when to call Step next; zero means never. Until then the express may be
// taken: a route whose lease is over, say, is none.
func (a *AC) Deadline() time.Duration { return a.timers.first() }
