package fuzz_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/session"
)

// FuzzResume takes a session over from a snapshot in which anything may be missing or
// of another value, as an earlier version may have left it: it is asked for, answered,
// and ended, and no more comes of it than of any session.
func FuzzResume(f *testing.F) {
	s := upSession(f)
	b, err := json.Marshal(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	s.Networks = nil
	s.Link.Echo.SentAt = [len(s.Link.Echo.SentAt)]time.Duration{}
	if b, err = json.Marshal(s); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var s session.Snapshot
		if json.Unmarshal(b, &s) != nil || !s.Resumable() {
			return
		}
		m := session.Resume(s, "hunter22", rand.New(rand.NewPCG(1, 2)))
		now := 2 * time.Hour
		frames := 0
		do := func(in session.Input) (next time.Duration) {
			out := m.Step(now, in)
			if frames += len(out.Frames); frames > 200 || len(out.Events) > 24 {
				t.Fatalf("%d frames; events %v", frames, out.Events)
			}
			return out.Deadline
		}
		do(session.Input{Command: session.TakenOver})
		next := do(session.Input{Command: session.LineBack})
		for range 200 {
			if next == 0 || next > 3*time.Hour {
				break
			}
			now = max(now, next)
			next = do(session.Input{})
		}
		m.Info()
		if _, err := json.Marshal(m.Snapshot()); err != nil {
			t.Fatal(err)
		}
		do(session.Input{Command: session.Abandon, Cause: cause.Released})
		if m.Phase() != session.Down {
			t.Fatalf("phase %q after Abandon", m.Phase())
		}
	})
}
