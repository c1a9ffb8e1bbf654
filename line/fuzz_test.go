package line

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"pppoectl/lab/captures"
	"pppoectl/pppoe"
)

// FuzzDeliver gives a port with two sessions any frame for this station. It goes to
// the session whose AC and id it carries, or whose Host-Uniq, as a copy; and a PADT
// is due at most to the sender of a session's data that is nobody's here.
func FuzzDeliver(f *testing.F) {
	for _, name := range []string{"pap.pcap", "service-error.pcap"} {
		for _, frame := range captures.Read(f, name) {
			f.Add(frame[12:])
		}
	}
	f.Add([]byte{0x88, 0x63, 0x11, 7, 0, 0, 0, 8, 1, 3, 0, 4, 'd', 'i', 'a', 'l'})
	f.Fuzz(func(t *testing.T, rest []byte) {
		frame := append(append(host[:], ac[:]...), rest...)
		g, err := pppoe.ParseFrame(frame)
		if err != nil || g.EtherType != pppoe.EtherTypeDiscovery && g.EtherType != pppoe.EtherTypeSession {
			return // the port's sockets are for no others
		}
		p, up, dialling := two()
		up.SetAddress(Address{HostUniq: "up", AC: ac, Session: 1})
		dialling.SetAddress(Address{HostUniq: "dial"})
		p.deliver(g)
		was := bytes.Clone(g.Payload)
		clear(g.Payload) // the reader's buffer is used again
		taken := 0
		for h, session := range map[*Handle]uint16{up: 1, dialling: 0} {
			select {
			case got := <-h.Frames():
				taken++
				id := binary.BigEndian.Uint16(was[2:])
				byUniq := got.EtherType == pppoe.EtherTypeDiscovery && bytes.Contains(was, []byte(h.address.HostUniq))
				if !bytes.Equal(got.Payload, was) || !byUniq && (session == 0 || id != session) {
					t.Fatalf("%x goes to %+v", got.Payload, h.address)
				}
			default:
			}
		}
		if dropped := p.Dropped(); dropped != 0 && taken > 0 || dropped == 0 && taken == 0 || dropped > 1 {
			t.Fatalf("%x: %d have it, %d dropped", was, taken, dropped)
		}
		now := time.Now()
		s := strangers{wanted: func() bool { return true }, since: now.Add(-time.Hour)}
		g.Payload = was
		who, answered := s.answers(g, now)
		if answered && (g.EtherType != pppoe.EtherTypeSession || who.session == 0 || who.ac != ac || was[1] != byte(pppoe.SessionData)) {
			t.Fatalf("%x of nobody is answered", was)
		}
		if _, again := s.answers(g, now); again {
			t.Fatal("answered twice")
		}
	})
}
