package conformance

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// Trial is one case, played with one peer.
type Trial struct {
	c      *Case
	m      manners
	rand   *rand.Rand
	begun  bool
	at     int           // the step, -1 while the session is brought to Case.At
	until  time.Duration // of the step; 0: it has not begun
	count  int           // of what the step counts
	outbox []pppoe.Frame // of the step, sent at a bounded rate
	paced  time.Duration // when the next of them may go
	inbox  []pppoe.Frame // what came since we last said something, and nobody has asked for
	echoID uint8
	echoAt time.Duration
	began  time.Duration
	result *Result
	frames []Recorded
}

// maxInbox is how many frames wait for a step that asks for them.
const maxInbox = 200

// maxRecorded bounds what a trial remembers of the line.
const maxRecorded = 20000

// New returns a trial of c. What is random in it comes from r alone.
func New(c *Case, o Options, r *rand.Rand) *Trial {
	t := &Trial{c: c, rand: r, at: -1}
	t.m = manners{conversation: newConversation(c, o, r), ceiling: c.At, mutes: map[ppp.Protocol]bool{}}
	return t
}

// Result is what came of the trial; nil while it goes on.
func (t *Trial) Result() *Result { return t.result }

// Peer returns the peer's address, if it is known.
func (t *Trial) Peer() pppoe.MAC { return t.m.them }

// ACName is the name that an access concentrator has told; empty if it has not,
// or if a client is asked. It is untrusted: print it quoted.
func (t *Trial) ACName() string {
	if t.m.o.Peer == Client {
		return ""
	}
	return t.m.acName
}

// Abandon ends a trial that is not to go on, unless it has a result already. It
// returns the frames that end the session.
func (t *Trial) Abandon(now time.Duration, why string) []pppoe.Frame {
	if t.result != nil {
		return nil
	}
	if !t.begun {
		t.began = now
	}
	t.finish(now, Unreached, why)
	out := t.goodbye()
	for _, f := range out {
		t.record(now, true, f)
	}
	t.result.Frames = t.frames
	return out
}

// Step takes a frame from the line, or nil when the deadline has come, and
// returns the frames to send and when to call again. When it has a result, the
// frames are those that end the session.
func (t *Trial) Step(now time.Duration, f *pppoe.Frame) ([]pppoe.Frame, time.Duration) {
	if t.result != nil {
		return nil, 0
	}
	if !t.begun {
		t.begun, t.began = true, now
		t.until = now + t.reachTime()
		if reason := t.unfit(); reason != "" {
			t.finish(now, Skip, reason)
			return nil, 0
		}
	}
	if f != nil && t.m.from(*f) {
		t.record(now, false, *f)
		t.receive(*f)
	}
	var out []pppoe.Frame
	for {
		moved := t.run(now, &out)
		if t.result != nil {
			break
		}
		if said := t.m.tick(now); len(said) > 0 {
			out = append(out, said...)
			moved = true
		}
		if !moved {
			break
		}
	}
	if t.result != nil {
		out = append(out, t.goodbye()...)
	}
	for _, f := range out {
		t.record(now, true, f)
	}
	if t.result != nil {
		t.result.Frames = t.frames
		return out, 0
	}
	return out, t.deadline(now)
}

func (t *Trial) record(now time.Duration, sent bool, f pppoe.Frame) {
	if len(t.frames) < maxRecorded {
		f.Payload = slices.Clone(f.Payload)
		t.frames = append(t.frames, Recorded{now, sent, f})
	}
}

// receive takes a frame of the peer's: the script first, the rest is up to
// manners.
func (t *Trial) receive(f pppoe.Frame) {
	f.Payload = slices.Clone(f.Payload)
	t.m.heard(f)
	if s := t.step(); s != nil && t.until != 0 && (s.verb == expect || s.verb == given || s.verb == atMost) && t.fits(s, f) {
		t.count++
		return
	}
	if len(t.inbox) == maxInbox {
		t.inbox = t.inbox[1:]
	}
	t.inbox = append(t.inbox, f)
}

func (t *Trial) fits(s *Step, f pppoe.Frame) bool {
	return s.verb == atMost && len(s.packets) == 0 || t.m.matches(s.packets, f)
}

// step returns the step that is on; nil while the session is being brought to
// its stage.
func (t *Trial) step() *Step {
	if t.at < 0 || t.at >= len(t.c.Steps) {
		return nil
	}
	return &t.c.Steps[t.at]
}

func (t *Trial) next() {
	t.at++
	t.until, t.count = 0, 0
}

// run does what can be done now, and reports whether anything has changed.
func (t *Trial) run(now time.Duration, out *[]pppoe.Frame) bool {
	if t.m.wont != "" {
		t.finish(now, Skip, t.m.wont)
		return false
	}
	if t.at < 0 {
		return t.approach(now)
	}
	s := t.step()
	if s == nil {
		t.finish(now, Pass, "")
		return false
	}
	if t.until == 0 {
		t.until = now + s.period
		if err := t.begin(s); err != nil {
			t.finish(now, Skip, fmt.Sprintf("`%s`: %v", s.Text, err))
			return false
		}
	}
	return t.proceed(now, s, out)
}

// begin makes a step's packets, and looks through what has come already.
func (t *Trial) begin(s *Step) error {
	switch s.verb {
	case send:
		t.inbox = nil
		for range s.count {
			f, err := t.m.build(&s.packets[0])
			if err != nil {
				return err
			}
			t.outbox = append(t.outbox, f)
		}
	case mutate:
		t.inbox = nil
		for range s.count {
			t.outbox = append(t.outbox, t.m.damaged(t.rand))
		}
	case expect, given:
		if err := t.m.unknown(s.packets); err != nil {
			return err
		}
		t.inbox = slices.DeleteFunc(t.inbox, func(f pppoe.Frame) bool {
			fits := t.count < s.count && t.fits(s, f)
			if fits {
				t.count++
			}
			return fits
		})
	case reach, mind:
		t.m.ceiling = s.stage
		clear(t.m.mutes)
	case mute:
		t.m.mutes[s.protocol] = true
	case login:
		t.m.badLogin = true
	}
	return nil
}

// proceed goes on with a step that has begun.
func (t *Trial) proceed(now time.Duration, s *Step, out *[]pppoe.Frame) bool {
	late := now >= t.until
	switch s.verb {
	case send, mutate:
		for len(t.outbox) > 0 && now >= t.paced {
			t.m.said(t.outbox[0])
			t.m.last = informationOf(t.outbox[0])
			*out = append(*out, t.outbox[0])
			t.outbox = t.outbox[1:]
			t.paced = max(t.paced, now-time.Second/10) + time.Second/time.Duration(t.m.o.Rate)
		}
		if len(t.outbox) > 0 {
			return false
		}
	case expect, given:
		if t.count < s.count {
			if late && s.verb == given {
				t.finish(now, Skip, fmt.Sprintf("`%s`: it did not come", s.Text))
			} else if late {
				t.finish(now, Fail, fmt.Sprintf("`%s`: %d of %d within %v%s", s.Text, t.count, s.count, s.period, t.came()))
			}
			return false
		}
	case atMost:
		if t.count > s.count {
			t.finish(now, Fail, fmt.Sprintf("`%s`: came: %s", s.Text, strings.Join(t.newest(1), "")))
			return false
		}
		if !late {
			return false
		}
	case reach:
		if t.m.stage() < s.stage {
			if late || t.m.ended {
				t.finish(now, Fail, fmt.Sprintf("`%s`: the session is at stage %v after %v%s", s.Text, t.m.where(), s.period, t.came()))
			}
			return false
		}
	case alive:
		if done := t.alive(now, out); !done {
			if late || t.m.ended {
				t.finish(now, Fail, fmt.Sprintf("`%s`: no answer within %v%s", s.Text, s.period, t.came()))
			}
			return false
		}
	}
	t.next()
	return true
}

// informationOf returns the information field of a session frame.
func informationOf(f pppoe.Frame) []byte {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || len(p.Payload) < 2 {
		return nil
	}
	return p.Payload[2:]
}

// where is the stage, or that the session is over.
func (m *manners) where() string {
	if m.ended {
		return "ended by a PADT"
	}
	return m.stage().String()
}

// alive asks for an echo each second, and reports whether one was answered.
func (t *Trial) alive(now time.Duration, out *[]pppoe.Frame) bool {
	for _, f := range t.inbox {
		if t.count == 0 {
			break
		}
		want := template{layer: control, protocol: ppp.LCP, kind: uint8(ppp.EchoReply), id: fmt.Sprint(t.echoID)}
		if t.m.match(&want, f) {
			return true
		}
	}
	if t.count == 0 || now >= t.echoAt {
		t.count++
		t.echoID = t.m.id()
		t.echoAt = now + time.Second
		data := binary.BigEndian.AppendUint32(nil, t.m.magic)
		t.m.out = nil
		t.m.control(ppp.LCP, uint8(ppp.EchoRequest), t.echoID, data)
		*out = append(*out, t.m.out...)
	}
	return false
}

// came tells what came last.
func (t *Trial) came() string {
	if all := t.newest(4); len(all) > 0 {
		return "; came last: " + strings.Join(all, "; ")
	}
	return "; nothing came"
}

// newest describes up to n of the newest frames of the peer's, the oldest first.
func (t *Trial) newest(n int) []string {
	var all []string
	for i := len(t.frames) - 1; i >= 0 && len(all) < n; i-- {
		if r := t.frames[i]; !r.Sent && t.m.ours(r.Frame) {
			all = append(all, Describe(r.Frame))
		}
	}
	slices.Reverse(all)
	return all
}

func (t *Trial) finish(now time.Duration, k Kind, text string) {
	t.result = &Result{Case: t.c, Kind: k, Text: text, Took: now - t.began}
}

// goodbye ends the session at the peer, so that the next case finds it fresh.
func (t *Trial) goodbye() []pppoe.Frame {
	if t.m.session == 0 || t.m.ended {
		return nil
	}
	return []pppoe.Frame{pppoe.NewPADT(t.m.o.MAC, t.m.them, t.m.session, "")}
}

func (t *Trial) deadline(now time.Duration) time.Duration {
	all := []time.Duration{t.m.deadline(), t.until}
	if !t.m.isStarted() {
		all = append(all, t.began+t.m.o.Wait)
	}
	if len(t.outbox) > 0 {
		all = append(all, t.paced)
	}
	if s := t.step(); s != nil && s.verb == alive {
		all = append(all, t.echoAt)
	}
	next := now + time.Minute
	for _, d := range all {
		if d > now {
			next = min(next, d)
		}
	}
	return next
}
