package session

import (
	"math/rand/v2"
	"time"

	"pppoectl/ppp"
)

// probeResumed is when an AC that has not answered the first echo after a start is
// asked by PADI as well.
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
	s.link.Pause()
	s.v.GiveUpAt = s.now + networkWait // settle knows better if a network is open
	for _, n := range s.networks {
		if n.retryAt != 0 {
			n.retryAt = max(n.retryAt, s.now+time.Second)
		}
	}
}

// prove asks an AC whether a session that was taken over still lives: in a hurry, since
// it may have been gone for long. It is given up as any that is suspect: by the last
// question, which begins with an offer. An AC that has only stood still answers a PADI
// before it comes to our echoes.
func (s *step) prove() {
	s.v.Suspect = suspicion{On: true, Since: s.now, Resumed: true, Probe: s.now + probeResumed}
	s.link.Suspect(s.now)
	s.link.Hurry(s.now, s.now+lastQuestion)
	s.sendPPP(ppp.LCP, []ppp.Packet{s.link.Unasked()}) // it may be about to give us up
}
