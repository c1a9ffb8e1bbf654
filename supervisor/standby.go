package supervisor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/session"
)

// An uplink that stands by for another one steps in when that has not been up for a
// while, which most reconnects are done within, and back when it has been up again for
// another while.
const (
	stepIn   = 15 * time.Second
	stepBack = time.Minute
)

// standby is what an uplink knows of the one that it stands by for.
type standby struct {
	primary   <-chan bool // whether that is up, now and whenever it changes; nil: it stands by for none
	end       context.CancelFunc
	up        bool
	at        time.Duration // when that is to be acted on, since boot; 0: it is
	steppedIn bool
}

// standsBy reports whether the uplink has to wait until another one fails.
func (u *uplink) standsBy() bool { return u.cfg.StandbyFor != "" && !u.sb.steppedIn }

// startStandby begins to follow the uplink that this one stands by for.
func (u *uplink) startStandby() {
	if u.sb.end != nil {
		u.sb.end()
	}
	u.sb = standby{steppedIn: u.sb.steppedIn || !u.idle()}
	if u.cfg.StandbyFor == "" {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	u.sb.primary, u.sb.end = u.s.follow(ctx, u.cfg.StandbyFor), cancel
	u.sb.at = u.s.env.Now() + stepIn
}

// primaryChanged notes what became of the uplink that this one stands by for.
func (u *uplink) primaryChanged(up bool) {
	u.sb.up = up
	u.sb.at = u.s.env.Now() + stepIn
	if up {
		u.sb.at = u.s.env.Now() + stepBack
		if !u.sb.steppedIn {
			u.sb.at = 0
		}
	}
	u.explainStandby()
}

// takeSides steps in, or back.
func (u *uplink) takeSides() {
	u.sb.at = 0
	switch {
	case !u.sb.up && !u.sb.steppedIn:
		u.sb.steppedIn = true
		if u.wanted {
			u.tell("stepped_in", cause.Standby, fmt.Sprintf("%s steps in for %s, which is not up", u.cfg.Name, u.cfg.StandbyFor), "")
			u.wantUp(false)
		}
	case u.sb.up && u.sb.steppedIn:
		u.sb.steppedIn = false
		u.nextTry = 0
		u.step(session.Input{Command: session.Hangup, Cause: cause.Standby, Text: "User request"})
		if u.idle() {
			u.tearDown()
		}
	}
	u.explainStandby()
}

// explainStandby tells in the status why nothing is dialled.
func (u *uplink) explainStandby() {
	if u.cfg.StandbyFor == "" || !u.idle() {
		return
	}
	if !u.standsBy() {
		if u.lastError != nil && u.lastError.Code == cause.Standby {
			u.lastError = nil
		}
		return
	}
	text := fmt.Sprintf("stands by for %s, which is up", u.cfg.StandbyFor)
	if !u.sb.up {
		text = fmt.Sprintf("stands by for %s, and steps in if that is not up soon", u.cfg.StandbyFor)
	}
	u.lastError = &control.Failure{Code: cause.Standby, Text: text, Message: u.cfg.Name + ": " + text}
}

// lineFull tells, once, that the line's sessions are all taken.
func (u *uplink) lineFull(by []string) {
	u.full = len(by) > 0
	if !u.full {
		if u.lastError != nil && u.lastError.Code == cause.SessionLimit {
			u.lastError = nil
		}
		return
	}
	text := fmt.Sprintf("%s has a session limit of %d, and its sessions are those of %s", u.cfg.Interface, len(by), strings.Join(by, " and "))
	if u.lastError != nil && u.lastError.Text == text {
		return
	}
	message := u.cfg.Name + ": " + text + "; it is dialled when one of them ends"
	u.lastError = &control.Failure{Code: cause.SessionLimit, Text: text, Message: message}
	u.tell("session_limit", cause.SessionLimit, message, "")
}

// followAgain is how often it is looked whether an uplink was made anew.
const followAgain = 5 * time.Second

// follow tells whether the uplink called name is up, now and whenever that changes,
// until ctx is done. One that there is not is not up.
func (s *Supervisor) follow(ctx context.Context, name string) <-chan bool {
	tell := make(chan bool)
	go func() {
		told := false
		for first := true; ; first = false {
			up, changed := false, (<-chan struct{})(nil)
			if u, err := s.uplink(name); err == nil {
				var status control.Uplink
				status, changed = u.Status()
				up = status.State == control.Up
			}
			if up != told || first {
				select {
				case tell <- up:
					told = up
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-changed:
			case <-time.After(followAgain):
			case <-ctx.Done():
				return
			}
		}
	}()
	return tell
}
