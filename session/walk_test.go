package session_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// guard checks after each step what must always hold.
type guard struct {
	l             *line
	authenticated bool
	up            map[session.Family]bool
	dialled       bool
	events, sent  int
	known         []pppoe.MAC // whom we may talk to
}

func newGuard(l *line) *guard { return &guard{l: l, up: map[session.Family]bool{}} }

// before notes what the step that follows may rely on.
func (g *guard) before() {
	g.known = append(g.known[:0], pppoe.Broadcast)
	g.note()
}

func (g *guard) note() {
	s := g.l.m.Snapshot()
	g.known = append(g.known, s.Discovery.Offer.AC, s.Discovery.Asked)
	if s.Session.Stale != nil {
		g.known = append(g.known, s.Session.Stale.AC)
	}
}

func (g *guard) check() {
	l := g.l
	l.t.Helper()
	if g.events > len(l.events) {
		l.t.Fatal("events were taken away")
	}
	for _, e := range l.events[g.events:] {
		g.event(e)
	}
	g.events = len(l.events)
	g.note()
	for _, f := range l.sent[g.sent:] {
		g.frame(f)
	}
	g.sent = len(l.sent)
	if l.next != 0 && l.next <= l.now {
		l.t.Fatalf("deadline %v at %v", l.next, l.now)
	}
	i := l.m.Info()
	if (i.IPv4 != nil) != g.up[session.IPv4] || (i.IPv6 != nil) != g.up[session.IPv6] {
		l.t.Fatalf("info %+v, but told %v", i, g.up)
	}
	switch l.m.Phase() {
	case session.Down:
		if l.next != 0 || i.SessionID != 0 {
			l.t.Fatalf("down with deadline %v, session %d", l.next, i.SessionID)
		}
	default:
		if l.next == 0 && !l.m.Snapshot().Session.LineLost {
			l.t.Fatalf("phase %q and nothing to wait for", l.m.Phase())
		}
	}
}

func (g *guard) event(e session.Event) {
	fail := func(what string) { g.l.t.Fatalf("%v: %s; events %v", e, what, g.l.events[max(0, g.events-10):]) }
	switch e.Kind {
	case session.Authenticated:
		g.authenticated = true
	case session.LinkDown, session.Opened, session.LinkUp:
		g.authenticated = false
	case session.NetworkUp:
		if !g.authenticated || g.up[e.Family] {
			fail(fmt.Sprintf("authenticated %v, up %v", g.authenticated, g.up))
		}
		g.up[e.Family] = true
	case session.NetworkDown:
		if !g.up[e.Family] {
			fail("was not up")
		}
		g.up[e.Family] = false
	case session.Closed:
		if !g.dialled || g.up[session.IPv4] || g.up[session.IPv6] || e.Cause == cause.None {
			fail(fmt.Sprintf("dialled %v, up %v", g.dialled, g.up))
		}
		g.dialled, g.authenticated = false, false
	}
}

func (g *guard) frame(f pppoe.Frame) {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || f.Src != hostMAC || len(f.Payload) > 1500 {
		g.l.t.Fatalf("sent %v %x", f.Src, f.Payload)
	}
	if (f.Dst == pppoe.Broadcast) != (p.Code == pppoe.PADI) || !slices.Contains(g.known, f.Dst) || !f.Dst.Unicast() && p.Code != pppoe.PADI {
		g.l.t.Fatalf("%v to %v, which is not our AC %v", p.Code, f.Dst, g.known)
	}
}

// walker does one random thing after another to a line.
type walker struct {
	*line
	r    *rand.Rand
	g    *guard
	seen []pppoe.Frame // of the AC's, to be repeated and mutilated
}

func (w *walker) step() {
	switch w.r.IntN(24) {
	case 0, 1, 2:
		if w.m.Phase() == session.Down {
			w.g.dialled = true
		}
		w.command(session.Dial)
	case 3:
		w.command([]session.Command{session.Hangup, session.Abandon}[w.r.IntN(2)])
	case 4:
		w.command([]session.Command{session.LineLost, session.LineBack, session.LineBack}[w.r.IntN(3)])
	case 5:
		w.cut = w.r.IntN(3) == 0
	case 6:
		w.acts()
	case 7, 8, 9:
		w.control()
	case 10, 11, 12:
		w.mutilated()
	case 13, 14:
		w.foreign()
	case 15:
		w.data += uint64(w.r.IntN(2))
		w.do(session.Input{})
	default:
		w.run([]time.Duration{0, time.Millisecond, 100 * time.Millisecond, time.Second, 3 * time.Second, time.Minute}[w.r.IntN(6)])
	}
}

// acts is a whim of the AC's.
func (w *walker) acts() {
	for _, s := range w.ac.Sessions() {
		switch w.r.IntN(6) {
		case 0:
			w.ac.Forget()
		case 1:
			w.inject(s.Renegotiate(w.now)...)
		case 2:
			w.inject(s.Terminate(w.now, "whim")...)
		case 3:
			w.inject(s.CloseNetwork(w.now, ppp.IPCP)...)
		case 4:
			w.inject(s.CloseNetwork(w.now, ppp.IPv6CP)...)
		case 5:
			w.inject(pppoe.NewPADT(acMAC, hostMAC, s.ID, "whim"))
		}
		return
	}
}

// control is a control packet of the AC's without rhyme or reason.
func (w *walker) control() {
	protocols := []ppp.Protocol{ppp.LCP, ppp.LCP, ppp.PAP, ppp.CHAP, ppp.IPCP, ppp.IPv6CP, ppp.EAP, ppp.CCP, ppp.IPv4}
	p := ppp.Packet{Code: ppp.Code(w.r.IntN(15)), ID: uint8(w.r.IntN(5))}
	switch w.r.IntN(3) {
	case 0:
		for range w.r.IntN(4) {
			o := ppp.Option{Type: []uint8{1, 3, 5, 129, 131, 7}[w.r.IntN(6)], Data: w.bytes(w.r.IntN(9))}
			p.Data = o.AppendTo(p.Data)
		}
	case 1:
		p.Data = w.bytes(w.r.IntN(20))
	case 2:
		p.Data = ppp.AppendFrame(nil, protocols[w.r.IntN(len(protocols))], w.bytes(8))
	}
	protocol := protocols[w.r.IntN(len(protocols))]
	_, _, id := w.m.Address()
	f := w.fromAC(id, ppp.AppendFrame(nil, protocol, p.AppendTo(nil)))
	w.do(session.Input{Frame: &f})
}

func (w *walker) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.r.Uint32()) & [2]byte{0xff, 0x03}[w.r.IntN(2)]
	}
	return b
}

// mutilated is an earlier frame again, whole or not.
func (w *walker) mutilated() {
	if len(w.seen) == 0 {
		return
	}
	f := w.seen[w.r.IntN(len(w.seen))]
	f.Payload = slices.Clone(f.Payload)
	for range w.r.IntN(3) {
		if len(f.Payload) > 0 {
			f.Payload[w.r.IntN(len(f.Payload))] ^= 1 << w.r.IntN(8)
		}
	}
	if w.r.IntN(4) == 0 {
		f.Payload = f.Payload[:w.r.IntN(len(f.Payload)+1)]
	}
	w.do(session.Input{Frame: &f})
}

// foreign is a frame that is not for us: it must change nothing.
func (w *walker) foreign() {
	if len(w.seen) == 0 || w.m.Phase() == session.Discovery {
		return // there a new MAC may be a new AC
	}
	f := w.seen[w.r.IntN(len(w.seen))]
	f.Payload = slices.Clone(f.Payload)
	switch w.r.IntN(3) {
	case 0:
		f.Src = otherMAC
	case 1:
		f.Dst = otherMAC
	case 2:
		if len(f.Payload) < 4 || f.EtherType != pppoe.EtherTypeSession {
			return
		}
		_, _, id := w.m.Address()
		id += uint16(1 + w.r.IntN(0xfffe))
		f.Payload[2], f.Payload[3] = byte(id>>8), byte(id)
	}
	if w.m.Info().Suspect && f.Dst == hostMAC && f.EtherType == pppoe.EtherTypeDiscovery {
		return // another AC's offer answers a probe
	}
	w.do(session.Input{})
	before, sent := w.remembers(), len(w.sent)
	w.do(session.Input{Frame: &f})
	if after := w.remembers(); after != before || len(w.sent) != sent {
		w.t.Fatalf("foreign frame %v to %v, %x: from\n%s\nto\n%s\n%d frames sent", f.Src, f.Dst, f.Payload, before, after, len(w.sent)-sent)
	}
}

func TestRandomWalks(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { walk(t, seed) })
	}
}

func walk(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	l := newLine(t, func(c *session.Config, ac *concentrator.Config) {
		both(c, ac)
		ac.Auth = [][]lcp.Auth{{lcp.AuthPAP}, {lcp.AuthCHAPMD5}}[seed%2]
		ac.Echo = time.Duration(seed%3) * 7 * time.Second
	})
	w := &walker{line: l, r: r, g: newGuard(l)}
	restore := func() {}
	if seed%4 == 0 {
		l.restoreEachStep()
		restore = l.check
	}
	l.check = func() { w.g.check(); restore(); w.g.before() }
	l.filter = func(f pppoe.Frame) bool {
		if f.Src == acMAC {
			w.seen = append(w.seen, f)
			w.seen = w.seen[max(0, len(w.seen)-64):]
		}
		return true
	}
	w.g.before()
	for range 300 {
		w.step()
	}
	// The line heals: a session ends when it is told to, and the next comes up.
	l.cut, l.filter = false, nil
	l.command(session.LineBack)
	l.command(session.Hangup)
	l.run(10 * time.Second)
	if l.m.Phase() != session.Down {
		t.Fatalf("phase %q ten seconds after the hang-up", l.m.Phase())
	}
	w.g.dialled = true
	l.up()
}
