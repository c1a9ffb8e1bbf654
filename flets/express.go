package flets

import (
	"time"

	"pppoectl/concentrator"
	"pppoectl/pppoe"
)

// Forward is Receive, without an allocation, for a frame of data that only goes on to the
// network behind, on a line that has no fault for it. It returns the IP packet as
// [concentrator.AC.Forward] does; nil if nothing has been done, and the frame is Receive's.
func (l *Line) Forward(now time.Duration, f pppoe.Frame) []byte {
	if !l.plain(now) {
		return nil
	}
	for _, a := range l.acs {
		if a.off {
			continue
		}
		if packet := a.Forward(f); packet != nil {
			return packet
		}
	}
	return nil
}

// Deliver is Carry in the same manner: it completes the frame of an IP packet, which stands
// there behind [concentrator.HeadLen] octets. If it returns false nothing has been done, and
// the packet is Carry's.
func (l *Line) Deliver(now time.Duration, frame []byte) bool {
	if !l.plain(now) {
		return false
	}
	a := l.towards(frame[concentrator.HeadLen:])
	return a != nil && a.Deliver(frame)
}

// plain reports whether data passes as it is, and nothing else is to be done before.
func (l *Line) plain(now time.Duration) bool {
	d := l.deadline()
	return (d == 0 || now < d) && l.wire.plain(now)
}
