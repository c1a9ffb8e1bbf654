package fuzz_test

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/fuzz"
	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

var (
	host = pppoe.MAC{2, 0, 0, 0, 0, 1}
	ac   = pppoe.MAC{2, 0, 0x5e, 0x10, 0, 0x0a} // as in the captures
)

// The language of FuzzSession: an octet says what happens, and takes what it
// needs from the octets that follow.
const (
	opDial    = iota // 0 to 4 are the commands
	opHangup         // politely
	opAbandon        // at once
	opLineLost
	opLineBack
	opTime      // 1 octet: how long
	opDiscovery // 1 octet: length n; n octets: a discovery payload of the AC
	opSession   // likewise, of the session stage
	opForeign   // 1 octet: of whom; likewise
	opControl   // 1 octet each: protocol, code, identifier, length n; n octets: data
	opOffer     // 1 octet: length n; n octets: further tags
	opConfirm   // 2 octets: session id
	opPADT
	opAnswer     // the AC answers our requests as it should
	opAsk        // 1 octet: protocol; the AC sends a Configure-Request as it should
	opReload     // the session goes on from its snapshot
	opTakeOver   // so it does in another process, which says so
	opSuperseded // the AC has given its id away
	opCount
)

var protocols = []ppp.Protocol{ppp.LCP, ppp.PAP, ppp.CHAP, ppp.IPCP, ppp.IPv6CP, ppp.EAP, ppp.CCP, ppp.IPv4, 0xc029}

// player plays a sequence and checks what must always hold.
type player struct {
	t             testing.TB
	cfg           session.Config
	m             *session.Machine
	r             *rand.Rand
	now, next     time.Duration
	data          []byte
	asked         []pppoe.Frame // what of ours is unanswered
	dialled       bool
	authenticated bool
	up            map[session.Family]bool
	stretching    bool // of each frame of the AC, two octets say which length is wrong by how much
	steps         int
}

func (p *player) octet() byte {
	if len(p.data) == 0 {
		return 0
	}
	b := p.data[0]
	p.data = p.data[1:]
	return b
}

func (p *player) octets() []byte {
	n := min(int(p.octet()), len(p.data))
	b := p.data[:n]
	p.data = p.data[n:]
	return slices.Clone(b)
}

func (p *player) do(in session.Input) {
	allowed := p.acs(nil)
	if in.Command == session.Dial && p.m.Phase() == session.Down {
		p.dialled = true
	}
	var out session.Output
	if p.steps++; p.steps%16 == 0 && in.Frame != nil { // to measure takes its time
		fuzz.Frugal(p.t, len(in.Frame.Payload), func() { out = p.m.Step(p.now, in) })
	} else {
		out = p.m.Step(p.now, in)
	}
	p.next = out.Deadline
	if p.next != 0 && p.next <= p.now {
		p.t.Fatalf("deadline %v at %v", p.next, p.now)
	}
	if len(out.Frames) > 16 || len(out.Events) > 24 {
		p.t.Fatalf("%d frames, %d events", len(out.Frames), len(out.Events))
	}
	for _, e := range out.Events {
		p.event(e)
	}
	allowed = p.acs(allowed)
	for _, f := range out.Frames {
		q, err := pppoe.ParsePacket(f.Payload)
		if err != nil || f.Src != host || len(f.Payload) > 1500 || (f.Dst == pppoe.Broadcast) != (q.Code == pppoe.PADI) ||
			f.Dst != pppoe.Broadcast && !slices.Contains(allowed, f.Dst) {
			p.t.Fatalf("%v to %v (allowed %v): %x, %v", q.Code, f.Dst, allowed, f.Payload, err)
		}
		if q.Code != pppoe.PADT {
			p.asked = append(p.asked, f)
		}
	}
	info := p.m.Info()
	if (info.IPv4 != nil) != p.up[session.IPv4] || (info.IPv6 != nil) != p.up[session.IPv6] {
		p.t.Fatalf("info %+v, told %v", info, p.up)
	}
	if p.m.Phase() == session.Down && (p.next != 0 || info.SessionID != 0) {
		p.t.Fatalf("down with deadline %v, session %d", p.next, info.SessionID)
	}
}

func (p *player) acs(known []pppoe.MAC) []pppoe.MAC {
	s := p.m.Snapshot()
	known = append(known, s.Discovery.Offer.AC, s.Discovery.Asked)
	if s.Session.Stale != nil {
		known = append(known, s.Session.Stale.AC)
	}
	return known
}

func (p *player) event(e session.Event) {
	switch e.Kind {
	case session.Authenticated:
		p.authenticated = true
	case session.Opened, session.LinkUp, session.LinkDown:
		p.authenticated = false
	case session.NetworkUp, session.NetworkDown:
		want := e.Kind == session.NetworkDown
		if p.up[e.Family] != want || !want && !p.authenticated {
			p.t.Fatalf("%v, up %v, authenticated %v", e, p.up, p.authenticated)
		}
		p.up[e.Family] = !want
	case session.Closed:
		if !p.dialled || p.up[session.IPv4] || p.up[session.IPv6] || e.Cause == cause.None {
			p.t.Fatalf("%v, dialled %v, up %v", e, p.dialled, p.up)
		}
		p.dialled = false
	}
}

func (p *player) frame(etherType uint16, q pppoe.Packet) {
	b := q.AppendTo(nil)
	if p.stretching {
		stretch(b, etherType == pppoe.EtherTypeDiscovery, p.octet(), p.octet())
	}
	p.do(session.Input{Frame: &pppoe.Frame{Dst: host, Src: ac, EtherType: etherType, Payload: b}})
}

func (p *player) control(protocol ppp.Protocol, c ppp.Packet) {
	_, _, id := p.m.Address()
	p.frame(pppoe.EtherTypeSession, pppoe.Packet{SessionID: id, Payload: ppp.AppendFrame(nil, protocol, c.AppendTo(nil))})
}

// discovery sends a discovery packet with our Host-Uniq.
func (p *player) discovery(code pppoe.Code, id uint16, more []byte) {
	uniq, _, _ := p.m.Address()
	tags := pppoe.Tags{{Type: pppoe.HostUniq, Value: uniq}, {Type: pppoe.ServiceName}, {Type: pppoe.ACName, Value: []byte("BAS")}}
	p.frame(pppoe.EtherTypeDiscovery, pppoe.Packet{Code: code, SessionID: id, Payload: append(tags.AppendTo(nil), more...)})
}

// answer does what a good AC does with our requests.
func (p *player) answer() {
	asked := p.asked
	p.asked = nil
	for _, f := range asked[max(0, len(asked)-8):] {
		p.reply(f)
	}
}

func (p *player) reply(f pppoe.Frame) {
	q, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		return
	}
	switch q.Code {
	case pppoe.PADI:
		p.discovery(pppoe.PADO, 0, nil)
		return
	case pppoe.PADR:
		p.discovery(pppoe.PADS, 1, nil)
		return
	}
	protocol, information, err := ppp.ParseFrame(q.Payload)
	if err != nil {
		return
	}
	c, err := ppp.ParsePacket(information)
	switch {
	case err != nil:
	case protocol == ppp.CHAP: // response: success
		p.control(ppp.CHAP, ppp.Packet{Code: 3, ID: c.ID})
	case protocol == ppp.IPCP && c.Code == ppp.ConfigureRequest && len(c.Data) >= 6 && c.Data[2] == 0:
		p.control(protocol, ppp.Packet{Code: ppp.ConfigureNak, ID: c.ID, Data: []byte{3, 6, 203, 0, 113, 7}})
	case protocol == ppp.PAP:
		p.control(protocol, ppp.Packet{Code: 2, ID: c.ID, Data: []byte{0}})
	case c.Code == ppp.ConfigureRequest:
		p.control(protocol, ppp.Packet{Code: ppp.ConfigureAck, ID: c.ID, Data: c.Data})
	case c.Code == ppp.TerminateRequest:
		p.control(protocol, ppp.Packet{Code: ppp.TerminateAck, ID: c.ID})
	case c.Code == ppp.EchoRequest:
		p.control(protocol, ppp.Packet{Code: ppp.EchoReply, ID: c.ID, Data: make([]byte, 4)})
	}
}

func (p *player) step() {
	switch op := p.octet() % opCount; op {
	case opDial, opHangup, opAbandon, opLineLost, opLineBack:
		p.do(session.Input{Command: session.Command(op + 1), Cause: cause.Released, Text: "fuzz"})
	case opTime:
		n := time.Duration(p.octet())
		end := p.now + n*n*n*10*time.Microsecond // up to 165 s
		for p.next != 0 && p.next <= end {
			p.now = p.next
			p.do(session.Input{Received: uint64(n)})
		}
		p.now = end
	case opDiscovery, opSession:
		f := pppoe.Frame{Dst: host, Src: ac, EtherType: pppoe.EtherTypeDiscovery, Payload: p.octets()}
		if op == opSession {
			f.EtherType = pppoe.EtherTypeSession
		}
		p.do(session.Input{Frame: &f})
	case opForeign:
		p.foreign()
	case opControl:
		protocol := protocols[int(p.octet())%len(protocols)]
		p.control(protocol, ppp.Packet{Code: ppp.Code(p.octet()), ID: p.octet(), Data: p.octets()})
	case opOffer:
		p.discovery(pppoe.PADO, 0, p.octets())
	case opConfirm:
		p.discovery(pppoe.PADS, binary.BigEndian.Uint16([]byte{p.octet(), p.octet()}), nil)
	case opPADT:
		_, _, id := p.m.Address()
		p.frame(pppoe.EtherTypeDiscovery, pppoe.Packet{Code: pppoe.PADT, SessionID: id})
	case opAnswer:
		p.answer()
	case opAsk:
		protocol := protocols[int(p.octet())%len(protocols)]
		data := map[ppp.Protocol][]byte{
			ppp.LCP: {1, 4, 5, 0xd4, 3, 4, 0xc0, 0x23, 5, 6, 1, 2, 3, 4}, ppp.IPCP: {3, 6, 203, 0, 113, 1},
			ppp.IPv6CP: {1, 10, 2, 0x90, 0x1a, 0, 0x41, 0xa3, 0xd3, 0xf3}, ppp.CHAP: {4, 1, 2, 3, 4},
		}[protocol]
		p.control(protocol, ppp.Packet{Code: ppp.ConfigureRequest, ID: 1, Data: data})
	case opReload:
		p.reload()
	case opTakeOver:
		p.reload()
		p.do(session.Input{Command: session.TakenOver})
	case opSuperseded:
		p.do(session.Input{Command: session.Superseded, Cause: cause.PADT})
	}
}

// foreign is a frame from somebody else, or to somebody else: nothing changes.
func (p *player) foreign() {
	f := pppoe.Frame{Dst: host, Src: ac, EtherType: pppoe.EtherTypeSession}
	who := p.octet()
	f.Payload = p.octets()
	switch who % 3 {
	case 0:
		f.Src[5] ^= 1
	case 1:
		f.Dst[5] ^= 2
	case 2:
		f.Dst = pppoe.Broadcast
	}
	if who%3 > 0 && who > 100 {
		f.EtherType = pppoe.EtherTypeDiscovery
	}
	p.do(session.Input{})
	before, _ := json.Marshal(p.m.Snapshot())
	p.do(session.Input{Frame: &f})
	if after, _ := json.Marshal(p.m.Snapshot()); string(after) != string(before) {
		p.t.Fatalf("foreign frame %v to %v %x: from\n%s\nto\n%s", f.Src, f.Dst, f.Payload, before, after)
	}
}

func (p *player) reload() {
	was := snapshot(p.t, p.m.Snapshot())
	var s session.Snapshot
	if err := json.Unmarshal([]byte(was), &s); err != nil {
		p.t.Fatal(err)
	}
	p.m = session.New(p.cfg, p.r)
	p.m.Restore(s)
	if again := snapshot(p.t, p.m.Snapshot()); again != was {
		p.t.Fatalf("restored\n%s\nwas\n%s", again, was)
	}
}

// login is the way up: discovery, LCP, PAP, IPCP, IPv6CP.
var login = []byte{
	opDial, opAnswer, opAnswer, opAsk, 0, opAnswer, opAnswer, opAnswer, opAnswer, opAsk, 3, opAsk, 4,
}

// conversation adds what a session may go through, in the language of FuzzSession.
func conversation(f *testing.F) {
	f.Helper()
	f.Add(login)
	for _, op := range []byte{opHangup, opAbandon, opLineLost, opPADT, opReload, opAsk, opDial, opTakeOver, opSuperseded} {
		f.Add(append(slices.Clone(login), op, opTime, 200, opLineBack, opTime, 255, opDial, opTime, 255))
	}
	for _, name := range recordings { // what a real AC says, in a session of ours with its id
		b := []byte{opDial, opAnswer, opConfirm, 0, 1}
		perFrame(f, name, func(frame []byte) {
			if len(frame) > 20 && pppoe.MAC(frame[6:12]) == ac && len(frame) < 14+255 && len(b) < 2000 {
				op := byte(opDiscovery)
				if frame[13] == 0x64 {
					op = opSession
				}
				b = append(append(b, op, byte(len(frame)-14)), frame[14:]...)
				b = append(b, opAnswer)
			}
		})
		f.Add(b)
	}
	f.Add([]byte{opDial, opOffer, 5, 1, 1, 0, 1, 0xff, opReload}) // a service whose name is no UTF-8
	eap := append([]byte{opControl, 5, 1, 7, 255}, make([]byte, 255)...)
	f.Add(append(slices.Clone(login), eap...))
}

func (p *player) play() {
	for steps := 0; len(p.data) > 0 && steps < 400; steps++ {
		p.step()
	}
	p.do(session.Input{Command: session.Abandon, Cause: cause.Released})
	if p.m.Phase() != session.Down || p.dialled {
		p.t.Fatalf("phase %q after Abandon", p.m.Phase())
	}
}

func FuzzSession(f *testing.F) {
	conversation(f)
	f.Fuzz(func(t *testing.T, data []byte) { newPlayer(t, data).play() })
}

// FuzzSessionLengths speaks the same language, in which each frame of the AC has
// a length field that may be wrong.
func FuzzSessionLengths(f *testing.F) {
	conversation(f)
	f.Add([]byte{opDial, opAnswer, 0, 0, opAnswer, 0, 0, opAsk, 0, 0, 0, opAnswer, 1, 1, opAnswer, 0, 0, opAnswer, 0, 0, opAsk, 3, 2, 255, opAsk, 4, 0, 127})
	f.Fuzz(func(t *testing.T, data []byte) {
		p := newPlayer(t, data)
		p.stretching = true
		p.play()
	})
}

func newPlayer(t testing.TB, data []byte) *player {
	p := &player{t: t, r: rand.New(rand.NewPCG(1, 2)), now: time.Hour, data: data, up: map[session.Family]bool{}}
	p.cfg = session.Config{
		MAC: host, MTU: 1454, Username: "user", Password: "hunter22", Auth: []lcp.Auth{lcp.AuthCHAPMD5, lcp.AuthPAP},
		Families: []session.Family{session.IPv4, session.IPv6}, IPCP: ipcp.Config{DNS: true},
		InterfaceID: ipv6cp.Identifier{1, 2, 3, 4, 5, 6, 7, 8}, Echo: lcp.EchoConfig{Interval: 10 * time.Second},
		Failures: 5, DeadAfter: time.Minute,
	}
	p.m = session.New(p.cfg, p.r)
	return p
}

// The language must reach the places that matter, or it finds nothing.
func TestTheLanguageReachesUp(t *testing.T) {
	p := newPlayer(t, slices.Clone(login))
	for len(p.data) > 0 {
		p.step()
	}
	if p.m.Phase() != session.Up || !p.up[session.IPv4] || !p.up[session.IPv6] {
		t.Errorf("phase %q, up %v", p.m.Phase(), p.up)
	}
}
