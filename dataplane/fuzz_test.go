package dataplane

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"pppoectl/lab/captures"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// FuzzReceive gives the paths in user space what the filter of their socket may let
// through. What reaches the device is an IP packet of our session that is as long
// as it says, of a family that may pass; all else is counted, once.
func FuzzReceive(f *testing.F) {
	s := Session{MAC: pppoe.MAC{2, 0, 0, 0, 0, 1}, AC: pppoe.MAC{2, 0, 0x5e, 0x10, 0, 0x0a}, ID: 1, MTU: 1454}
	for _, name := range []string{"pap.pcap", "chap.pcap"} {
		for _, frame := range captures.Read(f, name) {
			if len(frame) > header && binary.BigEndian.Uint16(frame[20:]) < 0x8000 {
				f.Add(frame, true, true)
			}
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte, ipv4, ipv6 bool) {
		c := newCarrier(s)
		c.Pass(ipv4, ipv6)
		was := bytes.Clone(frame)
		packet := c.receive(frame)
		if dropped := c.Counters().RxDropped; (packet == nil) != (dropped == 1) || dropped > 1 {
			t.Fatalf("%x: %x, %d dropped", frame, packet, dropped)
		}
		if packet == nil {
			if !bytes.Equal(frame, was) {
				t.Fatalf("%x, which may not pass, became %x", was, frame)
			}
			return
		}
		protocol := ppp.Protocol(binary.BigEndian.Uint16(was[20:]))
		if protocol == ppp.IPv4 && !ipv4 || protocol == ppp.IPv6 && !ipv6 || protocol != ppp.IPv4 && protocol != ppp.IPv6 {
			t.Fatalf("%v passes; open are %v, %v", protocol, ipv4, ipv6)
		}
		if at := len(frame) - len(packet); at < header || binary.BigEndian.Uint16(was[16:]) != s.ID || pppoe.MAC(was[6:12]) != s.AC {
			t.Fatalf("%x passes", was)
		}
		again := slices.Concat(make([]byte, header), packet)
		if len(packet) > s.MTU {
			return
		}
		if !c.send(again, len(packet)) { // what comes in may go out
			t.Fatalf("%x may not be sent", packet)
		}
		g, err := pppoe.ParseFrame(again)
		if err != nil || g.Dst != s.AC || g.Src != s.MAC {
			t.Fatalf("%x: %v", again, err)
		}
		q, err := pppoe.ParsePacket(g.Payload)
		if p, information, e := ppp.ParseFrame(q.Payload); err != nil || e != nil || p != protocol || len(information) != len(packet) || q.SessionID != s.ID {
			t.Fatalf("%x: %v, %v", again, err, e)
		}
	})
}
