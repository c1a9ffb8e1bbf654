package supervisor

import (
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"pppoectl/configs"
	"pppoectl/lan"
	"pppoectl/line"
	"pppoectl/state"
)

// advertising are the LANs that are told of their prefixes. A LAN may have some of
// several uplinks.
type advertising struct {
	s     *Supervisor
	mu    sync.Mutex
	lans  map[string]*advertised
	known map[string][]lan.Stale // what hosts may have, by interface
	ended bool                   // nothing is to be said any more
}

// advertised is one LAN. Its goroutine owns the advertiser.
type advertised struct {
	parts  map[string]lan.Config // by uplink
	config chan lan.Config       // the newest only
	cancel context.CancelFunc
	final  chan struct{} // closed: say goodbye and end
	done   chan struct{}
}

func newAdvertising(s *Supervisor) *advertising {
	a := &advertising{s: s, lans: map[string]*advertised{}, known: map[string][]lan.Stale{}}
	known, err := s.store.LoadLANs(s.env.Now(), time.Now())
	if err != nil {
		s.log.Warnf("what LANs were told by an earlier run is lost: %v", err)
	}
	maps.Copy(a.known, known)
	return a
}

// resume goes on telling LANs of an earlier run that their prefixes are stale, but
// for those whose uplinks will tell of them.
func (a *advertising) resume(uplinks []configs.Uplink) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, list := range a.known {
		ours := func(l configs.LAN) bool { return l.Interface == name && l.Advertise }
		later := slices.ContainsFunc(uplinks, func(u configs.Uplink) bool { return slices.ContainsFunc(u.LAN, ours) })
		if len(list) > 0 && !later && a.lans[name] == nil {
			a.start(name, lan.Config{})
		}
	}
}

// tell has a LAN be told what an uplink has for it; nil: nothing any more.
func (a *advertising) tell(name, uplink string, c *lan.Config) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return
	}
	l := a.lans[name]
	if l == nil {
		if c == nil && len(a.known[name]) == 0 {
			return
		}
		first := lan.Config{}
		if c != nil {
			first = *c
		}
		l = a.start(name, first)
	}
	if c == nil {
		delete(l.parts, uplink)
	} else {
		l.parts[uplink] = *c
	}
	select {
	case <-l.config:
	default:
	}
	l.config <- lan.Merge(l.parts)
}

// start begins to speak for a LAN, of something that is to be told first.
func (a *advertising) start(name string, first lan.Config) *advertised {
	ctx, cancel := context.WithCancel(context.Background())
	l := &advertised{
		parts: map[string]lan.Config{}, config: make(chan lan.Config, 1), cancel: cancel,
		final: make(chan struct{}), done: make(chan struct{}),
	}
	a.lans[name] = l
	r := &announcer{a: a, l: l, name: name, known: a.known[name], config: first}
	go r.run(ctx)
	return l
}

// end ends all: with a goodbye, or without a word for a daemon that starts again.
func (a *advertising) end(goodbye bool) {
	a.mu.Lock()
	all := maps.Clone(a.lans)
	a.ended = true
	a.mu.Unlock()
	for _, l := range all {
		if goodbye {
			close(l.final)
		} else {
			l.cancel()
		}
	}
	for _, l := range all {
		<-l.done
		l.cancel()
	}
}

// remember keeps on disk what hosts may have from us.
func (a *advertising) remember(name string, known []lan.Stale) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known[name] = known
	a.save()
}

func (a *advertising) save() {
	err := a.s.store.SaveLANs(state.LANs{Prefixes: a.known, At: a.s.env.Now(), Clock: time.Now()})
	if err != nil {
		a.s.log.Errorf("what LANs are told could not be written down: %v", err)
	}
}

// announcer speaks for one LAN.
type announcer struct {
	a          *advertising
	l          *advertised
	name       string
	known      []lan.Stale
	advertiser *lan.Advertiser // nil until the interface is there
	config     lan.Config      // the last one
	socket     Advertisements  // nil: it could not be opened yet
	ifi        net.Interface
	up         bool
	failed     string // why it could not be opened, as it was told
	retry      time.Duration
	deadline   time.Duration
}

// lanRetry is how long to wait before the socket of a LAN is opened again.
const lanRetry = 2 * time.Second

func (r *announcer) run(ctx context.Context) {
	defer close(r.l.done)
	follow, end := r.a.s.env.Follow(r.name)
	defer end()
	defer r.closeSocket()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	jumped := r.a.s.jumps.next()
	for {
		var asked <-chan netip.Addr
		if r.socket != nil {
			asked = r.socket.Asked()
		}
		select {
		case <-ctx.Done():
			return
		case <-r.l.final:
			r.finish()
			return
		case <-jumped:
			jumped = r.a.s.jumps.next()
		case s := <-follow:
			r.changed(s)
		case c := <-r.l.config:
			r.config = c
			r.step(lan.Input{Config: &c})
		case host := <-asked:
			r.step(lan.Input{Asked: host})
		case <-alarm.C:
			if r.retry != 0 && r.now() >= r.retry {
				r.open()
			}
			r.step(lan.Input{})
		}
		r.rearm(alarm)
	}
}

func (r *announcer) now() time.Duration { return r.a.s.env.Now() }

func (r *announcer) rearm(alarm *time.Timer) {
	next := r.deadline
	if r.retry != 0 && (next == 0 || r.retry < next) {
		next = r.retry
	}
	if next == 0 {
		alarm.Stop()
		return
	}
	alarm.Reset(max(0, next-r.now()))
}

// changed follows the LAN's interface.
func (r *announcer) changed(s line.Status) {
	other := s.Interface.Index != r.ifi.Index || s.Interface.HardwareAddr.String() != r.ifi.HardwareAddr.String()
	up := s.Exists && s.Up && s.Carrier
	if up == r.up && !other {
		return
	}
	r.up = up
	r.closeSocket()
	if !up {
		r.retry = 0
		return
	}
	r.ifi = s.Interface
	if r.advertiser == nil || other {
		known := r.known
		if r.advertiser != nil {
			known = r.advertiser.Known()
		}
		r.advertiser = lan.NewAdvertiser(r.now(), s.Interface.HardwareAddr, known, rand.New(r.a.s.env.Random))
	}
	r.open()
}

func (r *announcer) open() {
	r.retry = 0
	if r.socket != nil || !r.up {
		return
	}
	socket, err := r.a.s.env.OpenLAN(r.ifi)
	if err != nil { // most likely its link-local address is not ready
		r.retry = r.now() + lanRetry
		if r.failed != err.Error() {
			r.a.s.log.WithField("lan", r.name).Infof("%v; it is tried again", err)
		}
		r.failed = err.Error()
		return
	}
	r.socket, r.failed = socket, ""
	r.step(lan.Input{Config: &r.config})
	r.step(lan.Input{Restart: true})
}

func (r *announcer) closeSocket() {
	if r.socket != nil {
		r.socket.Close()
		r.socket = nil
	}
}

// step does nothing while there is nobody to hear it.
func (r *announcer) step(in lan.Input) {
	if r.advertiser == nil || r.socket == nil {
		return
	}
	out := r.advertiser.Step(r.now(), in)
	r.deadline = out.Deadline
	if out.Changed {
		r.a.remember(r.name, r.advertiser.Known())
	}
	for _, m := range out.Messages {
		err := r.socket.Send(m)
		if err != nil && r.failed != err.Error() {
			r.a.s.log.WithField("lan", r.name).Warnf("router advertisement: %v", err)
			r.failed = err.Error()
		}
	}
}

// finish says goodbye.
func (r *announcer) finish() {
	if r.advertiser != nil && !r.advertiser.Idle() {
		r.step(lan.Input{Final: true})
	}
}
