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

// take notes that the uplink uses the line, and sets it up if it is down.
func (l *lines) take(line, uplink string, up func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users == nil {
		l.users = map[string]map[string]bool{}
	}
	if l.users[line] == nil {
		l.users[line] = map[string]bool{}
	}
	l.users[line][uplink] = true
	return up()
}

// leave notes that the uplink does not use the line any more, and sets it down
// if it was the last.
func (l *lines) leave(line, uplink string, down func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.users[line], uplink)
	if len(l.users[line]) > 0 {
		return nil
	}
	return down()
}

// takeLine sets the uplink's interface up if nobody has, as pppoe-start does: a
// port that carries only PPPoE has no other reason to be up. It is done once for
// each interface of that name; who sets it down later means it.
func (u *uplink) takeLine() {
	if !u.wanted || !u.lineSeen || u.lineTaken || !u.line.Exists {
		return
	}
	u.lineTaken = true
	owner := linePrefix + u.cfg.Interface
	err := u.s.lines.take(u.cfg.Interface, u.cfg.Name, func() error {
		if up, err := u.s.env.System.IsUp(u.cfg.Interface); up || err != nil {
			return err
		}
		// Whatever the journal says of it is not true any more.
		if err := u.s.journal.Forget(owner); err != nil {
			return err
		}
		u.log.Infof("%s is down; it is set up", u.cfg.Interface)
		return u.s.journal.Apply(owner, []netconf.Change{netconf.LineUp{Interface: u.cfg.Interface}})
	})
	if err != nil {
		u.log.Warnf("%s could not be set up: %v", u.cfg.Interface, err)
	}
}

// leaveLine sets the interface down again if pppoectl has set it up and no
// other uplink is on it.
func (u *uplink) leaveLine() {
	u.lineTaken = false
	err := u.s.lines.leave(u.cfg.Interface, u.cfg.Name, func() error {
		if u.line.Exists && u.s.env.Others != nil && u.s.env.Others(u.line.Interface.Index) {
			u.log.Infof("%s stays up: another program has sessions there", u.cfg.Interface)
			return u.s.journal.Forget(linePrefix + u.cfg.Interface)
		}
		return u.s.journal.Apply(linePrefix+u.cfg.Interface, nil)
	})
	if err != nil {
		u.log.Warnf("%v", err)
	}
}

// lineOf returns the interface that owner stands for in the journal.
func lineOf(owner string) (string, bool) { return strings.CutPrefix(owner, linePrefix) }
