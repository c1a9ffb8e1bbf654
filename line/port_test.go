package line

import (
	"bytes"
	"testing"
	"time"

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
	ends := func(h *Handle, id uint16) bool { return h.mayEnd(pppoe.NewPADT(host, ac, id, ""), time.Time{}) }
	if ends(old, 1) || !ends(new, 1) || !ends(old, 2) {
		t.Error("the old holder may end the new one's session, or the new one may not")
	}
	old.SetAddress(at) // nothing has changed for it
	if to := p.addressees(echo(1)); superseded(new) || len(to[0]) != 1 {
		t.Errorf("taken back: %v", to[0])
	}
}

// While an AC that was started again is about to give one of our sessions a number, no other one is
// ended by the same number: that would end the new one.
func TestPADTWaitsForThePADSOfAnotherSession(t *testing.T) {
	soon := time.Time{}.Add(goodbyeWait)
	for name, c := range map[string]struct {
		pads Address // what the other one becomes
		at   time.Time
		want int // PADTs
	}{
		"the number is given away":         {Address{HostUniq: "new", AC: ac, Session: 1}, soon, 0},
		"another number is given":          {Address{HostUniq: "new", AC: ac, Session: 2}, time.Time{}, 1},
		"discovery begins anew":            {Address{HostUniq: "anew"}, time.Time{}, 1},
		"there is no PADS yet":             {Address{HostUniq: "new", AC: ac}, soon.Add(-1), 0},
		"there is no PADS for a long time": {Address{HostUniq: "new", AC: ac}, soon, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p, old, new := two()
			old.SetAddress(Address{HostUniq: "old", AC: ac, Session: 1})
			new.SetAddress(Address{HostUniq: "new", AC: ac}) // its PADR goes out
			old.SetAddress(Address{HostUniq: "old"})
			padt := pppoe.NewPADT(host, ac, 1, "")
			if old.mayEnd(padt, time.Time{}) {
				t.Fatal("it does not wait")
			}
			if !old.mayEnd(pppoe.NewPADT(host, pppoe.MAC{2, 9}, 1, ""), time.Time{}) || !new.mayEnd(pppoe.NewPADI(host, pppoe.Want{}, nil), time.Time{}) {
				t.Error("what is of another AC, or is no PADT, waits")
			}
			p.leave(new)
			p.enter(new, c.pads)
			list := p.due(c.at)
			if len(list) != c.want || c.want == 1 && !bytes.Equal(list[0].AppendTo(nil), padt.AppendTo(nil)) {
				t.Errorf("%v are sent, want %d", list, c.want)
			}
			if left := len(p.goodbyes); c.want == 1 && left > 0 {
				t.Errorf("%d still wait", left)
			}
		})
	}
}

// A session that is dialled anew may be given its own number again: its PADT is not sent after its PADR.
func TestPADTGoesBeforeThePADROfItsOwnHandle(t *testing.T) {
	p, old, new := two()
	old.SetAddress(Address{HostUniq: "old", AC: ac, Session: 1})
	new.SetAddress(Address{HostUniq: "new", AC: ac})
	old.SetAddress(Address{HostUniq: "anew"})
	padt := pppoe.NewPADT(host, ac, 1, "")
	if old.mayEnd(padt, time.Time{}) {
		t.Fatal("it does not wait")
	}
	p.leave(old)
	p.enter(old, Address{HostUniq: "anew", AC: ac}) // its PADR is about to go out
	if list := p.due(time.Time{}); len(list) != 1 {
		t.Errorf("%d PADTs go out before, want 1", len(list))
	}
	if !old.mayEnd(padt, time.Time{}) {
		t.Error("one that is sent with the PADR waits")
	}
	p.goodbyes = append(p.goodbyes, goodbye{old, padt, peer{ac, 1}, time.Time{}.Add(goodbyeWait)})
	p.leave(old)
	p.enter(old, Address{HostUniq: "anew", AC: ac, Session: 1})
	if list := p.due(time.Time{}.Add(goodbyeWait)); len(list) != 0 {
		t.Errorf("%v end the handle's own new session", list)
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
