package fuzz_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pppoectl/lcp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// happened is a step of a session's, and what followed.
type happened struct {
	now time.Duration
	in  session.Input
	out session.Output
}

// A session that is restored from its snapshot, by way of JSON, at any step of its life does from then on what it would have
// done, frame by frame, event by event: on a good line, and on one that loses and delays.
func TestModelRestoredSessionGoesOnAsItWould(t *testing.T) {
	for seed := range 4 {
		b := newBoth(t, []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5}[seed%2])
		var steps []happened
		b.afterHost = func(in session.Input, out session.Output) { steps = append(steps, happened{b.now, in, out}) }
		if seed < 2 {
			b.whole()
		} else {
			r := rand.New(rand.NewPCG(uint64(seed), 17))
			b.fate = func(int, pppoe.Frame) []time.Duration {
				return [][]time.Duration{nil, {wireDelay}, {wireDelay, 2 * wireDelay}, {100 * wireDelay}}[r.IntN(4)]
			}
			for range 4 {
				b.command(session.Dial)
				b.run(time.Minute, nil)
			}
		}
		chance := rand.NewPCG(1, 2)
		m := session.New(b.cfg, rand.New(chance))
		for k, s := range steps {
			if out := m.Step(s.now, s.in); !reflect.DeepEqual(out, s.out) {
				t.Fatalf("seed %d, step %d cannot be repeated: %+v, was %+v", seed, k, out, s.out)
			}
			again := *chance
			restored := session.New(b.cfg, rand.New(&again))
			restored.Restore(throughJSON(t, m.Snapshot()))
			again = *chance // what New has drawn is not the session's
			for j, s := range steps[k+1:] {
				if out := restored.Step(s.now, s.in); !reflect.DeepEqual(out, s.out) {
					t.Fatalf("seed %d: restored after step %d, step %d is %+v, was %+v", seed, k, k+1+j, out, s.out)
				}
			}
		}
		t.Logf("seed %d: %d steps", seed, len(steps))
	}
}

func throughJSON(t *testing.T, s session.Snapshot) session.Snapshot {
	t.Helper()
	j, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var again session.Snapshot
	if err := json.Unmarshal(j, &again); err != nil {
		t.Fatal(err)
	}
	return again
}
