package auth

import (
	"bytes"
	"crypto/md5"
	"crypto/subtle"
	"fmt"
	"math/rand/v2"
	"time"

	"pppoectl/ppp"
)

// The codes of CHAP (RFC 1994 section 4).
const (
	chapChallenge ppp.Code = 1
	chapResponse  ppp.Code = 2
	chapSuccess   ppp.Code = 3
	chapFailure   ppp.Code = 4
)

// New challenges are answered at most responseBurst times at once and then once
// each responseInterval, so that nobody can use us to try out secrets.
const (
	responseBurst    = 5
	responseInterval = 10 * time.Second
)

// respond is RFC 1994 section 4.1: MD5 over identifier, secret and challenge.
func respond(id uint8, secret string, challenge []byte) []byte {
	h := md5.New()
	h.Write([]byte{id})
	h.Write([]byte(secret))
	h.Write(challenge)
	return h.Sum(nil)
}

// CHAPClient answers challenges, at the start and at any time later.
type CHAPClient struct {
	name, secret string
	v            Vars
}

// NewCHAPClient returns a client for the given name and secret.
func NewCHAPClient(name, secret string) *CHAPClient {
	return &CHAPClient{name: name, secret: secret}
}

// Protocol returns ppp.CHAP.
func (c *CHAPClient) Protocol() ppp.Protocol { return ppp.CHAP }

// Snapshot returns all that the client remembers.
func (c *CHAPClient) Snapshot() Vars {
	v := c.v
	v.Challenge = bytes.Clone(v.Challenge)
	return v
}

// Restore makes the client go on from v.
func (c *CHAPClient) Restore(v Vars) {
	v.Challenge = bytes.Clone(v.Challenge)
	c.v = v
}

// Deadline returns when Tick is to be called; zero means never.
func (c *CHAPClient) Deadline() time.Duration { return c.v.Deadline }

// Start waits for the peer's challenge.
func (c *CHAPClient) Start(now time.Duration) Output {
	c.v = Vars{Deadline: now + maxRequests*retry, Limit: c.v.Limit}
	return Output{}
}

// Tick repeats a response whose verdict may have been lost (RFC 1994 section 4.2),
// and gives up when the peer has neither challenged nor decided in time.
func (c *CHAPClient) Tick(now time.Duration) Output {
	if c.v.Deadline == 0 || now < c.v.Deadline {
		return Output{}
	}
	if c.v.Waiting && c.v.Sent < maxRequests {
		return c.respond(now)
	}
	what := "no CHAP challenge"
	if c.v.Waiting {
		what = "no verdict on our CHAP response"
	}
	c.v.Deadline, c.v.Waiting = 0, false
	return Output{Err: fmt.Errorf("%w: %s", ErrTimeout, what)}
}

// Receive takes a CHAP packet.
func (c *CHAPClient) Receive(now time.Duration, p ppp.Packet) Output {
	switch p.Code {
	case chapChallenge:
		return c.challenged(now, p)
	case chapSuccess, chapFailure:
	default:
		return Output{Dropped: fmt.Errorf("CHAP code %d is not for us", p.Code)}
	}
	if !c.v.Waiting || p.ID != c.v.ID {
		return Output{Dropped: fmt.Errorf("CHAP verdict with identifier %d answers no open response", p.ID)}
	}
	c.v.Waiting, c.v.Deadline = false, 0
	if p.Code == chapFailure {
		return Output{Err: &RejectedError{ppp.CHAP, string(p.Data)}}
	}
	c.v.Done = true
	return Output{Done: true, Text: string(p.Data)}
}

// challenged answers a challenge. The same one again gets the same response,
// for ours may have been lost.
func (c *CHAPClient) challenged(now time.Duration, p ppp.Packet) Output {
	value, _, err := counted(p.Data)
	if err != nil || value == "" {
		return Output{Dropped: fmt.Errorf("CHAP challenge: %w", ppp.ErrTruncated)}
	}
	again := c.v.Challenge != nil && p.ID == c.v.ID && string(c.v.Challenge) == value
	if !again && !c.v.Limit.Allow(now, responseBurst, responseInterval) {
		return Output{Dropped: fmt.Errorf("CHAP challenge: too many")}
	}
	c.v.ID, c.v.Challenge, c.v.Waiting, c.v.Sent = p.ID, []byte(value), true, 0
	return c.respond(now)
}

// respond answers the last challenge. While the session is up no verdict is waited for: the peer
// that misses one challenges again.
func (c *CHAPClient) respond(now time.Duration) Output {
	if !c.v.Done {
		c.v.Sent++
		c.v.Deadline = now + retry
	}
	data := appendCounted(nil, string(respond(c.v.ID, c.secret, c.v.Challenge)))
	data = append(data, c.name...)
	return Output{Packets: []ppp.Packet{{Code: chapResponse, ID: c.v.ID, Data: data}}}
}

// CHAPServer challenges the peer.
type CHAPServer struct {
	name  string
	check func(name string, valid func(secret string) bool) Verdict
	rand  *rand.Rand
	v     Vars
	last  Verdict
}

// NewCHAPServer returns a server that calls itself name. check decides; valid
// tells it whether a secret is the one that the peer used.
func NewCHAPServer(name string, check func(name string, valid func(secret string) bool) Verdict, rand *rand.Rand) *CHAPServer {
	return &CHAPServer{name: name, check: check, rand: rand}
}

// Protocol returns ppp.CHAP.
func (s *CHAPServer) Protocol() ppp.Protocol { return ppp.CHAP }

// Deadline returns when Tick is to be called; zero means never.
func (s *CHAPServer) Deadline() time.Duration { return s.v.Deadline }

// Start sends a new challenge.
func (s *CHAPServer) Start(now time.Duration) Output {
	s.last = Verdict{}
	s.v = Vars{ID: s.v.ID + 1, Challenge: make([]byte, 16), Waiting: true}
	for i := range s.v.Challenge {
		s.v.Challenge[i] = byte(s.rand.Uint32())
	}
	return s.send(now)
}

func (s *CHAPServer) send(now time.Duration) Output {
	s.v.Sent++
	s.v.Deadline = now + retry
	data := append(appendCounted(nil, string(s.v.Challenge)), s.name...)
	return Output{Packets: []ppp.Packet{{Code: chapChallenge, ID: s.v.ID, Data: data}}}
}

// Tick repeats the challenge when it is due.
func (s *CHAPServer) Tick(now time.Duration) Output {
	if s.v.Deadline == 0 || now < s.v.Deadline {
		return Output{}
	}
	if s.v.Sent >= maxRequests {
		s.v = Vars{ID: s.v.ID}
		return Output{Err: fmt.Errorf("%w: no CHAP response", ErrTimeout)}
	}
	return s.send(now)
}

// Receive takes a CHAP packet and returns the name that the peer gave. A
// repeated response gets the same answer again (RFC 1994 section 4.2).
func (s *CHAPServer) Receive(_ time.Duration, p ppp.Packet) (Output, string) {
	if p.Code != chapResponse {
		return Output{Dropped: fmt.Errorf("CHAP code %d is not for us", p.Code)}, ""
	}
	value, name, err := counted(p.Data)
	if err != nil || p.ID != s.v.ID {
		return Output{Dropped: fmt.Errorf("CHAP response with identifier %d is none", p.ID)}, ""
	}
	first := s.v.Waiting
	if first {
		s.last = s.check(string(name), func(secret string) bool {
			return subtle.ConstantTimeCompare([]byte(value), respond(p.ID, secret, s.v.Challenge)) == 1
		})
		s.v.Waiting, s.v.Deadline = false, 0
	}
	code := chapFailure
	if s.last.OK {
		code = chapSuccess
	}
	out := Output{Packets: []ppp.Packet{{Code: code, ID: p.ID, Data: []byte(s.last.Text)}}}
	switch {
	case !first:
	case s.last.OK:
		out.Done = true
	default:
		out.Err = &RejectedError{ppp.CHAP, s.last.Text}
	}
	return out, string(name)
}
