package session

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"pppoectl/cause"
	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/ppp"
)

// networkWait is how long a session may live without any open network protocol:
// longer than a negotiation that gets no answer, and than an AC needs that
// takes IPCP down to hand the session on to another router.
const networkWait = 45 * time.Second

// network is one network control protocol of a session.
type network struct {
	family    Family
	automaton *ppp.Automaton
	ipcp      *ipcp.Policy   // if family is IPv4
	ipv6cp    *ipv6cp.Policy // if family is IPv6
	failure   string         // why it is not up, and the session does without it; empty if it may come
	retryAt   time.Duration  // when to try a failed one again; 0: not
	retries   int
}

// A network protocol that has failed beside one that is up is tried again after
// so long, twice as long each time: half a line must not stay away for ever.
const (
	retryFirst   = time.Minute
	retryLongest = 5 * time.Minute
)

func newNetwork(f Family, cfg *Config, rand *rand.Rand) *network {
	n := &network{family: f}
	if f == IPv6 {
		n.ipv6cp = ipv6cp.NewPolicy(cfg.InterfaceID, rand)
	} else {
		n.ipcp = ipcp.NewPolicy(cfg.IPCP)
	}
	n.reset()
	return n
}

// reset makes a new automaton on the old policy.
func (n *network) reset() {
	n.forgive()
	n.renew()
}

// forgive forgets that n has failed.
func (n *network) forgive() { n.failure, n.retryAt, n.retries = "", 0, 0 }

func (n *network) renew() {
	if n.family == IPv6 {
		n.automaton = ppp.NewAutomaton(n.ipv6cp)
	} else {
		n.automaton = ppp.NewAutomaton(n.ipcp)
	}
}

func (n *network) opened() bool { return n.automaton.State() == ppp.Opened }

// usable says whether what was agreed on is of any use.
func (n *network) usable() error {
	if n.ipcp != nil {
		return n.ipcp.Usable()
	}
	return nil
}

// network returns the network that protocol controls, or nil if it is none that
// this session asks for.
func (m *Machine) network(protocol ppp.Protocol) *network {
	for _, n := range m.networks {
		if n.family.control() == protocol {
			return n
		}
	}
	return nil
}

// startNetwork opens one network protocol.
func (s *step) startNetwork(n *network) {
	mtu := min(s.cfg.MTU, s.link.MTU())
	if n.family == IPv6 && mtu < minIPv6MTU {
		s.networkFailed(n, fmt.Sprintf("the link's MTU of %d is less than IPv6 needs (%d)", mtu, minIPv6MTU))
		return
	}
	n.automaton.SetMRU(s.link.Vars().PeerMRU)
	s.networkOutput(n, n.automaton.Open(s.now))
	s.networkOutput(n, n.automaton.Up(s.now))
}

// networkOutput does what follows from one network control protocol. Whatever
// becomes of it, the others and the session go on.
func (s *step) networkOutput(n *network, out ppp.Output) {
	s.sendPPP(n.family.control(), out.Packets)
	s.drop(out.Dropped)
	for _, c := range out.Changes {
		switch c {
		case ppp.LayerUp:
			if err := n.usable(); err != nil {
				s.networkFailed(n, err.Error())
				s.retryLater(n)
				s.sendPPP(n.family.control(), n.automaton.Close(s.now, "").Packets)
				return
			}
			n.forgive()
			s.tell(Event{Kind: NetworkUp, Family: n.family})
		case ppp.LayerDown:
			text := ""
			if out.Err != nil {
				text = out.Err.Error()
			}
			s.tell(Event{Kind: NetworkDown, Family: n.family, Text: text})
		}
	}
	if out.Err != nil && s.v.Phase.established() {
		s.networkFailed(n, out.Err.Error())
		s.retryLater(n)
	}
}

// networkRejected takes a Protocol-Reject of n's protocol: nothing more of it
// may be sent (RFC 1661 section 5.7).
func (s *step) networkRejected(n *network) {
	s.networkFailed(n, ppp.ErrProtocolRejected.Error())
	s.networkOutput(n, n.automaton.Down(s.now))
}

func (s *step) networkFailed(n *network, why string) {
	n.failure = fmt.Sprintf("%v: %s", n.family.control(), why)
	s.tell(Event{Kind: NetworkFailed, Family: n.family, Text: n.failure})
}

func (s *step) retryLater(n *network) {
	n.retryAt = s.now + min(retryFirst<<min(n.retries, 10), retryLongest)
	n.retries++
}

// retry tries a failed network again.
func (s *step) retry(n *network) {
	if n.retryAt == 0 || s.now < n.retryAt {
		return
	}
	n.retryAt, n.failure = 0, "" // it may come now
	if n.automaton.State() <= ppp.Stopped {
		n.renew()
		s.startNetwork(n)
	}
}

// settle finds out, after all that one step has done, whether the session is up:
// some network is open, and each other one has failed. Without any open network it
// may wait a while for the AC to change its mind, but not if every one was rejected
// outright.
func (s *step) settle() {
	open, failed, hopeless := 0, 0, 0
	for _, n := range s.networks {
		switch {
		case n.opened():
			open++
		case n.failure != "":
			failed++
			if n.automaton.State() <= ppp.Closed {
				hopeless++
			}
		}
	}
	switch {
	case open > 0:
		s.v.GiveUpAt = 0
		if open+failed == len(s.networks) && s.v.Phase == Network {
			s.v.Phase = Up
			s.tell(Event{Kind: Ready})
		}
	case hopeless == len(s.networks):
		s.noNetwork()
	default:
		if s.v.GiveUpAt == 0 {
			s.v.GiveUpAt = s.now + networkWait
		}
		s.v.Phase = Network
	}
}

// timeout ends a session that carries nothing, and one that waits for a PADS
// only to release it.
func (s *step) timeout() {
	switch {
	case s.v.GiveUpAt == 0 || s.now < s.v.GiveUpAt:
	case s.v.Phase == Link:
		s.fail(cause.NegotiationError, fmt.Sprintf("LCP: no agreement within %v", linkWait), "")
		s.terminate("")
	case s.v.Phase == Auth:
		s.fail(cause.AuthTimeout, fmt.Sprintf("no verdict within %v", authWait), "")
		s.terminate("Authentication timed out")
	case s.v.Phase.established():
		s.noNetwork()
	case s.v.Phase == Terminating:
		s.end()
	}
}

func (s *step) noNetwork() {
	var why []string
	for _, n := range s.networks {
		if n.failure != "" {
			why = append(why, n.failure)
		} else {
			why = append(why, n.family.control().String()+": no answer")
		}
	}
	s.fail(cause.NetworkFailed, strings.Join(why, "; "), "")
	s.terminate("No network protocols running")
}
