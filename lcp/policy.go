package lcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"pppoectl/ppp"
)

// ErrLoopback says that the line returns what we send: the peer's magic number
// is ours again and again (RFC 1661 section 6.4).
var ErrLoopback = errors.New("the line is looped back: our own Configure-Requests return")

// maxLoops is how many times the peer may use our magic number before the line
// counts as looped back.
const maxLoops = 5

// minMRU is the smallest MRU in octets that we let a peer have.
const minMRU = 128

// Config says what we ask of LCP.
type Config struct {
	// MRU is what we ask for and the most that we let the peer send, in octets.
	MRU int
	// Allowed are the authentication protocols that we let the peer demand, the
	// best first.
	Allowed []Auth
	// Demand, if any, are those that we demand of the peer, the best first: the
	// access concentrator's side.
	Demand []Auth
}

// Vars is what LCP has agreed on, as plain data. What the peer wants counts
// once we have acknowledged it.
type Vars struct {
	MRU       int    `json:"mru,omitempty"`        // ours, as we ask for it; 0: the peer does not want to hear of it
	Magic     uint32 `json:"magic,omitempty"`      // ours; 0: likewise
	Demand    Auth   `json:"demand"`               // what we demand of the peer
	PeerMRU   int    `json:"peer_mru"`             // octets
	PeerMagic uint32 `json:"peer_magic,omitempty"` // 0: none
	PeerAuth  Auth   `json:"peer_auth"`            // what the peer demands of us
	Loops     int    `json:"loops,omitempty"`      // times that the peer's magic number was ours
	Wanted    string `json:"wanted,omitempty"`     // what authentication the peer wanted that we do not allow
}

// policy is LCP's ppp.Policy.
type policy struct {
	cfg  Config
	rand *rand.Rand
	v    Vars
}

func (p *policy) Reset() {
	p.v.MRU = p.cfg.MRU
	p.v.Magic = p.newMagic()
	if len(p.cfg.Demand) > 0 {
		p.v.Demand = p.cfg.Demand[0]
	}
}

func (p *policy) newMagic() uint32 {
	for {
		if m := p.rand.Uint32(); m != 0 {
			return m
		}
	}
}

func (p *policy) Request() []ppp.Option {
	var options []ppp.Option
	if p.v.MRU != 0 {
		options = append(options, mruOption(p.v.MRU))
	}
	if p.v.Demand != (Auth{}) {
		options = append(options, authOption(p.v.Demand))
	}
	if p.v.Magic != 0 {
		options = append(options, magicOption(p.v.Magic))
	}
	return options
}

func (p *policy) Refused(code ppp.Code, options []ppp.Option) error {
	for _, o := range options {
		switch {
		case o.Type == optMRU:
			p.v.MRU = p.refusedMRU(code, o.Data)
		case o.Type == optMagic && p.v.Magic != 0:
			if code == ppp.ConfigureReject {
				p.v.Magic = 0
				break
			}
			p.v.Magic = p.newMagic()
			if err := p.looped(); err != nil {
				return err
			}
		case o.Type == optAuth && p.v.Demand != Auth{}:
			if err := p.refusedAuth(code, o.Data); err != nil {
				return err
			}
		}
	}
	return nil
}

// refusedMRU returns what to ask for next. A smaller MRU that the peer prefers
// is taken; a larger one is not ours to give (nor any, if we ask for none), and
// neither is one that no link can live with.
func (p *policy) refusedMRU(code ppp.Code, value []byte) int {
	if code == ppp.ConfigureReject {
		return 0
	}
	if len(value) == 2 {
		if mru := int(binary.BigEndian.Uint16(value)); mru >= minMRU && mru < p.v.MRU {
			return mru
		}
	}
	return p.v.MRU
}

// refusedAuth chooses the next protocol to demand: what the peer proposes if we
// know it, else nothing is left.
func (p *policy) refusedAuth(code ppp.Code, value []byte) error {
	if code == ppp.ConfigureNak {
		if a, err := parseAuth(value); err == nil && slices.Contains(p.cfg.Demand, a) {
			p.v.Demand = a
			return nil
		}
		if i := slices.Index(p.cfg.Demand, p.v.Demand); i+1 < len(p.cfg.Demand) {
			p.v.Demand = p.cfg.Demand[i+1]
			return nil
		}
	}
	return errors.New("the peer does not want to authenticate itself")
}

func (p *policy) looped() error {
	p.v.Loops++
	if p.v.Loops >= maxLoops {
		return ErrLoopback
	}
	return nil
}

func (p *policy) Judge(options []ppp.Option, nak bool) (ppp.Code, []ppp.Option, error) {
	peer := Vars{PeerMRU: ppp.MRUDefault}
	looped := false
	code, answer := ppp.Judge(options, nak, func(o ppp.Option) ppp.Verdict {
		switch o.Type {
		case optMRU:
			return peer.judgeMRU(o.Data)
		case optMagic:
			if len(o.Data) != 4 {
				return ppp.Reject()
			}
			peer.PeerMagic = binary.BigEndian.Uint32(o.Data)
			looped = peer.PeerMagic != 0 && peer.PeerMagic == p.v.Magic
			if looped || peer.PeerMagic == 0 {
				return ppp.Nak(binary.BigEndian.AppendUint32(nil, p.newMagic()))
			}
			return ppp.Accept()
		case optAuth:
			return p.judgeAuth(&peer, o.Data)
		}
		return ppp.Reject() // PFC and ACFC among them (RFC 2516 section 7)
	})
	if looped {
		if err := p.looped(); err != nil {
			return 0, nil, err
		}
	}
	if code == ppp.ConfigureAck {
		p.v.PeerMRU, p.v.PeerMagic, p.v.PeerAuth = peer.PeerMRU, peer.PeerMagic, peer.PeerAuth
		p.v.Loops, p.v.Wanted = 0, ""
	}
	return code, answer, nil
}

func (v *Vars) judgeMRU(value []byte) ppp.Verdict {
	if len(value) != 2 {
		return ppp.Reject()
	}
	v.PeerMRU = int(binary.BigEndian.Uint16(value))
	if v.PeerMRU < minMRU {
		return ppp.Nak(mruOption(minMRU).Data)
	}
	return ppp.Accept()
}

// judgeAuth naks what we do not allow towards the best that we do
// (RFC 1661 section 6.2).
func (p *policy) judgeAuth(peer *Vars, value []byte) ppp.Verdict {
	a, err := parseAuth(value)
	if err == nil && slices.Contains(p.cfg.Allowed, a) {
		peer.PeerAuth = a
		return ppp.Accept()
	}
	p.v.Wanted = a.String()
	if err != nil {
		p.v.Wanted = err.Error()
	}
	if len(p.cfg.Allowed) == 0 {
		return ppp.Reject()
	}
	return ppp.Nak(p.cfg.Allowed[0].value())
}

// unwanted explains err by what authentication the peer insisted on.
func (p *policy) unwanted(err error) error {
	if err == nil || p.v.Wanted == "" {
		return err
	}
	return fmt.Errorf("%w (the peer demands authentication by %s; allowed: %v)", err, p.v.Wanted, p.cfg.Allowed)
}
