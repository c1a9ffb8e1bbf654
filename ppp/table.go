package ppp

// State is a state of the option-negotiation automaton, numbered as in
// RFC 1661 section 4.2.
type State uint8

// The ten states.
const (
	Initial  State = iota // the lower layer is down, nobody wants us
	Starting              // wanted, but the lower layer is down
	Closed                // the lower layer is up, nobody wants us
	Stopped               // wanted and up, but the negotiation ended
	Closing               // Terminate-Request sent, on our wish
	Stopping              // Terminate-Request sent, not on our wish
	ReqSent               // Configure-Request sent, neither side acknowledged
	AckRcvd               // the peer acknowledged ours
	AckSent               // we acknowledged the peer's
	Opened                // both
)

var stateNames = [...]string{
	"Initial", "Starting", "Closed", "Stopped", "Closing",
	"Stopping", "Req-Sent", "Ack-Rcvd", "Ack-Sent", "Opened",
}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "no state"
}

// negotiating reports whether a Configure-Request of ours is under way.
func (s State) negotiating() bool { return s == ReqSent || s == AckRcvd || s == AckSent }

// timed reports whether the restart timer runs in s (RFC 1661 section 4.1).
func (s State) timed() bool { return s == Closing || s == Stopping || s.negotiating() }

// event is an event of RFC 1661 section 4.3.
type event uint8

const (
	evUp       event = iota // Up: the lower layer is ready
	evDown                  // Down: it is not any more
	evOpen                  // Open: the link is wanted
	evClose                 // Close: it is not wanted any more
	evTOPlus                // TO+: time-out with restart counter > 0
	evTOMinus               // TO-: time-out with the counter used up
	evRCRPlus               // RCR+: good Configure-Request received
	evRCRMinus              // RCR-: bad one received
	evRCA                   // RCA: Configure-Ack received
	evRCN                   // RCN: Configure-Nak or -Reject received
	evRTR                   // RTR: Terminate-Request received
	evRTA                   // RTA: Terminate-Ack received
	evRUC                   // RUC: unknown code received
	evRXJPlus               // RXJ+: a rejection that we can live with
	evRXJMinus              // RXJ-: a catastrophic one
	evRXR                   // RXR: Echo-Request, Echo-Reply or Discard-Request
	eventCount
)

// action is an action of RFC 1661 section 4.4.
type action uint8

const (
	tlu action = iota // This-Layer-Up
	tld               // This-Layer-Down
	tls               // This-Layer-Started
	tlf               // This-Layer-Finished
	irc               // Initialize-Restart-Count
	zrc               // Zero-Restart-Count
	scr               // Send-Configure-Request
	sca               // Send-Configure-Ack
	scn               // Send-Configure-Nak or -Reject
	str               // Send-Terminate-Request
	sta               // Send-Terminate-Ack
	scj               // Send-Code-Reject
	ser               // Send-Echo-Reply
)

// cell is one cell of the transition table: the actions, in order, and the
// next state. An event that cannot happen in a state has no cell.
type cell struct {
	possible bool
	actions  []action
	next     State
}

func to(next State, actions ...action) cell { return cell{true, actions, next} }

var never cell

// transitions is the table of RFC 1661 section 4.1, a row for each event, a
// column for each state. Notes of the RFC: there is no passive option (p) and
// no restart option (r).
var transitions = [eventCount][10]cell{
	//            Initial, Starting, Closed, Stopped, Closing, Stopping,
	//            Req-Sent, Ack-Rcvd, Ack-Sent, Opened
	evUp: {
		to(Closed), to(ReqSent, irc, scr), never, never, never, never,
		never, never, never, never,
	},
	evDown: {
		never, never, to(Initial), to(Starting, tls), to(Initial), to(Starting),
		to(Starting), to(Starting), to(Starting), to(Starting, tld),
	},
	evOpen: {
		to(Starting, tls), to(Starting), to(ReqSent, irc, scr), to(Stopped), to(Stopping), to(Stopping),
		to(ReqSent), to(AckRcvd), to(AckSent), to(Opened),
	},
	evClose: {
		to(Initial), to(Initial, tlf), to(Closed), to(Closed), to(Closing), to(Closing),
		to(Closing, irc, str), to(Closing, irc, str), to(Closing, irc, str), to(Closing, tld, irc, str),
	},
	evTOPlus: {
		never, never, never, never, to(Closing, str), to(Stopping, str),
		to(ReqSent, scr), to(ReqSent, scr), to(AckSent, scr), never,
	},
	evTOMinus: {
		never, never, never, never, to(Closed, tlf), to(Stopped, tlf),
		to(Stopped, tlf), to(Stopped, tlf), to(Stopped, tlf), never,
	},
	evRCRPlus: {
		never, never, to(Closed, sta), to(AckSent, irc, scr, sca), to(Closing), to(Stopping),
		to(AckSent, sca), to(Opened, sca, tlu), to(AckSent, sca), to(AckSent, tld, scr, sca),
	},
	evRCRMinus: {
		never, never, to(Closed, sta), to(ReqSent, irc, scr, scn), to(Closing), to(Stopping),
		to(ReqSent, scn), to(AckRcvd, scn), to(ReqSent, scn), to(ReqSent, tld, scr, scn),
	},
	evRCA: {
		never, never, to(Closed, sta), to(Stopped, sta), to(Closing), to(Stopping),
		to(AckRcvd, irc), to(ReqSent, scr), to(Opened, irc, tlu), to(ReqSent, tld, scr),
	},
	evRCN: {
		never, never, to(Closed, sta), to(Stopped, sta), to(Closing), to(Stopping),
		to(ReqSent, irc, scr), to(ReqSent, scr), to(AckSent, irc, scr), to(ReqSent, tld, scr),
	},
	evRTR: {
		never, never, to(Closed, sta), to(Stopped, sta), to(Closing, sta), to(Stopping, sta),
		to(ReqSent, sta), to(ReqSent, sta), to(ReqSent, sta), to(Stopping, tld, zrc, sta),
	},
	evRTA: {
		never, never, to(Closed), to(Stopped), to(Closed, tlf), to(Stopped, tlf),
		to(ReqSent), to(ReqSent), to(AckSent), to(ReqSent, tld, scr),
	},
	evRUC: {
		never, never, to(Closed, scj), to(Stopped, scj), to(Closing, scj), to(Stopping, scj),
		to(ReqSent, scj), to(AckRcvd, scj), to(AckSent, scj), to(Opened, scj),
	},
	evRXJPlus: {
		never, never, to(Closed), to(Stopped), to(Closing), to(Stopping),
		to(ReqSent), to(ReqSent), to(AckSent), to(Opened),
	},
	evRXJMinus: {
		never, never, to(Closed, tlf), to(Stopped, tlf), to(Closed, tlf), to(Stopped, tlf),
		to(Stopped, tlf), to(Stopped, tlf), to(Stopped, tlf), to(Stopping, tld, irc, str),
	},
	evRXR: {
		never, never, to(Closed), to(Stopped), to(Closing), to(Stopping),
		to(ReqSent), to(AckRcvd), to(AckSent), to(Opened, ser),
	},
}
