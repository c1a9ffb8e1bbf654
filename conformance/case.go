package conformance

import (
	"fmt"
	"time"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// Role says which end of a session somebody is.
type Role string

// The roles.
const (
	Client Role = "client"
	AC     Role = "ac"
)

// Stage is how far a session has come.
type Stage uint8

// The stages. Each stands for what has been done when it is reached.
const (
	Start     Stage = iota // a client has sent its PADI; an AC has not been asked for anything
	Offered                // a client has sent its PADR; an AC has sent its PADO
	Session                // the PADS is through; nobody has answered a word of LCP
	Link                   // LCP is open
	Auth                   // authentication is done
	Up                     // the NCPs are open
	Delegated              // a prefix is delegated
)

var stageNames = []string{"start", "offered", "session", "link", "auth", "up", "delegated"}

func (s Stage) String() string { return stageNames[s] }

// Case is one question to a peer.
type Case struct {
	Name    string // RFC/NAME
	RFC     string // its number
	Section string
	Says    string   // what the peer must do, a sentence
	Peer    Role     // who is asked; empty: both
	Needs   []string // what the peer must do to be asked: see needable
	Hostile bool     // holds frames that no good peer sends
	At      Stage    // how far the session is brought first
	Steps   []Step
}

// Asks reports whether the case is for a peer of that role.
func (c *Case) Asks(r Role) bool { return c.Peer == "" || c.Peer == r }

func (c *Case) needs(word string) bool {
	for _, n := range c.Needs {
		if n == word {
			return true
		}
	}
	return false
}

// verb says what a step does.
type verb uint8

const (
	send   verb = iota // packets[0], count times
	expect             // one of packets, count times, within period
	given              // likewise, or else the case is not for this peer
	atMost             // of packets, no more than count come within period
	reach              // the session goes on with good manners until stage, within period
	alive              // LCP is open and the peer answers an echo, or the tags of a PADI, within period
	mute               // no manners for protocol
	mind               // manners up to stage
	login              // with a name or password that is wrong
	mutate             // count frames of this conversation, damaged
)

// Step is a line of a case.
type Step struct {
	Text     string // as it is written
	verb     verb
	packets  []template
	count    int
	period   time.Duration
	stage    Stage
	protocol ppp.Protocol
}

// layer says what a template makes.
type layer uint8

const (
	discovery   layer = iota // tags
	payload                  // of a session frame, as it is
	information              // of a PPP frame, as it is
	control                  // a control packet
	dhcp                     // a DHCPv6 message
)

// template is a packet of a case, to be sent or to be matched.
type template struct {
	layer    layer
	code     pppoe.Code   // discovery
	protocol ppp.Protocol // information, control
	kind     uint8        // control: its Code; dhcp: its msg-type
	id       string       // control: its Identifier; empty or *: any
	fields   []field
	rest     bool              // ...: others may be there
	at       map[string]string // @NAME=VALUE: what is out of the ordinary
}

// field is an option, a tag, or a part of a packet.
type field struct {
	name  string // as written
	code  uint16 // of an option or a tag
	form  form
	value string
	none  bool // must not be there
}

// form says how a value is written.
type form uint8

const (
	octets form = iota
	number2
	address4
	method
)

// Kind is what came of a trial.
type Kind string

// What may come of a trial.
const (
	Pass      Kind = "pass"
	Fail      Kind = "fail"
	Skip      Kind = "skip"      // the peer does not do what the case is about
	Unreached Kind = "unreached" // the session did not come as far as the case begins
)

// Result is what came of one case.
type Result struct {
	Case *Case
	Kind Kind
	Text string        // why, unless it passed
	Took time.Duration // of the line's time
	// Frames are all that went over the line, in order.
	Frames []Recorded
}

// Recorded is a frame of a trial.
type Recorded struct {
	At    time.Duration // as the clock that the trial was given
	Sent  bool          // by us
	Frame pppoe.Frame
}

func (r Result) String() string {
	if r.Text == "" {
		return fmt.Sprintf("%s %s", r.Kind, r.Case.Name)
	}
	return fmt.Sprintf("%s %s: %s", r.Kind, r.Case.Name, r.Text)
}
