package dhcpv6

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
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
	Resume            // the link has been up all the time, and a server has confirmed the lease on it
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
	Deprecated Kind = "prefix_deprecated" // one is no more for new connections
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

	next      *Config        // from the next Start on; nil: as before
	confirmed []netip.Prefix // those of the lease, since the link is up
	last      netip.Prefix   // the last one that was delegated: asked for again
	avoid     []byte         // a server that has failed us: any other is better
	outline   string         // of the lease, as it was told
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
func (c *Client) Configure(cfg Config) { c.next = &cfg }

// Restore gives the client the lease of an earlier run.
func (c *Client) Restore(l Lease) { c.lease = l.clone() }

// Lease returns what is delegated. What has run out is not in it, from the event
// on that tells so.
func (c *Client) Lease() Lease { return c.lease.clone() }

// Confirmed reports whether a server has given or confirmed the lease since the
// link is up: before that, nothing may be routed to it.
func (c *Client) Confirmed() bool {
	return slices.ContainsFunc(c.confirmed, func(p netip.Prefix) bool { return c.lease.has(p) })
}

// Phase returns what the client is doing.
func (c *Client) Phase() Phase { return c.phase }

// Step feeds one input to the client and returns what follows. now is the time
// since boot (CLOCK_BOOTTIME).
func (c *Client) Step(now time.Duration, in Input) Output {
	s := step{Client: c, now: now}
	s.expire()
	switch {
	case in.Message != nil:
		s.receive(in.Message)
	case in.Command == Start:
		s.start()
	case in.Command == Stop:
		s.stop()
	case in.Command == Release:
		s.release()
	case in.Command == Resume:
		s.resume()
	}
	s.tick()
	s.deprecate()
	s.out.Deadline = c.deadline(now)
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
func (c *Client) deadline(now time.Duration) time.Duration {
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
		if p.Preferred(now) {
			add(p.PreferredUntil)
		}
	}
	return d
}

// tick does all that is due.
func (s *step) tick() {
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
	if x.over(s.now) {
		s.unanswered()
	}
	if s.offer != nil && s.now >= x.next {
		s.request(s.offer.server, s.offer.prefixes)
	}
	if x.kind != wire.MessageTypeNone && s.now >= x.next {
		s.transmit()
	}
}

// deprecate tells that a preferred lifetime has ended, unless the lease was told
// of already.
func (s *step) deprecate() {
	outline := s.lease.outline(s.now)
	told := func(e Event) bool {
		return e.Kind == Withdrawn || e.Kind == Expired
	}
	if outline != s.outline && s.outline != "" && outline != "" && !slices.ContainsFunc(s.out.Events, told) {
		s.tell(Deprecated, outline, "")
	}
	s.outline = outline
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
	case Renewing, Rebinding, Confirming:
		if len(kept) == 0 {
			s.solicit()
		}
	case Bound:
		if !s.Confirmed() { // nothing, or what no server has confirmed on this link
			s.solicit()
		}
	}
}

// start asks for the lease of the link before this one, and else for any (RFC
// 8415 section 18.2.12). No delay comes before that (section 18.2.1): on a PPP link
// there is no other client.
func (s *step) start() {
	s.begun()
	if !s.known() {
		for _, p := range s.lease.Prefixes { // no server would know us
			s.tell(Withdrawn, p.Prefix.String(), "")
		}
		s.lease = Lease{}
	}
	if len(s.lease.Prefixes) == 0 {
		s.solicit()
		return
	}
	s.begin(Confirming, wire.MessageTypeRebind, nil, confirmTimes)
}

// resume goes on with a lease of which only this process does not know yet. What is
// due by now is done.
func (s *step) resume() {
	s.begun()
	if !s.known() || len(s.lease.Prefixes) == 0 {
		s.start()
		return
	}
	s.phase, s.confirmed = Bound, s.lease.ours()
}

// begun is what a link that is up begins with.
func (s *step) begun() {
	s.stop()
	s.failures, s.told, s.avoid = 0, "", nil
	if s.next != nil {
		s.cfg, s.next = *s.next, nil
	}
}

// known reports whether the server of the lease knows us by our present names.
func (s *step) known() bool {
	return bytes.Equal(s.lease.Client, s.cfg.DUID) && s.lease.IAID == s.cfg.IAID
}

func (s *step) stop() {
	s.phase, s.exchange, s.offer, s.confirmed = Down, exchange{}, nil, nil
}

// release gives all prefixes back; their use ends before that (section 18.2.7).
func (s *step) release() {
	prefixes, server, up := s.lease.ours(), s.lease.Server, s.phase != Down
	s.stop()
	s.lease, s.last = Lease{}, netip.Prefix{}
	if !up || len(prefixes) == 0 || len(server) == 0 {
		s.tell(Released, "", "")
		return
	}
	s.begin(Releasing, wire.MessageTypeRelease, server, releaseTimes)
	s.exchange.prefixes = prefixes
}

// begin begins an exchange; tick sends its first message.
func (s *step) begin(p Phase, kind wire.MessageType, server []byte, times parameters) {
	s.phase, s.offer = p, nil
	s.exchange = exchange{
		kind: kind, server: server, times: times, began: s.now, next: s.now,
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
	s.exchange.prefixes = s.hint()
	if s.failures > 0 {
		wait := jitter(s.rand, min(time.Second<<min(s.failures-1, 20), s.longest))
		s.exchange.began, s.exchange.next = s.now+wait, s.now+wait
	}
}

// hint is what to ask for: the configured prefix, else the one that we had last,
// else a length.
func (c *Client) hint() []netip.Prefix {
	for _, p := range []netip.Prefix{c.cfg.Hint, c.last} {
		if Delegable(p) {
			return []netip.Prefix{p}
		}
	}
	if c.cfg.Hint.Bits() > 0 { // not none, and not of length 0
		return []netip.Prefix{c.cfg.Hint.Masked()}
	}
	return nil
}

func (s *step) request(server []byte, prefixes []netip.Prefix) {
	s.begin(Requesting, wire.MessageTypeRequest, server, requestTimes)
	s.exchange.prefixes = prefixes
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
	if !s.limit.Allow(s.now, sendBurst, sendInterval) {
		x.next = s.now + sendInterval
		return
	}
	x.schedule(s.now, s.rand)
	switch s.phase {
	case Renewing, Rebinding, Confirming: // what is left by now (section 15)
		x.prefixes = s.lease.ours()
	}
	if x.kind == wire.MessageTypeSolicit && x.sent == unansweredAfter+1 && s.told == "" {
		s.tell(Unanswered, fmt.Sprintf("no DHCPv6 server has answered %d times", unansweredAfter), "")
	}
	s.out.Messages = append(s.out.Messages, s.build(s.now))
}

// unanswered gives an exchange up.
func (s *step) unanswered() {
	switch s.phase {
	case Releasing:
		s.stop()
		s.tell(Released, "the server has not confirmed it", "")
	case Requesting:
		s.tell(Unanswered, "the server does not answer a Request", "")
		s.avoid = s.exchange.server
		s.failures++
		s.solicit()
	default: // Confirming
		s.tell(Unanswered, "no server knows the lease of the session before this one; a prefix is asked for anew", "")
		s.solicit()
	}
}
