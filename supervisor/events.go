package supervisor

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/hooks"
	"pppoectl/session"
	"pppoectl/state"
)

// At most so many events of one uplink are told at once, and then one each
// interval: an AC must not be able to fill a disk.
const (
	eventBurst    = 60
	eventInterval = 5 * time.Second
)

// handle does what one event of the session asks for.
func (u *uplink) handle(e session.Event) {
	info := u.machine.Info()
	switch e.Kind {
	case session.Dropped:
		u.log.WithField("reason", e.Text).Trace("frame ignored")
		return
	case session.Opened:
		u.last = u.peer()
		u.tell(string(e.Kind), cause.None, fmt.Sprintf("%s opened session 0x%04x", quote(info.ACName), info.SessionID), "")
	case session.NoOffer:
		text := fmt.Sprintf("%s: no access concentrator answers on %s (%s); still asking%s", u.cfg.Name, u.cfg.Interface, e.Text, u.pinned())
		u.lastError = &control.Failure{Code: cause.NoOffer, Text: e.Text, Message: text}
		u.tell(string(e.Kind), e.Cause, text, "")
	case session.Authenticated:
		u.authenticated(e)
	case session.NetworkUp, session.NetworkDown:
		u.networkChanged(e)
	case session.NetworkFailed:
		u.tell(string(e.Kind), cause.NetworkFailed, fmt.Sprintf("%s: %s; the session goes on without it", u.cfg.Name, e.Text), "")
	case session.Ready:
		u.ready()
	case session.LinkDown:
		if u.authUp {
			u.authUp = false
			u.hook(hooks.AuthDown, u.hookLink(""), nil)
		}
		u.tell(string(e.Kind), cause.None, "LCP is negotiated anew or ends; the device and its addresses stay", "")
	case session.Suspected:
		u.tell(string(e.Kind), e.Cause, fmt.Sprintf("the session may be gone: %s", e.Text), "")
	case session.Alive:
		u.tell(string(e.Kind), cause.None, "the AC answers again, the session goes on", "")
	case session.Resumed:
		u.resumedAlive()
		return
	case session.Notice:
		u.tell(string(e.Kind), cause.None, e.Text, e.Peer)
	}
	u.remind(e.Kind)
}

// A session that changes all the time is written down at most so often; at its
// beginning always.
const (
	saveBurst    = 20
	saveInterval = 2 * time.Second
)

func (u *uplink) remind(k session.Kind) {
	switch k {
	case session.Notice, session.Suspected, session.Alive, session.NoOffer:
		return
	}
	if _, _, id := u.machine.Address(); id == 0 {
		return
	}
	now := u.s.env.Now()
	switch {
	case k == session.Opened || u.saves.Allow(now, saveBurst, saveInterval):
		u.saveSession()
	case u.saveAt == 0:
		u.saveAt = now + saveInterval
	}
}

// pinned hints at a selection that may be why nobody answers.
func (u *uplink) pinned() string {
	w := u.cfg.Want
	if w.ACName == "" && w.ServiceName == "" && !w.AC.Unicast() {
		return "; is this the right port?"
	}
	return "; `pppoectl discover -i " + u.cfg.Interface + "` shows who is there, ac-name, ac-mac or service-name may not fit"
}

func (u *uplink) authenticated(e session.Event) {
	u.hook(hooks.AuthUp, u.hookLink(""), nil)
	u.authUp = true
	u.tell(string(e.Kind), cause.None, fmt.Sprintf("authenticated by %s (%s)", quote(u.machine.Info().ACName), e.Text), e.Peer)
	if !u.record.Worked || u.record.Rejections > 0 {
		u.record.Worked, u.record.Rejections = true, 0
		u.saveRecord()
	}
}

func (u *uplink) ready() {
	now := u.s.env.Now()
	if u.upAt == 0 {
		u.upAt = now
	}
	u.attempts = 0
	if u.broken == nil {
		u.lastError = nil
	}
	info := u.machine.Info()
	text := fmt.Sprintf("%s is up: AC %s (%v), session 0x%04x, MTU %d", u.cfg.Name, quote(info.ACName), info.AC, info.SessionID, info.MTU)
	if v := info.IPv4; v != nil {
		text += fmt.Sprintf(", %v peer %v", v.Local, v.Peer)
	}
	if v := info.IPv6; v != nil {
		text += fmt.Sprintf(", %v peer %v", v.Local, v.Peer)
	}
	if u.awaitsPrefix() {
		text += "; a prefix is asked for"
	}
	u.tell("up", cause.None, text, "")
}

// closed takes the end of a session and decides when to dial again.
func (u *uplink) closed(e session.Event) {
	now := u.s.env.Now()
	if u.path == nil { // one that was taken over, whose line has not been there since
		u.forgetInKernel(u.cfg.Interface, u.cfg.Ifname)
	}
	u.closePath()
	u.stopDelegation()
	u.stopDiscovery()
	u.pd.hangAt = 0
	if u.last.Session != 0 {
		last := u.last
		u.record.Last = &last
	}
	if peer, ok := u.stalePeer(); ok {
		u.stale = &peer
	} else {
		u.forgetSession()
	}
	lasted := 0
	if u.upAt != 0 {
		lasted = max(1, int((now - u.upAt).Seconds()))
		text := e.Text
		if e.Peer != "" {
			text = e.Peer
		}
		if !intended(e.Cause) {
			u.dropped(control.Drop{At: time.Now(), Cause: e.Cause, Text: text, AfterSeconds: lasted})
		}
	}
	if u.upAt != 0 && now-u.upAt >= stable {
		u.failures = 0
	}
	u.upAt = 0
	if u.moving {
		u.tellLasting("moved", e.Cause, fmt.Sprintf("%s: %s; it is dialled anew", u.cfg.Name, e.Text), "", lasted)
		return
	}
	if !u.wanted || e.Cause == cause.Standby && u.standsBy() {
		u.tellLasting("down", e.Cause, fmt.Sprintf("%s is down: %s", u.cfg.Name, e.Cause.Text()), e.Peer, lasted)
		if u.released == cause.None {
			u.tearDown()
		}
		return
	}
	u.refresh()
	if e.Cause == cause.Released || e.Cause == cause.Reconfigured || e.Cause == cause.Standby { // but wanted again meanwhile
		u.tellLasting("down", e.Cause, fmt.Sprintf("%s is down: %s; it is wanted again", u.cfg.Name, e.Cause.Text()), "", lasted)
		u.dial()
		return
	}
	u.failed(e.Cause, e.Text, e.Peer, lasted)
	if u.nextTry == 0 {
		u.dial()
	}
}

// stalePeer returns the session that ended while nobody could be told.
func (u *uplink) stalePeer() (session.Stale, bool) {
	s := u.machine.Snapshot()
	return s.Peer()
}

// failed notes why there is no session, and plans the next try. lasted is how
// many seconds it was up; 0: it was not.
func (u *uplink) failed(c cause.Code, text, peer string, lasted int) {
	now := u.s.env.Now()
	if c != cause.NoCarrier && c != cause.NoInterface {
		u.failures++
	}
	if c = reason(c, peer); c == cause.StillHeld {
		u.releaseAgain()
	}
	n := u.failures
	if c == cause.AuthRejected {
		u.record.Rejections++
		n = u.record.Rejections
	}
	d := delay(c, n, u.record.Worked, u.rand)
	message := fmt.Sprintf("%s: %s", u.cfg.Name, u.story(c, text, peer))
	var next *time.Time
	if c != cause.NoCarrier && c != cause.NoInterface {
		if d > 0 {
			u.nextTry = now + d
			at := time.Now().Add(d)
			next = &at
		}
		u.noteRetry(c, text, message, d)
		message += "; next try " + in(d)
	} else {
		message += "; it is dialled as soon as the line is back"
	}
	short := text
	if peer != "" {
		short = peer
	}
	u.lastError = &control.Failure{Code: c, Text: short, Message: message}
	kind := "failed"
	if lasted > 0 {
		kind = "dropped"
	}
	u.add(state.Event{Kind: kind, Cause: c, Message: message, Peer: peer, After: lasted, Next: next}, logrus.WarnLevel)
}

// story says what happened, and what the AC said of it.
func (u *uplink) story(c cause.Code, text, peer string) string {
	by := "by the access concentrator"
	if u.acName != "" {
		by = "by " + bare(u.acName)
	}
	said := ""
	if peer != "" {
		said = fmt.Sprintf(": %q", peer)
	}
	switch c {
	case cause.AuthRejected:
		story := fmt.Sprintf("authentication rejected %s%s (%s)", by, said, u.auth)
		if !u.record.Worked {
			story += "; check username and password"
		}
		return story
	case cause.StillHeld:
		how := text
		if u.auth != "" {
			how = u.auth
		}
		return fmt.Sprintf("login refused %s%s (%s): an earlier session is still open there; it lets this login in when that one has timed out, usually after some minutes", by, said, how)
	case cause.ACRefused:
		return fmt.Sprintf("session refused %s: %s%s", by, text, said)
	case cause.PADT:
		return fmt.Sprintf("session ended %s (PADT)%s", by, said)
	case cause.Terminated:
		return fmt.Sprintf("session ended %s (Terminate-Request)%s", by, said)
	}
	return text + said
}

func in(d time.Duration) string {
	if d == 0 {
		return "at once"
	}
	if d >= 10*time.Second {
		return "in " + d.Round(time.Second).String()
	}
	return "in " + d.Round(100*time.Millisecond).String()
}

// bare returns an AC's name as it is if it is harmless, else quoted.
func bare(name string) string {
	for _, r := range name {
		if r < 0x21 || r > 0x7e || r == '"' || r == '`' {
			return quote(name)
		}
	}
	if name == "" || len(name) > 64 {
		return quote(name)
	}
	return name
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

// tell adds an event to log and history.
func (u *uplink) tell(kind string, c cause.Code, message, peer string) {
	u.tellLasting(kind, c, message, peer, 0)
}

func (u *uplink) tellLasting(kind string, c cause.Code, message, peer string, lasted int) {
	u.add(state.Event{Kind: kind, Cause: c, Message: message, Peer: peer, After: lasted}, logrus.InfoLevel)
}

// maxWords is how much of the AC's words is kept, in octets.
const maxWords = 256

func (u *uplink) add(v state.Event, level logrus.Level) {
	limit := &u.floods
	switch v.Kind {
	case "up", "down", "dropped", "failed": // what a history is for is not crowded out by the rest
		limit = &u.ends
	}
	if !limit.Allow(u.s.env.Now(), eventBurst, eventInterval) {
		return
	}
	v.Time, v.Uplink = time.Now(), u.cfg.Name
	v.Peer = v.Peer[:min(len(v.Peer), maxWords)]
	u.hookEvent(v)
	log := u.log.WithField("event", v.Kind)
	if v.Peer != "" {
		log = log.WithField("said", v.Peer)
	}
	log.Log(level, v.Message)
	if err := u.s.events.Add(v); err != nil {
		u.log.Errorf("history: %v", err)
	}
}

// saveSession writes the session down, if there is one.
func (u *uplink) saveSession() {
	u.saveAt = 0
	v := state.Session{
		Interface: u.cfg.Interface, Device: u.cfg.Ifname, MTU: u.cfg.MTU, UpAt: u.upAt, Resumed: u.resumed,
		Snapshot: u.machine.Snapshot(),
	}
	if v.Snapshot.Discovery.Session == 0 {
		return
	}
	c := u.counters()
	v.Dropped = [2]uint64{c.RxDropped, c.TxDropped}
	err := u.s.store.SaveSession(u.cfg.Name, v)
	if err != nil {
		u.saveAt = u.s.env.Now() + saveAgain
		if u.saved {
			u.tell("state", cause.None, fmt.Sprintf("%s: the session could not be written down, and a start would not know of it; it is tried again: %v", u.cfg.Name, plain(err)), "")
		}
	}
	u.saved = err == nil
}

// saveAgain is how long to wait before a session that could not be written down is tried
// again.
const saveAgain = 5 * time.Second

// plain is an error without the names of temporary files, which are others each time.
func plain(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func (u *uplink) forgetSession() {
	if err := u.s.store.RemoveSession(u.cfg.Name); err != nil {
		u.log.Errorf("%v", err)
	}
}

func (u *uplink) saveRecord() error {
	err := u.s.store.SaveUplink(u.cfg.Name, u.record)
	if err != nil {
		u.log.Errorf("what is known of the uplink could not be written down: %v", plain(err))
	}
	return err
}

func isMissing(err error) bool { return errors.Is(err, os.ErrNotExist) }
