package pppoe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// maxDiscovery is the largest payload of a discovery frame in octets: a PADR
// that would not fit into an Ethernet frame cannot be sent.
const maxDiscovery = 1500 - HeaderLen

// Offer is an AC's answer to a PADI, as plain data: all that one PADO says and
// nothing of any other, but for MaxPayload, which only a PADS can agree to. Octets of
// a text that are no UTF-8 are U+FFFD once it has been JSON.
type Offer struct {
	AC         MAC      `json:"ac"`
	Name       string   `json:"name"`                  // AC-Name, untrusted: print with %q
	Services   []string `json:"services"`              // Service-Names, untrusted
	Cookie     *[]byte  `json:"cookie,omitempty"`      // AC-Cookie, to be echoed
	Relay      *[]byte  `json:"relay,omitempty"`       // Relay-Session-Id, to be echoed
	MaxPayload int      `json:"max_payload,omitempty"` // PPP-Max-Payload of the PADS in octets; 0: not agreed
}

// ErrNoOffer is matched by what makes a PADO none: no AC-Name, no
// Service-Name, a source that is no station.
var ErrNoOffer = errors.New("not an offer")

// ParseOffer reads the PADO in f, sent to a PADI with the given Host-Uniq. The
// error matches ErrNoOffer, ErrTruncated or ErrVersion, or is a *RefusedError.
func ParseOffer(f Frame, hostUniq []byte) (Offer, error) {
	p, err := ParsePacket(f.Payload)
	if err != nil {
		return Offer{}, err
	}
	if p.Code != PADO || p.SessionID != 0 || !f.Src.Unicast() || f.Src == f.Dst {
		return Offer{}, fmt.Errorf("%w: %v for session %d from %v", ErrNoOffer, p.Code, p.SessionID, f.Src)
	}
	tags, err := ParseTags(p.Payload)
	if err != nil {
		return Offer{}, err
	}
	if !tags.only(HostUniq, hostUniq) {
		return Offer{}, fmt.Errorf("%w: Host-Uniq is not ours", ErrNoOffer)
	}
	if err := tags.Error(); err != nil {
		return Offer{}, err
	}
	name, _ := tags.Get(ACName)
	services := tags.Values(ServiceName)
	if len(name) == 0 || services == nil {
		return Offer{}, fmt.Errorf("%w: AC-Name or Service-Name is missing", ErrNoOffer)
	}
	return Offer{
		AC: f.Src, Name: string(name), Services: services,
		Cookie: tags.copied(ACCookie), Relay: tags.copied(RelaySessionID),
	}, nil
}

// copied returns a copy of the first value of type t, or nil.
func (tags Tags) copied(t TagType) *[]byte {
	v, ok := tags.Get(t)
	if !ok {
		return nil
	}
	c := append([]byte{}, v...)
	return &c
}

// maxPayload returns the value of PPP-Max-Payload, or 0 when there is none or
// it makes no sense (RFC 4638 section 2: two octets, over 1492).
func (tags Tags) maxPayload() int {
	v, ok := tags.Get(PPPMaxPayload)
	if !ok || len(v) != 2 {
		return 0
	}
	if n := int(binary.BigEndian.Uint16(v)); n > MaxMTU {
		return n
	}
	return 0
}

// Want says which offers are good.
type Want struct {
	ServiceName string // must be offered; empty: any
	ACName      string // the AC's name; empty: any
	AC          MAC    // its address; zero: any
	MaxPayload  int    // the MRU, to be announced when over MaxMTU
}

// Accepts reports whether o is an offer that we may take, and if not, why.
func (w Want) Accepts(o Offer) error {
	switch {
	case w.ACName != "" && o.Name != w.ACName:
		return fmt.Errorf("%w: AC-Name is %q, not %q", ErrNoOffer, o.Name, w.ACName)
	case w.AC != MAC{} && o.AC != w.AC:
		return fmt.Errorf("%w: AC is %v, not %v", ErrNoOffer, o.AC, w.AC)
	case w.ServiceName != "" && !slices.Contains(o.Services, w.ServiceName):
		return fmt.Errorf("%w: %q does not offer service %q", ErrNoOffer, o.Name, w.ServiceName)
	}
	return nil
}

// tags returns the tags that PADI and PADR begin with.
func (w Want) tags(hostUniq []byte) Tags {
	tags := Tags{{ServiceName, []byte(w.ServiceName)}, {HostUniq, hostUniq}}
	if w.MaxPayload > MaxMTU {
		tags = append(tags, Tag{PPPMaxPayload, binary.BigEndian.AppendUint16(nil, uint16(w.MaxPayload))})
	}
	return tags
}

// NewPADI returns a PADI from src (RFC 2516 section 5.1).
func NewPADI(src MAC, want Want, hostUniq []byte) Frame {
	p := Packet{Code: PADI, Payload: want.tags(hostUniq).AppendTo(nil)}
	return Frame{Broadcast, src, EtherTypeDiscovery, p.AppendTo(nil)}
}

// newPADR returns the PADR that takes offer o (RFC 2516 section 5.3). Cookie
// and relay id go back as they came. An offer whose PADR would not fit into a
// frame cannot be taken.
func newPADR(src MAC, want Want, hostUniq []byte, o Offer) (Frame, error) {
	tags := want.tags(hostUniq)
	if o.Cookie != nil {
		tags = append(tags, Tag{ACCookie, *o.Cookie})
	}
	if o.Relay != nil {
		tags = append(tags, Tag{RelaySessionID, *o.Relay})
	}
	b := tags.AppendTo(nil)
	if len(b) > maxDiscovery {
		return Frame{}, fmt.Errorf("%w: AC %q wants %d octets echoed, more than a frame holds", ErrNoOffer, o.Name, len(b))
	}
	p := Packet{Code: PADR, Payload: b}
	return Frame{o.AC, src, EtherTypeDiscovery, p.AppendTo(nil)}, nil
}

// NewPADT returns the frame that ends session id at the AC (RFC 2516
// section 5.5). text, if any, goes into a Generic-Error tag.
func NewPADT(src, ac MAC, id uint16, text string) Frame {
	var payload []byte
	if text != "" {
		payload = Tag{GenericError, []byte(text)}.AppendTo(nil)
	}
	p := Packet{Code: PADT, SessionID: id, Payload: payload}
	return Frame{ac, src, EtherTypeDiscovery, p.AppendTo(nil)}
}
