package supervisor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/dataplane"
	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/line"
	"pppoectl/netconf"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
	"pppoectl/state"
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

	wanted   bool       // up
	released cause.Code // not None: end for good when the session has

	line      line.Status
	lineSeen  bool // the line's first status is in
	lineTaken bool // the line was set up, or found so
	port      Port
	machine   *session.Machine // nil until the line is open for the first time
	deadline  time.Duration    // the machine's
	stale     *session.Stale   // of an earlier run

	device   Device
	deviceUp bool // somebody, we most likely, has set it up
	path     dataplane.Path
	pathFor  dataplane.Session
	carryAt  time.Duration           // when to try for a data path again, since boot; 0: no need
	carried  time.Duration           // when the data path was opened
	againAt  time.Duration           // when to try again what the system has refused, since boot; 0: no need
	broken   error                   // why the system is not as it should be; nil if it is
	noRoute  map[session.Family]bool // a default route that another's is in the way of
	saves    ppp.Limiter             // of the session on disk
	moving   bool                    // to another station's address: no dial, no tear-down meanwhile
	addrs    addresses
	traffic  dataplane.Counters // of paths that are closed

	nextTry  time.Duration // when to dial again, since boot; 0: not waiting
	failures int           // in a row
	attempts int
	upAt     time.Duration // when the session was up; 0: not yet
	acName   string        // of the last session, untrusted
	auth     string        // of the last session

	lastDrop  *control.Drop
	lastError *control.Failure
	floods    ppp.Limiter // of events

	mu      sync.Mutex
	status  control.Uplink
	live    dataplane.Path     // whose counters are still counting; nil: none
	base    dataplane.Counters // of the paths before it
	changed chan struct{}
}

// order is what the outside wants of an uplink.
type order struct {
	kind  orderKind
	cause cause.Code
	dial  bool
	taken chan struct{} // closed when the order shows in the status
}

type orderKind uint8

const (
	orderUp orderKind = iota
	orderDown
	orderRestart
	orderRelease
)

func newUplink(s *Supervisor, cfg configs.Uplink, record state.Uplink, wanted bool) *uplink {
	u := &uplink{
		s: s, cfg: cfg, record: record, wanted: wanted, rand: newRand(s.env.Random),
		log:    s.log.WithField("uplink", cfg.Name),
		orders: make(chan order), ended: make(chan struct{}), changed: make(chan struct{}),
	}
	u.rememberRejection(s.cfg.Modified)
	u.publish()
	return u
}

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

// Up implements Uplink.
func (u *uplink) Up(dial bool) { u.order(order{kind: orderUp, dial: dial}) }

// Down implements Uplink.
func (u *uplink) Down(c cause.Code) { u.order(order{kind: orderDown, cause: c}) }

// Restart implements Uplink.
func (u *uplink) Restart() { u.order(order{kind: orderRestart}) }

// Release implements Uplink.
func (u *uplink) Release(c cause.Code) { u.order(order{kind: orderRelease, cause: c}) }

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
	defer close(u.ended)
	defer u.detach()
	u.adopt()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var taken chan struct{}
		var frames <-chan pppoe.Frame
		if u.port != nil {
			frames = u.port.Frames()
		}
		var failed <-chan error
		if u.path != nil {
			failed = u.path.Failed()
		}
		select {
		case <-ctx.Done():
			return
		case s := <-follow:
			u.lineChanged(s)
		case s := <-device:
			u.deviceChanged(s)
		case f := <-frames:
			u.step(session.Input{Frame: &f})
		case err := <-failed:
			u.pathFailed(err)
		case o := <-u.orders:
			u.obey(o)
			taken = o.taken
		case <-timer.C:
			u.tick()
		}
		u.publish()
		if taken != nil {
			close(taken)
		}
		if u.released != cause.None && u.idle() {
			u.tearDown()
			return
		}
		u.rearm(timer)
	}
}

// rearm sets the timer to the next thing to do.
func (u *uplink) rearm(timer *time.Timer) {
	next := ppp.Earliest(u.deadline, u.nextTry, u.carryAt, u.againAt)
	if next == 0 {
		timer.Stop()
		return
	}
	timer.Reset(max(0, next-u.s.env.Now()))
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
}

func (u *uplink) obey(o order) {
	switch o.kind {
	case orderUp:
		u.wantUp(o.dial)
	case orderDown:
		u.wantDown(o.cause)
	case orderRestart:
		u.restart()
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
	waiting := u.nextTry != 0 && u.lastError != nil && u.lastError.Code == cause.AuthRejected
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

func (u *uplink) wantDown(c cause.Code) {
	if c == cause.Released {
		u.record.Down = true
		u.saveRecord()
	}
	u.wanted, u.nextTry = false, 0
	if !u.idle() {
		u.step(session.Input{Command: session.Hangup, Cause: c, Text: "User request"})
		return
	}
	u.tearDown()
}

// idle reports whether there is no session, nor one in the making.
func (u *uplink) idle() bool { return u.machine == nil || u.machine.Phase() == session.Down }

// tick does what is due.
func (u *uplink) tick() {
	if u.nextTry != 0 && u.s.env.Now() >= u.nextTry {
		u.nextTry = 0
		u.dial()
	}
	if u.carryAt != 0 && u.s.env.Now() >= u.carryAt {
		u.carry()
	}
	if u.againAt != 0 && u.s.env.Now() >= u.againAt {
		u.again()
	}
	u.step(session.Input{})
}

// lineChanged follows the line's interface.
func (u *uplink) lineChanged(s line.Status) {
	old := u.line
	u.line = s
	u.lineSeen = true
	if !s.Exists || old.Interface.Index != s.Interface.Index {
		u.lineTaken = false
	}
	if !s.Exists && u.wanted && u.idle() && u.nextTry == 0 {
		text := fmt.Sprintf("there is no interface %s", u.cfg.Interface)
		u.lastError = &control.Failure{Code: cause.NoInterface, Text: text, Message: u.cfg.Name + ": " + text + "; it is dialled as soon as there is one"}
	}
	u.takeLine()
	if u.port != nil && (!s.Exists || s.Interface.Index != u.port.Interface().Index ||
		s.Interface.HardwareAddr.String() != u.port.MAC().String()) {
		u.closeLine()
	}
	switch {
	case old.Carrier && !s.Carrier:
		u.carrierLost()
	case s.Carrier && (!old.Carrier || u.port == nil):
		u.carrierBack()
	}
}

// closeLine gives the port up: the interface is gone, or is another one now. The
// session stays; openPort sees whether it can go on.
func (u *uplink) closeLine() {
	u.closePath()
	u.port.Close()
	u.port = nil
	u.carrierLost()
}

// carrierLost keeps a session that is up, and ends one in the making.
func (u *uplink) carrierLost() {
	if u.machine == nil {
		return
	}
	defer u.refresh()
	u.step(session.Input{Command: session.LineLost})
	switch u.machine.Phase() {
	case session.Up, session.Network, session.Down:
	default:
		u.step(session.Input{Command: session.Abandon, Cause: cause.NoCarrier, Text: cause.NoCarrier.Text()})
	}
}

// carrierBack asks whether the session is still there, or dials at once.
func (u *uplink) carrierBack() {
	if !u.wanted && u.idle() || u.openPort() != nil {
		return
	}
	defer u.refresh()
	u.step(session.Input{Command: session.LineBack})
	u.carry()
	if waiting := u.nextTry != 0 && u.lastError != nil && u.lastError.Code != cause.NoCarrier; !waiting {
		u.nextTry = 0
		u.dial()
	}
}

// openPort opens the line, if that is not done.
func (u *uplink) openPort() error {
	if u.port != nil {
		return nil
	}
	port, err := u.s.env.Open(u.line.Interface)
	if err != nil {
		if u.idle() {
			u.failed(cause.DeviceFailed, fmt.Sprintf("%s: %v", u.cfg.Interface, err), "", 0)
		} else {
			u.refused(err)
		}
		return err
	}
	u.port = port
	if u.machine != nil && u.machine.MAC() != port.MAC() {
		u.renameStation()
	}
	if u.machine == nil {
		u.machine = session.New(u.sessionConfig(port.MAC()), u.rand)
		if u.stale != nil {
			u.machine.SetStale(*u.stale)
		}
	}
	u.setAddress()
	return nil
}

// renameStation ends a session whose station has another Ethernet address now:
// to its AC it does not exist any more. The PADT still carries the old one.
func (u *uplink) renameStation() {
	u.moving = true
	u.step(session.Input{Command: session.Abandon, Cause: cause.NoInterface, Text: "the line has another Ethernet address now"})
	u.moving = false
	u.machine = nil
}

// sessionConfig is what the session is told of the configuration.
func (u *uplink) sessionConfig(mac pppoe.MAC) session.Config {
	c := u.cfg
	if ifi := u.port.Interface(); ifi.MTU > 0 && c.MTU > ifi.MTU-pppoeOverhead {
		c.MTU = ifi.MTU - pppoeOverhead
		c.Want.MaxPayload = c.MTU
		u.log.Warnf("%s has an MTU of %d, so the session can have %d at most; `ip link set %s mtu %d` makes room for the configured %d",
			u.cfg.Interface, ifi.MTU, c.MTU, u.cfg.Interface, u.cfg.MTU+pppoeOverhead, u.cfg.MTU)
	}
	return session.Config{
		MAC: mac, Discovery: c.Want, MTU: c.MTU, Username: c.Username, Password: string(c.Password),
		Auth: c.Auth, Families: c.Families,
		IPCP:        ipcp.Config{Address: c.Address, Unnumbered: c.Unnumbered, DNS: c.RequestDNS},
		InterfaceID: u.identifier(mac),
		Echo:        lcp.EchoConfig{Interval: c.EchoInterval}, Failures: c.EchoFailures, DeadAfter: c.DeadAfter,
	}
}

// pppoeOverhead is what PPPoE and PPP add to a packet, in octets.
const pppoeOverhead = 8

// identifier returns the interface identifier to ask for. A random one is kept
// on disk, so that the link-local address stays.
func (u *uplink) identifier(mac pppoe.MAC) ipv6cp.Identifier {
	switch u.cfg.Identifier.Kind {
	case configs.MACIdentifier:
		return ipv6cp.FromMAC(mac)
	case configs.FixedIdentifier:
		return u.cfg.Identifier.Fixed
	}
	id, err := ipv6cp.Parse(u.record.Identifier)
	if err != nil {
		id = ipv6cp.Random(u.rand)
		u.record.Identifier = id.String()
		u.saveRecord()
	}
	return id
}

// dial begins a session, if everything that it needs is there.
func (u *uplink) dial() {
	if u.moving || !u.wanted || u.released != cause.None || u.nextTry != 0 || !u.line.Carrier || !u.idle() {
		return
	}
	if u.openPort() != nil {
		return
	}
	// Without a device a login would be of no use, and may be one too many.
	if err := u.ensureDevice(); err != nil {
		u.failed(cause.DeviceFailed, err.Error(), "", 0)
		return
	}
	u.attempts++
	u.upAt = 0
	u.noRoute = nil
	u.log.WithField("interface", u.cfg.Interface).Debug("dialling")
	u.step(session.Input{Command: session.Dial})
	if u.stale != nil { // its PADT has gone out
		u.stale = nil
		u.forgetSession()
	}
}

// step feeds the session and does what follows. Events come before frames: what
// an AC is told must be on disk and in the kernel by then.
func (u *uplink) step(in session.Input) {
	if u.machine == nil {
		return
	}
	if u.path != nil {
		in.Received = u.path.Counters().RxPackets
	}
	out := u.machine.Step(u.s.env.Now(), in)
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

// remember keeps what is told of a session after its end.
func (u *uplink) remember(info session.Info) {
	if info.ACName != "" && info.ACName != u.acName {
		u.acName, u.auth = info.ACName, ""
	}
	if info.Auth != "" {
		u.auth = info.Auth
	}
}

// setAddress tells the port which frames are for this session.
func (u *uplink) setAddress() {
	if u.port == nil || u.machine == nil {
		return
	}
	uniq, ac, id := u.machine.Address()
	u.port.SetAddress(line.Address{HostUniq: string(uniq), AC: ac, Session: id})
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
	if u.released == cause.None {
		u.settleDiscovery()
	}
	if u.machine != nil && !u.idle() {
		u.saveSession()
	}
	u.closePath()
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
	if err := u.s.journal.Apply(u.cfg.Name, nil); err != nil {
		u.log.Errorf("%v", err)
	}
	if u.released != cause.Reconfigured {
		u.leaveLine()
	}
}
