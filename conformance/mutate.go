package conformance

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"pppoectl/pppoe"
)

// damaged returns a frame like those of the conversation, with something wrong:
// octets changed, cut, put in, or a length that lies. It is never a PADT or a
// Terminate-Request of the session, which would rightly end it, nor a
// Configure-Request or Protocol-Reject of LCP, which would rightly change it.
func (c *conversation) damaged(r *rand.Rand) pppoe.Frame {
	f := pppoe.Frame{Dst: c.them, Src: c.o.MAC, EtherType: pppoe.EtherTypeSession}
	model := []byte{0x11, 0, byte(c.session >> 8), byte(c.session), 0, 8, 0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0}
	if len(c.seen) > 0 && r.IntN(8) != 0 {
		model = c.seen[r.IntN(len(c.seen))]
	}
	b := slices.Clone(model)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(b))
		switch r.IntN(6) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] = byte(r.Uint32())
		case 2:
			b = b[:max(at, 1)]
		case 3:
			b = slices.Insert(b, at, byte(r.Uint32()), byte(r.Uint32()))
		case 4:
			b[at] = []byte{0, 1, 2, 3, 0x7f, 0x80, 0xff}[r.IntN(7)]
		case 5:
			if len(b) >= 6 {
				binary.BigEndian.PutUint16(b[4:], uint16(r.IntN(2000)))
			}
		}
	}
	if len(b) > 1 && (b[1] != 0 || r.IntN(8) == 0) {
		f.EtherType = pppoe.EtherTypeDiscovery
		if b[1] == byte(pppoe.PADT) {
			b[1] = byte(pppoe.PADO)
		}
	}
	if f.EtherType == pppoe.EtherTypeSession && len(b) > 8 && b[6] >= 0x80 && b[8] != 9 {
		b[8] |= 0x20 // a code that nobody knows
	}
	f.Payload = b[:min(len(b), 1500)]
	return f
}
