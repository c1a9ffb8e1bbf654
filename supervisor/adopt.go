package supervisor

import (
	"fmt"
	"time"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/netconf"
	"pppoectl/session"
)

// rememberRejection goes on with the wait after a rejection that an earlier run
// has begun, unless the configuration was changed since.
func (u *uplink) rememberRejection(modified time.Time) {
	at := time.Unix(u.record.RejectedAt, 0)
	if u.record.Rejections == 0 || modified.After(at) {
		return
	}
	wait := delay(cause.AuthRejected, u.record.Rejections, u.record.Worked, u.rand) - max(time.Since(at), 0)
	if wait <= 0 {
		return
	}
	u.nextTry = u.s.env.Now() + wait
	u.lastError = &control.Failure{
		Code: cause.AuthRejected, Text: cause.AuthRejected.Text(),
		Message: fmt.Sprintf("%s: authentication was rejected %d times, the last time at %s; next try %s (or by `pppoectl restart %s`)",
			u.cfg.Name, u.record.Rejections, at.Format(time.DateTime), in(wait), u.cfg.Name),
	}
}

// adopt finds what an earlier run has left: a session that the AC may still
// believe in. It is released before the first dial.
func (u *uplink) adopt() {
	defer u.tidy()
	v, _, err := u.s.store.LoadSession(u.cfg.Name)
	if err != nil {
		if !isMissing(err) {
			u.log.Warnf("the session of an earlier run is lost: %v", err)
			u.forgetSession()
		}
		return
	}
	peer, ok := v.Snapshot.Peer()
	if !ok {
		u.forgetSession()
		return
	}
	if v.Interface != u.cfg.Interface || !u.wanted {
		u.s.releaseOrphan(u.cfg.Name)
		return
	}
	u.stale = &peer
	u.tell("stale", cause.Stale, fmt.Sprintf("session 0x%04x at %v of an earlier run will be released", peer.Session, peer.AC), "")
}

// tidy undoes what an earlier run has left and this one does not want yet.
func (u *uplink) tidy() {
	var want []netconf.Change
	if u.wanted && len(u.s.journal.Applied(u.cfg.Name)) > 0 {
		want = u.changes()
	}
	if err := u.s.journal.Apply(u.cfg.Name, want); err != nil {
		u.log.Warnf("left over from an earlier run: %v", err)
	}
	u.leaveAsides()
	if !u.wanted {
		u.undoAsides()
	}
}

// lastWords is how long a session in the making is waited for at the end.
const lastWords = 2 * time.Second

// settleDiscovery ends discovery so that no session is opened that nobody will
// know of.
func (u *uplink) settleDiscovery() {
	if u.machine == nil || u.port == nil || u.machine.Phase() != session.Discovery {
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
	u.s.turns.give(u.cfg.Interface, u.turn, u.s.env.Now())
	if u.released == cause.None {
		u.settleDiscovery()
	}
	if u.machine != nil && !u.idle() {
		u.saveSession()
	}
	u.closePath()
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
