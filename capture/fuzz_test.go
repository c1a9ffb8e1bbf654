package capture

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"pppoectl/lab/captures"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// The password of FuzzCapture's frames.
const password = "hunter22"

// FuzzOffload completes super-packets of any content: what they carry goes over the
// wire, once, in pieces no larger than was asked for.
func FuzzOffload(f *testing.F) {
	for _, v6 := range []bool{false, true} {
		for kind, udp := range []bool{1: false, 5: true} {
			head := slices.Concat([]byte{1, byte(kind)}, make([]byte, 8))
			binary.NativeEndian.PutUint16(head[4:], 100)
			packet := ipPacket(f, v6, udp, make([]byte, 250))
			f.Add(append(head, wrap(packet, Session{acMAC, 7}, acMAC)...))
		}
	}
	f.Add(slices.Concat([]byte{1, 0, 0, 0, 0, 0, 20, 0, 6, 0}, make([]byte, 40)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < vnetLen {
			return
		}
		o, frame := parseOffload(b), slices.Clone(b[vnetLen:])
		was := slices.Clone(frame)
		list := o.finish(frame)
		s, cut := o.layout(was)
		if o.kind == 0 || !cut {
			if len(list) != 1 || len(list[0]) != len(was) {
				t.Fatalf("%x became %x", was, list)
			}
			return
		}
		var payload []byte
		for _, g := range list {
			if len(g) <= s.payload || len(g) > s.payload+o.size {
				t.Fatalf("a frame of %d octets, %d of them headers, for segments of %d", len(g), s.payload, o.size)
			}
			if _, err := pppoe.ParseFrame(g); err != nil {
				t.Fatalf("%x: %v", g, err)
			}
			payload = append(payload, g[s.payload:]...)
		}
		if !bytes.Equal(payload, was[s.payload:]) {
			t.Fatalf("%x was cut into %x", was, list)
		}
	})
}

// The language of FuzzCapture: an octet says what happens, and takes what it needs
// from the octets that follow.
const (
	opSeen    = iota // 1 octet: length n; n octets: a frame on the line
	opBare           // likewise: an IP packet that the device has received
	opControl        // 3 octets: session, whether it is ours that sends, protocol; 1 octet: length n; n octets: of a packet
	opLogin          // 1 octet: length of the password, as it is told; the host logs in
	opView           // 1 octet: the session from now on
	opWrite          // what is due is written
	opCount
)

// FuzzCapture shows a capture what goes over a line: a pcapng file comes of it that
// others can read, with frames of discovery and of our sessions, no others, and
// without our password.
func FuzzCapture(f *testing.F) {
	up := []byte{opView, 7, opControl, 7, 0, 0, 4, 1, 1, 0, 4, opLogin, 8, opControl, 8, 1, 0, 4, 1, 1, 0, 4, opWrite, opView, 8, opLogin, 99, opBare, 20, 0x45}
	f.Add(append(up, make([]byte, 19)...))
	for _, name := range []string{"pap.pcap", "discovery.pcap"} {
		b := []byte{opView, 1}
		for _, frame := range captures.Read(f, name) {
			if len(frame) < 256 && len(b) < 3000 {
				b = append(append(b, opSeen, byte(len(frame))), frame...)
			}
		}
		f.Add(b)
	}
	mac := pppoe.MAC{2, 0, 0, 0, 0, 1}
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Contains(data, []byte(password)) {
			return // where nobody logs in it stays
		}
		octet := func() byte {
			if len(data) == 0 {
				return 0
			}
			b := data[0]
			data = data[1:]
			return b
		}
		octets := func() []byte {
			n := min(int(octet()), len(data))
			b := data[:n]
			data = data[n:]
			return slices.Clone(b)
		}
		var out bytes.Buffer
		c := &Capture{options: Options{Uplink: "a", Data: true}, stripped: true, mac: mac, queue: queue{ours: map[Session]bool{{}: true}}}
		var err error
		if c.file, err = NewFile(&out, "eth1", "", ""); err != nil {
			t.Fatal(err)
		}
		ours := map[Session]bool{}
		begin := time.Now()
		seen := 0
		take := func(bare bool, b []byte) {
			seen++
			c.take(tapped{at: begin.Add(time.Duration(seen)), bare: bare, data: b})
		}
		session := func(id, from byte, protocol ppp.Protocol, information []byte) []byte {
			p := pppoe.Packet{SessionID: uint16(id), Payload: ppp.AppendFrame(nil, protocol, information)}
			g := pppoe.Frame{Dst: mac, Src: acMAC, EtherType: pppoe.EtherTypeSession, Payload: p.AppendTo(nil)}
			if from%2 == 1 {
				g.Dst, g.Src = g.Src, g.Dst
			}
			return g.AppendTo(nil)
		}
		for steps := 0; len(data) > 0 && steps < 200; steps++ {
			switch octet() % opCount {
			case opSeen:
				take(false, octets())
			case opBare:
				take(true, octets())
			case opControl:
				id, from, protocol := octet(), octet(), []ppp.Protocol{ppp.LCP, ppp.IPCP, ppp.IPv4, ppp.CHAP}[octet()%4]
				take(false, session(id, from, protocol, octets()))
			case opLogin: // and the concentrator rejects the protocol
				told := octet()
				request := ppp.Packet{Code: papRequest, ID: 1, Data: slices.Concat([]byte{4}, []byte("user"), []byte{told}, []byte(password))}
				rejected := ppp.Packet{Code: ppp.ProtocolReject, ID: 1, Data: ppp.AppendFrame(nil, ppp.PAP, request.AppendTo(nil))}
				take(false, session(byte(c.view.Session.ID), 1, ppp.PAP, request.AppendTo(nil)))
				take(false, session(byte(c.view.Session.ID), 0, ppp.LCP, rejected.AppendTo(nil)))
			case opView:
				c.view.Session = Session{acMAC, uint16(octet())}
				ours[c.view.Session] = true
				c.queue.tell(c.view.Session, true)
			case opWrite:
				if err := c.write(begin.Add(time.Minute), false); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := c.write(begin.Add(time.Minute), true); err != nil {
			t.Fatal(err)
		}
		frames := captures.ReadNg(t, &out)
		if uint64(len(frames)) != c.result.Frames || len(frames) > seen || c.queue.octets != 0 {
			t.Fatalf("%d frames of %d seen, %d told; %d octets wait", len(frames), seen, c.result.Frames, c.queue.octets)
		}
		for _, g := range frames {
			if s, ok := sessionOf(g.Data, mac); !ok || s != (Session{}) && !ours[s] {
				t.Fatalf("%x is not ours", g.Data)
			}
			if bytes.Contains(g.Data, []byte(password)) {
				t.Fatalf("the password stands in %q", g.Data)
			}
		}
	})
}
