package supervisor

import (
	"slices"
	"sync"
	"time"

	"pppoectl/session"
)

// Only so many uplinks of a line dial at the same moment, each for at most a turn,
// so that a thousand sessions which begin together do not make each other's answers
// late: a PADR that is repeated for that opens a second session at the AC.
const (
	atOnce   = 16
	turnTime = 500 * time.Millisecond
)

// turns are who may dial, by line. Its zero value is ready.
type turns struct {
	mu    sync.Mutex
	lines map[string]*turnsOfLine
}

type turnsOfLine struct {
	until   map[chan struct{}]time.Duration // whose turn it is, and how long
	waiting []chan struct{}                 // in order
}

// take asks for a turn and reports whether it is who's. If not, who gets a
// message when it is, and should ask again at a time.
func (t *turns) take(line string, who chan struct{}, now time.Duration) (ok bool, again time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines == nil {
		t.lines = map[string]*turnsOfLine{}
	}
	l := t.lines[line]
	if l == nil {
		l = &turnsOfLine{until: map[chan struct{}]time.Duration{}}
		t.lines[line] = l
	}
	if _, ok := l.until[who]; ok {
		l.until[who] = now + turnTime
		return true, 0
	}
	if !slices.Contains(l.waiting, who) {
		l.waiting = append(l.waiting, who)
	}
	l.grant(now)
	if _, ok := l.until[who]; ok {
		select {
		case <-who: // it knows
		default:
		}
		return true, 0
	}
	again = now + turnTime
	for _, until := range l.until {
		again = min(again, until)
	}
	return false, again
}

// give ends who's turn, or its waiting for one.
func (t *turns) give(line string, who chan struct{}, now time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.lines[line]; l != nil {
		delete(l.until, who)
		l.waiting = slices.DeleteFunc(l.waiting, func(w chan struct{}) bool { return w == who })
		l.grant(now)
	}
}

// grant gives the turns that are free to those who have waited longest.
func (l *turnsOfLine) grant(now time.Duration) {
	for who, until := range l.until {
		if now >= until {
			delete(l.until, who)
		}
	}
	for len(l.until) < atOnce && len(l.waiting) > 0 {
		who := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.until[who] = now + turnTime
		select {
		case who <- struct{}{}:
		default:
		}
	}
}

// myTurn reports whether the uplink may dial now; else it is told when it may.
func (u *uplink) myTurn() bool {
	ok, again := u.s.turns.take(u.cfg.Interface, u.turn, u.s.env.Now())
	u.inTurn, u.turnAt = true, again
	return ok
}

// endTurn lets others dial once the session is up, or there is none in the
// making.
func (u *uplink) endTurn() {
	waiting := u.turnAt != 0 && u.wanted && u.line.Carrier
	if !u.inTurn || waiting || !u.idle() && u.machine.Phase() != session.Up {
		return
	}
	u.s.turns.give(u.cfg.Interface, u.turn, u.s.env.Now())
	u.inTurn, u.turnAt = false, 0
}
