package line

import (
	"testing"

	"pppoectl/pppoe"
)

// two are handles of one port, without sockets.
func two() (*Port, *Handle, *Handle) {
	p := &Port{MAC: host, handles: map[*Handle]struct{}{}, byUniq: index[string]{}, byPeer: index[peer]{}}
	h := func() *Handle {
		h := &Handle{port: p, frames: make(chan pppoe.Frame, 1), superseded: make(chan struct{}, 1)}
		p.handles[h] = struct{}{}
		return h
	}
	return p, h(), h()
}

func superseded(h *Handle) bool {
	select {
	case <-h.Superseded():
		return true
	default:
		return false
	}
}

// An AC that was started again counts from 1: the id of a session that it has forgotten is
// another uplink's by now.
func TestSessionIDThatTheACGivesAwayAgain(t *testing.T) {
	p, old, new := two()
	at := Address{HostUniq: "old", AC: ac, Session: 1}
	old.SetAddress(at)
	new.SetAddress(Address{HostUniq: "new", AC: ac})
	if to := p.addressees(echo(1)); len(to[0]) != 1 || superseded(old) {
		t.Fatalf("before: %v", to)
	}
	new.SetAddress(Address{HostUniq: "new", AC: ac, Session: 1})
	to := p.addressees(echo(1))
	if _, ok := to[0][new]; len(to[0]) != 1 || !ok {
		t.Errorf("frames go to %v, want the new holder", to[0])
	}
	if !superseded(old) || superseded(new) {
		t.Error("the old holder is not told, or the new one is")
	}
	if !old.another(pppoe.NewPADT(host, ac, 1, "")) || new.another(pppoe.NewPADT(host, ac, 1, "")) || old.another(pppoe.NewPADT(host, ac, 2, "")) {
		t.Error("the old holder may end the new one's session, or the new one may not")
	}
	old.SetAddress(at) // nothing has changed for it
	if to := p.addressees(echo(1)); superseded(new) || len(to[0]) != 1 {
		t.Errorf("taken back: %v", to[0])
	}
}

// What was said of a session before does not end the next one.
func TestNextSessionIsNotSuperseded(t *testing.T) {
	_, a, b := two()
	a.SetAddress(Address{AC: ac, Session: 1})
	b.SetAddress(Address{AC: ac, Session: 1})
	a.SetAddress(Address{HostUniq: "dialling"})
	a.SetAddress(Address{AC: ac, Session: 2})
	if superseded(a) || superseded(b) {
		t.Error("a session that nobody else has is superseded")
	}
}
