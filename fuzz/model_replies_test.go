package fuzz_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// mostReplies is how many packets of one protocol may follow from one packet: the answer, and our own request before or
// after it.
const mostReplies = 2

// babble makes frames that might be a peer's: what was said before, whole or not, packets of each protocol with likely fields,
// tags of each kind, or nothing that makes sense.
type babble struct {
	r    *rand.Rand
	said []pppoe.Frame
	from pppoe.MAC
	to   pppoe.MAC
}

func (b *babble) frame(id uint16, uniq []byte) pppoe.Frame {
	f := pppoe.Frame{Dst: b.to, Src: b.from, EtherType: pppoe.EtherTypeSession}
	switch b.r.IntN(6) {
	case 0, 1:
		if len(b.said) > 0 {
			f = b.said[b.r.IntN(len(b.said))]
			f.Payload = bytes.Clone(f.Payload)
			for range b.r.IntN(3) {
				if len(f.Payload) > 6 {
					f.Payload[6+b.r.IntN(len(f.Payload)-6)] ^= 1 << b.r.IntN(8)
				}
			}
			if len(f.Payload) >= 4 && f.EtherType == pppoe.EtherTypeSession {
				binary.BigEndian.PutUint16(f.Payload[2:], id)
			}
			return f
		}
		fallthrough
	case 2:
		codes := []pppoe.Code{pppoe.PADI, pppoe.PADO, pppoe.PADR, pppoe.PADS, pppoe.PADT, 0xd3}
		p := pppoe.Packet{Code: codes[b.r.IntN(len(codes))], SessionID: []uint16{0, 1, id, 0xffff}[b.r.IntN(4)]}
		if p.Code == pppoe.PADT && b.r.IntN(10) > 0 {
			p.SessionID++ // or no session lives long
		}
		tags := pppoe.Tags{{Type: pppoe.ServiceName}, {Type: pppoe.ACName, Value: []byte("BAS")}, {Type: pppoe.HostUniq, Value: uniq}}
		if b.r.IntN(3) == 0 {
			tags = append(tags, pppoe.Tag{Type: pppoe.TagType(b.r.Uint32()), Value: b.bytes()})
		}
		p.Payload = tags.AppendTo(nil)
		f.EtherType, f.Payload = pppoe.EtherTypeDiscovery, p.AppendTo(nil)
	case 3:
		f.Payload = b.bytes()
	default:
		c := ppp.Packet{Code: ppp.Code(b.r.IntN(15)), ID: uint8(b.r.IntN(6)), Data: b.bytes()}
		if b.r.IntN(2) == 0 {
			c.Data = nil
			for range b.r.IntN(4) {
				o := ppp.Option{Type: []uint8{1, 3, 5, 129, 131, 7}[b.r.IntN(6)], Data: b.bytes()}
				o.Data = o.Data[:min(len(o.Data), []int{2, 4, 6, 8}[b.r.IntN(4)])]
				c.Data = o.AppendTo(c.Data)
			}
		}
		payload := ppp.AppendFrame(nil, protocols[b.r.IntN(len(protocols))], c.AppendTo(nil))
		f.Payload = pppoe.Packet{SessionID: id, Payload: payload}.AppendTo(nil)
	}
	return f
}

func (b *babble) bytes() []byte {
	n := make([]byte, b.r.IntN(12))
	for i := range n {
		n[i] = byte(b.r.Uint32()) & [2]byte{0xff, 3}[b.r.IntN(2)]
	}
	return n
}

// replies counts frames by PPP protocol; 0 stands for discovery.
func replies(t *testing.T, frames []pppoe.Frame) map[ppp.Protocol]int {
	n := map[ppp.Protocol]int{}
	for _, f := range frames {
		p, err := pppoe.ParsePacket(f.Payload)
		if err != nil {
			t.Fatal(err)
		}
		var protocol ppp.Protocol
		if f.EtherType == pppoe.EtherTypeSession {
			protocol, _, _ = ppp.ParseFrame(p.Payload)
		}
		n[protocol]++
	}
	return n
}

// protocolOf returns what a frame speaks; 0 for discovery.
func protocolOf(f pppoe.Frame) ppp.Protocol {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || f.EtherType != pppoe.EtherTypeSession {
		return 0
	}
	protocol, _, _ := ppp.ParseFrame(p.Payload)
	return protocol
}

// bounded fails if more follows from a frame than may: two packets of its own protocol; one of the authentication's when LCP has
// opened, and a Configure-Request of each NCP when that is done; one packet of discovery, which may be a PADT; one Protocol-Reject, or LCP's
// request when PADS opens the session. held are the frames that were kept for it: they are answered now.
func bounded(t *testing.T, who string, f pppoe.Frame, frames []pppoe.Frame, held int, admitted bool) {
	t.Helper()
	of := protocolOf(f)
	for protocol, n := range replies(t, frames) {
		most := mostReplies
		switch {
		case of == protocol:
		case protocol == 0, protocol == ppp.LCP, protocol == ppp.PAP && of == ppp.LCP, protocol == ppp.CHAP && of == ppp.LCP:
			most = 1
		case (protocol == ppp.IPCP || protocol == ppp.IPv6CP) && admitted:
			most = 1
		case held == 0:
			most = 0
		}
		if n > most+mostReplies*held {
			t.Fatalf("%s: %x is answered by %d packets of %v, %d at most (%d held): %v", who, f.Payload, n, protocol, most, held, frames)
		}
	}
}

// Whatever comes, little follows: at the host and at the concentrator, in any phase that a session gets to.
func TestModelAFrameIsAnsweredByFew(t *testing.T) {
	frames, answered := 0, [2]int{}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 5))
		b := newBoth(t, [][]lcp.Auth{{lcp.AuthPAP}, {lcp.AuthCHAPMD5}, nil}[seed%3]...)
		toHost := &babble{r: r, from: ac, to: host}
		toAC := &babble{r: r, from: host, to: ac}
		b.fate = func(_ int, f pppoe.Frame) []time.Duration {
			if f.Src == host {
				toAC.said = append(toAC.said, f)
			} else {
				toHost.said = append(toHost.said, f)
			}
			if r.IntN(8) == 0 {
				return nil
			}
			return []time.Duration{wireDelay}
		}
		for range 1500 {
			switch r.IntN(12) {
			case 0:
				b.command(session.Dial)
			case 1:
				b.run([]time.Duration{3 * time.Second, time.Minute}[r.IntN(2)], nil)
			case 2, 3, 4, 5:
				b.run(time.Duration(r.Int64N(int64(40*time.Millisecond))), nil)
			default:
				b.do(session.Input{}) // what is due now is not the frame's doing
				b.acStep(nil)
				uniq, _, id := b.m.Address()
				f := toHost.frame(id, uniq)
				held := len(b.m.Snapshot().Session.Early)
				out := b.do(session.Input{Frame: &f})
				admitted := false
				for _, e := range out.Events {
					admitted = admitted || e.Kind == session.Authenticated
				}
				bounded(t, "host", f, out.Frames, held, admitted)
				answered[0] += min(len(out.Frames), 1)

				f = toAC.frame(id, uniq)
				given := b.ac.Step(b.now, &f)
				b.acNext = given.Deadline
				b.put(given.Frames...)
				for _, e := range given.Events {
					admitted = admitted || e.Kind == "login"
				}
				bounded(t, "concentrator", f, given.Frames, 0, admitted)
				for _, g := range given.Frames {
					if g.Dst != f.Src {
						t.Fatalf("a frame of %v is answered to %v", f.Src, g.Dst)
					}
				}
				answered[1] += min(len(given.Frames), 1)
				frames++
			}
		}
	}
	t.Logf("%d frames to each; %v answered", frames, answered)
	if answered[0] < frames/50 || answered[1] < frames/50 {
		t.Errorf("of %d frames to each end only %v were answered", frames, answered)
	}
}
