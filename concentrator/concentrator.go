package concentrator

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"pppoectl/pppoe"
)

// Output is what follows from one input.
type Output struct {
	Frames   []pppoe.Frame // to the line
	Packets  [][]byte      // IP, to the network behind
	Events   []Event
	Deadline time.Duration // when to call Step again; zero: no timer
}

// AC is an access concentrator.
type AC struct {
	cfg      Config
	rand     *rand.Rand
	sessions map[uint16]*Session
	timers   timers
	routes   routes
	last     uint16
	out      Output // what is gathered until the next Step returns
	now      time.Duration
}

// New returns a concentrator without sessions.
func New(cfg Config, rand *rand.Rand) *AC {
	cfg.complete()
	return &AC{cfg: cfg, rand: rand, sessions: map[uint16]*Session{}, routes: newRoutes()}
}

// Config returns the configuration, to be changed between two Steps.
func (a *AC) Config() *Config { return &a.cfg }

// Sessions returns the living sessions by their id.
func (a *AC) Sessions() map[uint16]*Session { return a.sessions }

// Forget loses all sessions without a word, as a restart does.
func (a *AC) Forget() {
	for _, id := range slices.Sorted(maps.Keys(a.sessions)) {
		a.remove(a.sessions[id], "forgotten")
	}
}

// Step takes a frame from the line, or nil when the deadline has come. Packets
// of the output may share memory with f.
func (a *AC) Step(now time.Duration, f *pppoe.Frame) Output {
	a.now = now
	if f != nil && f.Src.Unicast() {
		// Only a PADI goes to all (RFC 2516 section 5.1).
		if p, err := pppoe.ParsePacket(f.Payload); err == nil && (f.Dst == a.cfg.MAC || f.Dst == pppoe.Broadcast && p.Code == pppoe.PADI) {
			a.packet(*f, p)
		}
	}
	for _, s := range a.timers.due(now) {
		s.tick()
		a.settle(s)
	}
	return a.flush()
}

// flush returns what has been gathered.
func (a *AC) flush() Output {
	out := a.out
	a.out = Output{}
	out.Deadline = a.timers.first()
	return out
}

// settle does what follows from an input to s.
func (a *AC) settle(s *Session) {
	if s.ended && a.sessions[s.ID] == s {
		if !s.mute {
			a.send(pppoe.NewPADT(a.cfg.MAC, s.Host, s.ID, ""))
		}
		a.remove(s, s.why)
	}
	if a.sessions[s.ID] == s {
		a.timers.set(s, s.deadline())
	}
}

// remove forgets a session and all that is its.
func (a *AC) remove(s *Session, why string) {
	delete(a.sessions, s.ID)
	a.timers.set(s, 0)
	s.unroute()
	subs := a.cfg.Subscribers
	if subs.perLine[s.Host]--; subs.perLine[s.Host] <= 0 {
		delete(subs.perLine, s.Host)
	}
	if s.User != "" {
		subs.left(s.User, s)
	}
	a.tell(s, SessionEnded, why)
}

func (a *AC) send(f pppoe.Frame) { a.out.Frames = append(a.out.Frames, f) }

// maxPayload is what an Ethernet frame carries, in octets.
const maxPayload = 1500

// answer sends a discovery frame, unless what the host has echoed makes it too large.
func (a *AC) answer(f pppoe.Frame) {
	if len(f.Payload) <= maxPayload {
		a.send(f)
	}
}

func (a *AC) packet(f pppoe.Frame, p pppoe.Packet) {
	if f.EtherType == pppoe.EtherTypeSession {
		if s := a.sessions[p.SessionID]; s != nil && s.Host == f.Src && p.Code == pppoe.SessionData {
			s.receive(p.Payload)
			a.settle(s)
		}
		return
	}
	tags, err := pppoe.ParseTags(p.Payload)
	if err != nil {
		return
	}
	switch p.Code {
	case pppoe.PADI:
		a.offer(f.Src, tags)
	case pppoe.PADR:
		a.confirm(f.Src, tags)
	case pppoe.PADT:
		if s := a.sessions[p.SessionID]; s != nil && s.Host == f.Src {
			a.remove(s, "PADT from the host")
		}
	}
}

// offer answers a PADI (RFC 2516 section 5.2), unless it asks for a service
// that is not here.
func (a *AC) offer(host pppoe.MAC, tags pppoe.Tags) {
	if !a.serves(tags) {
		return
	}
	for _, name := range append([]string{a.cfg.Name}, a.cfg.Aliases...) {
		answer := pppoe.Tags{{Type: pppoe.ACName, Value: []byte(name)}}
		for _, s := range a.cfg.Services {
			answer = append(answer, pppoe.Tag{Type: pppoe.ServiceName, Value: []byte(s)})
		}
		answer = append(answer, pppoe.Tag{Type: pppoe.ACCookie, Value: a.cookie(host)})
		a.answer(a.discovery(host, pppoe.PADO, 0, append(answer, echoed(tags)...)))
	}
}

// confirm answers a PADR (RFC 2516 section 5.4). One that does not carry the
// cookie of a PADO to the same station is not worth an answer (section 9.1).
func (a *AC) confirm(host pppoe.MAC, tags pppoe.Tags) {
	cookie, _ := tags.Get(pppoe.ACCookie)
	if !hmac.Equal(cookie, a.cookie(host)) {
		return
	}
	refuse := func(t pppoe.TagType, text string) {
		a.answer(a.discovery(host, pppoe.PADS, 0, append(pppoe.Tags{{Type: t, Value: []byte(text)}}, echoed(tags)...)))
		a.out.Events = append(a.out.Events, Event{AC: a.cfg.Name, Host: host, Kind: SessionRefused, Text: text})
	}
	subs := a.cfg.Subscribers
	switch {
	case !a.serves(tags):
		refuse(pppoe.ServiceNameError, "no such service")
		return
	case a.cfg.Refuse != "":
		refuse(pppoe.ACSystemError, a.cfg.Refuse)
		return
	case subs.PerLine > 0 && subs.perLine[host] >= subs.PerLine:
		refuse(pppoe.ACSystemError, "session limit of the line")
		return
	}
	id, ok := a.free()
	if !ok {
		refuse(pppoe.ACSystemError, "no free session")
		return
	}
	s := newSession(a, host, id)
	a.sessions[id] = s
	subs.perLine[host]++
	name, _ := tags.Get(pppoe.ServiceName)
	a.answer(a.discovery(host, pppoe.PADS, id, append(pppoe.Tags{{Type: pppoe.ServiceName, Value: name}}, echoed(tags)...)))
	a.tell(s, SessionBegun, "")
	s.start()
	a.settle(s)
}

// free returns an unused session id, going round.
func (a *AC) free() (uint16, bool) {
	if len(a.sessions) >= 0xfffe {
		return 0, false
	}
	for range 0xfffe {
		if a.last++; a.last == 0xffff {
			a.last = 1
		}
		if a.sessions[a.last] == nil {
			return a.last, true
		}
	}
	return 0, false
}

func (a *AC) serves(tags pppoe.Tags) bool {
	name, ok := tags.Get(pppoe.ServiceName)
	if ok && len(name) == 0 {
		return true
	}
	for _, s := range a.cfg.Services {
		if ok && string(name) == s {
			return true
		}
	}
	return false
}

// cookie binds a PADR to the PADI of the same station (RFC 2516 section 9.1).
func (a *AC) cookie(host pppoe.MAC) []byte {
	h := hmac.New(sha256.New, a.cfg.Secret)
	h.Write(host[:])
	return h.Sum(nil)[:16]
}

// echoed returns the tags that every answer repeats.
func echoed(tags pppoe.Tags) pppoe.Tags {
	var e pppoe.Tags
	for _, t := range tags {
		if t.Type == pppoe.HostUniq || t.Type == pppoe.RelaySessionID {
			e = append(e, pppoe.Tag{Type: t.Type, Value: bytes.Clone(t.Value)})
		}
		if t.Type == pppoe.PPPMaxPayload && len(t.Value) == 2 && binary.BigEndian.Uint16(t.Value) <= 1500 {
			e = append(e, pppoe.Tag{Type: t.Type, Value: bytes.Clone(t.Value)})
		}
	}
	return e
}

func (a *AC) discovery(host pppoe.MAC, code pppoe.Code, id uint16, tags pppoe.Tags) pppoe.Frame {
	p := pppoe.Packet{Code: code, SessionID: id, Payload: tags.AppendTo(nil)}
	return pppoe.Frame{Dst: host, Src: a.cfg.MAC, EtherType: pppoe.EtherTypeDiscovery, Payload: p.AppendTo(nil)}
}
