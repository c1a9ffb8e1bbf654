package conformance

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pppoectl/pppoe"
)

// faulty is a peer of ours with a fault.
type faulty struct {
	machine
	in  func(f *pppoe.Frame)      // changes what it hears
	out func(f *pppoe.Frame) bool // changes what it says, or holds it back
	add func(f *pppoe.Frame) []pppoe.Frame
}

func (p *faulty) step(now time.Duration, f *pppoe.Frame) ([]pppoe.Frame, time.Duration) {
	var more []pppoe.Frame
	if f != nil {
		c := *f
		c.Payload = slices.Clone(f.Payload)
		if p.add != nil {
			more = p.add(&c)
		}
		if p.in != nil {
			p.in(&c)
		}
		f = &c
	}
	frames, deadline := p.machine.step(now, f)
	return append(more, slices.DeleteFunc(frames, func(f pppoe.Frame) bool { return p.out != nil && !p.out(&f) })...), deadline
}

// is reports whether a session frame holds a control packet of a protocol and
// code.
func is(f *pppoe.Frame, protocol uint16, code byte) bool {
	return f.EtherType == pppoe.EtherTypeSession && len(f.Payload) >= 12 &&
		binary.BigEndian.Uint16(f.Payload[6:]) == protocol && f.Payload[8] == code
}

// back answers a frame with its own packet, changed.
func back(f *pppoe.Frame, change func(b []byte)) []pppoe.Frame {
	b := slices.Clone(f.Payload)
	change(b)
	return []pppoe.Frame{{Dst: ours, Src: theirs, EtherType: f.EtherType, Payload: b}}
}

const lcpNumber, papNumber, ipcpNumber = 0xc021, 0xc023, 0x8021

// A case finds the fault that it is about: else it would ask nothing.
func TestFaultsAreFound(t *testing.T) {
	for _, tt := range []struct {
		fault string
		role  Role
		cases string // names that must fail
		with  faulty
	}{
		{"the Identifier of an Ack is its own", Client, "1661/good-request-is-acknowledged 1661/request-without-options", faulty{out: func(f *pppoe.Frame) bool {
			if is(f, lcpNumber, 2) {
				f.Payload[9]++
			}
			return true
		}}},
		{"unknown options are acknowledged", Client, "1661/unknown-option 1661/unknown-options-in-order", faulty{
			out: func(f *pppoe.Frame) bool { return !is(f, lcpNumber, 4) },
			add: func(f *pppoe.Frame) []pppoe.Frame {
				if is(f, lcpNumber, 1) && bytes.Contains(f.Payload, []byte{0xc8, 4}) {
					return back(f, func(b []byte) { b[8] = 2 })
				}
				return nil
			}}},
		{"echoes have the asker's magic number", AC, "1661/echo 1661/echo-without-data", faulty{
			out: func(f *pppoe.Frame) bool { return !is(f, lcpNumber, 10) },
			add: func(f *pppoe.Frame) []pppoe.Frame {
				if is(f, lcpNumber, 9) {
					return back(f, func(b []byte) { b[8] = 10 })
				}
				return nil
			}}},
		{"no echo is answered", Client, "1661/echo 2516/padt-of-a-stranger 1661/damaged-packets-while-up", faulty{
			out: func(f *pppoe.Frame) bool { return !is(f, lcpNumber, 10) }}},
		{"any station may end the session", Client, "2516/padt-of-a-stranger 2516/frame-of-a-stranger", faulty{
			in: func(f *pppoe.Frame) { f.Src = ours }}},
		{"the session id of a PADT is not looked at", AC, "2516/padt-of-another-session", faulty{in: func(f *pppoe.Frame) {
			if f.EtherType == pppoe.EtherTypeDiscovery && f.Payload[1] == 0xa7 {
				f.Payload[2], f.Payload[3] = 0, 1
			}
		}}},
		{"a PADT is not heard", Client, "2516/nothing-after-a-padt 2516/padt-needs-no-tags", faulty{in: func(f *pppoe.Frame) {
			if f.EtherType == pppoe.EtherTypeDiscovery && f.Payload[1] == 0xa7 {
				f.Payload[0] = 0
			}
		}}},
		{"the cookie is cut to its first octet", Client, "2516/ac-cookie-comes-back 2516/long-ac-cookie-comes-back", faulty{out: func(f *pppoe.Frame) bool {
			if at := bytes.Index(f.Payload, []byte{0x01, 0x04}); f.EtherType == pppoe.EtherTypeDiscovery && at > 0 && f.Payload[1] == 0x19 {
				f.Payload[at+1] = 5
			}
			return true
		}}},
		{"a PADI for any service is answered", AC, "2516/service-that-is-not-offered", faulty{add: func(f *pppoe.Frame) []pppoe.Frame {
			if f.EtherType == pppoe.EtherTypeDiscovery && f.Payload[1] == 9 {
				return back(f, func(b []byte) { b[1] = 7 })
			}
			return nil
		}}},
		{"requests are not repeated", Client, "1661/request-is-repeated 1661/ack-with-another-identifier", faulty{out: once(lcpNumber, 1)}},
		{"any Ack will do", Client, "1661/ack-with-another-identifier 1661/ack-of-other-options", faulty{in: func(f *pppoe.Frame) {
			if is(f, lcpNumber, 2) {
				f.Payload[8] = 0x30 // what the fault would make of it: no more requests
			}
		}, out: once(lcpNumber, 1)}},
		{"a login is not answered twice", AC, "1334/ac-answers-again", faulty{out: once(papNumber, 2)}},
		{"a wrong password is let in", AC, "1334/ac-keeps-out", faulty{out: func(f *pppoe.Frame) bool {
			if is(f, papNumber, 3) {
				f.Payload[8] = 2
			}
			return true
		}}},
		{"0.0.0.0 is acknowledged", AC, "1332/ac-gives-an-address", faulty{
			out: func(f *pppoe.Frame) bool { return !is(f, ipcpNumber, 3) },
			add: func(f *pppoe.Frame) []pppoe.Frame {
				if is(f, ipcpNumber, 1) {
					return back(f, func(b []byte) { b[8] = 2 })
				}
				return nil
			}}},
		{"what lies about its length ends the session", Client, "1661/ppp-frames-of-one-octet 2516/length-behind-the-frame", faulty{in: func(f *pppoe.Frame) {
			if n := int(binary.BigEndian.Uint16(f.Payload[4:])); f.EtherType == pppoe.EtherTypeSession && (n > len(f.Payload)-6 || n == 1) {
				f.EtherType, f.Payload = pppoe.EtherTypeDiscovery, pppoe.NewPADT(theirs, ours, binary.BigEndian.Uint16(f.Payload[2:]), "").Payload
			}
		}}},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			for _, c := range cases(t) {
				if !slices.Contains(strings.Fields(tt.cases), c.Name) {
					continue
				}
				p := tt.with
				p.machine = peer(&c, tt.role, "ipv4")
				if r := play(t, New(&c, options(tt.role, "ipv4"), rand.New(rand.NewPCG(7, 7))), &p); r.Kind != Fail {
					t.Errorf("%s: %s", r, c.Says)
				}
			}
		})
	}
}

// once lets only the first packet of a protocol and code out.
func once(protocol uint16, code byte) func(f *pppoe.Frame) bool {
	said := false
	return func(f *pppoe.Frame) bool {
		if !is(f, protocol, code) {
			return true
		}
		first := !said
		said = true
		return first
	}
}

// A peer that never dials, or never answers, is told as what it is: not reached.
func TestSilentPeerIsNotReached(t *testing.T) {
	for _, role := range []Role{Client, AC} {
		for _, c := range cases(t) {
			if c.Name != "1661/echo" {
				continue
			}
			r := play(t, New(&c, options(role, "ipv4"), rand.New(rand.NewPCG(7, 7))), silent{})
			if r.Kind != Unreached || r.Text == "" {
				t.Errorf("%s: %s", role, r)
			}
		}
	}
}

type silent struct{}

func (silent) step(time.Duration, *pppoe.Frame) ([]pppoe.Frame, time.Duration) { return nil, 0 }

// What one seed does, it does again.
func TestSameSeedSameFrames(t *testing.T) {
	for _, c := range cases(t) {
		if c.Name != "1661/damaged-packets-while-up" {
			continue
		}
		var all [2]*Result
		for i := range all {
			all[i] = play(t, New(&c, options(Client, "ipv4"), rand.New(rand.NewPCG(3, 4))), peer(&c, Client, "ipv4"))
		}
		if !slices.EqualFunc(all[0].Frames, all[1].Frames, func(a, b Recorded) bool {
			return a.At == b.At && a.Sent == b.Sent && bytes.Equal(a.Frame.AppendTo(nil), b.Frame.AppendTo(nil))
		}) {
			t.Error("two trials with one seed differ")
		}
		other := play(t, New(&c, options(Client, "ipv4"), rand.New(rand.NewPCG(3, 5))), peer(&c, Client, "ipv4"))
		if len(other.Frames) == len(all[0].Frames) && bytes.Equal(other.Frames[len(other.Frames)/2].Frame.Payload, all[0].Frames[len(other.Frames)/2].Frame.Payload) {
			t.Error("another seed does the same")
		}
	}
}

// Frames go out at a bounded rate.
func TestRateIsBounded(t *testing.T) {
	for _, c := range cases(t) {
		if c.Name != "1661/flood-of-echoes" {
			continue
		}
		r := play(t, New(&c, options(Client, "ipv4"), rand.New(rand.NewPCG(3, 4))), peer(&c, Client, "ipv4"))
		n := map[time.Duration]int{}
		for _, f := range r.Frames {
			if f.Sent {
				n[f.At.Truncate(time.Second)]++
			}
		}
		for at, count := range n {
			if count > 1200 {
				t.Errorf("%d frames in the second of %v", count, at)
			}
		}
	}
}
