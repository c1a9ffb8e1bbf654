package supervisor

import (
	"maps"
	"slices"
	"sync"
	"time"

	"pppoectl/session"
)

// Only so many uplinks of a line dial at the same moment, each for at most a turn,
// so that a thousand sessions which begin together do not make each other's answers
// late: a PADR that is repeated for that opens a second session at the AC. They begin one
// after the other, too.
const (
	atOnce   = 16
	turnTime = 500 * time.Millisecond
	stagger  = 100 * time.Millisecond // between two beginnings
	allBegin = time.Second            // within which many begin, rather than that
)

// turns are who may dial, and who has a session, by line. Its zero value is ready.
type turns struct {
	mu    sync.Mutex
	lines map[string]*turnsOfLine
}

// player is an uplink as its line sees it; it gets a message when it is its turn.
type player struct {
	name string
	turn chan struct{}
}

type turnsOfLine struct {
	limit   int                       // how many sessions the line has; 0: as many as there are uplinks
	until   map[*player]time.Duration // whose turn it is, and how long
	places  map[*player]bool          // who has a session, or is about to have one
	wants   map[*player]bool          // who would have one, and does not wait for anything else
	waiting []*player                 // for a turn, in order
	began   time.Duration             // when the last turn did

	endUnknown bool // sessions of the line that nobody knows
}

// line returns the line called name.
func (t *turns) line(name string) *turnsOfLine {
	if t.lines == nil {
		t.lines = map[string]*turnsOfLine{}
	}
	l := t.lines[name]
	if l == nil {
		l = &turnsOfLine{until: map[*player]time.Duration{}, places: map[*player]bool{}, wants: map[*player]bool{}, began: -allBegin}
		t.lines[name] = l
	}
	return l
}

// configure says how many sessions a line has, 0: as many as there are uplinks, and whether
// those that nobody knows are ended.
func (t *turns) configure(line string, sessions int, endUnknown bool, now time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.line(line)
	l.limit, l.endUnknown = sessions, endUnknown
	l.grant(now)
	l.remind()
}

// endsUnknown reports whether sessions of a line that nobody knows are ended.
func (t *turns) endsUnknown(line string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.line(line).endUnknown
}

// enter notes that who has a session of the line.
func (t *turns) enter(line string, who *player) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line(line).places[who] = true
}

// want notes whether who would have a session of the line, if there is one for it.
func (t *turns) want(line string, who *player, wants bool, now time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.line(line)
	if wants {
		l.wants[who] = true
	} else {
		delete(l.wants, who)
	}
	l.grant(now)
	l.remind()
}

// take asks for a turn and reports whether it is who's. If not, who gets a
// message when it is, and should ask again at a time; 0: only then, for all sessions of the
// line are taken, by those that are named.
func (t *turns) take(line string, who *player, now time.Duration) (ok bool, again time.Duration, taken []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.line(line)
	if _, ok := l.until[who]; ok {
		l.until[who] = now + turnTime
		return true, 0, nil
	}
	if !slices.Contains(l.waiting, who) {
		l.waiting = append(l.waiting, who)
	}
	l.grant(now)
	if _, ok := l.until[who]; ok {
		select {
		case <-who.turn: // it knows
		default:
		}
		return true, 0, nil
	}
	if !l.room(who) {
		taken = l.before(who)[:l.limit]
		slices.Sort(taken)
		return false, 0, taken
	}
	again = now + turnTime
	for _, until := range l.until {
		again = min(again, until)
	}
	if next := l.began + l.pause(); next > now {
		again = min(again, next)
	}
	return false, again, nil
}

// give ends who's turn, or its waiting for one.
func (t *turns) give(line string, who *player, now time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.line(line)
	l.end(who)
	l.grant(now)
	l.remind()
}

// leave notes that who has no session of the line any more, nor wants one now.
func (t *turns) leave(line string, who *player, now time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.line(line)
	l.end(who)
	delete(l.places, who)
	delete(l.wants, who)
	l.grant(now)
	l.remind()
}

func (l *turnsOfLine) end(who *player) {
	delete(l.until, who)
	l.waiting = slices.DeleteFunc(l.waiting, func(w *player) bool { return w == who })
}

// room reports whether the line has a session for who.
func (l *turnsOfLine) room(who *player) bool {
	return l.limit == 0 || l.places[who] || len(l.before(who)) < l.limit
}

// before are those whose claim on the line's sessions comes first: who has one keeps it,
// and of those that have none the first by name is the first.
func (l *turnsOfLine) before(who *player) []string {
	var have, want []string
	for p := range l.places {
		have = append(have, p.name)
	}
	for p := range l.wants {
		if !l.places[p] && p.name < who.name {
			want = append(want, p.name)
		}
	}
	slices.Sort(have)
	slices.Sort(want)
	return append(have, want...)
}

// pause is how long to wait between two beginnings.
func (l *turnsOfLine) pause() time.Duration {
	return min(stagger, allBegin/time.Duration(max(len(l.waiting), 1)))
}

// grant gives the turns that are free to those who have waited longest.
func (l *turnsOfLine) grant(now time.Duration) {
	maps.DeleteFunc(l.until, func(_ *player, until time.Duration) bool { return now >= until })
	for i := 0; i < len(l.waiting) && len(l.until) < atOnce && now >= l.began+l.pause(); {
		who := l.waiting[i]
		if !l.room(who) {
			i++
			continue
		}
		l.waiting = slices.Delete(l.waiting, i, i+1)
		l.until[who], l.places[who], l.began = now+turnTime, true, now
		who.remind()
	}
}

// remind has the first ask again for whom there is room, but not yet a turn.
func (l *turnsOfLine) remind() {
	if i := slices.IndexFunc(l.waiting, l.room); i >= 0 {
		l.waiting[i].remind()
	}
}

func (p *player) remind() {
	select {
	case p.turn <- struct{}{}:
	default:
	}
}

// myTurn reports whether the uplink may dial now; else it is told when it may.
func (u *uplink) myTurn() bool {
	ok, again, taken := u.s.turns.take(u.cfg.Interface, u.player, u.s.env.Now())
	u.inTurn, u.turnAt = true, again
	u.lineFull(taken)
	return ok
}

// endTurn lets others dial once the session is up, or there is none in the
// making, and have the line's session once this uplink does without.
func (u *uplink) endTurn() {
	now := u.s.env.Now()
	if wants := u.keepsPlace(); wants != u.wantsPlace {
		u.wantsPlace = wants
		u.s.turns.want(u.cfg.Interface, u.player, wants, now)
	}
	if u.placed() {
		u.hasPlace = true
		u.s.turns.enter(u.cfg.Interface, u.player)
	} else if u.hasPlace && !u.keepsPlace() {
		u.hasPlace, u.inTurn, u.turnAt = false, false, 0
		u.s.turns.leave(u.cfg.Interface, u.player, now)
		return
	}
	waiting := (u.turnAt != 0 || u.full) && u.wanted && u.line.Carrier && !u.standsBy()
	if !u.inTurn || waiting || !u.idle() && u.machine.Phase() != session.Up {
		return
	}
	u.s.turns.give(u.cfg.Interface, u.player, now)
	u.inTurn, u.turnAt, u.full = false, 0, false
}

// placed reports whether there is a session, or one in the making.
func (u *uplink) placed() bool { return !u.hasPlace && !u.idle() }

// placeKept is how long the line's session is kept for an uplink that waits before it
// dials again.
const placeKept = time.Minute

// keepsPlace reports whether nobody else is to have the line's session.
func (u *uplink) keepsPlace() bool {
	switch {
	case !u.idle():
		return true
	case !u.wanted || u.standsBy():
		return false
	}
	return u.nextTry-u.s.env.Now() <= placeKept
}
