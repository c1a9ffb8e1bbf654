package lcp

import (
	"encoding/binary"
	"fmt"
	"time"

	"pppoectl/ppp"
)

// EchoWait is how long an echo may take before it counts as lost, and how far
// apart echoes are sent while the peer is suspect.
const EchoWait = time.Second

// EchoHurry is how far apart echoes are sent in a hurry.
const EchoHurry = 100 * time.Millisecond

// EchoConfig says how the keepalive works. An Interval of zero or less switches
// it off: the peer is then believed alive for ever.
type EchoConfig struct {
	Interval time.Duration
	Wait     time.Duration // in place of EchoWait; 0: EchoWait
}

// wait is how long an echo that is sent now may take.
func (e *echo) wait(now time.Duration) time.Duration {
	switch {
	case now < e.v.Hurry:
		return EchoHurry
	case e.cfg.Wait > 0:
		return e.cfg.Wait
	}
	return EchoWait
}

// EchoVars is all that a keepalive remembers, as plain data.
type EchoVars struct {
	On         bool             `json:"on,omitempty"`
	Off        string           `json:"off,omitempty"` // why it is off although wanted
	ID         uint8            `json:"id,omitempty"`
	Pending    bool             `json:"pending,omitempty"` // the echo ID is unanswered and young
	SentAt     [8]time.Duration `json:"sent_at"`           // of the last echoes, by identifier modulo 8
	Deadline   time.Duration    `json:"deadline,omitempty"`
	Unanswered int              `json:"unanswered,omitempty"` // echoes lost in a row
	Since      time.Duration    `json:"since,omitempty"`      // when the peer became suspect; 0: it is not
	Hurry      time.Duration    `json:"hurry,omitempty"`      // until when echoes are sent in a hurry
	Sent       uint64           `json:"sent,omitempty"`
	Lost       uint64           `json:"lost,omitempty"`
	RTT        time.Duration    `json:"rtt,omitempty"`  // of the last answered echo
	Data       uint64           `json:"data,omitempty"` // data packets received until the last look
}

// echo is the keepalive: Echo-Requests at an interval (RFC 1661 section 5.8),
// each second while the peer is suspect. A lost echo makes the peer suspect;
// an echo answered, or data received, makes it alive again.
type echo struct {
	cfg EchoConfig
	v   EchoVars
}

// start begins the keepalive of a link that has come up.
func (e *echo) start(now time.Duration) {
	sent, lost, rtt, data := e.v.Sent, e.v.Lost, e.v.RTT, e.v.Data
	e.v = EchoVars{ID: e.v.ID, Sent: sent, Lost: lost, RTT: rtt, Data: data}
	if e.cfg.Interval > 0 {
		e.v.On = true
		e.v.Deadline = now + e.cfg.Interval
	}
}

func (e *echo) stop() {
	e.v.On, e.v.Pending, e.v.Deadline, e.v.Unanswered, e.v.Since, e.v.Hurry = false, false, 0, 0, 0, 0
}

// reject switches the keepalive off for a peer that does not know echoes.
func (e *echo) reject() {
	e.stop()
	e.v.Off = "the peer rejects Echo-Requests"
}

// pause asks nothing, and doubts nothing, until suspect or alive.
func (e *echo) pause() {
	e.v.Pending, e.v.Deadline, e.v.Unanswered, e.v.Since, e.v.Hurry = false, 0, 0, 0, 0
}

// suspect asks at once, and then each second.
func (e *echo) suspect(now time.Duration) {
	if !e.v.On || e.v.Since != 0 {
		return
	}
	e.v.Since = max(now, 1)
	if e.v.Pending { // its reply still counts
		e.v.Pending = false
		e.v.Lost++
		e.v.Unanswered++
	}
	e.v.Deadline = now
}

// hurry sends echoes in quick succession until a time.
func (e *echo) hurry(now, until time.Duration) {
	if e.v.Since != 0 {
		e.v.Hurry, e.v.Deadline = until, min(e.v.Deadline, now+EchoHurry)
	}
}

// alive takes a sign of life, while the keepalive is on.
func (e *echo) alive(now time.Duration) {
	e.v.Unanswered, e.v.Since, e.v.Hurry = 0, 0, 0
	if !e.v.Pending {
		e.v.Deadline = now + e.cfg.Interval
	}
}

// tick counts an echo that was not answered in time, and sends the next when
// it is due. received is how many data packets have come so far.
func (e *echo) tick(now time.Duration, magic uint32, received uint64) []ppp.Packet {
	if e.v.Deadline == 0 || now < e.v.Deadline {
		return nil
	}
	if e.v.Pending {
		e.v.Pending = false
		e.v.Lost++
		e.v.Unanswered++
		if e.v.Since == 0 {
			e.v.Since = e.sentAt(e.v.ID)
		}
	}
	if received != e.v.Data {
		e.v.Data = received
		if e.v.Unanswered > 0 { // the peer sends data: only the echo was lost
			e.alive(now)
			return nil
		}
	}
	e.v.ID++
	e.v.Pending = true
	e.v.SentAt[e.v.ID%8] = now
	e.v.Deadline = now + e.wait(now)
	e.v.Sent++
	return []ppp.Packet{{Code: ppp.EchoRequest, ID: e.v.ID, Data: binary.BigEndian.AppendUint32(nil, magic)}}
}

func (e *echo) sentAt(id uint8) time.Duration { return e.v.SentAt[id%8] }

// reply takes an Echo-Reply. Only one to a request that is unanswered so far,
// with the peer's own magic number or none, counts; on a slow line that may be an
// earlier request than the last.
func (e *echo) reply(now time.Duration, p ppp.Packet, peers uint32) error {
	if len(p.Data) < 4 {
		return fmt.Errorf("Echo-Reply of %d octets: %w", len(p.Data), ppp.ErrTruncated)
	}
	magic := binary.BigEndian.Uint32(p.Data)
	if magic != peers && magic != 0 {
		return fmt.Errorf("Echo-Reply with magic number %08x, not the peer's", magic)
	}
	open := e.v.Unanswered
	if e.v.Pending {
		open++
	}
	behind := int(e.v.ID - p.ID)
	if behind >= open {
		return fmt.Errorf("Echo-Reply with identifier %d answers no open request", p.ID)
	}
	if behind < len(e.v.SentAt) {
		e.v.RTT = now - e.sentAt(p.ID)
	}
	e.v.Pending = false
	e.alive(now)
	return nil
}
