package dhcpv6

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	wire "github.com/insomniacslk/dhcp/dhcpv6"

	"pppoectl/timer"
)

// Config says who asks, and for what.
type Config struct {
	DUID []byte       // the client's
	IAID uint32       // of its one IA_PD
	Hint netip.Prefix // what it would like; invalid: anything. Never of length 0.
}

// Command is what the supervisor wants of a client.
type Command uint8

// The commands.
const (
	NoCommand Command = iota
	Start             // the link is up: ask for a prefix, first for the old one
	Stop              // the link is down: the lease stays
	Release           // give the prefixes back
)

// Input is one thing that happens. Without a message or command it says that the
// deadline has come.
type Input struct {
	Message []byte // a UDP payload from a server on the link
	Command Command
}

// Output is what follows from an input.
type Output struct {
	Messages [][]byte // for all DHCPv6 servers on the link, in order
	Events   []Event
	Deadline time.Duration // when to call Step again, since boot; 0: no timer
}

// Kind says what an event tells.
type Kind string

// The kinds of events.
const (
	Delegated  Kind = "prefix"            // the prefixes have changed, see [Client.Lease]
	Renewed    Kind = "prefix_renewed"    // their lifetimes have
	Withdrawn  Kind = "prefix_withdrawn"  // the server has taken one back
	Expired    Kind = "prefix_expired"    // one has run out
	Refused    Kind = "prefix_refused"    // a server has none for us, or says something else
	Unanswered Kind = "prefix_unanswered" // no server answers
	Released   Kind = "prefix_released"   // they are given back, or were not ours
	Dropped    Kind = "dropped"           // a message was ignored
)

// Event is what a client tells.
type Event struct {
	Kind Kind
	Text string // our words
	Peer string // the server's words, untrusted
}

// Phase is what a client is doing.
type Phase string

// The phases.
const (
	Down       Phase = ""
	Soliciting Phase = "soliciting" // looking for a server
	Requesting Phase = "requesting"
	Confirming Phase = "confirming" // asking all servers for the lease of the link before this one
	Bound      Phase = "bound"
	Renewing   Phase = "renewing"
	Rebinding  Phase = "rebinding"
	Releasing  Phase = "releasing"
)

// Client is a DHCPv6 client of one link.
type Client struct {
	cfg      Config
	rand     *rand.Rand
	phase    Phase
	lease    Lease
	exchange exchange
	offer    *offer        // the best Advertise so far
	longest  time.Duration // between two Solicits: SOL_MAX_RT
	failures int           // in a row, of a server that could have given a prefix
	told     string        // the refusal that was told last
	limit    timer.Limiter

	confirmed bool // the lease, since the link is up
}

// offer is an Advertise.
type offer struct {
	server     []byte
	preference uint8
	prefixes   []netip.Prefix
}

// New returns a client whose link is down.
func New(cfg Config, rand *rand.Rand) *Client {
	return &Client{cfg: cfg, rand: rand, longest: solicitTimes.longest}
}

// Configure changes who asks, and for what, from the next [Start] on.
func (c *Client) Configure(cfg Config) { c.cfg = cfg }

// Restore gives the client the lease of an earlier run.
func (c *Client) Restore(l Lease) { c.lease = l.clone() }

// Lease returns what is delegated. What has run out is not in it, from the event
// on that tells so.
func (c *Client) Lease() Lease { return c.lease.clone() }

// Confirmed reports whether a server has given or confirmed the lease since the
// link is up: before that, nothing may be routed to it.
func (c *Client) Confirmed() bool { return c.confirmed && len(c.lease.Prefixes) > 0 }

// Phase returns what the client is doing.
func (c *Client) Phase() Phase { return c.phase }

// Step feeds one input to the client and returns what follows. now is the time
// since boot (CLOCK_BOOTTIME).
func (c *Client) Step(now time.Duration, in Input) Output {
	s := step{Client: c, now: now}
	switch {
	case in.Message != nil:
		s.receive(in.Message)
	case in.Command == Start:
		s.start()
	case in.Command == Stop:
		s.stop()
	case in.Command == Release:
		s.release()
	}
	s.tick()
	s.out.Deadline = c.deadline()
	return s.out
}

// step is one call of Step.
type step struct {
	*Client
	now time.Duration
	out Output
}

func (s *step) tell(k Kind, text, peer string) {
	s.out.Events = append(s.out.Events, Event{k, text, peer})
}

// deadline returns the earliest of all timers.
func (c *Client) deadline() time.Duration {
	d := c.exchange.deadline()
	add := func(t time.Duration) {
		if t != Forever {
			d = timer.Earliest(d, t)
		}
	}
	switch c.phase {
	case Bound:
		add(c.lease.T1)
		fallthrough
	case Renewing:
		add(c.lease.T2)
	}
	for _, p := range c.lease.Prefixes {
		add(p.ValidUntil)
	}
	return d
}

// tick does all that is due.
func (s *step) tick() {
	s.expire()
	switch {
	case s.phase == Bound && s.now >= s.lease.T2, s.phase == Renewing && s.now >= s.lease.T2:
		if s.phase == Renewing {
			s.tell(Unanswered, "the server does not answer a Renew; any server is asked now", "")
		}
		s.begin(Rebinding, wire.MessageTypeRebind, nil, rebindTimes)
	case s.phase == Bound && s.now >= s.lease.T1:
		s.begin(Renewing, wire.MessageTypeRenew, s.lease.Server, renewTimes)
	}
	x := &s.exchange
	switch {
	case x.kind == wire.MessageTypeNone:
	case x.over(s.now):
		s.unanswered()
	case s.now >= x.next:
		if s.offer != nil {
			s.request(s.offer.server, s.offer.prefixes)
			return
		}
		s.transmit()
	}
}

// expire forgets prefixes that have run out.
func (s *step) expire() {
	var kept []Prefix
	for _, p := range s.lease.Prefixes {
		if s.now < p.ValidUntil {
			kept = append(kept, p)
			continue
		}
		s.tell(Expired, p.Prefix.String(), "")
	}
	if len(kept) == len(s.lease.Prefixes) {
		return
	}
	s.lease.Prefixes = kept
	switch s.phase {
	case Bound, Renewing, Rebinding:
		if len(kept) == 0 {
			s.solicit()
		}
	}
}

// start asks for the lease of the link before this one, and else for any (RFC
// 8415 section 18.2.12).
func (s *step) start() {
	s.failures, s.told, s.confirmed = 0, "", false
	s.expire()
	same := bytes.Equal(s.lease.Client, s.cfg.DUID) && s.lease.IAID == s.cfg.IAID
	if len(s.lease.Prefixes) == 0 || !same {
		s.solicit()
		return
	}
	s.begin(Confirming, wire.MessageTypeRebind, nil, confirmTimes)
}

func (s *step) stop() {
	s.phase, s.exchange, s.offer, s.confirmed = Down, exchange{}, nil, false
}

// release gives all prefixes back; their use ends before that (section 18.2.7).
func (s *step) release() {
	prefixes, server, up := s.lease.Prefixes, s.lease.Server, s.phase != Down
	s.stop()
	s.lease = Lease{}
	if !up || len(prefixes) == 0 || len(server) == 0 {
		s.tell(Released, "", "")
		return
	}
	s.begin(Releasing, wire.MessageTypeRelease, server, releaseTimes)
	s.exchange.prefixes = prefixesOf(prefixes)
}

// begin begins an exchange about the prefixes of the lease; tick sends its first
// message.
func (s *step) begin(p Phase, kind wire.MessageType, server []byte, times parameters) {
	s.phase, s.offer = p, nil
	s.exchange = exchange{
		kind: kind, server: server, prefixes: prefixesOf(s.lease.Prefixes),
		times: times, began: s.now, next: s.now,
	}
	for i := range s.exchange.xid {
		s.exchange.xid[i] = byte(s.rand.Uint32())
	}
}

// solicit looks for a server that has a prefix for us: at once, or later if that
// has failed before.
func (s *step) solicit() {
	times := solicitTimes
	times.longest = s.longest
	s.begin(Soliciting, wire.MessageTypeSolicit, nil, times)
	if s.cfg.Hint.IsValid() && s.cfg.Hint.Bits() > 0 {
		s.exchange.prefixes = []netip.Prefix{s.cfg.Hint.Masked()}
	}
	if s.failures > 0 {
		wait := jitter(s.rand, min(time.Second<<min(s.failures-1, 20), s.longest))
		s.exchange.began, s.exchange.next = s.now+wait, s.now+wait
	}
}

func (s *step) request(server []byte, prefixes []netip.Prefix) {
	s.begin(Requesting, wire.MessageTypeRequest, server, requestTimes)
	s.exchange.prefixes = prefixes
	s.transmit()
}

// At most so many messages are sent at once, and then one each interval (section
// 14.1).
const (
	sendBurst    = 20
	sendInterval = time.Second
)

// unansweredAfter is how many Solicits go unanswered before an event says so.
const unansweredAfter = 3

func (s *step) transmit() {
	x := &s.exchange
	x.schedule(s.now, s.rand)
	if x.kind == wire.MessageTypeSolicit && x.sent == unansweredAfter+1 && s.told == "" {
		s.tell(Unanswered, fmt.Sprintf("no DHCPv6 server has answered %d times", unansweredAfter), "")
	}
	if s.limit.Allow(s.now, sendBurst, sendInterval) {
		s.out.Messages = append(s.out.Messages, s.build(s.now))
	}
}

// unanswered gives an exchange up.
func (s *step) unanswered() {
	switch s.phase {
	case Releasing:
		s.stop()
		s.tell(Released, "the server has not confirmed it", "")
	case Requesting:
		s.tell(Unanswered, "the server does not answer a Request", "")
		s.failures++
		s.solicit()
	default: // Confirming
		s.tell(Unanswered, "no server knows the lease of the session before this one; a prefix is asked for anew", "")
		s.solicit()
	}
}
