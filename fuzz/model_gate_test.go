package fuzz_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"pppoectl/concentrator"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// witness reads the wire, and knows from that alone how far the end of a session may be: an end is where it has
// sent and been sent the Acks that it takes.
type witness struct {
	acs      bool // the concentrator's end, not the host's
	sessions map[uint16]*seen
}

// seen is what has been seen of a session.
type seen struct {
	acks     map[ppp.Protocol]*[2]bool // sent, come
	loggedIn bool
}

// sees takes a frame of either when it leaves the end, or comes to it.
func (w *witness) sees(f pppoe.Frame) {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		return
	}
	if f.EtherType == pppoe.EtherTypeDiscovery {
		if p.Code == pppoe.PADS || p.Code == pppoe.PADT {
			delete(w.sessions, p.SessionID)
		}
		return
	}
	v := w.sessions[p.SessionID]
	if v == nil {
		v = &seen{acks: map[ppp.Protocol]*[2]bool{ppp.LCP: {}, ppp.IPCP: {}, ppp.IPv6CP: {}}}
		w.sessions[p.SessionID] = v
	}
	protocol, information, err := ppp.ParseFrame(p.Payload)
	if err != nil {
		return
	}
	c, err := ppp.ParsePacket(information)
	if err != nil {
		return
	}
	switch {
	case protocol == ppp.PAP || protocol == ppp.CHAP:
		success := map[ppp.Protocol]ppp.Code{ppp.PAP: 2, ppp.CHAP: 3}[protocol]
		if c.Code == success && f.Src == ac {
			v.loggedIn = w.may(p.SessionID, ppp.LCP)
		}
	case c.Code == ppp.ConfigureAck && v.acks[protocol] != nil && (protocol == ppp.LCP || v.loggedIn):
		come := map[bool]int{true: 1}[(f.Src == host) == w.acs]
		v.acks[protocol][come] = true
	}
}

// may reports whether a protocol can be open.
func (w *witness) may(id uint16, protocol ppp.Protocol) bool {
	v := w.sessions[id]
	return v != nil && *v.acks[protocol] == [2]bool{true, true}
}

// Nothing of IP passes before the login and the NCP, neither at the concentrator nor at the host, whose data path the
// supervisor opens by what [session.Info] says. It is tried before each step, on a good line and on bad ones.
func TestModelNoIPBeforeItsNCP(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1332))
		b := newBoth(t, []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5}[seed%2])
		loss := int(seed % 4 * 10)
		b.fate = func(int, pppoe.Frame) []time.Duration {
			if r.IntN(100) < loss {
				return nil
			}
			return []time.Duration{wireDelay + time.Duration(r.Int64N(int64(time.Millisecond)+1))*time.Duration(loss)}
		}
		w, passed := witness{sessions: map[uint16]*seen{}}, 0
		atAC := witness{acs: true, sessions: map[uint16]*seen{}}
		told := map[session.Family]bool{}
		looking := false
		look := func() {
			if looking { // what it does is no step of the session's
				return
			}
			looking = true
			defer func() { looking = false }()
			info := b.m.Info()
			for protocol, open := range map[ppp.Protocol]bool{ppp.IPCP: info.IPv4 != nil, ppp.IPv6CP: info.IPv6 != nil} {
				if open && !w.may(info.SessionID, protocol) {
					t.Fatalf("seed %d: the host's gate is open for %v; the wire has seen %+v", seed, protocol, w)
				}
			}
			if told[session.IPv4] != (info.IPv4 != nil) || told[session.IPv6] != (info.IPv6 != nil) {
				t.Fatalf("seed %d: told %v, but %+v", seed, told, info)
			}
			passed += b.tryIP(t, &atAC)
		}
		b.step = func(string) { look() }
		b.afterHost = func(in session.Input, out session.Output) {
			if in.Frame != nil {
				w.sees(*in.Frame)
			}
			for _, f := range out.Frames {
				w.sees(f)
			}
			for _, e := range out.Events {
				switch e.Kind {
				case session.NetworkUp:
					told[e.Family] = true
				case session.NetworkDown:
					told[e.Family] = false
				}
			}
			look()
		}
		b.afterAC = func(f *pppoe.Frame, out concentrator.Output) {
			if f != nil {
				atAC.sees(*f)
			}
			for _, f := range out.Frames {
				atAC.sees(f)
			}
			look()
		}
		for range 3 {
			b.command(session.Dial)
			b.run(time.Minute, nil)
			for _, s := range b.ac.Sessions() {
				b.put(s.Renegotiate(b.now)...)
			}
			b.run(10*time.Second, nil)
			for _, s := range b.ac.Sessions() {
				b.put(s.CloseNetwork(b.now, ppp.IPCP)...)
			}
			b.run(time.Minute, nil)
			b.command(session.Hangup)
			b.run(time.Minute, nil)
		}
		if passed == 0 {
			t.Fatalf("seed %d: nothing has passed, ever", seed)
		}
	}
}

// tryIP sends IP both ways through the concentrator, in the host's session and with the host's addresses, and returns
// how many packets went on.
func (b *both) tryIP(t *testing.T, w *witness) int {
	t.Helper()
	four, six := packet4(b.hostAddress, netip.MustParseAddr("198.51.100.1")), packet6(ipv6cp.Identifier{1, 2, 3, 4, 5, 6, 7, 8}.LinkLocal())
	passed := 0
	b.acStep(nil) // what is due now is not the packets' doing
	for id, s := range b.ac.Sessions() {
		for protocol, packet := range map[ppp.Protocol][]byte{ppp.IPv4: four, ppp.IPv6: six} {
			f := pppoe.Frame{Dst: ac, Src: host, EtherType: pppoe.EtherTypeSession}
			f.Payload = pppoe.Packet{SessionID: id, Payload: ppp.AppendFrame(nil, protocol, packet)}.AppendTo(nil)
			out := b.ac.Step(b.now, &f)
			if n := len(out.Packets) + len(out.Frames); n > 0 {
				control := map[ppp.Protocol]ppp.Protocol{ppp.IPv4: ppp.IPCP, ppp.IPv6: ppp.IPv6CP}[protocol]
				if !s.Opened(control) || !w.may(id, control) {
					t.Fatalf("%v went on, but %v is open: %v; the wire has seen %+v", protocol, control, s.Opened(control), w)
				}
				passed += n
			}
		}
	}
	if out := b.ac.Carry(b.now, packet4(netip.MustParseAddr("198.51.100.1"), b.hostAddress)); len(out.Frames) > 0 {
		p, err := pppoe.ParsePacket(out.Frames[0].Payload)
		if err != nil || !w.may(p.SessionID, ppp.IPCP) {
			t.Fatalf("IPv4 for the host went on; the wire has seen %+v", w)
		}
		passed++
	}
	return passed
}

func packet4(from, to netip.Addr) []byte {
	p := make([]byte, 28)
	p[0], p[8], p[9] = 0x45, 64, 253
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	copy(p[12:], from.AsSlice())
	copy(p[16:], to.AsSlice())
	return p
}

// packet6 is an echo request to all nodes, which the concentrator answers.
func packet6(from netip.Addr) []byte {
	p := make([]byte, 48)
	p[0], p[6], p[7] = 0x60, 58, 255
	binary.BigEndian.PutUint16(p[4:], 8)
	copy(p[8:], from.AsSlice())
	copy(p[24:], netip.MustParseAddr("ff02::1").AsSlice())
	p[40] = 128
	sum := uint32(8 + 58)
	for i := 8; i < 48; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	for sum>>16 > 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(p[42:], ^uint16(sum))
	return p
}
