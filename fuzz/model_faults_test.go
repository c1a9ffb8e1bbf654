package fuzz_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// faults are what can become of a frame: when its copies arrive.
var faults = []struct {
	name   string
	delays []time.Duration
}{
	{"lost", nil},
	{"doubled", []time.Duration{wireDelay, 2 * wireDelay}},
	{"overtaken", []time.Duration{20 * time.Millisecond}},
	{"late", []time.Duration{4 * time.Second}}, // after its repetition
	{"repeated late", []time.Duration{wireDelay, 4 * time.Second}},
}

// fault is what happens to one of the frames.
type fault struct{ frame, kind int }

func (f fault) String() string { return fmt.Sprintf("frame %d %s", f.frame, faults[f.kind].name) }

// The bounds, in times of the RFCs' timers: a fault costs one repetition at most, and the end of a
// session Max-Terminate of them; the concentrator, which may not hear of the end, learns of it
// by its echoes.
const (
	aMoment         = 200 * time.Millisecond // for all that is repeated sooner than by the restart timer
	hangupWithin    = ppp.MaxTerminate * ppp.RestartTimer
	forgottenWithin = hangupWithin + 5*10*time.Second
)

// life is a whole session: dialled, up for a while, hung up. It returns how many frames it took and how
// long until it was up.
func life(t *testing.T, auth lcp.Auth, list ...fault) (frames int, took time.Duration) {
	t.Helper()
	b := newBoth(t, auth)
	b.fate = func(n int, _ pppoe.Frame) []time.Duration {
		for _, f := range list {
			if f.frame == n {
				return faults[f.kind].delays
			}
		}
		return []time.Duration{wireDelay}
	}
	begin := b.now
	b.command(session.Dial)
	b.run(time.Minute, b.isUp)
	took = b.now - begin
	// What is late has come by then, and has done what it can.
	if b.run(9*time.Second, nil); !b.isUp() || took > time.Duration(len(list))*ppp.RestartTimer+aMoment {
		t.Fatalf("%v: %v: phase %q, up after %v: %v", auth, list, b.m.Phase(), took, b.events)
	}
	if s := b.ac.Sessions()[b.m.Info().SessionID]; s == nil || !s.Opened(ppp.IPCP) || !s.Opened(ppp.IPv6CP) {
		t.Fatalf("%v: %v: the AC does not agree: %+v", auth, list, s)
	}
	b.run(b.m.Snapshot().Link.Echo.Deadline-b.now+time.Second, nil) // an echo of each is among them
	begin = b.now
	b.command(session.Hangup)
	b.run(hangupWithin, func() bool { return b.m.Phase() == session.Down })
	if b.m.Phase() != session.Down {
		t.Fatalf("%v: %v: phase %q %v after the hang-up", auth, list, b.m.Phase(), b.now-begin)
	}
	b.run(begin+forgottenWithin-b.now, nil)
	if len(b.ac.Sessions()) != 0 || b.acNext != 0 || b.next != 0 || b.sent > 200 {
		t.Fatalf("%v: %v: %d sessions are left, deadlines %v and %v, %d frames", auth, list, len(b.ac.Sessions()), b.next, b.acNext, b.sent)
	}
	return b.sent, took
}

// Whatever single fault, or pair of faults, befalls a session on its way from PADI to PADT: it comes up within a
// repetition for each, both sides agree, and it ends in time.
func TestModelEveryFaultAndEveryPair(t *testing.T) {
	for _, auth := range []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5} {
		frames, _ := life(t, auth)
		longest := [2]time.Duration{}
		runs := 0
		for i := range frames + 4 { // there are more with a fault
			for k := range faults {
				one := fault{i, k}
				_, took := life(t, auth, one)
				longest[0] = max(longest[0], took)
				runs++
				for j := i + 1; j < frames+8; j++ {
					for k := range faults {
						if testing.Short() && (i+j+k)%7 > 0 {
							continue
						}
						_, took := life(t, auth, one, fault{j, k})
						longest[1] = max(longest[1], took)
						runs++
					}
				}
			}
		}
		t.Logf("%v: %d frames, %d runs; up within %v with one fault, %v with two", auth, frames, runs, longest[0], longest[1])
	}
}

// A line may be bad for as long as it likes: when it is good again, the session is up within a minute, or over; and
// then the next one comes up at once.
func TestModelBadLineThatHeals(t *testing.T) {
	seeds := uint64(400)
	if testing.Short() {
		seeds = 40
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 2516))
		b := newBoth(t, []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5}[seed%2])
		loss, twice, jitter := r.IntN(60), r.IntN(40), 1+r.Int64N(int64(5*time.Second))
		bad := true
		b.fate = func(int, pppoe.Frame) []time.Duration {
			if !bad {
				return []time.Duration{wireDelay}
			}
			var delays []time.Duration
			for copies := 1; copies > 0; copies-- {
				if r.IntN(100) < twice {
					copies++
				}
				if r.IntN(100) >= loss {
					delays = append(delays, wireDelay+time.Duration(r.Int64N(jitter)))
				}
			}
			return delays
		}
		for range 1 + r.IntN(5) {
			b.command(session.Dial)
			b.run(time.Duration(r.Int64N(int64(2*time.Minute))), nil)
			if r.IntN(3) == 0 {
				b.command(session.Hangup)
				if b.run(hangupWithin, nil); b.m.Phase() != session.Down {
					t.Fatalf("seed %d: phase %q %v after a hang-up", seed, b.m.Phase(), hangupWithin)
				}
			}
		}
		bad = false
		settled := func() bool { return b.isUp() || b.m.Phase() == session.Down }
		healed := b.now
		if b.run(healsWithin, settled); !settled() {
			t.Fatalf("seed %d: phase %q %v after the line was good again", seed, b.m.Phase(), b.now-healed)
		}
		if b.m.Phase() == session.Down {
			b.command(session.Dial)
			b.run(5*time.Second, b.isUp)
		}
		if !b.isUp() {
			t.Fatalf("seed %d: phase %q on a good line: %v", seed, b.m.Phase(), b.events)
		}
	}
}

// healsWithin is the longest wait that may be under way when a line gets good: that between two PADIs, with its quarter
// more, and then a session's own; or the longest of those that the session has for LCP, authentication and network.
const healsWithin = 75*time.Second + 3*time.Minute
