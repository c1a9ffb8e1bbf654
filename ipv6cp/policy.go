package ipv6cp

import (
	"math/rand/v2"

	"pppoectl/ppp"
)

// optIdentifier is the Interface-Identifier option (RFC 5072 section 4.1).
const optIdentifier = 1

// Vars is what IPv6CP has agreed on, as plain data. What the peer wants counts
// once we have acknowledged it.
type Vars struct {
	Local  Identifier `json:"local"`
	Peer   Identifier `json:"peer"`
	Silent bool       `json:"silent,omitempty"` // the peer rejected the option
	Asked  bool       `json:"asked,omitempty"`  // we have asked the peer for an identifier that it left out
}

// Policy is IPv6CP's ppp.Policy, for either end.
type Policy struct {
	want Identifier
	rand *rand.Rand
	v    Vars
}

// NewPolicy returns a policy that asks for identifier want.
func NewPolicy(want Identifier, rand *rand.Rand) *Policy {
	return &Policy{want: want, rand: rand}
}

// Snapshot returns what was agreed on.
func (p *Policy) Snapshot() Vars { return p.v }

// Restore makes the policy go on from v.
func (p *Policy) Restore(v Vars) { p.v = v }

// Reset implements ppp.Policy. The identifier that was agreed on last is asked
// for again, so that the link-local address stays.
func (p *Policy) Reset() {
	if p.v.Local == (Identifier{}) {
		p.v.Local = p.want
	}
	p.v.Silent, p.v.Asked = false, false
}

// Request implements ppp.Policy.
func (p *Policy) Request() []ppp.Option {
	if p.v.Silent {
		return nil
	}
	return []ppp.Option{identifierOption(p.v.Local)}
}

// Refused implements ppp.Policy. What the peer proposes is taken unless it is
// zero or the peer's own; then we choose another.
func (p *Policy) Refused(code ppp.Code, options []ppp.Option) error {
	for _, o := range options {
		switch {
		case o.Type != optIdentifier || p.v.Silent:
		case code == ppp.ConfigureReject:
			p.v.Silent = true // then the identifier is simply ours
		case len(o.Data) == 8:
			p.v.Local = Identifier(o.Data)
			if p.v.Local == (Identifier{}) || p.v.Local == p.v.Peer {
				p.v.Local = p.other()
			}
		}
	}
	return nil
}

// other returns a random identifier that neither end has.
func (p *Policy) other() Identifier {
	for {
		if id := Random(p.rand); id != p.v.Local && id != p.v.Peer {
			return id
		}
	}
}

// Judge implements ppp.Policy with the four cases of RFC 5072 section 4.1:
// identifiers that are both zero, equal, the peer's zero, or fine.
func (p *Policy) Judge(options []ppp.Option, nak bool) (ppp.Code, []ppp.Option, error) {
	var peer Identifier
	var missing []ppp.Option
	if !p.v.Asked {
		missing = []ppp.Option{identifierOption(p.other())}
	}
	code, answer := ppp.Judge(options, nak, func(o ppp.Option) ppp.Verdict {
		if o.Type != optIdentifier || len(o.Data) != 8 {
			return ppp.Reject() // IPv6-Compression-Protocol among them
		}
		peer = Identifier(o.Data)
		zero := peer == Identifier{}
		switch {
		case zero && p.v.Local == Identifier{}:
			return ppp.Reject()
		case zero || peer == p.v.Local:
			other := p.other()
			return ppp.Nak(other[:])
		}
		return ppp.Accept()
	}, missing...)
	if code == ppp.ConfigureNak && len(options) == 0 {
		p.v.Asked = true
	}
	if code == ppp.ConfigureAck {
		p.v.Peer = peer
	}
	return code, answer, nil
}

func identifierOption(id Identifier) ppp.Option {
	return ppp.Option{Type: optIdentifier, Data: id[:]}
}
