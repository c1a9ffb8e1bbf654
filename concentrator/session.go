package concentrator

import (
	"time"

	"pppoectl/auth"
	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// Session is one session at the concentrator.
type Session struct {
	Host pppoe.MAC
	ID   uint16
	User string // once it was let in

	ac     *AC
	link   *lcp.Link
	pap    *auth.PAPServer
	chap   *auth.CHAPServer
	ipcp   *ppp.Automaton // nil if the login has no IPv4
	ipv6cp *ppp.Automaton // nil if the login has no IPv6
	mute   bool
	ended  bool
	out    []pppoe.Frame
}

func newSession(a *AC, host pppoe.MAC, id uint16) *Session {
	s := &Session{Host: host, ID: id, ac: a}
	s.link = lcp.New(lcp.Config{MRU: a.cfg.MRU, Demand: a.cfg.Auth}, lcp.EchoConfig{Interval: a.cfg.Echo}, a.rand)
	return s
}

// Mute makes the session answer nothing any more, as if it had been forgotten.
func (s *Session) Mute() { s.mute = true }

// Opened reports whether the network protocol of f is open.
func (s *Session) Opened(protocol ppp.Protocol) bool {
	switch protocol {
	case ppp.IPCP:
		return s.ipcp != nil && s.ipcp.State() == ppp.Opened
	case ppp.IPv6CP:
		return s.ipv6cp != nil && s.ipv6cp.State() == ppp.Opened
	}
	return protocol == ppp.LCP && s.link.Opened()
}

// Terminate ends the session by LCP; the frames are to be sent.
func (s *Session) Terminate(now time.Duration, text string) []pppoe.Frame {
	s.follow(now, s.link.Close(now, text))
	return s.flush()
}

// Renegotiate begins LCP anew in the open session, as the router behind the
// concentrator does that authenticates a second time.
func (s *Session) Renegotiate(now time.Duration) []pppoe.Frame {
	s.closeNetworks(now)
	s.link = lcp.New(lcp.Config{MRU: s.ac.cfg.MRU, Demand: s.ac.cfg.Auth}, lcp.EchoConfig{Interval: s.ac.cfg.Echo}, s.ac.rand)
	return s.start(now)
}

// CloseNetwork ends one network protocol by a Terminate-Request.
func (s *Session) CloseNetwork(now time.Duration, protocol ppp.Protocol) []pppoe.Frame {
	if n := s.network(protocol); n != nil {
		s.send(protocol, n.Close(now, "").Packets)
	}
	return s.flush()
}

// Send sends a control packet of the concentrator's, whatever its state.
func (s *Session) Send(protocol ppp.Protocol, p ppp.Packet) []pppoe.Frame {
	s.send(protocol, []ppp.Packet{p})
	return s.flush()
}

func (s *Session) flush() []pppoe.Frame {
	out := s.out
	s.out = nil
	if s.mute {
		return nil
	}
	return out
}

func (s *Session) start(now time.Duration) []pppoe.Frame {
	s.follow(now, s.link.Up(now))
	return s.flush()
}

func (s *Session) deadline() time.Duration {
	d := s.link.Deadline()
	if s.pap != nil {
		d = ppp.Earliest(d, s.pap.Deadline())
	}
	if s.chap != nil {
		d = ppp.Earliest(d, s.chap.Deadline())
	}
	for _, n := range []*ppp.Automaton{s.ipcp, s.ipv6cp} {
		if n != nil {
			d = ppp.Earliest(d, n.Deadline())
		}
	}
	return d
}

// silence is after how many unanswered echoes the host is gone.
const silence = 3

func (s *Session) tick(now time.Duration) []pppoe.Frame {
	s.follow(now, s.link.Tick(now, 0))
	if s.pap != nil {
		s.verdict(now, ppp.PAP, s.pap.Tick(now), "")
	}
	if s.chap != nil {
		s.verdict(now, ppp.CHAP, s.chap.Tick(now), "")
	}
	if s.ipcp != nil {
		s.send(ppp.IPCP, s.ipcp.Tick(now).Packets)
	}
	if s.ipv6cp != nil {
		s.send(ppp.IPv6CP, s.ipv6cp.Tick(now).Packets)
	}
	if s.link.Echo().Unanswered >= silence {
		s.ended = true
	}
	return s.flush()
}

func (s *Session) receive(now time.Duration, payload []byte) []pppoe.Frame {
	protocol, information, err := ppp.ParseFrame(payload)
	if err != nil || protocol == ppp.IPv4 || protocol == ppp.IPv6 {
		return nil
	}
	p, err := ppp.ParsePacket(information)
	if err != nil {
		return nil
	}
	n := s.network(protocol)
	switch {
	case protocol == ppp.LCP:
		s.follow(now, s.link.Receive(now, p))
	case protocol == ppp.PAP && s.pap != nil:
		out, user := s.pap.Receive(now, p)
		s.verdict(now, ppp.PAP, out, user)
	case protocol == ppp.CHAP && s.chap != nil:
		out, user := s.chap.Receive(now, p)
		s.verdict(now, ppp.CHAP, out, user)
	case n != nil:
		if p.Code == ppp.ConfigureRequest && n.State() == ppp.Closed { // given up, but the host tries again
			s.send(protocol, n.Open(now).Packets)
		}
		s.send(protocol, n.Receive(now, p).Packets)
	case s.link.Opened():
		s.send(ppp.LCP, []ppp.Packet{s.link.Reject(protocol, information)})
	}
	return s.flush()
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
		b := ppp.AppendFrame(nil, protocol, p.AppendTo(nil))
		b = pppoe.Packet{SessionID: s.ID, Payload: b}.AppendTo(nil)
		s.out = append(s.out, pppoe.Frame{Dst: s.Host, Src: s.ac.cfg.MAC, EtherType: pppoe.EtherTypeSession, Payload: b})
	}
}

// follow does what follows from LCP.
func (s *Session) follow(now time.Duration, out lcp.Output) {
	s.send(ppp.LCP, out.Packets)
	for _, c := range out.Changes {
		switch c {
		case ppp.LayerUp:
			s.authenticate(now)
		case ppp.LayerDown:
			s.closeNetworks(now)
		case ppp.LayerFinished:
			s.ended = true
		}
	}
	if n := s.network(out.ProtocolRejected); n != nil {
		n.Down(now)
	}
}

func (s *Session) authenticate(now time.Duration) {
	s.pap, s.chap = nil, nil
	switch s.link.Vars().Demand {
	case lcp.AuthPAP:
		s.pap = auth.NewPAPServer(func(name, password string) auth.Verdict {
			return s.check(name, func(secret string) bool { return secret == password })
		})
		s.verdict(now, ppp.PAP, s.pap.Start(now), "")
	case lcp.AuthCHAPMD5:
		s.chap = auth.NewCHAPServer(s.ac.cfg.Name, s.check, s.ac.rand)
		s.verdict(now, ppp.CHAP, s.chap.Start(now), "")
	default:
		s.admit(now, "")
	}
}

func (s *Session) check(name string, valid func(secret string) bool) auth.Verdict {
	l, ok := s.ac.cfg.Logins[name]
	switch {
	case !ok || !valid(l.Password):
		return auth.Verdict{Text: "Login incorrect"}
	case l.Reject != "":
		return auth.Verdict{Text: l.Reject}
	}
	return auth.Verdict{OK: true, Text: "Login ok"}
}

func (s *Session) verdict(now time.Duration, protocol ppp.Protocol, out auth.Output, user string) {
	s.send(protocol, out.Packets)
	switch {
	case out.Err != nil:
		s.follow(now, s.link.Close(now, "Authentication failed"))
	case out.Done:
		s.admit(now, user)
	}
}

// admit opens the network protocols that the login has.
func (s *Session) admit(now time.Duration, user string) {
	s.User = user
	l := s.ac.cfg.Logins[user]
	open := func(protocol ppp.Protocol, policy ppp.Policy) *ppp.Automaton {
		n := ppp.NewAutomaton(policy)
		n.Open(now)
		s.send(protocol, n.Up(now).Packets)
		return n
	}
	if l.IPv4.IsValid() {
		s.ipcp = open(ppp.IPCP, ipcp.NewPolicy(s.ac.addressing(l)))
	}
	if l.IPv6 {
		s.ipv6cp = open(ppp.IPv6CP, ipv6cp.NewPolicy(ipv6cp.Random(s.ac.rand), s.ac.rand))
	}
}

func (s *Session) closeNetworks(now time.Duration) {
	s.pap, s.chap = nil, nil
	for _, n := range []*ppp.Automaton{s.ipcp, s.ipv6cp} {
		if n != nil {
			n.Down(now)
		}
	}
	s.ipcp, s.ipv6cp = nil, nil
}
