package capture

import (
	"testing"
	"time"
)

// order is what is due, by the first octets.
func order(q *queue, now time.Time, end bool) string {
	var s string
	for _, h := range q.due(now, end) {
		s += string(h.frame[:1])
	}
	return s
}

func TestFramesWaitUntilItIsKnownWhoseTheyAre(t *testing.T) {
	now := time.Now()
	q := queue{ours: map[Session]bool{{}: true}}
	add := func(name string, at time.Duration, s Session) {
		q.add(held{now.Add(at), now, s, []byte(name)})
	}
	expect := func(after time.Duration, end bool, want string) {
		t.Helper()
		if got := order(&q, now.Add(after), end); got != want {
			t.Errorf("after %v: %q, want %q", after, got, want)
		}
	}
	others, strangers := Session{acMAC, 2}, Session{acMAC, 3}
	q.tell(others, false)
	add("b", 2, Session{}) // PADS
	add("a", 1, Session{}) // earlier, but seen later
	add("c", 3, ours)      // LCP, before we are told of it
	add("-", 4, others)
	add("d", 5, Session{})
	expect(settle-1, false, "")
	expect(settle, false, "ab")
	if !q.undecided() {
		t.Error("nothing is asked for")
	}
	q.tell(ours, true)
	expect(settle, false, "cd")

	add("-", 6, strangers)
	add("e", 7, ours)
	expect(patience-1, false, "")
	expect(patience, false, "e")
	add("-", 8, strangers) // nobody waits for those again
	add("f", 9, ours)
	expect(settle, false, "f")
	q.tell(strangers, true) // but they may become ours
	add("g", 10, strangers)
	add("-", 11, Session{acMAC, 4})
	add("h", 12, ours)
	expect(0, true, "gh")
	if len(q.list) != 0 || q.octets != 0 {
		t.Errorf("left: %+v", q)
	}
}

// What waits, and what is remembered, is bounded.
func TestQueueIsBounded(t *testing.T) {
	now := time.Now()
	q := queue{ours: map[Session]bool{{}: true}}
	q.tell(ours, true)
	for range maxHeld/(1<<20) + 2 {
		q.add(held{now, now, Session{acMAC, 9}, make([]byte, 1<<20)})
	}
	if q.due(now, false); q.octets > maxHeld {
		t.Errorf("%d octets wait", q.octets)
	}
	for i := range 3 * maxOwners {
		q.tell(Session{acMAC, uint16(0x8000 + i)}, false)
	}
	if len(q.ours) > maxOwners || !q.ours[ours] {
		t.Errorf("%d are remembered, ours %v", len(q.ours), q.ours[ours])
	}
}
