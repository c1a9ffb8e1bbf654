package concentrator

import (
	"fmt"
	"strings"

	"pppoectl/pppoe"
)

// Kind is what has happened.
type Kind string

// The kinds of events.
const (
	SessionBegun   Kind = "session"       // PADS was sent
	SessionRefused Kind = "refused"       // PADS with an error was sent
	SessionEnded   Kind = "ended"         // Text says why
	LoggedIn       Kind = "login"         // a user was let in
	TurnedAway     Kind = "rejected"      // a user was not let in; Text says why
	NetworkOpen    Kind = "network"       // IPCP or IPv6CP has opened
	NetworkShut    Kind = "network-down"  // and has closed
	Delegated      Kind = "delegated"     // a prefix was given out, and is routed
	Withdrawn      Kind = "withdrawn"     // it is not routed any more
	Renegotiated   Kind = "renegotiation" // LCP begins anew
)

// Event is something that a concentrator tells. User is a host's word, and
// untrusted: print it with %q.
type Event struct {
	AC      string    `json:"ac,omitempty"`
	Host    pppoe.MAC `json:"host"`
	Session uint16    `json:"session_id,omitempty"`
	User    string    `json:"user,omitempty"`
	Kind    Kind      `json:"event"`
	Text    string    `json:"text,omitempty"`
}

// String returns the event as a line.
func (e Event) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-13s", e.Kind)
	if e.AC != "" {
		fmt.Fprintf(&b, " %s", e.AC)
	}
	if e.Session != 0 {
		fmt.Fprintf(&b, " session %d", e.Session)
	}
	if e.Host != (pppoe.MAC{}) {
		fmt.Fprintf(&b, " of %v", e.Host)
	}
	if e.User != "" {
		fmt.Fprintf(&b, " %q", e.User)
	}
	switch {
	case e.Text == "":
	case e.AC == "":
		fmt.Fprintf(&b, " %s", e.Text)
	default:
		fmt.Fprintf(&b, ": %s", e.Text)
	}
	return b.String()
}

// tell notes an event of a session.
func (a *AC) tell(s *Session, kind Kind, text string) {
	a.out.Events = append(a.out.Events, Event{AC: a.cfg.Name, Host: s.Host, Session: s.ID, User: s.User, Kind: kind, Text: text})
}
