package concentrator

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"pppoectl/ipcp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// Config says what an access concentrator is.
type Config struct {
	MAC      pppoe.MAC
	Name     string        // AC-Name
	Services []string      // Service-Names offered; none: the empty one
	Auth     []lcp.Auth    // what it demands, the best first
	MRU      int           // octets
	Echo     time.Duration // interval of its echoes; 0: none
	Logins   map[string]Login
	Address  netip.Addr // its own, on every session
	Secret   []byte     // of its AC-Cookies
	// Refuse, if set, is the text of the AC-System-Error that answers every PADR.
	Refuse string
}

// Login is a user that the concentrator lets in.
type Login struct {
	Password string
	Reject   string        // if set, the text of a refusal whatever the password
	IPv4     netip.Addr    // to be assigned by IPCP; invalid: no IPCP
	DNS      [2]netip.Addr // to be told by IPCP
	IPv6     bool          // IPv6CP
}

// Output is what follows from one input.
type Output struct {
	Frames   []pppoe.Frame
	Deadline time.Duration // when to call Step again; zero: no timer
}

// AC is an access concentrator.
type AC struct {
	cfg      Config
	rand     *rand.Rand
	sessions map[uint16]*Session
	last     uint16
}

// New returns a concentrator without sessions.
func New(cfg Config, rand *rand.Rand) *AC {
	if len(cfg.Services) == 0 {
		cfg.Services = []string{""}
	}
	if cfg.MRU == 0 {
		cfg.MRU = pppoe.MaxMTU
	}
	return &AC{cfg: cfg, rand: rand, sessions: map[uint16]*Session{}}
}

// Config returns the configuration, to be changed between two Steps.
func (a *AC) Config() *Config { return &a.cfg }

// Sessions returns the living sessions by their id.
func (a *AC) Sessions() map[uint16]*Session { return a.sessions }

// Forget loses all sessions without a word, as a restart does.
func (a *AC) Forget() { clear(a.sessions) }

// Step takes a frame from the line, or nil when the deadline has come.
func (a *AC) Step(now time.Duration, f *pppoe.Frame) Output {
	var out Output
	if f != nil && (f.Dst == a.cfg.MAC || f.Dst == pppoe.Broadcast) && f.Src.Unicast() {
		if p, err := pppoe.ParsePacket(f.Payload); err == nil {
			out.Frames = a.packet(now, *f, p)
		}
	}
	for id, s := range a.sessions {
		out.Frames = append(out.Frames, s.tick(now)...)
		if s.ended {
			out.Frames = append(out.Frames, pppoe.NewPADT(a.cfg.MAC, s.Host, id, ""))
			delete(a.sessions, id)
			continue
		}
		out.Deadline = ppp.Earliest(out.Deadline, s.deadline())
	}
	return out
}

func (a *AC) packet(now time.Duration, f pppoe.Frame, p pppoe.Packet) []pppoe.Frame {
	if f.EtherType == pppoe.EtherTypeSession {
		if s := a.sessions[p.SessionID]; s != nil && s.Host == f.Src && p.Code == pppoe.SessionData {
			return s.receive(now, p.Payload)
		}
		return nil
	}
	tags, err := pppoe.ParseTags(p.Payload)
	if err != nil {
		return nil
	}
	switch p.Code {
	case pppoe.PADI:
		return a.offer(f.Src, tags)
	case pppoe.PADR:
		return a.confirm(now, f.Src, tags)
	case pppoe.PADT:
		if s := a.sessions[p.SessionID]; s != nil && s.Host == f.Src {
			delete(a.sessions, p.SessionID)
		}
	}
	return nil
}

// offer answers a PADI (RFC 2516 section 5.2), unless it asks for a service
// that is not here.
func (a *AC) offer(host pppoe.MAC, tags pppoe.Tags) []pppoe.Frame {
	if !a.serves(tags) {
		return nil
	}
	answer := pppoe.Tags{{Type: pppoe.ACName, Value: []byte(a.cfg.Name)}}
	for _, s := range a.cfg.Services {
		answer = append(answer, pppoe.Tag{Type: pppoe.ServiceName, Value: []byte(s)})
	}
	answer = append(answer, pppoe.Tag{Type: pppoe.ACCookie, Value: a.cookie(host)})
	return []pppoe.Frame{a.discovery(host, pppoe.PADO, 0, append(answer, echoed(tags)...))}
}

// confirm answers a PADR (RFC 2516 section 5.4).
func (a *AC) confirm(now time.Duration, host pppoe.MAC, tags pppoe.Tags) []pppoe.Frame {
	cookie, _ := tags.Get(pppoe.ACCookie)
	if !hmac.Equal(cookie, a.cookie(host)) {
		return nil
	}
	refuse := func(t pppoe.TagType, text string) []pppoe.Frame {
		return []pppoe.Frame{a.discovery(host, pppoe.PADS, 0, append(pppoe.Tags{{Type: t, Value: []byte(text)}}, echoed(tags)...))}
	}
	switch {
	case !a.serves(tags):
		return refuse(pppoe.ServiceNameError, "no such service")
	case a.cfg.Refuse != "":
		return refuse(pppoe.ACSystemError, a.cfg.Refuse)
	}
	id, ok := a.free()
	if !ok {
		return refuse(pppoe.ACSystemError, "no free session")
	}
	s := newSession(a, host, id)
	a.sessions[id] = s
	name, _ := tags.Get(pppoe.ServiceName)
	pads := a.discovery(host, pppoe.PADS, id, append(pppoe.Tags{{Type: pppoe.ServiceName, Value: name}}, echoed(tags)...))
	return append([]pppoe.Frame{pads}, s.start(now)...)
}

// free returns an unused session id, going round.
func (a *AC) free() (uint16, bool) {
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

// addressing returns what IPCP says to a login.
func (a *AC) addressing(l Login) ipcp.Config {
	return ipcp.Config{Address: a.cfg.Address, Assign: l.IPv4, Offer: l.DNS}
}
