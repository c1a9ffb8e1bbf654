package fuzz_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pppoectl/fuzz"
	"pppoectl/pppoe"
)

// The language of FuzzDiscovery: an octet says what happens, and takes what it
// needs from the octets that follow.
const (
	opdStart = iota
	opdStop
	opdForget
	opdCease
	opdWant   // 1 octet: which AC is looked for
	opdTime   // 1 octet: how long
	opdAnswer // 2 octets: code and AC; 1 octet: session id; 1 octet: length n; n octets: tags behind the good ones
	opdSay    // 2 octets: code and AC; 1 octet: length n; n octets: payload
	opdReload // the twin goes on from a snapshot
	opdCount
)

var wants = []pppoe.Want{{}, {MaxPayload: 1500}, {ServiceName: "flets"}, {ACName: "BAS"}, {AC: ac}}

// seeker plays a sequence to two discoveries, of which one is taken out of a
// snapshot now and then.
type seeker struct {
	t       *testing.T
	d, twin *pppoe.Discovery
	r       *rand.Rand // of the twin
	want    pppoe.Want
	now     time.Duration
	data    []byte
	offered map[pppoe.MAC]bool // ACs whose PADO carried our Host-Uniq
	heard   int
	strays  int // PADTs since the last start
}

func newSeeker(t *testing.T, data []byte) *seeker {
	s := &seeker{t: t, r: rand.New(rand.NewPCG(1, 2)), now: time.Hour, data: data, offered: map[pppoe.MAC]bool{}}
	s.d = pppoe.NewDiscovery(host, s.want, rand.New(rand.NewPCG(1, 2)))
	s.twin = pppoe.NewDiscovery(host, s.want, s.r)
	return s
}

func (s *seeker) octet() byte {
	b := s.octets(1)
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (s *seeker) octets(n int) []byte {
	n = min(n, len(s.data))
	b := s.data[:n]
	s.data = s.data[n:]
	return slices.Clone(b)
}

// do does the same to both and checks what must always hold.
func (s *seeker) do(f func(d *pppoe.Discovery) pppoe.DiscoveryOutput) {
	out, same := f(s.d), f(s.twin)
	if !slices.EqualFunc(out.Frames, same.Frames, equalFrames) || (out.Refused == nil) != (same.Refused == nil) || (out.Dropped == nil) != (same.Dropped == nil) {
		s.t.Fatalf("%+v, and the twin %+v", out, same)
	}
	if a, b := snapshot(s.t, s.d.Snapshot()), snapshot(s.t, s.twin.Snapshot()); a != b {
		s.t.Fatalf("%s\nand the twin\n%s", a, b)
	}
	d := s.d.Deadline()
	if d != 0 && (d <= s.now || d > s.now+75*time.Second) {
		s.t.Fatalf("deadline %v at %v", d, s.now)
	}
	if len(out.Frames) > 1 || len(out.Frames) > 0 && out.Refused != nil {
		s.t.Fatalf("%+v", out)
	}
	for _, f := range out.Frames {
		s.frame(f)
	}
	offer, id := s.d.Peer()
	if stage := s.d.Stage(); stage == pppoe.Idle && (d != 0 || s.d.HostUniq() != nil || id != 0) || stage == pppoe.Soliciting && (id != 0 || offer.AC != pppoe.MAC{}) {
		s.t.Fatalf("stage %v, deadline %v, AC %v, session %d", stage, d, offer.AC, id)
	}
}

func equalFrames(a, b pppoe.Frame) bool { return bytes.Equal(a.AppendTo(nil), b.AppendTo(nil)) }

// snapshot is v as it stands on disk, where octets that are no UTF-8 come back as
// U+FFFD, which is written in another way than they are.
func snapshot(t testing.TB, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), `\ufffd`, "\ufffd")
}

// frame checks one of ours.
func (s *seeker) frame(f pppoe.Frame) {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || f.Src != host || f.EtherType != pppoe.EtherTypeDiscovery || len(f.Payload) > 1500 {
		s.t.Fatalf("%+v: %v", f, err)
	}
	sent, err := pppoe.ParseTags(p.Payload)
	if err != nil {
		s.t.Fatal(err)
	}
	v := s.d.Snapshot()
	uniq, _ := sent.Get(pppoe.HostUniq)
	switch p.Code {
	case pppoe.PADI:
		if f.Dst != pppoe.Broadcast || p.SessionID != 0 || !bytes.Equal(uniq, v.HostUniq) {
			s.t.Fatalf("PADI %+v", f)
		}
	case pppoe.PADR:
		if !s.offered[f.Dst] || f.Dst != v.Offer.AC || p.SessionID != 0 || !bytes.Equal(uniq, v.HostUniq) {
			s.t.Fatalf("PADR to %v", f.Dst)
		}
		echoed(s.t, sent, pppoe.ACCookie, v.Offer.Cookie)
		echoed(s.t, sent, pppoe.RelaySessionID, v.Offer.Relay)
	case pppoe.PADT:
		if !s.offered[f.Dst] || p.SessionID == 0 || p.SessionID == v.Session {
			s.t.Fatalf("PADT of session %d to %v, ours is %d", p.SessionID, f.Dst, v.Session)
		}
		if s.strays++; s.strays > 4 { // as many as a PADR is repeated
			s.t.Fatalf("%d PADTs", s.strays)
		}
	default:
		s.t.Fatalf("%v of ours", p.Code)
	}
}

// echoed checks that a tag goes back as it came (RFC 2516 appendix A).
func echoed(t *testing.T, sent pppoe.Tags, kind pppoe.TagType, offered *[]byte) {
	if value, ok := sent.Get(kind); ok != (offered != nil) || ok && !bytes.Equal(value, *offered) {
		t.Fatalf("%v goes back as %x", kind, value)
	}
}

var (
	stages = []pppoe.Code{pppoe.PADO, pppoe.PADS, pppoe.PADT, pppoe.PADI, pppoe.PADR}
	acs    = []pppoe.MAC{ac, {2, 0, 0x5e, 0x10, 0, 0x0b}, pppoe.Broadcast, host}
)

// say has an AC send a discovery packet.
func (s *seeker) say(from pppoe.MAC, p pppoe.Packet) {
	f := pppoe.Frame{Dst: host, Src: from, EtherType: pppoe.EtherTypeDiscovery, Payload: p.AppendTo(nil)}
	uniq := s.d.HostUniq()
	if tags, err := pppoe.ParseTags(p.Payload); err == nil && p.Code == pppoe.PADO {
		if v, ok := tags.Get(pppoe.HostUniq); ok && bytes.Equal(v, uniq) {
			s.offered[from] = true
		}
	}
	was, peer := s.d.Stage(), s.d.Snapshot().Offer.AC
	s.do(func(d *pppoe.Discovery) (out pppoe.DiscoveryOutput) {
		if s.heard++; s.heard%16 == 0 { // to measure takes its time
			fuzz.Frugal(s.t, len(f.Payload), func() { out = d.Receive(s.now, f) })
		} else {
			out = d.Receive(s.now, f)
		}
		if refused := (*pppoe.RefusedError)(nil); out.Refused != nil && !errors.As(out.Refused, &refused) && !errors.Is(out.Refused, pppoe.ErrBadSession) {
			s.t.Fatalf("refused: %v", out.Refused)
		}
		return out
	})
	if now := s.d.Stage(); now == pppoe.Confirmed && was != now && (p.Code != pppoe.PADS || from != peer || p.SessionID == 0 || p.SessionID == 0xffff) {
		s.t.Fatalf("confirmed by %v of %v for session %d", p.Code, from, p.SessionID)
	}
}

func (s *seeker) step() {
	nothing := func(f func(*pppoe.Discovery)) {
		s.do(func(d *pppoe.Discovery) pppoe.DiscoveryOutput { f(d); return pppoe.DiscoveryOutput{} })
	}
	switch s.octet() % opdCount {
	case opdStart:
		clear(s.offered)
		s.strays = 0
		s.do(func(d *pppoe.Discovery) pppoe.DiscoveryOutput { return d.Start(s.now) })
	case opdStop:
		nothing((*pppoe.Discovery).Stop)
	case opdForget:
		nothing((*pppoe.Discovery).Forget)
	case opdCease:
		nothing((*pppoe.Discovery).Cease)
	case opdWant:
		s.want = wants[int(s.octet())%len(wants)]
		nothing(func(d *pppoe.Discovery) { d.Configure(s.want) })
	case opdTime:
		n := time.Duration(s.octet())
		end := s.now + n*n*10*time.Millisecond // up to 11 minutes
		for s.d.Deadline() != 0 && s.d.Deadline() <= end {
			s.now = s.d.Deadline()
			s.do(func(d *pppoe.Discovery) pppoe.DiscoveryOutput { return d.Tick(s.now) })
		}
		s.now = end
	case opdAnswer:
		p := pppoe.Packet{Code: stages[int(s.octet())%len(stages)]}
		from := acs[int(s.octet())%len(acs)]
		id, more := uint16(s.octet()), s.octets(int(s.octet()))
		if p.Code != pppoe.PADO {
			p.SessionID = id
		}
		tags := pppoe.Tags{{Type: pppoe.HostUniq, Value: s.d.HostUniq()}, {Type: pppoe.ServiceName, Value: []byte("flets")}, {Type: pppoe.ACName, Value: []byte("BAS")}}
		p.Payload = append(tags.AppendTo(nil), more...)
		s.say(from, p)
	case opdSay:
		p := pppoe.Packet{Code: stages[int(s.octet())%len(stages)]}
		from := acs[int(s.octet())%len(acs)]
		p.Payload = s.octets(int(s.octet()))
		s.say(from, p)
	case opdReload:
		var v pppoe.DiscoveryVars
		if err := json.Unmarshal([]byte(snapshot(s.t, s.twin.Snapshot())), &v); err != nil {
			s.t.Fatal(err)
		}
		s.twin = pppoe.NewDiscovery(host, s.want, s.r)
		s.twin.Restore(v)
	}
}

// FuzzDiscovery is the host's side of the discovery stage. PADR and PADT go only to
// who has made an offer to us, what is to be echoed is, and only the PADS of the AC
// that was asked ends it.
func FuzzDiscovery(f *testing.F) {
	cookie := pppoe.Tag{Type: pppoe.ACCookie, Value: []byte{1, 2, 3}}.AppendTo(nil)
	offer := append([]byte{opdAnswer, 0, 0, 0, byte(len(cookie))}, cookie...)
	way := append([]byte{opdStart}, offer...)
	for _, more := range [][]byte{
		{opdAnswer, 1, 0, 7, 0}, {opdAnswer, 1, 0, 0, 0}, {opdAnswer, 1, 1, 7, 0}, {opdTime, 255, opdAnswer, 1, 0, 7, 0},
		{opdAnswer, 1, 0, 7, 0, opdReload, opdAnswer, 1, 0, 8, 0, opdForget, opdAnswer, 1, 0, 7, 0},
		{opdAnswer, 1, 0, 7, 4, 2, 2, 0, 0}, {opdAnswer, 1, 0, 7, 0, opdAnswer, 1, 0, 8, 0, opdAnswer, 1, 0, 9, 0, opdAnswer, 1, 0, 10, 0, opdAnswer, 1, 0, 11, 0, opdAnswer, 1, 0, 12, 0}, {opdReload, opdTime, 40, opdWant, 2, opdCease, opdTime, 200, opdStop},
	} {
		f.Add(slices.Concat(way, more))
	}
	f.Add([]byte{opdStart, opdAnswer, 0, 0, 0, 5, 1, 1, 0, 1, 0xff, opdReload}) // a service whose name is no UTF-8
	for _, name := range recordings {                                           // what a real AC offers, behind our Host-Uniq
		b := []byte{opdStart}
		perFrame(f, name, func(frame []byte) {
			if len(frame) > 20 && frame[13] == 0x63 && pppoe.MAC(frame[6:12]) == ac && len(frame) < 20+255 {
				which := byte(slices.Index(stages, pppoe.Code(frame[15])))
				b = append(append(b, opdSay, which, 0, byte(len(frame)-20)), frame[20:]...)
				b = append(append(b, opdAnswer, which, 0, frame[17], byte(len(frame)-20)), frame[20:]...)
			}
		})
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newSeeker(t, data)
		for steps := 0; len(s.data) > 0 && steps < 400; steps++ {
			s.step()
		}
	})
}

// The language must reach the end of discovery, or it finds nothing.
func TestTheLanguageReachesASession(t *testing.T) {
	s := newSeeker(t, []byte{opdStart, opdAnswer, 0, 0, 0, 0, opdReload, opdAnswer, 1, 0, 7, 0})
	for len(s.data) > 0 {
		s.step()
	}
	if _, id := s.d.Peer(); s.d.Stage() != pppoe.Confirmed || id != 7 {
		t.Errorf("stage %v, session %d", s.d.Stage(), id)
	}
}
