package session

import (
	"errors"
	"fmt"
	"time"

	"pppoectl/cause"
	"pppoectl/pppoe"
	"pppoectl/timer"
)

// A suspect session asks by PADI as well, from the third lost echo on and at
// this interval: redialling can only succeed where an AC answers.
const (
	probeAfter    = 3
	probeInterval = 3 * time.Second
)

// Before a session is given up because an AC makes offers, it is asked for the
// last time: echoes in quick succession, and PADIs beside them. A line that only
// loses frames lets one of all these echoes through, one that is dead no PADO. An AC
// that answers few PADIs may not answer these, but a later one: then the question is
// asked once more, and its silence is the answer.
const (
	lastQuestion = time.Second
	lastInterval = 450 * time.Millisecond // of the PADIs
)

// suspicion is what is known while the AC may be gone.
type suspicion struct {
	On     bool          `json:"on,omitempty"`
	Since  time.Duration `json:"since,omitempty"`
	Probe  time.Duration `json:"probe,omitempty"`  // when to send the next PADI
	Answer bool          `json:"answer,omitempty"` // an AC has made an offer since, or since Asked
	Asked  time.Duration `json:"asked,omitempty"`  // when the last question began; 0: it is not being asked
	Times  int           `json:"times,omitempty"`  // it was asked

	Resumed bool          `json:"resumed,omitempty"` // the session was taken over, and has not shown life since
	Due     time.Duration `json:"due,omitempty"`     // when the next echo was due then, all before being answered
}

// lineLost keeps the session while nothing can be said: carrier loss is not
// session loss.
func (s *step) lineLost() {
	if s.v.LineLost || s.v.Phase == Down {
		return
	}
	s.v.LineLost = true
	if s.v.Phase.established() {
		s.link.Pause()
		s.v.Suspect = suspicion{On: true, Resumed: s.v.Suspect.Resumed}
		s.tell(Event{Kind: Suspected, Cause: cause.NoCarrier, Text: "the line has lost its carrier; the session is kept"})
	}
}

// lineBack asks the AC whether the session is still there.
func (s *step) lineBack() {
	if !s.v.LineLost {
		return
	}
	s.v.LineLost = false
	switch {
	case !s.v.Phase.established():
	case s.v.Suspect.Resumed:
		s.prove()
	default:
		s.v.Suspect = suspicion{On: true, Since: s.now}
		s.link.Suspect(s.now)
	}
}

// suspicion follows the keepalive. An AC that makes offers while our echoes
// stay unanswered, the last question's too, has forgotten our session: it ends, to
// be dialled anew. Without offers the line itself is down, and the session may still be
// there when it comes back; it ends only after Config.DeadAfter.
func (s *step) suspicion() {
	if !s.v.Phase.established() || s.v.LineLost {
		return
	}
	echo := s.link.Echo()
	v := &s.v.Suspect
	if echo.Since == 0 {
		switch {
		case v.Resumed:
			s.tell(Event{Kind: Resumed})
		case v.On:
			s.tell(Event{Kind: Alive})
		}
		*v = suspicion{}
		return
	}
	if !v.On {
		*v = suspicion{On: true, Since: echo.Since}
		s.tell(Event{Kind: Suspected, Cause: cause.EchoLost, Text: "an echo is unanswered; one is sent each second now"})
	}
	silent := (s.now - v.Since).Round(time.Second)
	answered := v.Asked != 0 && s.now >= v.Asked+lastQuestion
	if s.fed && (answered || s.now-v.Since >= s.cfg.DeadAfter) {
		return // we are late, and what has come meanwhile may say that the peer lives: the timer decides
	}
	switch {
	case answered && (v.Answer || v.Times > 1):
		s.abandon(cause.EchoLost, fmt.Sprintf("AC silent for %v, but it offers new sessions: it has lost ours", silent))
	case s.now-v.Since >= s.cfg.DeadAfter:
		s.abandon(cause.EchoLost, fmt.Sprintf("AC silent for %v", silent))
	case answered: // no offer any more: the line is down
		v.Asked = 0
	case v.Asked == 0 && v.Answer && echo.Unanswered >= s.cfg.Failures:
		v.Asked, v.Answer = s.now, false
		v.Times++
		s.link.Hurry(s.now, s.now+lastQuestion)
		s.probe(lastInterval)
	case s.now < v.Probe:
	case s.now < echo.Hurry:
		s.probe(lastInterval)
	case echo.Unanswered >= probeAfter:
		s.probe(probeInterval)
	}
}

// probe asks whether any AC answers, and says when to do so again.
func (s *step) probe(interval time.Duration) {
	s.v.Suspect.Probe = s.now + interval
	s.send(pppoe.NewPADI(s.cfg.MAC, s.cfg.Discovery, s.discovery.HostUniq()))
}

// suspectDeadline returns when suspicion has to be looked at again.
func (m *Machine) suspectDeadline() time.Duration {
	if !m.v.Suspect.On || m.v.LineLost {
		return 0
	}
	v := m.v.Suspect
	d := timer.Earliest(v.Probe, v.Since+m.cfg.DeadAfter)
	if v.Asked != 0 {
		d = min(d, v.Asked+lastQuestion)
	}
	return d
}

// probed takes the answer to a PADI of a suspect session. PADRs are never sent
// for it.
func (s *step) probed(f pppoe.Frame) {
	if !s.v.Suspect.On {
		s.drop(errors.New("PADO is not expected now"))
		return
	}
	offer, err := pppoe.ParseOffer(f, s.discovery.HostUniq())
	if err == nil {
		err = s.cfg.Discovery.Accepts(offer) // else there would be nobody to dial
	}
	if err != nil {
		s.drop(err)
		return
	}
	s.v.Suspect.Answer = true
}
