package auth

import (
	"fmt"
	"time"

	"pppoectl/ppp"
)

// The codes of PAP (RFC 1334 section 2.2).
const (
	papRequest ppp.Code = 1 // Authenticate-Request
	papAck     ppp.Code = 2 // Authenticate-Ack
	papNak     ppp.Code = 3 // Authenticate-Nak
)

// PAPClient sends name and password until the peer decides.
type PAPClient struct {
	name, password string
	v              Vars
}

// NewPAPClient returns a client for the given name and password, of which the
// first 255 octets count (RFC 1334 section 2.2.1).
func NewPAPClient(name, password string) *PAPClient {
	return &PAPClient{name: name, password: password}
}

// Protocol returns ppp.PAP.
func (c *PAPClient) Protocol() ppp.Protocol { return ppp.PAP }

// Snapshot returns all that the client remembers.
func (c *PAPClient) Snapshot() Vars { return c.v }

// Restore makes the client go on from v.
func (c *PAPClient) Restore(v Vars) { c.v = v }

// Deadline returns when Tick is to be called; zero means never.
func (c *PAPClient) Deadline() time.Duration { return c.v.Deadline }

// Start sends the first Authenticate-Request.
func (c *PAPClient) Start(now time.Duration) Output {
	c.v = Vars{ID: c.v.ID}
	return c.send(now)
}

// send repeats the request under a new identifier (RFC 1334 section 2.2.1).
func (c *PAPClient) send(now time.Duration) Output {
	c.v.ID++
	c.v.Sent++
	c.v.Waiting = true
	c.v.Deadline = now + retry
	data := appendCounted(nil, c.name)
	data = appendCounted(data, c.password)
	return Output{Packets: []ppp.Packet{{Code: papRequest, ID: c.v.ID, Data: data}}}
}

// Tick repeats the request when it is due.
func (c *PAPClient) Tick(now time.Duration) Output {
	if c.v.Deadline == 0 || now < c.v.Deadline {
		return Output{}
	}
	if c.v.Sent >= maxRequests {
		c.v.Deadline, c.v.Waiting = 0, false
		return Output{Err: fmt.Errorf("%w: no answer to %d PAP requests", ErrTimeout, maxRequests)}
	}
	return c.send(now)
}

// Receive takes a PAP packet.
func (c *PAPClient) Receive(_ time.Duration, p ppp.Packet) Output {
	if p.Code != papAck && p.Code != papNak {
		return Output{Dropped: fmt.Errorf("PAP code %d is not for us", p.Code)}
	}
	if !c.v.Waiting || p.ID != c.v.ID {
		return Output{Dropped: fmt.Errorf("PAP verdict with identifier %d answers no open request", p.ID)}
	}
	var text string
	if len(p.Data) > 0 { // some peers leave the Msg-Length out
		var err error
		if text, _, err = counted(p.Data); err != nil {
			return Output{Dropped: fmt.Errorf("PAP message: %w", err)}
		}
	}
	c.v.Waiting, c.v.Deadline = false, 0
	if p.Code == papNak {
		return Output{Err: &RejectedError{ppp.PAP, text}}
	}
	c.v.Done = true
	return Output{Done: true, Text: text}
}

// Verdict is the answer to a name and what came with it.
type Verdict struct {
	OK   bool
	Text string // to be told to the peer
}

// PAPServer asks the peer for name and password.
type PAPServer struct {
	check func(name, password string) Verdict
	v     Vars
	last  Verdict
}

// NewPAPServer returns a server that lets check decide.
func NewPAPServer(check func(name, password string) Verdict) *PAPServer {
	return &PAPServer{check: check}
}

// Protocol returns ppp.PAP.
func (s *PAPServer) Protocol() ppp.Protocol { return ppp.PAP }

// Start waits for the peer's request.
func (s *PAPServer) Start(now time.Duration) Output {
	s.last = Verdict{}
	s.v = Vars{Waiting: true, Deadline: now + maxRequests*retry}
	return Output{}
}

// Deadline returns when Tick is to be called; zero means never.
func (s *PAPServer) Deadline() time.Duration { return s.v.Deadline }

// Tick gives up when the peer has not asked in time.
func (s *PAPServer) Tick(now time.Duration) Output {
	if s.v.Deadline == 0 || now < s.v.Deadline {
		return Output{}
	}
	s.v = Vars{}
	return Output{Err: fmt.Errorf("%w: no PAP request", ErrTimeout)}
}

// Receive takes a PAP packet. A repeated request gets the same answer again
// (RFC 1334 section 2).
func (s *PAPServer) Receive(_ time.Duration, p ppp.Packet) (Output, string) {
	if p.Code != papRequest {
		return Output{Dropped: fmt.Errorf("PAP code %d is not for us", p.Code)}, ""
	}
	name, rest, err := counted(p.Data)
	if err != nil {
		return Output{Dropped: fmt.Errorf("PAP peer id: %w", err)}, ""
	}
	password, _, err := counted(rest)
	if err != nil {
		return Output{Dropped: fmt.Errorf("PAP password: %w", err)}, ""
	}
	first := s.v.Waiting
	if first {
		s.last = s.check(name, password)
		s.v = Vars{}
	}
	code := papNak
	if s.last.OK {
		code = papAck
	}
	out := Output{Packets: []ppp.Packet{{Code: code, ID: p.ID, Data: appendCounted(nil, s.last.Text)}}}
	switch {
	case !first:
	case s.last.OK:
		out.Done = true
	default:
		out.Err = &RejectedError{ppp.PAP, s.last.Text}
	}
	return out, name
}

// appendCounted appends s behind an octet that counts it; past 255 octets it is cut.
func appendCounted(b []byte, s string) []byte {
	s = s[:min(len(s), 255)]
	b = append(b, byte(len(s)))
	return append(b, s...)
}

// counted reads what appendCounted wrote, and returns what follows.
func counted(b []byte) (string, []byte, error) {
	if len(b) < 1 || int(b[0]) > len(b)-1 {
		return "", nil, ppp.ErrTruncated
	}
	n := int(b[0])
	return string(b[1 : 1+n]), b[1+n:], nil
}
