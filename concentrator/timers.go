package concentrator

import (
	"container/heap"
	"time"
)

// timers are the deadlines of all sessions, the earliest first, so that a frame
// of one session costs nothing for the others.
type timers struct{ queue queue }

// first returns the earliest deadline; zero if there is none.
func (t *timers) first() time.Duration {
	if len(t.queue) == 0 {
		return 0
	}
	return t.queue[0].due
}

// set sets a session's deadline; zero means none.
func (t *timers) set(s *Session, due time.Duration) {
	switch {
	case due == 0 && s.place >= 0:
		heap.Remove(&t.queue, s.place)
	case due == 0:
	case s.place >= 0:
		s.due = due
		heap.Fix(&t.queue, s.place)
	default:
		s.due = due
		heap.Push(&t.queue, s)
	}
}

// due takes out the sessions whose deadline has come.
func (t *timers) due(now time.Duration) []*Session {
	var list []*Session
	for len(t.queue) > 0 && t.queue[0].due <= now {
		list = append(list, heap.Pop(&t.queue).(*Session))
	}
	return list
}

// queue is a heap of sessions, each of which knows its place; -1: not in it.
type queue []*Session

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due < q[j].due }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *queue) Push(x any) {
	s := x.(*Session)
	s.place = len(*q)
	*q = append(*q, s)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	s := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	s.place = -1
	return s
}
