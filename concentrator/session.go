package concentrator

import (
	"errors"
	"time"

	"pppoectl/auth"
	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/timer"
)

// Session is one session at the concentrator.
type Session struct {
	Host    pppoe.MAC
	ID      uint16
	User    string        // once it was let in
	Begun   time.Duration // when its PADS was sent
	Traffic Traffic

	ac     *AC
	login  Login
	link   *lcp.Link
	pap    *auth.PAPServer
	chap   *auth.CHAPServer // challenger, while LCP is open
	ipcp   *ppp.Automaton   // nil if the login has no IPv4
	v4     *ipcp.Policy
	ipv6cp *ppp.Automaton // nil if the login has no IPv6
	v6     *ipv6cp.Policy
	mute   bool
	ended  bool
	why    string // it ended

	admitted   bool // authentication is done
	challenger *auth.CHAPServer

	routed []routed // what is sent to it
	place  int      // in the queue of timers
	due    time.Duration
}

// Traffic counts a session's packets as the concentrator sees them.
type Traffic struct {
	RxPackets uint64 `json:"rx_packets"` // from the host
	RxBytes   uint64 `json:"rx_bytes"`
	TxPackets uint64 `json:"tx_packets"`
	TxBytes   uint64 `json:"tx_bytes"`
	Dropped   uint64 `json:"dropped"` // either way: no route, another's source, too large
}

func newSession(a *AC, host pppoe.MAC, id uint16) *Session {
	s := &Session{Host: host, ID: id, Begun: a.now, ac: a, place: -1}
	s.newLink()
	return s
}

func (s *Session) newLink() {
	c := s.ac.cfg
	s.link = lcp.New(lcp.Config{MRU: c.MRU, Demand: c.Auth}, lcp.EchoConfig{Interval: c.Echo, Wait: c.Echo}, s.ac.rand) // as pppd does
}

// Mute makes the session answer nothing any more, as if it had been forgotten.
func (s *Session) Mute() { s.mute = true }

// Opened reports whether the network protocol of f is open.
func (s *Session) Opened(protocol ppp.Protocol) bool {
	if protocol == ppp.LCP {
		return s.link.Opened()
	}
	n := s.network(protocol)
	return n != nil && n.State() == ppp.Opened
}

// Terminate ends the session by LCP; the frames are to be sent.
func (s *Session) Terminate(now time.Duration, text string) []pppoe.Frame {
	return s.act(now, func() {
		s.why = "terminated"
		s.follow(s.link.Close(now, text))
	})
}

// Renegotiate begins LCP anew in the open session, as the router behind the
// concentrator does that authenticates a second time.
func (s *Session) Renegotiate(now time.Duration) []pppoe.Frame {
	return s.act(now, func() {
		s.ac.tell(s, Renegotiated, "")
		s.closeNetworks()
		s.newLink()
		s.start()
	})
}

// CloseNetwork ends one network protocol by a Terminate-Request.
func (s *Session) CloseNetwork(now time.Duration, protocol ppp.Protocol) []pppoe.Frame {
	return s.act(now, func() {
		if n := s.network(protocol); n != nil {
			s.followNetwork(protocol, n.Close(now, ""))
		}
	})
}

// Send sends a control packet of the concentrator's, whatever its state.
func (s *Session) Send(protocol ppp.Protocol, p ppp.Packet) []pppoe.Frame {
	return s.act(s.ac.now, func() { s.send(protocol, []ppp.Packet{p}) })
}

// End ends the session with a PADT.
func (s *Session) End(now time.Duration, why string) []pppoe.Frame {
	return s.act(now, func() { s.ended, s.why = true, why })
}

// Drop forgets the session without a word.
func (s *Session) Drop() {
	if s.ac.sessions[s.ID] == s {
		s.ac.remove(s, "forgotten")
	}
}

// replace ends the session for a newer one of its user.
func (s *Session) replace() {
	s.ended, s.why = true, "replaced by a newer session of its user"
	s.ac.settle(s)
}

// act does f to the session from outside of Step and returns the frames.
func (s *Session) act(now time.Duration, f func()) []pppoe.Frame {
	s.ac.now = now
	if s.ac.sessions[s.ID] == s {
		f()
		s.ac.settle(s)
	}
	frames := s.ac.out.Frames
	s.ac.out.Frames = nil
	return frames
}

func (s *Session) start() { s.follow(s.link.Up(s.ac.now)) }

func (s *Session) deadline() time.Duration {
	d := s.link.Deadline()
	if s.pap != nil {
		d = timer.Earliest(d, s.pap.Deadline())
	}
	if s.chap != nil {
		d = timer.Earliest(d, s.chap.Deadline())
	}
	for _, n := range []*ppp.Automaton{s.ipcp, s.ipv6cp} {
		if n != nil {
			d = timer.Earliest(d, n.Deadline())
		}
	}
	for _, r := range s.routed {
		d = timer.Earliest(d, r.until)
	}
	return d
}

func (s *Session) tick() {
	now := s.ac.now
	s.follow(s.link.Tick(now, 0))
	if s.pap != nil {
		s.verdict(ppp.PAP, s.pap.Tick(now), "")
	}
	if s.chap != nil {
		s.verdict(ppp.CHAP, s.chap.Tick(now), "")
	}
	if s.ipcp != nil {
		s.followNetwork(ppp.IPCP, s.ipcp.Tick(now))
	}
	if s.ipv6cp != nil {
		s.followNetwork(ppp.IPv6CP, s.ipv6cp.Tick(now))
	}
	s.expire()
	if s.link.Echo().Unanswered >= s.ac.cfg.Failures {
		s.ended, s.why = true, "the host answers no echo"
	}
}

func (s *Session) receive(payload []byte) {
	now := s.ac.now
	protocol, information, err := ppp.ParseFrame(payload)
	if err != nil {
		return
	}
	if protocol == ppp.IPv4 || protocol == ppp.IPv6 {
		s.uplink(protocol, information)
		return
	}
	n := s.network(protocol)
	server := protocol == ppp.PAP && s.pap != nil || protocol == ppp.CHAP && s.chap != nil
	if protocol != ppp.LCP && !server && n == nil {
		if s.admitted { // until then it is discarded (RFC 1661 section 3.5)
			s.send(ppp.LCP, []ppp.Packet{s.link.Reject(protocol, information)})
		}
		return
	}
	p, err := ppp.ParsePacket(information)
	if err != nil {
		return
	}
	switch {
	case protocol == ppp.LCP:
		s.follow(s.link.Receive(now, p))
	case protocol == ppp.PAP:
		out, user := s.pap.Receive(now, p)
		s.verdict(ppp.PAP, out, user)
	case protocol == ppp.CHAP:
		out, user := s.chap.Receive(now, p)
		s.verdict(ppp.CHAP, out, user)
	default:
		if p.Code == ppp.ConfigureRequest && n.State() == ppp.Closed { // given up, but the host tries again
			s.followNetwork(protocol, n.Open(now))
		}
		s.followNetwork(protocol, n.Receive(now, p))
	}
}

func (s *Session) network(protocol ppp.Protocol) *ppp.Automaton {
	switch protocol {
	case ppp.IPCP:
		return s.ipcp
	case ppp.IPv6CP:
		return s.ipv6cp
	}
	return nil
}

func (s *Session) send(protocol ppp.Protocol, packets []ppp.Packet) {
	for _, p := range packets {
		s.transmit(protocol, p.AppendTo(nil))
	}
}

func (s *Session) transmit(protocol ppp.Protocol, information []byte) {
	if s.mute {
		return
	}
	b := make([]byte, 0, pppoe.HeaderLen+2+len(information))
	b = pppoe.Packet{SessionID: s.ID, Payload: ppp.AppendFrame(nil, protocol, information)}.AppendTo(b)
	s.ac.send(pppoe.Frame{Dst: s.Host, Src: s.ac.cfg.MAC, EtherType: pppoe.EtherTypeSession, Payload: b})
}

// follow does what follows from LCP.
func (s *Session) follow(out lcp.Output) {
	s.send(ppp.LCP, out.Packets)
	for _, c := range out.Changes {
		switch c {
		case ppp.LayerUp:
			s.authenticate()
		case ppp.LayerDown:
			s.closeNetworks()
		case ppp.LayerFinished:
			s.ended = true
			if s.why == "" {
				s.why = "LCP has ended"
			}
		}
	}
	// The host has ended the link; no PADT need follow: pppd sends none.
	var t *ppp.TerminatedError
	if errors.As(out.Err, &t) {
		s.ended, s.why = true, t.Error()
	}
	if n := s.network(out.ProtocolRejected); n != nil {
		s.followNetwork(out.ProtocolRejected, n.Down(s.ac.now))
	}
}

// followNetwork does what follows from a network protocol.
func (s *Session) followNetwork(protocol ppp.Protocol, out ppp.Output) {
	s.send(protocol, out.Packets)
	for _, c := range out.Changes {
		switch c {
		case ppp.LayerUp:
			s.networkUp(protocol)
		case ppp.LayerDown:
			s.networkDown(protocol)
		}
	}
}

func (s *Session) authenticate() {
	s.pap, s.chap = nil, nil
	switch s.link.Vars().Demand {
	case lcp.AuthPAP:
		s.pap = auth.NewPAPServer(func(name, password string) auth.Verdict {
			return s.check(name, func(secret string) bool { return secret == password })
		})
		s.verdict(ppp.PAP, s.pap.Start(s.ac.now), "")
	case lcp.AuthCHAPMD5:
		if s.challenger == nil { // it goes on counting when LCP is negotiated anew
			s.challenger = auth.NewCHAPServer(s.ac.cfg.Name, s.check, s.ac.rand)
		}
		s.chap = s.challenger
		s.verdict(ppp.CHAP, s.chap.Start(s.ac.now), "")
	default:
		s.admit("")
	}
}

func (s *Session) check(name string, valid func(secret string) bool) auth.Verdict {
	v := s.ac.cfg.Subscribers.check(s.ac.now, s, name, valid)
	if !v.OK {
		s.why = v.Text
		e := Event{AC: s.ac.cfg.Name, Host: s.Host, Session: s.ID, User: name, Kind: TurnedAway, Text: v.Text}
		s.ac.out.Events = append(s.ac.out.Events, e)
	}
	return v
}

func (s *Session) verdict(protocol ppp.Protocol, out auth.Output, user string) {
	s.send(protocol, out.Packets)
	switch {
	case out.Err != nil:
		s.follow(s.link.Close(s.ac.now, "Authentication failed"))
	case out.Done:
		s.admit(user)
	}
}

// admit opens the network protocols that the login has.
func (s *Session) admit(user string) {
	subs := s.ac.cfg.Subscribers
	if s.User != "" && s.User != user {
		subs.left(s.User, s)
	}
	s.User = user
	if user != "" {
		subs.entered(user, s)
	}
	s.admitted = true
	s.ac.tell(s, LoggedIn, "")
	s.login, _ = subs.Find(user)
	open := func(protocol ppp.Protocol, policy ppp.Policy) *ppp.Automaton {
		n := ppp.NewAutomaton(policy)
		n.Open(s.ac.now)
		s.send(protocol, n.Up(s.ac.now).Packets)
		return n
	}
	if s.login.IPv4.IsValid() {
		s.v4 = ipcp.NewPolicy(s.ac.addressing(s.login))
		s.ipcp = open(ppp.IPCP, s.v4)
	}
	if s.login.IPv6 {
		s.v6 = ipv6cp.NewPolicy(ipv6cp.FromMAC(s.ac.cfg.MAC), s.ac.rand)
		s.ipv6cp = open(ppp.IPv6CP, s.v6)
	}
}

func (s *Session) closeNetworks() {
	s.pap, s.chap, s.admitted = nil, nil, false
	for _, p := range []ppp.Protocol{ppp.IPCP, ppp.IPv6CP} {
		if n := s.network(p); n != nil {
			s.followNetwork(p, n.Down(s.ac.now))
		}
	}
	s.ipcp, s.ipv6cp = nil, nil
}
