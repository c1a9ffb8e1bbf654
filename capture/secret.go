package capture

import (
	"bytes"
	"encoding/binary"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// papRequest is PAP's Authenticate-Request (RFC 1334 section 2.2.1).
const papRequest ppp.Code = 1

// WithoutSecrets returns an Ethernet frame with 'x' for the password that may be in
// it; frame stays as it is.
func WithoutSecrets(frame []byte) []byte {
	if f, err := pppoe.ParseFrame(frame); err == nil && f.EtherType == pppoe.EtherTypeSession {
		frame = bytes.Clone(frame)
		hideSecrets(frame)
	}
	return frame
}

// hideSecrets overwrites the password in a session frame with 'x'.
func hideSecrets(frame []byte) {
	if len(frame) >= headerLen {
		hide(ppp.Protocol(binary.BigEndian.Uint16(frame[offProtocol:])), frame[headerLen:])
	}
}

// hide overwrites the password in a packet of a PPP protocol, and all that is behind it, for
// lengths may lie.
func hide(protocol ppp.Protocol, packet []byte) {
	const header = 4 // code, identifier, length: RFC 1661 section 5
	if len(packet) < header {
		return
	}
	data := packet[header:]
	switch code := ppp.Code(packet[0]); {
	case protocol == ppp.PAP && code == papRequest && len(data) > 0:
		// Peer-ID-Length, Peer-ID, Passwd-Length, Password
		if n := 1 + int(data[0]); n < len(data) {
			data = data[n:]
		}
		for i := 1; i < len(data); i++ {
			data[i] = 'x'
		}
	case protocol == ppp.LCP && code == ppp.ProtocolReject && len(data) >= 2:
		hide(ppp.Protocol(binary.BigEndian.Uint16(data)), data[2:]) // it comes back (section 5.7)
	}
}
