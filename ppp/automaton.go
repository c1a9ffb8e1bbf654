package ppp

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The RFC's defaults (RFC 1661 section 4.6).
const (
	MaxConfigure = 10
	MaxTerminate = 2
	MaxFailure   = 5
	RestartTimer = 3 * time.Second
)

// Until a peer is heard for the first time, the restart timer is short for the
// first few requests and doubles from there: an access concentrator whose PPP
// is not ready when its PADS goes out loses our first request, and three
// seconds of the user's time with it. Those requests do not count for
// Max-Configure.
const (
	eagerTimer    = 30 * time.Millisecond
	eagerRequests = 16
)

// repeated is how long a Configure-Request that is the very one that we have
// acknowledged counts as a repeated frame, or as the answer to an Ack that was
// lost: it is acknowledged again, and the layer stays up. Two sides on a line that
// doubles frames would else bring each other down without end. It is shorter than
// any restart timer: a peer that begins anew with the same words gets through with
// its second request.
const repeated = time.Second

// maxRefusals bounds the Naks and Rejects of either direction since the last
// Ack of that direction. The RFC bounds only the Naks that we send; without a
// common bound two sides that never agree go on for ever.
const maxRefusals = 4 * MaxFailure

// Errors that end a negotiation.
var (
	// ErrNoAnswer says that Max-Configure requests went unanswered.
	ErrNoAnswer = errors.New("no answer to Configure-Requests")
	// ErrNotConverging says that the sides refused each other's options
	// without end.
	ErrNotConverging = errors.New("negotiation does not converge")
	// ErrCodeRejected says that the peer rejects a code that the protocol
	// cannot do without.
	ErrCodeRejected = errors.New("peer rejects a code of the protocol")
	// ErrProtocolRejected says that the peer does not speak the protocol.
	ErrProtocolRejected = errors.New("peer rejects the protocol")
)

// TerminatedError says that the peer sent a Terminate-Request.
type TerminatedError struct {
	Text string // the peer's words, untrusted: print with %q
}

func (e *TerminatedError) Error() string {
	if e.Text == "" {
		return "terminated by the peer"
	}
	return fmt.Sprintf("terminated by the peer: %q", e.Text)
}

// Change is what an automaton tells the layer above (RFC 1661 section 4.4).
type Change uint8

// The four notices.
const (
	LayerUp       Change = iota // This-Layer-Up: the protocol is open
	LayerDown                   // This-Layer-Down: it is not any more
	LayerStarted                // This-Layer-Started: the lower layer is wanted
	LayerFinished               // This-Layer-Finished: it is not wanted any more
)

// Output is what follows from one input to an automaton. Packets may alias the
// received packet.
type Output struct {
	Packets []Packet // to send, in this order
	Changes []Change // in this order
	// Err is why the layer came down or ended, when that was not our wish, or
	// that the peer sent a Terminate-Request in the middle of a negotiation.
	Err error
	// Rejected is the code of a Code-Reject that can be lived with; zero if none.
	Rejected Code
	// Dropped is why the packet was dropped without a reaction; nil if it was not.
	Dropped error
}

// Vars is all that an automaton remembers, as plain data.
type Vars struct {
	State     State         `json:"state"`
	Restarts  int           `json:"restarts"`            // the restart counter
	Deadline  time.Duration `json:"deadline,omitempty"`  // of the restart timer; 0: not running
	ID        uint8         `json:"id"`                  // of our last request
	Pending   bool          `json:"pending,omitempty"`   // a Configure-Request of ours is unanswered
	Heard     bool          `json:"heard,omitempty"`     // the peer has sent something since Up
	Eager     int           `json:"eager,omitempty"`     // requests sent before it did
	SentAt    time.Duration `json:"sent_at,omitempty"`   // when it was sent last
	Requested []Option      `json:"requested,omitempty"` // its options
	Sent      int           `json:"sent,omitempty"`      // Naks and Rejects sent since our last Ack
	Refused   uint8         `json:"refused,omitempty"`   // identifier of the request that Sent counted last
	Received  int           `json:"received,omitempty"`  // Naks and Rejects received since the last Ack
	Closing   string        `json:"closing,omitempty"`   // text of our Terminate-Request
	RejectID  uint8         `json:"reject_id,omitempty"` // of our last Code-Reject
	Acked     Acked         `json:"acked"`
}

// Acked is the peer's Configure-Request that we acknowledged last.
type Acked struct {
	ID   uint8         `json:"id,omitempty"`
	Data []byte        `json:"data,omitempty"`
	At   time.Duration `json:"at,omitempty"`
}

// Automaton is the option-negotiation automaton of RFC 1661 section 4 with
// its timers, counters and identifiers, for one protocol.
//
// Beyond the table it guards against what a line does to packets: an Ack, Nak
// or Reject counts only if it carries the identifier of the request that is
// still unanswered, and a Terminate-Ack in Closing or Stopping only that of
// our Terminate-Request. So a late or repeated answer in Opened is dropped, as
// pppd does, instead of bringing the layer down as the table's x cells would.
type Automaton struct {
	policy Policy
	mru    int
	v      Vars
}

// NewAutomaton returns an automaton in state Initial.
func NewAutomaton(policy Policy) *Automaton {
	return &Automaton{policy: policy, mru: MRUDefault}
}

// Snapshot returns all that the automaton remembers; its policy keeps its own.
func (a *Automaton) Snapshot() Vars {
	v := a.v
	v.Requested = cloneOptions(v.Requested)
	v.Acked.Data = bytes.Clone(v.Acked.Data)
	return v
}

// Restore makes the automaton go on from v.
func (a *Automaton) Restore(v Vars) {
	v.Requested = cloneOptions(v.Requested)
	v.Acked.Data = bytes.Clone(v.Acked.Data)
	a.v = v
}

// State returns the automaton's state.
func (a *Automaton) State() State { return a.v.State }

// Deadline returns when Tick is to be called, as a time since boot; zero
// means that no timer runs.
func (a *Automaton) Deadline() time.Duration { return a.v.Deadline }

// SetMRU tells the peer's MRU in octets: what we send back of its packets is
// cut to it.
func (a *Automaton) SetMRU(mru int) { a.mru = mru }

// Up says that the lower layer is ready.
func (a *Automaton) Up(now time.Duration) Output {
	if a.v.State <= Starting { // else it was up already
		a.v.Heard, a.v.Eager = false, 0
	}
	return a.happen(now, evUp)
}

// Down says that the lower layer is gone.
func (a *Automaton) Down(now time.Duration) Output { return a.happen(now, evDown) }

// Open says that the layer is wanted.
func (a *Automaton) Open(now time.Duration) Output { return a.happen(now, evOpen) }

// Close says that the layer is not wanted any more; text goes into the
// Terminate-Request.
func (a *Automaton) Close(now time.Duration, text string) Output {
	a.v.Closing = text
	return a.happen(now, evClose)
}

// Tick does what is due at now.
func (a *Automaton) Tick(now time.Duration) Output {
	if a.v.Deadline == 0 || now < a.v.Deadline {
		return Output{}
	}
	if a.v.Restarts > 0 {
		return a.happen(now, evTOPlus)
	}
	var err error
	if a.v.State.negotiating() {
		err = ErrNoAnswer
	}
	out := a.happen(now, evTOMinus)
	out.Err = err
	return out
}

// ProtocolRejected says that a Protocol-Reject for this protocol came (RXJ-).
// It is for LCP: an NCP that the peer rejects is to be given a Down, since
// RFC 1661 section 5.7 forbids to send any more of its packets.
func (a *Automaton) ProtocolRejected(now time.Duration) Output {
	out := a.happen(now, evRXJMinus)
	out.Err = ErrProtocolRejected
	return out
}

// Receive takes a control packet of the protocol. Codes over 7 that LCP knows
// must not come here: they would be answered by a Code-Reject.
func (a *Automaton) Receive(now time.Duration, p Packet) Output {
	if a.v.State <= Starting {
		return Output{Dropped: fmt.Errorf("%v in state %v", p.Code, a.v.State)}
	}
	first := !a.v.Heard
	a.v.Heard = true
	out := a.receive(now, p)
	if first && a.v.State == AckRcvd { // it listens: the short timer has had its day
		a.v.Deadline = now + RestartTimer
	}
	if first && p.Code == ConfigureRequest && out.Dropped == nil && a.v.State.negotiating() && now > a.v.SentAt {
		out.Packets = slices.Insert(out.Packets, 0, a.repeat(now))
	}
	return out
}

// repeat returns our unanswered request once more. A peer whose first packet is
// its own request may not have been there to hear ours. The copy must reach it
// before our Ack does, and so goes out before it: to a peer that is open already
// it would mean that all begins anew.
func (a *Automaton) repeat(now time.Duration) Packet {
	a.v.Deadline, a.v.SentAt = now+RestartTimer, now
	return Packet{Code: ConfigureRequest, ID: a.v.ID, Data: AppendOptions(nil, a.v.Requested)}
}

func (a *Automaton) receive(now time.Duration, p Packet) Output {
	switch p.Code {
	case ConfigureRequest:
		return a.configureRequest(now, p)
	case ConfigureAck, ConfigureNak, ConfigureReject:
		return a.configureAnswer(now, p)
	case TerminateRequest:
		return a.terminateRequest(now, p)
	case TerminateAck:
		if (a.v.State == Closing || a.v.State == Stopping) && p.ID != a.v.ID {
			return Output{Dropped: fmt.Errorf("Terminate-Ack with identifier %d, not %d", p.ID, a.v.ID)}
		}
		return a.happen(now, evRTA)
	case CodeReject:
		return a.codeReject(now, p)
	}
	return a.transition(now, evRUC, p, nil)
}

// configureRequest is RFC 1661 section 5.1, receiving side.
func (a *Automaton) configureRequest(now time.Duration, p Packet) Output {
	options, err := ParseOptions(p.Data)
	if err != nil {
		return Output{Dropped: err}
	}
	acked := a.v.Acked
	if a.v.State == Opened && p.ID == acked.ID && bytes.Equal(p.Data, acked.Data) && now-acked.At < repeated {
		return Output{Packets: []Packet{{Code: ConfigureAck, ID: p.ID, Data: p.Data}}}
	}
	switch a.v.State {
	case Closed, Closing, Stopping: // the answer does not depend on the options
		return a.transition(now, evRCRPlus, p, nil)
	case Stopped: // a new negotiation begins: ours from scratch with our request, the peer's here
		a.v.Sent = 0
	}
	code, answer, err := a.policy.Judge(options, a.v.Sent < MaxFailure)
	if err != nil {
		return a.giveUp(now, err)
	}
	reply := Packet{Code: code, ID: p.ID, Data: p.Data}
	if code == ConfigureAck {
		a.v.Sent = 0
		a.v.Acked = Acked{p.ID, bytes.Clone(p.Data), now}
		return a.transition(now, evRCRPlus, p, &reply)
	}
	if a.v.Sent == 0 || p.ID != a.v.Refused { // else it is a copy of one that was refused already
		a.v.Sent++
		a.v.Refused = p.ID
	}
	if a.v.Sent > maxRefusals {
		return a.giveUp(now, fmt.Errorf("%w: we refused %d Configure-Requests, the last for %v",
			ErrNotConverging, maxRefusals, answer))
	}
	reply.Data = AppendOptions(nil, answer)
	return a.transition(now, evRCRMinus, p, &reply)
}

// configureAnswer is RFC 1661 sections 5.2 to 5.4, receiving side.
func (a *Automaton) configureAnswer(now time.Duration, p Packet) Output {
	if a.v.State < ReqSent { // the cells for Naks and Rejects are the same
		return a.transition(now, evRCA, p, nil)
	}
	if !a.v.Pending || p.ID != a.v.ID {
		return Output{Dropped: fmt.Errorf("%v with identifier %d answers no open request", p.Code, p.ID)}
	}
	options, err := ParseOptions(p.Data)
	if err != nil {
		return Output{Dropped: err}
	}
	if p.Code == ConfigureAck {
		if !EqualOptions(options, a.v.Requested) {
			return Output{Dropped: errors.New("Configure-Ack of options that we did not send")}
		}
		a.v.Pending, a.v.Received = false, 0
		return a.happen(now, evRCA)
	}
	if p.Code == ConfigureReject && !a.requested(options) {
		return Output{Dropped: errors.New("Configure-Reject of options that we did not send")}
	}
	a.v.Pending = false
	if a.v.Received++; a.v.Received > maxRefusals {
		return a.giveUp(now, fmt.Errorf("%w: the peer refused %d Configure-Requests", ErrNotConverging, maxRefusals))
	}
	if err := a.policy.Refused(p.Code, options); err != nil {
		return a.giveUp(now, err)
	}
	return a.happen(now, evRCN)
}

// requested reports whether options is a non-empty part of our last request,
// values included.
func (a *Automaton) requested(options []Option) bool {
	for _, o := range options {
		if !slices.ContainsFunc(a.v.Requested, o.Equal) {
			return false
		}
	}
	return len(options) > 0
}

// terminateRequest is RFC 1661 section 5.5, receiving side.
func (a *Automaton) terminateRequest(now time.Duration, p Packet) Output {
	out := a.transition(now, evRTR, p, nil)
	if a.v.State != Closed && a.v.State != Closing {
		out.Err = &TerminatedError{Text: string(bytes.Clone(p.Data))}
	}
	return out
}

// codeReject is RFC 1661 section 5.6, receiving side: codes 1 to 7 are what
// every control protocol is made of.
func (a *Automaton) codeReject(now time.Duration, p Packet) Output {
	if len(p.Data) < HeaderLen {
		return Output{Dropped: fmt.Errorf("Code-Reject without a packet: %w", ErrTruncated)}
	}
	code := Code(p.Data[0])
	if code >= ConfigureRequest && code <= CodeReject {
		out := a.happen(now, evRXJMinus)
		out.Err = fmt.Errorf("%w: %v", ErrCodeRejected, code)
		return out
	}
	out := a.happen(now, evRXJPlus)
	out.Rejected = code
	return out
}

// giveUp closes the layer for a reason of ours.
func (a *Automaton) giveUp(now time.Duration, err error) Output {
	a.v.Closing = ""
	out := a.happen(now, evClose)
	out.Err = err
	return out
}

func (a *Automaton) happen(now time.Duration, ev event) Output {
	return a.transition(now, ev, Packet{}, nil)
}

// transition does what the table says. p is the packet that caused ev, reply
// the answer to a Configure-Request.
func (a *Automaton) transition(now time.Duration, ev event, p Packet, reply *Packet) Output {
	c := transitions[ev][a.v.State]
	if !c.possible {
		return Output{}
	}
	from := a.v.State
	a.v.State = c.next
	var out Output
	for _, act := range c.actions {
		switch act {
		case tlu:
			out.Changes = append(out.Changes, LayerUp)
		case tld:
			out.Changes = append(out.Changes, LayerDown)
		case tls:
			out.Changes = append(out.Changes, LayerStarted)
		case tlf:
			out.Changes = append(out.Changes, LayerFinished)
		case irc:
			a.v.Restarts = MaxConfigure
			if c.next == Closing || c.next == Stopping {
				a.v.Restarts = MaxTerminate
			}
		case zrc:
			a.v.Restarts = 0
			a.v.Deadline = now + RestartTimer
		case scr:
			if !from.negotiating() {
				a.policy.Reset()
				a.v.Received, a.v.Pending = 0, false
				if ev != evRCRMinus { // else configureRequest has counted the refusal already
					a.v.Sent = 0
				}
			}
			out.Packets = append(out.Packets, a.sendConfigureRequest(now))
		case sca, scn:
			out.Packets = append(out.Packets, *reply)
		case str:
			if ev != evTOPlus { // a retransmission keeps its identifier
				a.v.ID++
			}
			a.v.Restarts--
			a.v.Deadline = now + RestartTimer
			out.Packets = append(out.Packets, Packet{Code: TerminateRequest, ID: a.v.ID, Data: []byte(a.v.Closing)})
		case sta:
			out.Packets = append(out.Packets, Packet{Code: TerminateAck, ID: p.ID})
		case scj:
			a.v.RejectID++
			data := p.AppendTo(nil)
			out.Packets = append(out.Packets, Packet{Code: CodeReject, ID: a.v.RejectID, Data: data[:min(len(data), a.mru-HeaderLen)]})
		}
	}
	if !c.next.timed() {
		a.v.Deadline = 0
	}
	return out
}

// sendConfigureRequest makes our Configure-Request. A retransmission keeps its
// identifier, so that an answer to any copy of it is good.
func (a *Automaton) sendConfigureRequest(now time.Duration) Packet {
	if !a.v.Pending {
		a.v.ID++
		a.v.Pending = true
		a.v.Requested = cloneOptions(a.policy.Request())
	}
	wait := RestartTimer
	if !a.v.Heard {
		wait = min(wait, eagerTimer<<min(max(0, a.v.Eager-eagerRequests+1), 7))
		a.v.Eager++
	}
	if wait == RestartTimer {
		a.v.Restarts--
	}
	a.v.Deadline, a.v.SentAt = now+wait, now
	return Packet{Code: ConfigureRequest, ID: a.v.ID, Data: AppendOptions(nil, a.v.Requested)}
}

func cloneOptions(options []Option) []Option {
	if options == nil {
		return nil
	}
	c := make([]Option, len(options))
	for i, o := range options {
		c[i] = Option{o.Type, bytes.Clone(o.Data)}
	}
	return c
}
