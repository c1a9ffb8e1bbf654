package capture

import (
	"maps"
	"slices"
	"time"
)

const (
	// settle is how long a frame waits for earlier ones of the other tap, which a busy machine
	// may have kept from running.
	settle = 200 * time.Millisecond
	// beat is how often frames are written.
	beat = 20 * time.Millisecond
	// patience is how long a frame waits until it is known whose session it is of: an
	// answer to the first frames after a PADS may overtake the daemon, which has a disk to
	// wait for.
	patience = 2 * time.Second
	// maxHeld is how much waits at most, in octets.
	maxHeld = 64 << 20
	// maxOwners bounds what a hostile line can make us remember.
	maxOwners = 4096
)

// held is a frame that waits to be written.
type held struct {
	at      time.Time // by the kernel's clock
	arrived time.Time // monotonic
	session Session
	frame   []byte
}

// queue puts frames in order, and holds them until it is known whose they are.
type queue struct {
	list   []held
	octets int
	ours   map[Session]bool // what is missing is not known
}

// tell tells whose a session is.
func (q *queue) tell(s Session, ours bool) {
	if len(q.ours) >= maxOwners {
		maps.DeleteFunc(q.ours, func(_ Session, ours bool) bool { return !ours })
	}
	q.ours[s] = ours
}

func (q *queue) add(h held) {
	q.list = append(q.list, h)
	q.octets += len(h.frame)
}

// undecided reports whether a frame waits for word whose it is.
func (q *queue) undecided() bool {
	return slices.ContainsFunc(q.list, func(h held) bool { _, known := q.ours[h.session]; return !known })
}

// due takes out and returns what is to be written by now, in the order of its time; at the
// end that is all.
func (q *queue) due(now time.Time, end bool) []held {
	slices.SortStableFunc(q.list, func(a, b held) int { return a.at.Compare(b.at) })
	var out []held
	n := 0
	for _, h := range q.list {
		age := now.Sub(h.arrived)
		ours, known := q.ours[h.session]
		if !end && q.octets <= maxHeld {
			if age < settle || !known && age < patience {
				break
			}
			if !known {
				q.tell(h.session, false) // nobody's here
			}
		}
		n++
		q.octets -= len(h.frame)
		if ours {
			out = append(out, h)
		}
	}
	q.list = slices.Delete(q.list, 0, n)
	return out
}
