package session

import (
	"math/rand/v2"
	"time"

	"pppoectl/ppp"
)

// probeResumed is when an AC that was asked in a hurry after a start, and has not answered,
// is asked by PADI as well.
const probeResumed = lastQuestion / 2

// Resumable reports whether a session can go on from s: LCP was open, and
// authentication done. One that had not come so far is better dialled anew.
func (s *Snapshot) Resumable() bool {
	return s.Session.Phase.established() && s.Discovery.Session != 0 && s.Link.Automaton.State == ppp.Opened
}

// Resume returns the session that s was taken of, in the same boot, for a process that
// takes it over. Tell it of that by [TakenOver]; before [LineBack] it says nothing.
func Resume(s Snapshot, password string, rand *rand.Rand) *Machine {
	cfg := s.Config
	cfg.Password = password
	m := New(cfg, rand)
	m.Restore(s)
	return m
}

// takenOver begins with a session that nobody has looked after for a while: as far
// as anybody knows its line was away. What is to be done after so long is done
// later.
func (s *step) takenOver() {
	if !s.v.Phase.established() {
		return
	}
	s.v.LineLost = true
	s.v.Suspect = suspicion{On: true, Resumed: true}
	if echo := s.link.Echo(); !echo.Pending { // nor suspect: one of those always has an echo out
		s.v.Suspect.Due = echo.Deadline
	}
	s.link.Pause()
	s.v.GiveUpAt = s.now + networkWait // settle knows better if a network is open
	for _, n := range s.networks {
		if n.retryAt != 0 {
			n.retryAt = max(n.retryAt, s.now+time.Second)
		}
	}
}

// prove asks an AC whether a session that was taken over still lives. It is given up as
// any that is suspect; but asked in a hurry where an echo is overdue, since it may have
// been gone for long.
func (s *step) prove() {
	overdue := s.now >= s.v.Suspect.Due
	s.v.Suspect = suspicion{On: true, Since: s.now, Resumed: true}
	s.link.Suspect(s.now)
	if overdue {
		s.v.Suspect.Probe = s.now + probeResumed
		s.link.Hurry(s.now, s.now+lastQuestion)
	}
	s.sendPPP(ppp.LCP, []ppp.Packet{s.link.Unasked()}) // it may be about to give us up
}
