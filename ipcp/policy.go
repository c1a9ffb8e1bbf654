package ipcp

import (
	"errors"
	"fmt"
	"net/netip"

	"pppoectl/ppp"
)

// Option types (RFC 1332 section 3, RFC 1877 section 1).
const (
	optAddress = 3
	optDNS1    = 129
	optDNS2    = 131
)

// Errors that end the negotiation.
var (
	// ErrNoAddress says that the peer gives us no address, or none that a host
	// can have.
	ErrNoAddress = errors.New("no usable IPv4 address from the peer")
	// ErrOtherAddress says that the peer gives another address than the one
	// that the configuration fixes.
	ErrOtherAddress = errors.New("the peer gives another address than the configured one")
)

// Config says what we ask of IPCP. The zero Config asks for an address.
type Config struct {
	// Address is ours, if fixed; else the peer is asked for one.
	Address netip.Addr
	// Unnumbered asks for no address at all: ours sits on another interface.
	Unnumbered bool
	// DNS asks for two name servers.
	DNS bool

	// Assign, if valid, is the address that the peer must use, and Offer are the
	// name servers that it gets for the asking: the access concentrator's side.
	Assign netip.Addr
	Offer  [2]netip.Addr
}

// Vars is what IPCP has agreed on, as plain data. Invalid addresses are
// unspecified. What the peer wants counts once we have acknowledged it.
type Vars struct {
	Local  netip.Addr    `json:"local"`
	Peer   netip.Addr    `json:"peer"`
	DNS    [2]netip.Addr `json:"dns"`
	Silent [3]bool       `json:"silent"` // address, DNS 1, DNS 2: the peer does not want to hear of it
}

// Index of Vars.Silent.
const (
	silentAddress = iota
	silentDNS
)

var zero = netip.IPv4Unspecified()

// Policy is IPCP's ppp.Policy.
type Policy struct {
	cfg Config
	v   Vars
}

// NewPolicy returns the policy for cfg.
func NewPolicy(cfg Config) *Policy { return &Policy{cfg: cfg} }

// Snapshot returns what was agreed on.
func (p *Policy) Snapshot() Vars { return p.v }

// Restore makes the policy go on from v.
func (p *Policy) Restore(v Vars) { p.v = v }

// Servers returns the name servers that the peer gave.
func (p *Policy) Servers() []netip.Addr {
	var servers []netip.Addr
	for _, a := range p.v.DNS {
		if usable(a) {
			servers = append(servers, a)
		}
	}
	return servers
}

// Reset implements ppp.Policy.
func (p *Policy) Reset() {
	peer := p.v.Peer
	p.v = Vars{Peer: peer, Local: zero, DNS: [2]netip.Addr{zero, zero}}
	if p.cfg.Address.IsValid() {
		p.v.Local = p.cfg.Address
	}
	p.v.Silent[silentAddress] = p.cfg.Unnumbered
	p.v.Silent[silentDNS], p.v.Silent[silentDNS+1] = !p.cfg.DNS, !p.cfg.DNS
}

// Request implements ppp.Policy.
func (p *Policy) Request() []ppp.Option {
	var options []ppp.Option
	add := func(i int, t uint8, a netip.Addr) {
		if !p.v.Silent[i] {
			options = append(options, ppp.Option{Type: t, Data: a.AsSlice()})
		}
	}
	add(silentAddress, optAddress, p.v.Local)
	add(silentDNS, optDNS1, p.v.DNS[0])
	add(silentDNS+1, optDNS2, p.v.DNS[1])
	return options
}

// Refused implements ppp.Policy.
func (p *Policy) Refused(code ppp.Code, options []ppp.Option) error {
	for _, o := range options {
		a, ok := netip.AddrFromSlice(o.Data)
		if !ok || !a.Is4() {
			continue
		}
		var err error
		switch o.Type {
		case optAddress:
			err = p.refusedAddress(code, a)
		case optDNS1:
			p.refusedDNS(0, code, a)
		case optDNS2:
			p.refusedDNS(1, code, a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Policy) refusedAddress(code ppp.Code, a netip.Addr) error {
	switch {
	case p.v.Silent[silentAddress]:
		return nil // an option that we did not send
	case code == ppp.ConfigureReject && p.cfg.Address.IsValid():
		p.v.Silent[silentAddress] = true // then it is simply ours
		return nil
	case code == ppp.ConfigureReject:
		return fmt.Errorf("%w: it rejects the IP-Address option", ErrNoAddress)
	case !usable(a) || a == p.v.Peer:
		return fmt.Errorf("%w: it proposes %v", ErrNoAddress, a)
	case p.cfg.Address.IsValid() && a != p.cfg.Address:
		return fmt.Errorf("%w: %v, not %v", ErrOtherAddress, a, p.cfg.Address)
	}
	p.v.Local = a
	return nil
}

// refusedDNS takes the server that the peer names. A peer that has none is
// not asked again.
func (p *Policy) refusedDNS(i int, code ppp.Code, a netip.Addr) {
	switch {
	case p.v.Silent[silentDNS+i]:
	case code == ppp.ConfigureReject, !usable(a):
		p.v.Silent[silentDNS+i] = true
		p.v.DNS[i] = zero
	default:
		p.v.DNS[i] = a
	}
}

// Judge implements ppp.Policy.
func (p *Policy) Judge(options []ppp.Option, nak bool) (ppp.Code, []ppp.Option, error) {
	var peer netip.Addr
	code, answer := ppp.Judge(options, nak, func(o ppp.Option) ppp.Verdict {
		a, ok := netip.AddrFromSlice(o.Data)
		if !ok || !a.Is4() {
			return ppp.Reject() // IP-Addresses, IP-Compression-Protocol and malformed ones among them
		}
		switch o.Type {
		case optAddress:
			peer = a
			return p.judgeAddress(a)
		case optDNS1:
			return judgeDNS(a, p.cfg.Offer[0])
		case optDNS2:
			return judgeDNS(a, p.cfg.Offer[1])
		}
		return ppp.Reject()
	}, p.missing()...)
	if code == ppp.ConfigureAck {
		p.v.Peer = peer
	}
	return code, answer, nil
}

func (p *Policy) judgeAddress(a netip.Addr) ppp.Verdict {
	switch {
	case p.cfg.Assign.IsValid() && a != p.cfg.Assign:
		return ppp.Nak(p.cfg.Assign.AsSlice())
	case !usable(a), a == p.v.Local:
		return ppp.Reject()
	}
	return ppp.Accept()
}

// Usable says whether we have an address to work with, or need none; a peer may
// acknowledge even a request for 0.0.0.0.
func (p *Policy) Usable() error {
	if p.cfg.Unnumbered || usable(p.v.Local) {
		return nil
	}
	return fmt.Errorf("%w: it acknowledges %v", ErrNoAddress, p.v.Local)
}

// missing is what a peer that we assign an address to must ask for.
func (p *Policy) missing() []ppp.Option {
	if !p.cfg.Assign.IsValid() {
		return nil
	}
	return []ppp.Option{{Type: optAddress, Data: p.cfg.Assign.AsSlice()}}
}

func judgeDNS(a, offer netip.Addr) ppp.Verdict {
	switch {
	case !offer.IsValid():
		return ppp.Reject()
	case a != offer:
		return ppp.Nak(offer.AsSlice())
	}
	return ppp.Accept()
}

// usable reports whether a host can have address a.
func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
