package supervisor

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/dataplane"
	"pppoectl/dhcpv6"
	"pppoectl/history"
	"pppoectl/line"
	"pppoectl/pppoe"
	"pppoectl/session"
	"pppoectl/state"
	"pppoectl/timer"
)

// uplink looks after one PPPoE session. Its goroutine owns everything but the
// published status.
type uplink struct {
	s      *Supervisor
	cfg    configs.Uplink
	log    *logrus.Entry
	rand   *rand.Rand
	record state.Uplink
	orders chan order
	ended  chan struct{} // closed when the goroutine has ended

	wanted     bool       // up
	onlyResume bool       // wanted only because it has a session to be taken over
	released   cause.Code // not None: end for good when the session has

	line      line.Status
	lineSeen  bool          // the line's first status is in
	lineTaken bool          // the line was set up, or found so
	strangeBy time.Duration // until when a new interface may still get its Ethernet address
	port      Port
	machine   *session.Machine // nil until the line is open for the first time
	deadline  time.Duration    // the machine's
	stale     *session.Stale   // of an earlier run

	device     Device
	deviceUp   bool // somebody, we most likely, has set it up
	path       dataplane.Path
	pathFor    dataplane.Session
	pathNote   string         // why it is no faster one
	pins       string         // where the line's programs are pinned; empty: it has none
	noPrograms string         // why it has none
	refusedBy  int            // the index of the line that it is so for
	refusedAt  time.Duration  // since when, since boot
	resetUntil time.Duration  // the line may be about to lose its carrier by that, since boot
	carryAt    time.Duration  // when to try for a data path again, since boot; 0: no need
	carried    time.Duration  // when the data path was opened
	againAt    time.Duration  // when to try again what the system has refused, since boot; 0: no need
	broken     error          // why the system is not as it should be; nil if it is
	noRoute    map[place]bool // a default route that another's is in the way of
	saves      timer.Limiter  // of the session on disk
	moving     bool           // to another station's address: no dial, no tear-down meanwhile
	addrs      addresses
	pd         delegation
	nd         discovery

	lans        <-chan lanStatus  // of the LANs' interfaces
	unfollow    func()            // ends that
	lanUp       map[string]lanIs  // what was last seen of their interfaces
	routerUntil time.Duration     // until when LANs believe in the way to the Internet
	asideAt     time.Duration     // when to try again what was refused beside, since boot; 0: no need
	asideErrors map[string]string // what was told, by owner
	described   []string          // what was done to the system

	traffic dataplane.Counters // of paths that are closed

	player     *player
	inTurn     bool // it has asked for a turn
	full       bool // and the line has no session left
	hasPlace   bool // it is counted among those that have the line's sessions
	wantsPlace bool // it is counted among those that would
	sb         standby
	turnAt     time.Duration // when to ask again, since boot; 0: not waiting for one

	nextTry  time.Duration // when to dial again, since boot; 0: not waiting
	failures int           // in a row
	attempts int
	dials    uint64        // of this run
	resumed  int           // times that another process has taken the session over
	saved    bool          // the last time that was tried
	saveAt   time.Duration // when to write the session down, since boot; 0: it is
	upAt     time.Duration // when the session was up; 0: not yet
	last     session.Stale // the last session that an AC has opened
	acName   string        // of it, untrusted
	auth     string        // of it

	hooks     Hooks         // nil: no programs are run
	hookTime  time.Duration // that each may take
	hookLocal string        // the IPv4 address that they were told of last
	authUp    bool          // they were told

	lastDrop  *control.Drop
	drops     map[cause.Code]uint64 // of this run
	hist      sampler
	lastError *control.Failure
	floods    timer.Limiter // of events
	drop      timer.Limiter // of what is written down of drops
	ends      timer.Limiter // of those that tell how sessions begin and end

	mu      sync.Mutex
	status  control.Uplink
	live    dataplane.Path     // whose counters are still counting; nil: none
	base    dataplane.Counters // of the paths before it
	changed chan struct{}

	unwritten history.Sample // what the history on disk has not yet
}

// order is what the outside wants of an uplink.
type order struct {
	kind  orderKind
	cfg   *configs.Uplink // with orderConfigure
	cause cause.Code
	dial  bool
	kept  *error        // with orderDown: why that does not last over restarts
	taken chan struct{} // closed when the order shows in the status
}

type orderKind uint8

const (
	orderUp orderKind = iota
	orderDown
	orderRestart
	orderRelease
	orderConfigure
	orderNothing // but to be taken
)

func newUplink(s *Supervisor, cfg configs.Uplink, record state.Uplink, wanted bool) *uplink {
	u := &uplink{
		s: s, cfg: cfg, record: record, wanted: wanted, rand: rand.New(s.env.Random), saved: true,
		log:   s.log.WithField("uplink", cfg.Name),
		lanUp: map[string]lanIs{}, asideErrors: map[string]string{}, drops: map[cause.Code]uint64{},
		player: &player{cfg.Name, make(chan struct{}, 1)}, orders: make(chan order), ended: make(chan struct{}), changed: make(chan struct{}),
	}
	if s.env.NewHooks != nil && s.cfg.Hooks.Dir != "" {
		u.hookTime = s.cfg.Hooks.Timeout
		u.hooks = s.env.NewHooks(s.cfg.Hooks.Dir, s.cfg.Hooks.Timeout, u.log)
	}
	u.pd = u.newDelegation()
	u.goOnWaiting(s.cfg.Modified)
	u.holdBack()
	u.endTurn()
	u.publish()
	return u
}

// Up implements Uplink.
func (u *uplink) Up(dial bool) { u.order(order{kind: orderUp, dial: dial}) }

// Down implements Uplink.
func (u *uplink) Down(c cause.Code) error {
	var kept error
	u.order(order{kind: orderDown, cause: c, kept: &kept})
	return kept
}

// Restart implements Uplink.
func (u *uplink) Restart() { u.order(order{kind: orderRestart}) }

// Release implements Uplink.
func (u *uplink) Release(c cause.Code) { u.order(order{kind: orderRelease, cause: c}) }

// Configure implements Uplink.
func (u *uplink) Configure(cfg configs.Uplink) { u.order(order{kind: orderConfigure, cfg: &cfg}) }

// order hands an order to the goroutine and waits until it has taken it.
func (u *uplink) order(o order) {
	o.taken = make(chan struct{})
	select {
	case u.orders <- o:
	case <-u.ended:
		return
	}
	select {
	case <-o.taken:
	case <-u.ended:
	}
}

// Run implements Uplink.
func (u *uplink) Run(ctx context.Context) {
	follow, unfollow := u.s.env.Follow(u.cfg.Interface)
	defer unfollow()
	device, unfollowDevice := u.s.env.Follow(u.cfg.Ifname)
	defer unfollowDevice()
	u.follow()
	defer func() { u.unfollow() }()
	defer close(u.ended)
	defer u.detach()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	jumped := u.s.jumps.next()
	for {
		var taken chan struct{}
		var frames <-chan pppoe.Frame
		var superseded <-chan struct{}
		if u.port != nil {
			frames, superseded = u.port.Frames(), u.port.Superseded()
		}
		var failed <-chan error
		if u.path != nil {
			failed = u.path.Failed()
		}
		var orders <-chan order
		if u.lineSeen { // what there is comes first
			orders = u.orders
		}
		select {
		case <-ctx.Done():
			return
		case s := <-follow:
			u.lineChanged(s)
		case <-jumped:
			jumped = u.s.jumps.next()
			u.clockJumped()
		case s := <-device:
			u.deviceChanged(s)
		case s := <-u.lans:
			u.lanChanged(s)
		case r := <-u.nd.advertisements():
			u.routerFound(r)
		case m := <-u.pd.messages():
			u.stepDHCP(dhcpv6.Input{Message: m})
		case f := <-frames:
			u.step(session.Input{Frame: &f})
		case <-superseded:
			u.step(session.Input{Command: session.Superseded, Cause: cause.EchoLost, Text: "the AC has given the id of our session to a new one: it has lost ours"})
		case err := <-failed:
			u.pathFailed(err)
		case o := <-orders:
			u.obey(o)
			taken = o.taken
		case up := <-u.sb.primary:
			u.primaryChanged(up)
		case <-u.player.turn:
			u.dial()
		case <-alarm.C:
			u.takeFrames(frames)
			u.tick()
		}
		u.endTurn()
		u.publish()
		if taken != nil {
			close(taken)
		}
		if u.released != cause.None && u.idle() {
			u.tearDown()
			return
		}
		u.rearm(alarm)
	}
}

// takeFrames takes what has come already, before a timer may call it late: the
// process may have been kept from running.
func (u *uplink) takeFrames(frames <-chan pppoe.Frame) {
	for range cap(frames) {
		select {
		case f := <-frames:
			u.step(session.Input{Frame: &f})
		default:
			return
		}
	}
}

// rearm sets the timer to the next thing to do.
func (u *uplink) rearm(alarm *time.Timer) {
	next := timer.Earliest(u.saveAt, u.hist.at, u.sb.at, u.deadline, u.nextTry, u.turnAt, u.carryAt, u.againAt, u.asideAt, u.nd.askAt, u.pd.deadline, u.pd.hangAt)
	if next == 0 {
		alarm.Stop()
		return
	}
	alarm.Reset(max(0, next-u.s.env.Now()))
}

func (u *uplink) obey(o order) {
	switch o.kind {
	case orderUp:
		u.wantUp(o.dial)
	case orderDown:
		*o.kept = u.wantDown(o.cause)
	case orderRestart:
		u.restart()
	case orderConfigure:
		u.reconfigure(*o.cfg)
	case orderRelease:
		u.released = o.cause
		u.wanted, u.nextTry = false, 0
		u.step(session.Input{Command: session.Hangup, Cause: o.cause, Text: "User request"})
	}
}

func (u *uplink) wantUp(dial bool) {
	if u.record.Down || !u.wanted {
		u.record.Down = false
		u.saveRecord()
		u.attempts, u.failures = 0, 0
	}
	u.wanted = true
	waiting := u.nextTry != 0 && u.lastError != nil && refusals[u.lastError.Code] != nil
	if dial || !waiting {
		u.nextTry = 0
		if u.idle() && u.line.Carrier { // what went wrong is tried again now
			u.lastError = nil
		}
	}
	u.takeLine()
	u.dial()
}

// restart ends the session, if there is one, and dials at once.
func (u *uplink) restart() {
	if u.idle() {
		u.wantUp(true)
		return
	}
	u.wanted, u.nextTry, u.lastError = true, 0, nil
	if u.record.Down {
		u.record.Down = false
		u.saveRecord()
	}
	u.step(session.Input{Command: session.Hangup, Cause: cause.Reconfigured, Text: "User request"})
}

// wantDown ends the session, if there is one; what it returns is why the operator's wish does
// not last over restarts.
func (u *uplink) wantDown(c cause.Code) (kept error) {
	if c == cause.Released {
		u.record.Down = true
		kept = u.saveRecord()
	}
	u.wanted, u.nextTry = false, 0
	switch {
	case c == cause.Released && u.giveBack():
	case !u.idle():
		u.step(session.Input{Command: session.Hangup, Cause: c, Text: "User request"})
	default:
		u.tearDown()
	}
	return kept
}

// idle reports whether there is no session, nor one in the making.
func (u *uplink) idle() bool { return u.machine == nil || u.machine.Phase() == session.Down }

// tick does what is due.
func (u *uplink) tick() {
	if u.nextTry != 0 && u.s.env.Now() >= u.nextTry {
		u.nextTry = 0
		u.dial()
	}
	if u.sb.at != 0 && u.s.env.Now() >= u.sb.at {
		u.takeSides()
	}
	if u.turnAt != 0 && u.s.env.Now() >= u.turnAt {
		u.turnAt = 0
		u.dial()
	}
	if u.saveAt != 0 && u.s.env.Now() >= u.saveAt {
		u.saveSession()
	}
	if u.hist.at != 0 && u.s.env.Now() >= u.hist.at {
		u.writeSample()
	}
	if u.carryAt != 0 && u.s.env.Now() >= u.carryAt {
		u.carry()
	}
	if u.againAt != 0 && u.s.env.Now() >= u.againAt {
		u.again()
	}
	if u.asideAt != 0 && u.s.env.Now() >= u.asideAt {
		u.asideAt = 0
		u.refreshAsides()
		u.describe()
	}
	if u.nd.askAt != 0 && u.s.env.Now() >= u.nd.askAt {
		u.solicit()
	}
	if u.pd.deadline != 0 && u.s.env.Now() >= u.pd.deadline {
		u.stepDHCP(dhcpv6.Input{})
	}
	if u.pd.hangAt != 0 && u.s.env.Now() >= u.pd.hangAt {
		u.hangUp()
	}
	u.step(session.Input{})
}

// step feeds the session and does what follows. Events come before frames: what
// an AC is told must be on disk and in the kernel by then.
func (u *uplink) step(in session.Input) {
	if u.machine == nil {
		return
	}
	in.Received = u.counters().RxPackets
	u.follows(u.machine.Step(u.s.env.Now(), in))
}

// follows does what follows from the session.
func (u *uplink) follows(out session.Output) {
	u.deadline = out.Deadline
	u.setAddress()
	u.remember(u.machine.Info())
	var closed *session.Event
	for i, e := range out.Events {
		if e.Kind == session.Closed {
			closed = &out.Events[i]
			continue
		}
		u.handle(e)
	}
	if u.port != nil {
		for _, f := range out.Frames {
			if err := u.port.Send(f); err != nil {
				u.log.Debugf("%s: %v", u.cfg.Interface, err)
			}
		}
	}
	if closed != nil {
		u.closed(*closed)
	}
}

// counters are those of all data paths so far.
func (u *uplink) counters() dataplane.Counters {
	if u.path == nil {
		return u.traffic
	}
	return u.traffic.Add(u.path.Counters())
}

// remember keeps what is told of a session after its end.
func (u *uplink) remember(info session.Info) {
	if info.ACName != "" && info.ACName != u.acName {
		u.acName, u.auth = info.ACName, ""
	}
	if info.Auth != "" {
		u.auth = info.Auth
	}
}
