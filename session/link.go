package session

import (
	"errors"
	"fmt"
	"time"

	"pppoectl/auth"
	"pppoectl/cause"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// linkWait is how long LCP may take. Its own counters do not bound a peer that
// acknowledges all and asks for nothing.
const linkWait = time.Minute

// authWait is how long authentication may take, however often the AC changes
// its challenge.
const authWait = time.Minute

// sessionFrame takes a frame of the session stage.
func (s *step) sessionFrame(f pppoe.Frame) {
	offer, id := s.discovery.Peer()
	if id == 0 {
		if !s.hold(f) {
			s.drop(fmt.Errorf("session frame from %v without a session", f.Src))
		}
		return
	}
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		s.drop(err)
		return
	}
	if f.Src != offer.AC || p.SessionID != id || p.Code != pppoe.SessionData {
		s.drop(fmt.Errorf("%v for session 0x%04x of %v is not for us", p.Code, p.SessionID, f.Src))
		return
	}
	protocol, information, err := ppp.ParseFrame(p.Payload)
	if err != nil {
		s.drop(err)
		return
	}
	s.control(protocol, information)
}

// control takes a PPP frame: control packets to their automata, IP to nobody,
// since it does not come this way, the rest back as a Protocol-Reject.
func (s *step) control(protocol ppp.Protocol, information []byte) {
	if protocol == ppp.IPv4 || protocol == ppp.IPv6 {
		return
	}
	p, err := ppp.ParsePacket(information)
	if !s.admits(protocol, p) {
		s.drop(errors.New("too many control packets"))
		return
	}
	n := s.network(protocol)
	switch {
	case protocol == ppp.LCP:
	case !s.link.Opened():
		s.drop(fmt.Errorf("%v before LCP is open", protocol))
		return
	case s.auth != nil && protocol == s.auth.Protocol():
	case s.v.Phase == Auth && isNetwork(protocol):
		s.drop(fmt.Errorf("%v before authentication", protocol))
		return
	case n == nil && p.Code == ppp.TerminateAck && isNetwork(protocol):
		s.drop(fmt.Errorf("%v of %v, which is not spoken any more", p.Code, protocol)) // rejected, it could not come back
		return
	case n == nil:
		s.sendPPP(ppp.LCP, []ppp.Packet{s.link.Reject(protocol, information)})
		return
	}
	switch {
	case err != nil:
		s.drop(fmt.Errorf("%v: %w", protocol, err))
	case protocol == ppp.LCP:
		s.linkOutput(s.link.Receive(s.now, p))
	case n == nil:
		s.authOutput(s.auth.Receive(s.now, p))
	case s.v.Phase.established():
		s.networkOutput(n, n.automaton.Receive(s.now, p))
	}
}

// admits bounds the rate of what is answered. Echo-Replies, which are not, are
// never held back: they keep the session alive. Echo-Requests have a share of their own
// if they have the AC's magic number: others may be anybody's.
func (s *step) admits(protocol ppp.Protocol, p ppp.Packet) bool {
	switch {
	case protocol != ppp.LCP:
	case p.Code == ppp.EchoReply:
		return true
	case p.Code == ppp.EchoRequest && s.link.FromPeer(p):
		return s.v.EchoLimit.Allow(s.now, echoBurst, echoInterval)
	}
	return s.v.Limit.Allow(s.now, controlBurst, controlInterval)
}

// isNetwork reports whether p is a network protocol or its control protocol
// (RFC 1661 section 2).
func isNetwork(p ppp.Protocol) bool { return p < 0xc000 }

// linkOutput does what follows from LCP.
func (s *step) linkOutput(out lcp.Output) {
	s.sendPPP(ppp.LCP, out.Packets)
	s.drop(out.Dropped)
	if out.Identified != "" {
		s.tell(Event{Kind: Notice, Text: "the AC identifies itself", Peer: out.Identified})
	}
	if out.Err != nil {
		s.linkError(out.Err)
	}
	for _, c := range out.Changes {
		switch c {
		case ppp.LayerUp:
			s.linkUp()
		case ppp.LayerDown:
			s.linkDown()
		case ppp.LayerFinished:
			s.end()
			return
		}
	}
	// The AC has ended the link: it waits for nothing more from us.
	if _, ok := errors.AsType[*ppp.TerminatedError](out.Err); ok {
		s.end()
		return
	}
	if n := s.network(out.ProtocolRejected); n != nil && s.v.Phase.established() {
		s.networkRejected(n)
	}
}

// linkError notes why LCP ends.
func (s *step) linkError(err error) {
	var t *ppp.TerminatedError
	switch {
	case errors.As(err, &t):
		s.fail(cause.Terminated, cause.Terminated.Text(), t.Text)
	case errors.Is(err, lcp.ErrLoopback):
		s.fail(cause.Loopback, err.Error(), "")
	default:
		s.fail(cause.NegotiationError, "LCP: "+err.Error(), "")
	}
	s.v.Phase = Terminating
	s.v.GiveUpAt = 0
}

// linkUp begins authentication, if the AC wants any.
func (s *step) linkUp() {
	s.tell(Event{Kind: LinkUp})
	switch demanded := s.link.Vars().PeerAuth; demanded.Protocol {
	case ppp.PAP:
		s.auth = auth.NewPAPClient(s.cfg.Username, s.cfg.Password)
	case ppp.CHAP:
		s.auth = auth.NewCHAPClient(s.cfg.Username, s.cfg.Password)
	default:
		s.authenticated("")
		return
	}
	s.v.Phase = Auth
	s.v.GiveUpAt = s.now + authWait
	s.authOutput(s.auth.Start(s.now))
}

// linkDown stops what LCP carries: LCP is being negotiated anew or terminated.
func (s *step) linkDown() {
	s.tell(Event{Kind: LinkDown})
	if s.v.Phase != Terminating {
		s.v.Phase = Link
		s.v.GiveUpAt = s.now + linkWait
	}
	s.auth = nil
	if s.v.Suspect.Resumed && s.v.Phase == Link { // whoever negotiates is alive
		s.tell(Event{Kind: Resumed})
	}
	s.v.Suspect = suspicion{}
	for _, n := range s.networks {
		s.networkOutput(n, n.automaton.Down(s.now))
		n.forgive()
	}
}

// authOutput does what follows from authentication, which may also be repeated
// while the session is up.
func (s *step) authOutput(out auth.Output) {
	s.sendPPP(s.auth.Protocol(), out.Packets)
	s.drop(out.Dropped)
	var rejected *auth.RejectedError
	switch {
	case errors.As(out.Err, &rejected):
		s.fail(cause.AuthRejected, cause.AuthRejected.Text(), rejected.Text)
		s.terminate("Failed to authenticate ourselves to peer")
	case out.Err != nil:
		s.fail(cause.AuthTimeout, out.Err.Error(), "")
		s.terminate("Authentication timed out")
	case out.Done && s.v.Phase == Auth:
		s.authenticated(out.Text)
	}
}

// authenticated begins the network phase.
func (s *step) authenticated(text string) {
	s.tell(Event{Kind: Authenticated, Peer: text, Text: s.link.Vars().PeerAuth.String()})
	s.v.Phase = Network
	s.v.GiveUpAt = s.now + networkWait
	for _, n := range s.networks {
		s.startNetwork(n)
	}
}
