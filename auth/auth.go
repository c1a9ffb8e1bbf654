package auth

import (
	"errors"
	"fmt"
	"time"

	"pppoectl/ppp"
	"pppoectl/timer"
)

// Retransmission of requests and challenges, as pppd's defaults are.
const (
	retry       = 3 * time.Second
	maxRequests = 10
)

// ErrRejected is matched when the peer says that name or secret are wrong.
var ErrRejected = errors.New("authentication rejected")

// ErrTimeout is matched when the peer says nothing.
var ErrTimeout = errors.New("authentication timed out")

// RejectedError is the peer's refusal.
type RejectedError struct {
	Protocol ppp.Protocol // PAP or CHAP
	Text     string       // the peer's words, untrusted: print with %q
}

func (e *RejectedError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("authentication rejected (%v)", e.Protocol)
	}
	return fmt.Sprintf("authentication rejected: %q (%v)", e.Text, e.Protocol)
}

// Is makes errors.Is(err, ErrRejected) true.
func (e *RejectedError) Is(target error) bool { return target == ErrRejected }

// Output is what follows from one input to one end.
type Output struct {
	Packets []ppp.Packet // to send, in this order
	Done    bool         // authentication succeeded
	Text    string       // what the peer said with its success, untrusted
	Err     error        // authentication failed: ErrRejected or ErrTimeout
	Dropped error        // why the packet was ignored; nil if it was not
}

// Vars is all that one end remembers, as plain data.
type Vars struct {
	ID        uint8         `json:"id,omitempty"`        // of the last request, challenge or response
	Sent      int           `json:"sent,omitempty"`      // requests sent so far
	Deadline  time.Duration `json:"deadline,omitempty"`  // of the next; 0: none
	Waiting   bool          `json:"waiting,omitempty"`   // for the verdict on ID
	Done      bool          `json:"done,omitempty"`      // succeeded at least once
	Challenge []byte        `json:"challenge,omitempty"` // CHAP: the value that ID is about
	Limit     timer.Limiter `json:"limit"`               // CHAP: of responses to new challenges
}

// Client is the end that proves itself.
type Client interface {
	// Start begins, or begins again after LCP was renegotiated.
	Start(now time.Duration) Output
	Receive(now time.Duration, p ppp.Packet) Output
	Tick(now time.Duration) Output
	Deadline() time.Duration
	Protocol() ppp.Protocol
	Snapshot() Vars
	Restore(Vars)
}
