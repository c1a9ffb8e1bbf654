package session

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"pppoectl/cause"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// lastPADS is how long the answer to a PADR is awaited after a hang-up.
const lastPADS = time.Second

// discoveryFrame takes a frame of the discovery stage: answers to our own
// frames, and a PADT for our session.
func (s *step) discoveryFrame(f pppoe.Frame) {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		s.drop(err)
		return
	}
	switch {
	case p.Code == pppoe.PADT:
		s.padt(f, p)
	case p.Code == pppoe.PADO && s.v.Phase.established():
		s.probed(f)
	case s.v.Phase != Down:
		s.discovered(s.discovery.Receive(s.now, f))
	default:
		s.drop(fmt.Errorf("%v is not expected now", p.Code))
	}
}

// padt ends the session, if it is ours that the AC ends. A PADT is never
// answered.
func (s *step) padt(f pppoe.Frame, p pppoe.Packet) {
	offer, id := s.discovery.Peer()
	if id == 0 || f.Src != offer.AC || p.SessionID != id {
		s.drop(fmt.Errorf("PADT for session 0x%04x of %v is not for us", p.SessionID, f.Src))
		return
	}
	var peer string
	if tags, err := pppoe.ParseTags(p.Payload); err == nil {
		if refused, ok := tags.Error().(*pppoe.RefusedError); ok {
			peer = refused.Text
		}
	}
	if s.v.Reason.Cause == cause.None {
		s.v.Reason = Reason{cause.PADT, cause.PADT.Text(), peer}
	} else { // it ends for another reason, and the AC knows already: no PADT of ours
		s.discovery.Forget()
	}
	s.end()
}

// discovered does what follows from discovery.
func (s *step) discovered(out pppoe.DiscoveryOutput) {
	if s.discovery.Stage() == pppoe.Requesting { // an AC has answered: the line works
		s.releaseStale()
		s.v.Stale = nil
	}
	for _, f := range out.Frames {
		s.send(f)
	}
	s.drop(out.Dropped)
	if out.Refused != nil {
		s.refused(out.Refused)
		return
	}
	if s.v.Phase == Terminating && s.discovery.Stage() == pppoe.Confirmed && s.link.State() == ppp.Initial {
		s.end() // the PADS of a session that is not wanted any more
	}
	if s.v.Phase != Discovery {
		return
	}
	if n := s.discovery.Solicited(); n > noOfferAfter && s.v.Unoffered == 0 {
		s.v.Unoffered = n - 1
		s.tell(Event{Kind: NoOffer, Cause: cause.NoOffer, Text: fmt.Sprintf("%d PADIs unanswered", s.v.Unoffered)})
	}
	if s.discovery.Stage() == pppoe.Confirmed {
		s.open()
	}
}

// giveUpDiscovery ends discovery. If a PADR is out, the AC may have opened a
// session already: its PADS is awaited for a moment, to be answered by a PADT.
func (s *step) giveUpDiscovery() {
	if s.discovery.Stage() != pppoe.Requesting {
		s.end()
		return
	}
	s.discovery.Cease()
	s.v.Phase = Terminating
	s.v.GiveUpAt = s.now + lastPADS
}

// refused ends an attempt that the AC refused.
func (s *step) refused(err error) {
	text, peer := err.Error(), ""
	if r, ok := err.(*pppoe.RefusedError); ok {
		text, peer = r.Tag.String(), r.Text
	}
	s.fail(cause.ACRefused, text, peer)
	s.end()
}

// open begins the session stage: there is a session at the AC now, so the event
// comes first, to be written down before anything is sent.
func (s *step) open() {
	s.v.Phase = Link
	s.v.GiveUpAt = s.now + linkWait
	held := s.v.Early
	s.v.Early = nil
	s.tell(Event{Kind: Opened})
	s.link.SetMRU(s.mru())
	s.linkOutput(s.link.Up(s.now))
	for _, e := range held {
		s.sessionFrame(pppoe.Frame{Src: e.AC, Payload: e.Payload})
	}
}

// mru returns what LCP asks for, in octets: what is configured, as far as PPPoE
// carries it (RFC 2516 section 7, RFC 4638).
func (m *Machine) mru() int {
	offer, _ := m.discovery.Peer()
	return min(m.cfg.MTU, max(pppoe.MaxMTU, offer.MaxPayload))
}

// early is a session frame that came before the PADS.
type early struct {
	AC      pppoe.MAC `json:"ac"`
	Payload []byte    `json:"payload"`
}

// hold keeps a frame of the AC that we are asking for a session: its first
// Configure-Request may overtake the PADS, since they come by two sockets.
func (s *step) hold(f pppoe.Frame) bool {
	offer, _ := s.discovery.Peer()
	if s.v.Phase != Discovery || f.Src != offer.AC { // no station's, before an offer was taken
		return false
	}
	s.v.Early = slices.DeleteFunc(s.v.Early, func(e early) bool { return e.AC != offer.AC })
	if len(s.v.Early) >= maxEarly {
		return false
	}
	s.v.Early = append(s.v.Early, early{f.Src, bytes.Clone(f.Payload)})
	return true
}
