package session

import (
	"net/netip"
	"slices"
	"time"

	"pppoectl/auth"
	"pppoectl/cause"
	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/timer"
)

// Reason is why a session ends.
type Reason struct {
	Cause cause.Code `json:"cause,omitempty"`
	Text  string     `json:"text,omitempty"` // our words
	Peer  string     `json:"peer,omitempty"` // the AC's words, untrusted
}

// Stale is a session that an AC may still believe in.
type Stale struct {
	AC      pppoe.MAC `json:"ac"`
	Session uint16    `json:"session"`
	MAC     pppoe.MAC `json:"mac,omitzero"` // ours at the time; zero: what it is now
}

// Same reports whether s and t are one session.
func (s Stale) Same(t Stale) bool { return s.Session != 0 && s.AC == t.AC && s.Session == t.Session }

// vars is what the machine itself remembers; its parts keep their own.
type vars struct {
	Phase     Phase         `json:"phase"`
	Reason    Reason        `json:"reason"`               // why it is ending
	GiveUpAt  time.Duration `json:"give_up_at,omitempty"` // when the phase has lasted too long; 0: never
	Unoffered int           `json:"unoffered,omitempty"`  // unanswered PADIs told of
	Early     []early       `json:"early,omitempty"`      // frames that may have overtaken the PADS
	LineLost  bool          `json:"line_lost,omitempty"`
	Suspect   suspicion     `json:"suspect"`
	Stale     *Stale        `json:"stale,omitempty"` // to be released before the next dial
	Limit     timer.Limiter `json:"limit"`           // of control packets that are answered
	EchoLimit timer.Limiter `json:"echo_limit"`      // of Echo-Requests
}

// NetworkSnapshot is what one network control protocol remembers.
type NetworkSnapshot struct {
	Family    Family        `json:"family"`
	Automaton ppp.Vars      `json:"automaton"`
	IPCP      *ipcp.Vars    `json:"ipcp,omitempty"`
	IPv6CP    *ipv6cp.Vars  `json:"ipv6cp,omitempty"`
	Failure   string        `json:"failure,omitempty"`
	RetryAt   time.Duration `json:"retry_at,omitempty"`
	Retries   int           `json:"retries,omitempty"`
}

// Snapshot is all that a session remembers, as plain data: a machine restored
// from it behaves as the one that it was taken from. Its times are times since
// boot, so that it is of use in the same boot only.
type Snapshot struct {
	MAC       pppoe.MAC           `json:"mac"`    // of the line's interface
	Config    Config              `json:"config"` // without the password
	Session   vars                `json:"session"`
	Discovery pppoe.DiscoveryVars `json:"discovery"`
	Link      lcp.Snapshot        `json:"link"`
	Auth      *auth.Vars          `json:"auth,omitempty"`
	Networks  []NetworkSnapshot   `json:"networks"`
}

// Peer returns the AC and id of the session that the AC believes in, if any.
func (s *Snapshot) Peer() (Stale, bool) {
	if id := s.Discovery.Session; id != 0 {
		return Stale{AC: s.Discovery.Offer.AC, Session: id}, true
	}
	if s.Session.Stale != nil {
		return *s.Session.Stale, true
	}
	return Stale{}, false
}

// Snapshot returns all that the session remembers.
func (m *Machine) Snapshot() Snapshot {
	s := Snapshot{
		MAC: m.cfg.MAC, Config: m.cfg, Session: m.v, Discovery: m.discovery.Snapshot(), Link: m.link.Snapshot(),
	}
	s.Config.Password = ""
	s.Session.Early = slices.Clone(m.v.Early)
	if m.auth != nil {
		v := m.auth.Snapshot()
		s.Auth = &v
	}
	for _, n := range m.networks {
		ns := NetworkSnapshot{Family: n.family, Automaton: n.automaton.Snapshot(), Failure: n.failure, RetryAt: n.retryAt, Retries: n.retries}
		if n.ipcp != nil {
			v := n.ipcp.Snapshot()
			ns.IPCP = &v
		} else {
			v := n.ipv6cp.Snapshot()
			ns.IPv6CP = &v
		}
		s.Networks = append(s.Networks, ns)
	}
	return s
}

// Restore makes the session go on from s, which was taken from a session with
// the same Config.
func (m *Machine) Restore(s Snapshot) {
	m.v = s.Session
	m.v.Early = slices.Clone(s.Session.Early)
	m.discovery.Restore(s.Discovery)
	m.reset()
	m.link.Restore(s.Link)
	if s.Auth != nil {
		if s.Link.Link.PeerAuth.Protocol == ppp.PAP {
			m.auth = auth.NewPAPClient(m.cfg.Username, m.cfg.Password)
		} else {
			m.auth = auth.NewCHAPClient(m.cfg.Username, m.cfg.Password)
		}
		m.auth.Restore(*s.Auth)
	}
	for _, ns := range s.Networks {
		n := m.network(ns.Family.control())
		if n == nil {
			continue
		}
		n.automaton.Restore(ns.Automaton)
		n.failure, n.retryAt, n.retries = ns.Failure, ns.RetryAt, ns.Retries
		if n.ipcp != nil && ns.IPCP != nil {
			n.ipcp.Restore(*ns.IPCP)
		}
		if n.ipv6cp != nil && ns.IPv6CP != nil {
			n.ipv6cp.Restore(*ns.IPv6CP)
		}
		n.automaton.SetMRU(s.Link.Link.PeerMRU)
	}
}

// SetStale names a session that the AC may still believe in: it is released
// when the next one is dialled, and again when an AC is known to hear us.
func (m *Machine) SetStale(s Stale) { m.v.Stale = &s }

// Address returns what frames for this session carry: the Host-Uniq of
// discovery, the AC once one was chosen, and the session id once there is one.
func (m *Machine) Address() (hostUniq []byte, ac pppoe.MAC, id uint16) {
	offer, id := m.discovery.Peer()
	return m.discovery.HostUniq(), offer.AC, id
}

// MAC returns the Ethernet address that the session was made for.
func (m *Machine) MAC() pppoe.MAC { return m.cfg.MAC }

// Phase returns how far the session has come.
func (m *Machine) Phase() Phase { return m.v.Phase }

// Info is what a session can tell of itself.
type Info struct {
	Phase     Phase
	Suspect   bool
	ACName    string // untrusted
	AC        pppoe.MAC
	SessionID uint16
	MTU       int    // octets; 0 before LCP is open
	Auth      string // PAP, CHAP-MD5 or none; empty before LCP is open
	IPv4      *IPv4Info
	IPv6      *IPv6Info
	Echo      lcp.EchoVars
}

// IPv4Info is what IPCP agreed on, while it is open.
type IPv4Info struct {
	Local, Peer netip.Addr // Local is unspecified when unnumbered, Peer may be invalid
	DNS         []netip.Addr
}

// IPv6Info is what IPv6CP agreed on, while it is open.
type IPv6Info struct {
	Local, Peer netip.Addr // link-local; Peer may be invalid
	ID          ipv6cp.Identifier
}

// Info returns what the session can tell of itself now.
func (m *Machine) Info() Info {
	offer, id := m.discovery.Peer()
	info := Info{
		Phase: m.v.Phase, Suspect: m.v.Suspect.On, ACName: offer.Name, AC: offer.AC,
		SessionID: id, Echo: m.link.Echo(),
	}
	if m.link.Opened() {
		info.MTU = min(m.cfg.MTU, m.link.MTU())
		info.Auth = m.link.Vars().PeerAuth.String()
	}
	for _, n := range m.networks {
		switch {
		case !n.opened():
		case n.ipcp != nil:
			v := n.ipcp.Snapshot()
			info.IPv4 = &IPv4Info{v.Local, v.Peer, n.ipcp.Servers()}
		default:
			v := n.ipv6cp.Snapshot()
			info.IPv6 = &IPv6Info{v.Local.LinkLocal(), v.Peer.LinkLocal(), v.Local}
		}
	}
	return info
}
