package supervisor

import (
	"fmt"
	"regexp"
	"time"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/state"
)

// goOnWaiting goes on with the wait that an earlier run has begun, unless the
// configuration was changed since: neither a restart nor a crash makes an AC hear
// more of us.
func (u *uplink) goOnWaiting(modified time.Time) {
	r := u.record.Retry
	if r == nil {
		return
	}
	now := u.s.env.Now()
	if modified.After(r.Clock) {
		u.record.Retry = nil
		return
	}
	u.failures = r.Failures
	if now-r.At > r.Wait+stable {
		u.failures = 0
	}
	if wait := r.At + r.Wait - now; wait > 0 && wait <= r.Wait {
		u.nextTry = now + wait
		u.lastError = &control.Failure{
			Code: r.Cause, Text: r.Text,
			Message: fmt.Sprintf("%s (at %s, before pppoectl was started again); next try %s, or by `pppoectl restart %s`",
				r.Message, r.Clock.Local().Format(time.DateTime), in(wait), u.cfg.Name),
		}
	}
}

// noteRetry has the next run know of the wait that begins now.
func (u *uplink) noteRetry(c cause.Code, text, message string, wait time.Duration) {
	u.record.Retry = &state.Retry{
		Cause: c, Text: text[:min(len(text), maxWords)], Message: message[:min(len(message), 2*maxWords)],
		Failures: u.failures, Wait: wait, At: u.s.env.Now(), Clock: time.Now(),
	}
	u.saveRecord()
}

// held matches the words in which concentrators say that they still hold a session
// of the login, or of the line.
var held = regexp.MustCompile(`(?i)already (logged|signed|connected|online|active|open|in use|exist)|duplicate (login|user|session)|` +
	`(simultaneous|concurrent|multiple) (use|login|logon|session|connection)|(session|connection|port)s? (limit|in use|exceeded)|` +
	`(max|maximum|too many)\w*( number of)? (active |concurrent )?(session|connection|login|logon)|user(name)? (is )?in use`)

// reason returns what the end of a session means, by the AC's own words: a login that
// it refuses because of an earlier session needs no other password.
func reason(c cause.Code, peer string) cause.Code {
	if (c == cause.AuthRejected || c == cause.ACRefused) && held.MatchString(peer) {
		return cause.StillHeld
	}
	return c
}

// releaseAgain has the last session's PADT sent once more: an AC that still holds
// it may not have heard the first.
func (u *uplink) releaseAgain() {
	if last := u.record.Last; last != nil && u.machine != nil {
		u.machine.SetStale(*last)
	}
}
