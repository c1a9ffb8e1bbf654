package flets

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"pppoectl/concentrator"
	"pppoectl/pppoe"
	"pppoectl/timer"
)

// Output is what follows from one input.
type Output struct {
	Frames   []pppoe.Frame // to the hosts
	Packets  [][]byte      // IP, to the network behind
	Events   []concentrator.Event
	Deadline time.Duration // when to call Tick; zero: no timer
}

// Line is a line with its concentrators. Times are since any epoch that its user
// keeps.
type Line struct {
	rand     *rand.Rand
	subs     *concentrator.Subscribers
	acs      []*station
	wire     wire
	full     time.Duration // until when every PADR is refused
	scenario []Act         // what is still to come
	begun    time.Duration
	out      Output
}

// station is a concentrator on the line.
type station struct {
	*concentrator.AC
	off   bool
	offBy time.Duration // until when it is off; 0: for good
}

// New returns the line of a configuration, as of now. mac is for the first
// concentrator that has no Ethernet address of its own; others get one made of
// it.
func New(cfg Config, mac pppoe.MAC, now time.Duration, rand *rand.Rand) *Line {
	l := &Line{rand: rand, subs: cfg.subscribers(), wire: wire{rand: rand}, scenario: slices.Clone(cfg.Scenario), begun: now}
	for i, a := range cfg.ACs {
		own := mac
		if i > 0 {
			own[0] = own[0]&^1 | 2
			own[5] += byte(i)
		}
		if a.MAC != nil {
			own = *a.MAC
		}
		auth, _ := a.auth() // was checked
		secret := make([]byte, 16)
		for j := range secret {
			secret[j] = byte(rand.Uint32())
		}
		cfg := concentrator.Config{
			MAC: own, Name: a.Name, Aliases: a.Aliases, Services: a.Services, Auth: auth, MRU: a.MRU,
			Echo: a.Echo.Interval, Failures: a.Echo.Failures, Address: a.Address, Secret: secret, Subscribers: l.subs,
		}
		if a.Advertise != nil {
			cfg.Advertise, cfg.RouterLifetime = true, *a.Advertise
		}
		l.acs = append(l.acs, &station{off: a.Off, AC: concentrator.New(cfg, rand)})
	}
	return l
}

// Receive takes a frame from a host. Packets of the output may share memory with
// f.
func (l *Line) Receive(now time.Duration, f pppoe.Frame) Output {
	l.due(now)
	p := passing{f, true}
	for range l.wire.pass(now, p) {
		l.arrive(now, p)
	}
	return l.settle(now)
}

// Carry takes an IP packet for a host from the network behind.
func (l *Line) Carry(now time.Duration, packet []byte) Output {
	l.due(now)
	if a := l.towards(packet); a != nil {
		l.collect(now, a.Carry(now, packet))
	}
	return l.settle(now)
}

// towards returns the concentrator that an IP packet for a host goes to; nil if it goes
// nowhere.
func (l *Line) towards(packet []byte) *station {
	to := concentrator.Destination(packet)
	for _, a := range l.acs {
		if !a.off && to.IsValid() && a.Routed(to) {
			return a
		}
	}
	return nil
}

// Tick does what is due.
func (l *Line) Tick(now time.Duration) Output { return l.settle(now) }

// Do carries out a command.
func (l *Line) Do(now time.Duration, c Command) (Output, error) {
	l.due(now)
	err := l.do(now, c)
	return l.settle(now), err
}

func (l *Line) do(now time.Duration, c Command) error {
	before := len(l.out.Events)
	if err := c.verb.do(l, now, c); err != nil {
		return err
	}
	l.out.Events = slices.Insert(l.out.Events, before, concentrator.Event{Kind: Fault, Text: c.String()})
	return nil
}

// Fault is the kind of event that tells of a command.
const Fault concentrator.Kind = "fault"

// arrive hands a frame to its end of the wire.
func (l *Line) arrive(now time.Duration, p passing) {
	if !p.up {
		l.out.Frames = append(l.out.Frames, p.frame)
		return
	}
	for _, a := range l.acs {
		if !a.off {
			l.collect(now, a.Step(now, &p.frame))
		}
	}
}

// collect puts what a concentrator says on the wire.
func (l *Line) collect(now time.Duration, out concentrator.Output) {
	for _, f := range out.Frames {
		p := passing{f, false}
		for range l.wire.pass(now, p) {
			l.arrive(now, p)
		}
	}
	l.out.Packets = append(l.out.Packets, out.Packets...)
	l.out.Events = append(l.out.Events, out.Events...)
}

// due does what is due, apart from what concentrators do: a timer may be late, but
// what is over must not touch the next input.
func (l *Line) due(now time.Duration) {
	for len(l.scenario) > 0 && l.begun+l.scenario[0].At <= now {
		act := l.scenario[0]
		l.scenario = l.scenario[1:]
		if err := l.do(now, act.Do); err != nil {
			l.out.Events = append(l.out.Events, concentrator.Event{Kind: Fault, Text: act.Do.String() + ": " + err.Error()})
		}
	}
	if l.full != 0 && now >= l.full {
		l.refuseAll("", 0)
	}
	for _, a := range l.acs {
		if a.offBy != 0 && now >= a.offBy {
			a.off, a.offBy = false, 0
		}
	}
	for _, p := range l.wire.arrived(now) {
		l.arrive(now, p)
	}
}

// settle does what is due and returns what has been gathered.
func (l *Line) settle(now time.Duration) Output {
	l.due(now)
	for _, a := range l.acs {
		l.collect(now, a.Step(now, nil))
	}
	out := l.out
	out.Deadline = l.deadline()
	l.out = Output{}
	return out
}

// deadline returns when something is due next; zero if nothing is.
func (l *Line) deadline() time.Duration {
	d := timer.Earliest(l.wire.deadline(), l.full)
	for _, a := range l.acs {
		d = timer.Earliest(d, a.Deadline(), a.offBy)
	}
	if len(l.scenario) > 0 {
		d = timer.Earliest(d, l.begun+l.scenario[0].At)
	}
	return d
}

// refuseAll makes every concentrator answer PADRs with an AC-System-Error until a
// time.
func (l *Line) refuseAll(text string, until time.Duration) {
	l.full = until
	for _, a := range l.acs {
		a.Config().Refuse = text
	}
}

// sessions returns the sessions of a user, or all for "", in a lasting order.
func (l *Line) sessions(user string) []*concentrator.Session {
	var list []*concentrator.Session
	for _, a := range l.acs {
		var of []*concentrator.Session
		for _, s := range a.Sessions() {
			if user == "" || s.User == user {
				of = append(of, s)
			}
		}
		slices.SortFunc(of, func(a, b *concentrator.Session) int { return cmp.Compare(a.ID, b.ID) })
		list = append(list, of...)
	}
	return list
}

func (l *Line) named(name string) *station {
	for _, a := range l.acs {
		if a.Config().Name == name {
			return a
		}
	}
	return nil
}

// MACs returns the Ethernet addresses of the concentrators.
func (l *Line) MACs() []pppoe.MAC {
	var list []pppoe.MAC
	for _, a := range l.acs {
		list = append(list, a.Config().MAC)
	}
	return list
}

// Destinations returns where the hosts are, or will be: what the network behind
// is to send here.
func (l *Line) Destinations() []netip.Prefix { return l.subs.Destinations() }
