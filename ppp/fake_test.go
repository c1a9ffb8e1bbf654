package ppp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pppoectl/ppp"
)

// value is the one option that our fake protocol has, of one octet.
const value uint8 = 1

// fake is a policy for a protocol with the option value. It is plain data.
type fake struct {
	Want byte // asked for first; 0: nothing
	Only byte // the only value that the peer may have; 0: any

	Ask       byte // asked for now
	Peer      byte // acknowledged
	Resets    int
	Stubborn  bool  // asks for the same whatever the peer says
	Unwilling error // returned by Refused
	Hostile   error // returned by Judge
}

func (f *fake) Reset() { f.Ask, f.Resets = f.Want, f.Resets+1 }

func (f *fake) Request() []ppp.Option {
	if f.Ask == 0 {
		return nil
	}
	return []ppp.Option{{Type: value, Data: []byte{f.Ask}}}
}

func (f *fake) Refused(code ppp.Code, options []ppp.Option) error {
	for _, o := range options {
		switch {
		case o.Type != value || f.Stubborn:
		case code == ppp.ConfigureReject:
			f.Ask = 0
		case len(o.Data) == 1:
			f.Ask = o.Data[0]
		}
	}
	return f.Unwilling
}

func (f *fake) Judge(options []ppp.Option, nak bool) (ppp.Code, []ppp.Option, error) {
	var peer byte
	code, answer := ppp.Judge(options, nak, func(o ppp.Option) ppp.Verdict {
		switch {
		case o.Type != value || len(o.Data) != 1:
			return ppp.Reject()
		case f.Only != 0 && o.Data[0] != f.Only:
			return ppp.Nak([]byte{f.Only})
		}
		peer = o.Data[0]
		return ppp.Accept()
	})
	if code == ppp.ConfigureAck {
		f.Peer = peer
	}
	return code, answer, f.Hostile
}

// packet makes a packet; data is hexadecimal.
func packet(t testing.TB, code ppp.Code, id uint8, data string) ppp.Packet {
	t.Helper()
	return ppp.Packet{Code: code, ID: id, Data: unhex(t, data)}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var b []byte
	if _, err := fmt.Sscanf(strings.Join(strings.Fields(s), "")+" ", "%x", &b); err != nil && s != "" {
		t.Fatalf("hex %q: %v", s, err)
	}
	return b
}

// tell writes what follows from an input in one line: the packets, then the
// layer's changes.
func tell(out ppp.Output) string {
	var parts []string
	for _, p := range out.Packets {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%v %d %x", p.Code, p.ID, p.Data)))
	}
	for _, c := range out.Changes {
		parts = append(parts, [...]string{"up", "down", "started", "finished"}[c])
	}
	return strings.Join(parts, ", ")
}

// expect fails unless out tells want.
func expect(t testing.TB, out ppp.Output, want string) {
	t.Helper()
	if got := tell(out); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// expectDropped fails unless out is nothing but a reason why.
func expectDropped(t testing.TB, out ppp.Output) {
	t.Helper()
	if out.Dropped == nil || tell(out) != "" || out.Err != nil {
		t.Errorf("got %q, error %v, dropped %v; want it dropped without a reaction", tell(out), out.Err, out.Dropped)
	}
}

func expectState(t testing.TB, a *ppp.Automaton, want ppp.State) {
	t.Helper()
	if a.State() != want {
		t.Errorf("state %v, want %v", a.State(), want)
	}
}

// Packets of the tests below. Our own requests begin with identifier 1.
const ours, other = "01 03 11", "01 03 22"

// in returns an automaton that asks for value 11 and is in the given state at
// time 0, and its policy; the way there is the shortest with the peer heard.
func in(t testing.TB, state ppp.State) (*ppp.Automaton, *fake) {
	t.Helper()
	f := &fake{Want: 0x11}
	a := ppp.NewAutomaton(f)
	way := map[ppp.State][]func(){
		ppp.Initial:  {},
		ppp.Starting: {func() { a.Open(0) }},
		ppp.Closed:   {func() { a.Up(0) }},
		ppp.Stopped: {
			func() { a.Open(0) }, func() { a.Up(0) },
			func() { a.Receive(0, packet(t, ppp.CodeReject, 1, "02 01 00 04")) },
		},
		ppp.ReqSent: {
			func() { a.Open(0) }, func() { a.Up(0) },
			func() { a.Receive(0, packet(t, ppp.TerminateAck, 9, "")) },
		},
		ppp.AckRcvd: {
			func() { a.Open(0) }, func() { a.Up(0) },
			func() { a.Receive(0, packet(t, ppp.ConfigureAck, 1, ours)) },
		},
		ppp.AckSent: {
			func() { a.Open(0) }, func() { a.Up(0) },
			func() { a.Receive(0, packet(t, ppp.ConfigureRequest, 7, other)) },
		},
		ppp.Opened: {
			func() { a.Open(0) }, func() { a.Up(0) },
			func() { a.Receive(0, packet(t, ppp.ConfigureRequest, 7, other)) },
			func() { a.Receive(0, packet(t, ppp.ConfigureAck, 1, ours)) },
		},
	}
	way[ppp.Closing] = append(way[ppp.Opened], func() { a.Close(0, "bye") })
	way[ppp.Stopping] = append(way[ppp.Opened], func() { a.Receive(0, packet(t, ppp.TerminateRequest, 8, "")) })
	for _, step := range way[state] {
		step()
	}
	if a.State() != state {
		t.Fatalf("state %v, want %v to begin with", a.State(), state)
	}
	return a, f
}

// ticks calls Tick at each deadline until the timer stops or n are done, and
// returns when and what was sent.
func ticks(a *ppp.Automaton, n int) (times []time.Duration, outs []ppp.Output) {
	for range n {
		at := a.Deadline()
		if at == 0 {
			break
		}
		times, outs = append(times, at), append(outs, a.Tick(at))
	}
	return times, outs
}
