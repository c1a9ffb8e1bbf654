package session

import "pppoectl/cause"

// Kind says what an event tells.
type Kind string

// The kinds of events.
const (
	NoOffer       Kind = "no_offer"       // PADIs stay unanswered; they go on
	Opened        Kind = "session"        // PADS came: the AC believes in a session now
	LinkUp        Kind = "lcp_up"         // LCP is open
	LinkDown      Kind = "lcp_down"       // LCP is negotiated anew, in place
	Authenticated Kind = "authenticated"  // the AC is satisfied
	NetworkUp     Kind = "network_up"     // Family may flow now
	NetworkDown   Kind = "network_down"   // Family must not flow any more
	NetworkFailed Kind = "network_failed" // Family will not come up; the rest of the session stays
	Ready         Kind = "up"             // every family that was asked for is up, or has failed
	Suspected     Kind = "suspect"        // the AC may be gone
	Alive         Kind = "alive"          // it is not
	Resumed       Kind = "resumed"        // a session that was taken over is alive
	Closed        Kind = "closed"         // the session is over; Cause and Text say why
	Dropped       Kind = "dropped"        // a frame was ignored; Text says why
	Notice        Kind = "notice"         // the AC said something
)

// Event is what a session tells.
type Event struct {
	Kind   Kind       `json:"kind"`
	Family Family     `json:"family,omitempty"`
	Cause  cause.Code `json:"cause,omitempty"`
	Text   string     `json:"text,omitempty"` // our words
	Peer   string     `json:"peer,omitempty"` // the AC's words, untrusted: print with %q
}

// Phase is how far a session has come.
type Phase string

// The phases. Suspicion is not one: see [Info].
const (
	Down        Phase = ""
	Discovery   Phase = "discovery"
	Link        Phase = "lcp"
	Auth        Phase = "auth"
	Network     Phase = "network"
	Up          Phase = "up"
	Terminating Phase = "terminating"
)

// established reports whether LCP is open in p and authentication done.
func (p Phase) established() bool { return p == Network || p == Up }
