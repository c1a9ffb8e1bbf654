package line

import (
	"sync"
	"time"

	"pppoectl/pppoe"
)

// A frame of a session that nobody here knows is answered by a PADT, where that is
// wanted: at most once each unknownPause per session, and not before all sessions that
// are taken over at a start have had the time to say so.
const (
	unknownPause = time.Second
	unknownGrace = 10 * time.Second
	mostUnknown  = 256 // sessions that are remembered
)

// strangers answers frames of sessions that nobody here knows.
type strangers struct {
	mu       sync.Mutex
	wanted   func() bool // nil: no
	since    time.Time   // of the port
	answered map[peer]time.Time
	released uint64
}

// ReleaseUnknown has the port end sessions of this station that nobody here knows, as
// long as wanted says so. Another program's sessions on the same port are among them.
func (h *Handle) ReleaseUnknown(wanted func() bool) {
	s := &h.port.strangers
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = wanted
}

// answers reports whether a frame that is for nobody here is to be answered. Frames of
// discovery never are: a PADT must not be answered by another.
func (s *strangers) answers(f pppoe.Frame, now time.Time) (peer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wanted == nil || f.EtherType != pppoe.EtherTypeSession || !f.Src.Unicast() || now.Sub(s.since) < unknownGrace {
		return peer{}, false
	}
	q, err := pppoe.ParsePacket(f.Payload)
	if err != nil || q.Code != pppoe.SessionData || q.SessionID == 0 || !s.wanted() {
		return peer{}, false
	}
	who := peer{f.Src, q.SessionID}
	if at, ok := s.answered[who]; ok && now.Sub(at) < unknownPause {
		return peer{}, false
	}
	if len(s.answered) >= mostUnknown {
		for p, at := range s.answered {
			if now.Sub(at) >= unknownPause {
				delete(s.answered, p)
			}
		}
		if len(s.answered) >= mostUnknown {
			return peer{}, false
		}
	}
	if s.answered == nil {
		s.answered = map[peer]time.Time{}
	}
	s.answered[who] = now
	s.released++
	return who, true
}

// release sends the PADT of a session that nobody here knows.
func (p *Port) release(who peer) {
	f := pppoe.NewPADT(p.MAC, who.ac, who.session, "")
	p.write(p.discovery, f) // if that fails, it will ask again
}
