package supervisor

import (
	"strings"
	"sync"

	"pppoectl/netconf"
)

// linePrefix begins the names under which lines stand in the journal; it is in
// no uplink's name.
const linePrefix = "line:"

// lines knows which uplinks use which line, so that the last one to leave sets
// it down if pppoectl has set it up.
type lines struct {
	mu    sync.Mutex
	users map[string]map[string]bool // uplinks by line
}

func (l *lines) use(line, uplink string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users == nil {
		l.users = map[string]map[string]bool{}
	}
	if l.users[line] == nil {
		l.users[line] = map[string]bool{}
	}
	l.users[line][uplink] = true
}

// leave reports whether the uplink was the last on its line.
func (l *lines) leave(line, uplink string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.users[line], uplink)
	return len(l.users[line]) == 0
}

// takeLine sets the uplink's interface up if nobody has, as pppoe-start does: a
// port that carries only PPPoE has no other reason to be up. It is done once;
// who sets it down later means it.
func (u *uplink) takeLine() {
	if !u.wanted || !u.lineSeen || u.lineTaken || !u.line.Exists {
		return
	}
	u.lineTaken = true
	u.s.lines.use(u.cfg.Interface, u.cfg.Name)
	if u.line.Up {
		return
	}
	up := []netconf.Change{netconf.LineUp{Interface: u.cfg.Interface}}
	if err := u.s.journal.Apply(linePrefix+u.cfg.Interface, up); err != nil {
		u.log.Warnf("%s could not be set up: %v", u.cfg.Interface, err)
		return
	}
	u.log.Infof("%s was down; it is set up", u.cfg.Interface)
}

// leaveLine sets the interface down again if pppoectl has set it up and no
// other uplink is on it.
func (u *uplink) leaveLine() {
	u.lineTaken = false
	if !u.s.lines.leave(u.cfg.Interface, u.cfg.Name) {
		return
	}
	if err := u.s.journal.Apply(linePrefix+u.cfg.Interface, nil); err != nil {
		u.log.Warnf("%v", err)
	}
}

// lineOf returns the interface that owner stands for in the journal.
func lineOf(owner string) (string, bool) { return strings.CutPrefix(owner, linePrefix) }
