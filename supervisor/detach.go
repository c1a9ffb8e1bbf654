package supervisor

import (
	"time"

	"pppoectl/cause"
	"pppoectl/session"
)

// lastWords is how long a session in the making is waited for at the end.
const lastWords = 2 * time.Second

// settleDiscovery ends discovery so that no session is opened that nobody will
// know of.
func (u *uplink) settleDiscovery() {
	if u.machine == nil || u.port == nil || u.machine.Phase() != session.Discovery && u.machine.Phase() != session.Terminating {
		return
	}
	u.wanted = false
	u.released = cause.Detached // no tear-down
	u.step(session.Input{Command: session.Hangup, Cause: cause.Detached})
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	for !u.idle() {
		select {
		case f := <-u.port.Frames():
			u.step(session.Input{Frame: &f})
		case <-timer.C:
			return
		}
	}
}

// detach leaves everything as it is, for the next start.
func (u *uplink) detach() {
	u.s.turns.leave(u.cfg.Interface, u.player, u.s.env.Now())
	defer u.endHooks()
	if u.sb.end != nil {
		u.sb.end()
	}
	if u.released == cause.None {
		u.settleDiscovery()
	}
	if u.machine != nil && !u.idle() {
		u.saveSession()
	}
	u.hist.passes(u.s.env.Now())
	u.keepHistory()
	u.leavePath()
	u.stopDelegation()
	u.stopDiscovery()
	u.closeDevice()
	if u.port != nil {
		u.port.Close()
		u.port = nil
	}
}

// tearDown undoes all that was done for the uplink.
func (u *uplink) tearDown() {
	u.closePath()
	u.closeDevice()
	if u.stale != nil {
		u.stale = nil
		u.s.releaseOrphan(u.cfg.Name)
	}
	u.addrs, u.broken, u.againAt = addresses{}, nil, 0
	u.undoAsides()
	if err := u.s.journal.Apply(u.cfg.Name, nil); err != nil {
		u.log.Errorf("%v", err)
	}
	if u.released != cause.Reconfigured {
		u.leaveLine()
	}
	u.describe()
}
