package capture

import (
	"encoding/binary"
	"math"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// Session is a PPPoE session as its frames name it. The zero value is none.
type Session struct {
	AC pppoe.MAC
	ID uint16
}

// wrap puts a received IP packet behind the headers that it came with; nil if it is none.
func wrap(packet []byte, s Session, mac pppoe.MAC) []byte {
	protocol := ppp.IPv4
	switch {
	case len(packet) == 0:
		return nil
	case packet[0]>>4 == 6:
		protocol = ppp.IPv6
	case packet[0]>>4 != 4:
		return nil
	}
	f := pppoe.Frame{Dst: mac, Src: s.AC, EtherType: pppoe.EtherTypeSession}
	b := f.AppendTo(make([]byte, 0, headerLen+len(packet)))
	b = pppoe.Packet{Code: pppoe.SessionData, SessionID: s.ID}.AppendTo(b)
	b = ppp.AppendFrame(b, protocol, packet)
	setLength(b)
	return b
}

// setLength sets the PPPoE length (RFC 2516 section 4) of a frame without padding.
func setLength(frame []byte) {
	binary.BigEndian.PutUint16(frame[offLength:], uint16(min(len(frame)-offProtocol, math.MaxUint16)))
}

// sessionOf returns whose session a frame of ours is of; the zero value for discovery. ok
// is false if it is neither.
func sessionOf(frame []byte, mac pppoe.MAC) (s Session, ok bool) {
	f, err := pppoe.ParseFrame(frame)
	if err != nil || f.EtherType == pppoe.EtherTypeDiscovery {
		return Session{}, err == nil
	}
	if f.EtherType != pppoe.EtherTypeSession || len(frame) < headerLen {
		return Session{}, false
	}
	s = Session{f.Src, binary.BigEndian.Uint16(f.Payload[2:])}
	if f.Src == mac {
		s.AC = f.Dst
	}
	return s, true
}
