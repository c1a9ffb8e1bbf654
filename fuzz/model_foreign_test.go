package fuzz_test

import (
	"bytes"
	"testing"
	"time"

	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

var stranger = pppoe.MAC{2, 0, 0x5e, 0x10, 0, 0x77}

// foreign returns a frame as it would be if it were somebody else's, in each way that it can be. id says whether
// the receiver knows the session's id yet, requests whether a stranger may ask with it.
func foreign(f pppoe.Frame, id, requests bool) map[string]pppoe.Frame {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		return nil
	}
	list := map[string]pppoe.Frame{}
	add := func(name string, change func(*pppoe.Frame)) {
		g := f
		g.Payload = bytes.Clone(f.Payload)
		change(&g)
		list[name] = g
	}
	add("to another", func(g *pppoe.Frame) { g.Dst = stranger })
	add("from a group", func(g *pppoe.Frame) { g.Src[0] |= 1 })
	if !requests {
		add("from another", func(g *pppoe.Frame) { g.Src = stranger })
	}
	if id && (f.EtherType == pppoe.EtherTypeSession || p.Code == pppoe.PADT) {
		add("of another session", func(g *pppoe.Frame) { g.Payload[3]++ })
		add("of session 0", func(g *pppoe.Frame) { g.Payload[2], g.Payload[3] = 0, 0 })
	}
	if p.Code == pppoe.PADO || p.Code == pppoe.PADS {
		if tags, err := pppoe.ParseTags(p.Payload); err == nil {
			if uniq, ok := tags.Get(pppoe.HostUniq); ok {
				at := bytes.Index(f.Payload, uniq)
				add("for another's Host-Uniq", func(g *pppoe.Frame) { g.Payload[at] ^= 1 })
				add("for a longer Host-Uniq", func(g *pppoe.Frame) {
					long := append(pppoe.Tags{}, tags...)
					for i := range long {
						if long[i].Type == pppoe.HostUniq {
							long[i].Value = append(bytes.Clone(uniq), 0)
						}
					}
					q := p
					q.Payload = long.AppendTo(nil)
					g.Payload = q.AppendTo(nil)
				})
			}
		}
	}
	return list
}

// intruder says to both ends, before each of their steps, what was said in the last exchanges and is about to be, but as somebody
// else, or to somebody else.
type intruder struct {
	*both
	heard []pppoe.Frame // by either, the newest last
	tried int
}

func (i *intruder) everything(string) {
	i.step = nil // what is due now is not a frame's doing
	i.do(session.Input{})
	i.acStep(nil)
	i.step = i.everything
	for _, f := range i.heard[max(0, len(i.heard)-6):] {
		if f.Src == ac || f.Dst == host {
			i.host(f)
		} else {
			i.concentrator(f)
		}
	}
	for _, a := range i.flying[:min(3, len(i.flying))] {
		if a.f.Src == host {
			i.concentrator(a.f)
		} else {
			i.host(a.f)
		}
	}
}

func (i *intruder) host(f pppoe.Frame) {
	p, _ := pppoe.ParsePacket(f.Payload)
	_, _, id := i.m.Address()
	offer := p.Code == pppoe.PADO && (i.m.Phase() == session.Discovery || i.m.Info().Suspect) // any AC may make one
	for name, g := range foreign(f, id != 0, offer) {
		if name == "of another session" && p.SessionID+1 == id {
			continue
		}
		i.same("the session", name, g, func() any { return i.m }, func() int { return len(i.m.Step(i.now, session.Input{Frame: &g}).Frames) })
	}
}

func (i *intruder) concentrator(f pppoe.Frame) {
	p, _ := pppoe.ParsePacket(f.Payload)
	for name, g := range foreign(f, true, p.Code == pppoe.PADI) {
		if i.ac.Sessions()[p.SessionID+1] != nil && name == "of another session" {
			continue
		}
		i.same("the concentrator", name, g, func() any { return i.ac }, func() int {
			out := i.ac.Step(i.now, &g)
			return len(out.Frames) + len(out.Packets) + len(out.Events)
		})
	}
}

// same expects that a frame leaves everything as it is, to the last field.
func (i *intruder) same(who, name string, f pppoe.Frame, what func() any, step func() int) {
	before := contents(what())
	if n := step(); n != 0 || contents(what()) != before {
		i.t.Fatalf("%s: a frame %s (%v to %v, %x) has %d answers, and changes\n%s\nto\n%s", who, name, f.Src, f.Dst, f.Payload, n, before, contents(what()))
	}
	i.tried++
}

// Nothing that is somebody else's changes anything, on either side, at any step of a session's life.
func TestModelForeignFramesChangeNothing(t *testing.T) {
	for _, auth := range []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5} {
		i := &intruder{both: newBoth(t, auth)}
		i.ac.Step(i.now, nil)
		i.fate = func(_ int, f pppoe.Frame) []time.Duration {
			i.heard = append(i.heard, f)
			return []time.Duration{wireDelay}
		}
		i.step = i.everything
		i.whole()
		if i.tried < 5000 {
			t.Errorf("%v: only %d frames", auth, i.tried)
		}
		t.Logf("%v: %d foreign frames", auth, i.tried)
	}
}

// whole is a session's life with all that may happen to it.
func (b *both) whole() {
	b.t.Helper()
	b.command(session.Dial)
	b.run(5*time.Second, nil)
	if !b.isUp() {
		b.t.Fatalf("phase %q: %v", b.m.Phase(), b.events)
	}
	b.run(25*time.Second, nil)
	for _, s := range b.ac.Sessions() {
		b.put(s.Renegotiate(b.now)...)
		b.run(5*time.Second, nil)
		b.put(s.CloseNetwork(b.now, ppp.IPCP)...)
		b.run(90*time.Second, nil)
	}
	b.command(session.LineLost)
	b.run(5*time.Second, nil)
	b.command(session.LineBack)
	b.run(5*time.Second, nil)
	lose, fate := true, b.fate
	b.fate = func(n int, f pppoe.Frame) []time.Duration {
		delays := []time.Duration{wireDelay}
		if fate != nil {
			delays = fate(n, f)
		}
		if lose {
			return nil
		}
		return delays
	}
	b.run(25*time.Second, nil) // suspect
	lose = false
	b.run(20*time.Second, nil)
	if !b.isUp() {
		b.t.Fatalf("phase %q: %v", b.m.Phase(), b.events)
	}
	b.command(session.Hangup)
	b.run(10*time.Second, nil)
	b.command(session.Dial)
	b.run(5*time.Second, nil)
	for _, s := range b.ac.Sessions() {
		b.put(s.Terminate(b.now, "maintenance")...)
	}
	b.run(time.Minute, nil)
	if b.m.Phase() != session.Down || len(b.ac.Sessions()) != 0 {
		b.t.Fatalf("phase %q, %d sessions", b.m.Phase(), len(b.ac.Sessions()))
	}
}
