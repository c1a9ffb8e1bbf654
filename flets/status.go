package flets

import (
	"net/netip"
	"time"

	"pppoectl/concentrator"
	"pppoectl/pppoe"
)

// Status is a line as it is now.
type Status struct {
	ACs      []ACStatus      `json:"acs"`
	Faults   []string        `json:"faults"` // on the wire, at the moment
	Sessions []SessionStatus `json:"sessions"`
}

// ACStatus is a concentrator.
type ACStatus struct {
	Name     string    `json:"name"`
	MAC      pppoe.MAC `json:"mac"`
	Off      bool      `json:"off"`
	Sessions int       `json:"sessions"`
}

// SessionStatus is a session at one of them.
type SessionStatus struct {
	AC      string               `json:"ac"`
	ID      uint16               `json:"session_id"`
	Host    pppoe.MAC            `json:"host"`
	User    string               `json:"user"`    // untrusted; empty until it is let in
	Seconds float64              `json:"seconds"` // since its PADS
	Routes  []netip.Prefix       `json:"routes"`  // what is sent to it
	Traffic concentrator.Traffic `json:"traffic"`
}

// Status returns the line as it is now.
func (l *Line) Status(now time.Duration) Status {
	s := Status{Faults: l.wire.active(now), Sessions: []SessionStatus{}}
	if s.Faults == nil {
		s.Faults = []string{}
	}
	names := map[*concentrator.Session]string{}
	for _, a := range l.acs {
		s.ACs = append(s.ACs, ACStatus{a.Config().Name, a.Config().MAC, a.off, len(a.Sessions())})
		for _, o := range a.Sessions() {
			names[o] = a.Config().Name
		}
	}
	for _, o := range l.sessions("") {
		routes := o.Routes()
		if routes == nil {
			routes = []netip.Prefix{}
		}
		s.Sessions = append(s.Sessions, SessionStatus{names[o], o.ID, o.Host, o.User, (now - o.Begun).Seconds(), routes, o.Traffic})
	}
	return s
}
