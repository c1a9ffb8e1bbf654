package fuzz_test

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pppoectl/flets"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// FuzzLine feeds a Flets line with what a host may send. First our client logs in,
// so that there is a session with all that can be in one; then come frames: an
// octet that says what is kept of a good one, a length, and that many octets.
func FuzzLine(f *testing.F) {
	f.Add([]byte{0, 4, 0x11, 9, 0, 0})
	f.Add([]byte{1, 6, 0xc0, 0x21, 9, 1, 0, 4})
	f.Add([]byte{2, 40, 0x60, 0, 0, 0, 0, 8, 17, 64})
	f.Add(append([]byte{3, 44, 1, 2, 3, 4, 0, 1, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 1}, make([]byte, 40)...))
	f.Add([]byte{4, 10, 0, 10, 0, 20})
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := flets.Parse([]byte(flets.Example))
		if err != nil {
			t.Fatal(err)
		}
		now := time.Hour
		l := flets.New(cfg, ac, now, rand.New(rand.NewPCG(1, 2)))
		id, local := dialIn(t, l, now)
		padrs := 0
		for len(data) >= 2 {
			kind, n := data[0], min(int(data[1]), len(data)-2)
			body := data[2 : 2+n]
			data = data[2+n:]
			fr := pppoe.Frame{Dst: ac, Src: host, EtherType: pppoe.EtherTypeSession}
			switch kind % 6 {
			case 0: // anything in an Ethernet frame
				fr.EtherType = pppoe.EtherTypeDiscovery
				fr.Payload = body
			case 1: // a control packet of the session
				fr.Payload = pppoe.Packet{SessionID: id, Payload: body}.AppendTo(nil)
			case 2: // an IPv6 packet of the session
				fr.Payload = pppoe.Packet{SessionID: id, Payload: ppp.AppendFrame(nil, ppp.IPv6, body)}.AppendTo(nil)
			case 3: // a DHCPv6 message of the session
				fr.Payload = pppoe.Packet{SessionID: id, Payload: ppp.AppendFrame(nil, ppp.IPv6, datagram(local, body))}.AppendTo(nil)
			case 4: // time
				now += time.Duration(binary.BigEndian.Uint16(append(body, 0, 0))) * time.Millisecond
				l.Tick(now)
				continue
			case 5: // tags
				fr.EtherType = pppoe.EtherTypeDiscovery
				fr.Payload = pppoe.Packet{Code: pppoe.PADR, Payload: body}.AppendTo(nil)
			}
			if p, err := pppoe.ParsePacket(fr.Payload); err == nil && p.Code == pppoe.PADR {
				padrs++
			}
			out := l.Receive(now, fr)
			for _, a := range out.Frames {
				if a.Dst != host && a.Dst != pppoe.Broadcast || a.Src != ac || len(a.Payload) > 1500 {
					t.Fatalf("%v to %v: %d octets", a.Src, a.Dst, len(a.Payload))
				}
			}
			if len(out.Frames) > 8 {
				t.Fatalf("%d frames for one", len(out.Frames))
			}
		}
		if s := l.Status(now); len(s.Sessions) > 1+padrs {
			t.Errorf("%d sessions from %d PADRs", len(s.Sessions), padrs)
		}
	})
}

// dialIn has our client log in for IPv6, and returns session id and link-local
// address.
func dialIn(t *testing.T, l *flets.Line, now time.Duration) (uint16, [16]byte) {
	t.Helper()
	m := session.New(session.Config{
		MAC: host, MTU: 1454, Username: "user@bizf6.example.jp", Password: "secret6", Auth: []lcp.Auth{lcp.AuthPAP},
		Families: []session.Family{session.IPv6}, InterfaceID: ipv6cp.Identifier{2, 0, 0, 0, 0, 0, 0, 1}, DeadAfter: time.Minute, Failures: 5,
	}, rand.New(rand.NewPCG(3, 4)))
	for queue := m.Step(now, session.Input{Command: session.Dial}).Frames; len(queue) > 0; queue = queue[1:] {
		for _, f := range l.Receive(now, queue[0]).Frames {
			queue = append(queue, m.Step(now, session.Input{Frame: &f}).Frames...)
		}
	}
	info := m.Info()
	if m.Phase() != session.Up || info.IPv6 == nil {
		t.Fatalf("phase %q", m.Phase())
	}
	return info.SessionID, info.IPv6.Local.As16()
}

// datagram wraps a DHCPv6 message as a client does; nobody looks at its checksum.
func datagram(from [16]byte, message []byte) []byte {
	b := make([]byte, 48, 48+len(message))
	b[0], b[6], b[7] = 0x60, 17, 64
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(message)))
	copy(b[8:], from[:])
	copy(b[24:], []byte{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2})
	binary.BigEndian.PutUint16(b[40:], 546)
	binary.BigEndian.PutUint16(b[42:], 547)
	binary.BigEndian.PutUint16(b[44:], uint16(8+len(message)))
	return append(b, message...)
}

// FuzzLineConfig reads what people may write for fletsim: no panic, and an error is
// one line.
func FuzzLineConfig(f *testing.F) {
	f.Add(flets.Example)
	f.Add("acs: [{echo: {interval: 10}}]")
	f.Add("scenario: [{at: 1s, do: lose 10%}]")
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := flets.Parse([]byte(text))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
			return
		}
		l := flets.New(cfg, ac, 0, rand.New(rand.NewPCG(1, 2)))
		l.Tick(time.Minute)
		if c, err := flets.ParseCommand(text); err == nil {
			l.Do(time.Minute, c)
		}
	})
}
