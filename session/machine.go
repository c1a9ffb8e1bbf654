package session

import (
	"fmt"
	"math/rand/v2"
	"time"

	"pppoectl/auth"
	"pppoectl/cause"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/timer"
)

// Command is what the supervisor wants of a session.
type Command uint8

// The commands.
const (
	NoCommand  Command = iota
	Dial               // find an AC and open a session
	Hangup             // end the session politely: Terminate-Request, then PADT
	Abandon            // end it now: PADT
	LineLost           // the line has lost its carrier: keep the session, say nothing
	LineBack           // the line is back: ask the AC whether the session is
	Superseded         // the AC has given the session's id away again: end without a PADT
	TakenOver          // another process had the session, and is gone; see [Resume]
)

// Input is one thing that happens to a session. Without a frame or command it
// says that the deadline has come.
type Input struct {
	Frame   *pppoe.Frame // received; no reference is kept
	Command Command
	// Cause and Text say why, with Hangup and Abandon. Text goes to the AC.
	Cause cause.Code
	Text  string
	// Received is how many data packets the AC has sent in this session so far.
	Received uint64
}

// Output is what follows from an input.
type Output struct {
	Frames   []pppoe.Frame // to send, in this order
	Events   []Event       // to tell, in this order
	Deadline time.Duration // when to call Step again, since boot; zero: no timer
}

// An AC that floods us with control packets is answered at this rate.
const (
	controlBurst    = 100
	controlInterval = 20 * time.Millisecond
	echoBurst       = 20 // echoes have a share of their own: the AC must not lose us in its own flood
	echoInterval    = 100 * time.Millisecond
)

// maxEarly is how many frames of the chosen AC are held until its PADS arrives.
const maxEarly = 4

// noOfferAfter is how many PADIs go unanswered before an event says so.
const noOfferAfter = 3

// Machine is one PPPoE session.
type Machine struct {
	cfg       Config
	rand      *rand.Rand
	discovery *pppoe.Discovery
	link      *lcp.Link
	auth      auth.Client // the one that the AC chose; nil before
	networks  []*network  // in the order of Config.Families
	v         vars
}

// New returns a session that is down.
func New(cfg Config, rand *rand.Rand) *Machine {
	m := &Machine{cfg: cfg, rand: rand}
	m.discovery = pppoe.NewDiscovery(cfg.MAC, cfg.Discovery, rand)
	m.reset()
	return m
}

// reset makes new machines for the next session. The networks' policies stay,
// for their addresses are asked for again.
func (m *Machine) reset() {
	m.link = lcp.New(lcp.Config{MRU: m.mru(), Allowed: m.cfg.Auth}, m.cfg.Echo, m.rand)
	m.auth = nil
	if m.networks == nil {
		for _, f := range m.cfg.Families {
			m.networks = append(m.networks, newNetwork(f, &m.cfg, m.rand))
		}
	}
	for _, n := range m.networks {
		n.reset()
	}
}

// Step feeds one input to the session and returns what follows from it. now is
// the time since boot (CLOCK_BOOTTIME).
func (m *Machine) Step(now time.Duration, in Input) Output {
	s := step{Machine: m, now: now, received: in.Received, fed: in.Frame != nil}
	switch {
	case in.Frame != nil:
		s.frame(*in.Frame)
	case in.Command != NoCommand:
		s.command(in)
	}
	s.tick()
	s.out.Deadline = m.deadline()
	return s.out
}

// step is one call of Step: the machine, the time, and what follows.
type step struct {
	*Machine
	now      time.Duration
	received uint64
	fed      bool // with a frame, after which there may be more
	out      Output
}

func (s *step) tell(e Event) { s.out.Events = append(s.out.Events, e) }

func (s *step) drop(err error) {
	if err != nil {
		s.tell(Event{Kind: Dropped, Text: err.Error()})
	}
}

func (s *step) command(in Input) {
	switch in.Command {
	case Dial:
		s.dial()
	case Hangup:
		s.hangup(in.Cause, in.Text)
	case Abandon:
		s.abandon(in.Cause, in.Text)
	case Superseded:
		s.superseded(in.Cause, in.Text)
	case LineLost:
		s.lineLost()
	case LineBack:
		s.lineBack()
	case TakenOver:
		s.takenOver()
	}
}

// deadline returns the earliest of all timers.
func (m *Machine) deadline() time.Duration {
	d := timer.Earliest(m.discovery.Deadline(), m.link.Deadline(), m.v.GiveUpAt, m.suspectDeadline())
	if m.auth != nil {
		d = timer.Earliest(d, m.auth.Deadline())
	}
	if m.v.Phase.established() {
		for _, n := range m.networks {
			d = timer.Earliest(d, n.automaton.Deadline(), n.retryAt)
		}
	}
	return d
}

// tick does all that is due.
func (s *step) tick() {
	if s.v.Phase == Discovery {
		s.discovered(s.discovery.Tick(s.now))
		return
	}
	s.linkOutput(s.link.Tick(s.now, s.received))
	if s.auth != nil {
		s.authOutput(s.auth.Tick(s.now))
	}
	if s.v.Phase.established() {
		for _, n := range s.networks {
			s.networkOutput(n, n.automaton.Tick(s.now))
			s.retry(n)
		}
		s.settle()
	}
	s.timeout()
	s.suspicion()
}

// dial starts discovery. A session that may still live at the AC is released
// first, so that the AC lets us in again.
func (s *step) dial() {
	if s.v.Phase != Down {
		return
	}
	s.v = vars{Phase: Discovery, Stale: s.v.Stale}
	s.releaseStale()
	s.reset()
	s.discovered(s.discovery.Start(s.now))
}

// releaseStale sends the PADT of a session that may still live at its AC.
func (s *step) releaseStale() {
	v := s.v.Stale
	if v == nil {
		return
	}
	mac := v.MAC
	if !mac.Unicast() {
		mac = s.cfg.MAC
	}
	s.send(pppoe.NewPADT(mac, v.AC, v.Session, ""))
}

// hangup ends the session by the rules: LCP terminates, then PPPoE.
func (s *step) hangup(c cause.Code, text string) {
	s.fail(c, text, "")
	switch s.v.Phase {
	case Down:
	case Discovery:
		s.giveUpDiscovery()
	case Terminating:
		if s.discovery.Stage() != pppoe.Requesting { // else a PADS may be on its way
			s.end()
		}
	default:
		s.terminate(text)
	}
}

// terminate closes LCP; the session ends when that is finished.
func (s *step) terminate(text string) {
	s.v.Phase = Terminating
	s.v.GiveUpAt = 0
	s.linkOutput(s.link.Close(s.now, text))
}

// abandon ends the session at once.
func (s *step) abandon(c cause.Code, text string) {
	s.fail(c, text, "")
	s.end()
}

// superseded ends a session whose id is another one's by now, which no PADT may end.
func (s *step) superseded(c cause.Code, text string) {
	if s.v.Phase == Discovery {
		return
	}
	s.fail(c, text, "")
	s.discovery.Forget()
	s.end()
}

// fail notes why the session ends; the first reason is the one that counts.
func (m *Machine) fail(c cause.Code, text, peer string) {
	if m.v.Phase != Down && m.v.Reason.Cause == cause.None {
		m.v.Reason = Reason{c, text, peer}
	}
}

// end releases the session at the AC and tells that it is over.
func (s *step) end() {
	if s.v.Phase == Down {
		return
	}
	offer, id := s.discovery.Peer()
	if id != 0 && s.v.Reason.Cause != cause.PADT {
		s.send(pppoe.NewPADT(s.cfg.MAC, offer.AC, id, ""))
	}
	for _, n := range s.networks {
		s.networkOutput(n, n.automaton.Down(s.now))
	}
	stale := s.v.Stale           // of a discovery in which nobody has answered
	if id != 0 && s.v.LineLost { // nobody has heard that PADT
		stale = &Stale{AC: offer.AC, Session: id}
	}
	reason := s.v.Reason
	s.discovery.Stop()
	s.v = vars{Stale: stale} // down
	s.reset()
	s.tell(Event{Kind: Closed, Cause: reason.Cause, Text: reason.Text, Peer: reason.Peer})
}

func (s *step) send(f pppoe.Frame) { s.out.Frames = append(s.out.Frames, f) }

// sendPPP sends control packets of a protocol to the AC of this session.
func (s *step) sendPPP(protocol ppp.Protocol, packets []ppp.Packet) {
	offer, id := s.discovery.Peer()
	if id == 0 {
		return
	}
	for _, p := range packets {
		b := ppp.AppendFrame(nil, protocol, p.AppendTo(nil))
		b = pppoe.Packet{SessionID: id, Payload: b}.AppendTo(nil)
		s.send(pppoe.Frame{Dst: offer.AC, Src: s.cfg.MAC, EtherType: pppoe.EtherTypeSession, Payload: b})
	}
}

// frame takes a frame from the line.
func (s *step) frame(f pppoe.Frame) {
	if f.Dst != s.cfg.MAC {
		s.drop(fmt.Errorf("frame from %v to %v is not for us", f.Src, f.Dst))
		return
	}
	switch f.EtherType {
	case pppoe.EtherTypeDiscovery:
		s.discoveryFrame(f)
	case pppoe.EtherTypeSession:
		s.sessionFrame(f)
	}
}
