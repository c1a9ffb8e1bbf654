package pppoe

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Retransmission of PADI and PADR: the first wait, doubled at each repetition
// up to the longest, each with up to a quarter more at random.
const (
	retryFirst   = time.Second
	retryLongest = 60 * time.Second
)

// maxPADR is how many PADRs go unanswered before discovery starts over with a
// PADI (RFC 2516 section 8 wants that; it leaves the number open).
const maxPADR = 4

// hostUniqLen is the length of our Host-Uniq tags in octets: long enough that
// nobody else on the line has the same.
const hostUniqLen = 12

// Stage is how far discovery has come.
type Stage uint8

// The stages.
const (
	Idle       Stage = iota
	Soliciting       // PADIs go out (RFC 2516 section 5.1)
	Requesting       // a PADO was taken, PADRs go out (section 5.3)
	Confirmed        // PADS came: there is a session (section 5.4)
)

// ErrBadSession is matched by a PADS that gives no usable session id.
var ErrBadSession = errors.New("PADS with unusable session id")

// DiscoveryVars is all that a discovery remembers, as plain data.
type DiscoveryVars struct {
	Stage    Stage         `json:"stage"`
	HostUniq []byte        `json:"host_uniq,omitempty"`
	Offer    Offer         `json:"offer"` // the one taken, in Requesting and Confirmed
	Session  uint16        `json:"session,omitempty"`
	Sent     int           `json:"sent,omitempty"`     // PADIs or PADRs sent in this stage
	Asked    MAC           `json:"asked"`              // the AC that the last PADR went to
	Strays   int           `json:"strays,omitempty"`   // sessions that we were given and did not want
	Deadline time.Duration `json:"deadline,omitempty"` // of the next repetition; 0: none
}

// DiscoveryOutput is what follows from one input to a discovery.
type DiscoveryOutput struct {
	Frames []Frame // to send, in this order
	// Refused is the AC's refusal of our PADR; discovery is then Idle.
	Refused error
	// Dropped is why a frame was ignored; nil if it was not.
	Dropped error
}

// Discovery is the host's side of the discovery stage (RFC 2516 section 5).
type Discovery struct {
	src  MAC
	want Want
	rand *rand.Rand
	v    DiscoveryVars
}

// NewDiscovery returns an idle discovery for the station src.
func NewDiscovery(src MAC, want Want, rand *rand.Rand) *Discovery {
	return &Discovery{src: src, want: want, rand: rand}
}

// Configure changes which AC is looked for.
func (d *Discovery) Configure(want Want) { d.want = want }

// Snapshot returns all that the discovery remembers.
func (d *Discovery) Snapshot() DiscoveryVars {
	v := d.v
	v.HostUniq = bytes.Clone(v.HostUniq)
	return v
}

// Restore makes the discovery go on from v.
func (d *Discovery) Restore(v DiscoveryVars) {
	v.HostUniq = bytes.Clone(v.HostUniq)
	d.v = v
}

// Stage returns how far the discovery has come.
func (d *Discovery) Stage() Stage { return d.v.Stage }

// Deadline returns when Tick is to be called; zero means never.
func (d *Discovery) Deadline() time.Duration { return d.v.Deadline }

// Solicited returns how many PADIs have gone unanswered in a row.
func (d *Discovery) Solicited() int {
	if d.v.Stage != Soliciting {
		return 0
	}
	return d.v.Sent
}

// HostUniq returns the Host-Uniq that answers must carry; nil when idle.
func (d *Discovery) HostUniq() []byte { return d.v.HostUniq }

// Peer returns the AC whose offer was taken and, once Confirmed, the session
// id; before that both are zero or the id is.
func (d *Discovery) Peer() (Offer, uint16) { return d.v.Offer, d.v.Session }

// Start sends the first PADI, with a new Host-Uniq.
func (d *Discovery) Start(now time.Duration) DiscoveryOutput {
	d.v = DiscoveryVars{Stage: Soliciting, HostUniq: make([]byte, hostUniqLen)}
	for i := range d.v.HostUniq {
		d.v.HostUniq[i] = byte(d.rand.Uint32())
	}
	return d.solicit(now)
}

// Stop makes the discovery idle.
func (d *Discovery) Stop() { d.v = DiscoveryVars{} }

// Forget makes the discovery forget its session: the AC has ended it.
func (d *Discovery) Forget() { d.v.Session = 0 }

// Cease repeats nothing any more; answers are still taken.
func (d *Discovery) Cease() { d.v.Deadline = 0 }

// Tick repeats what is due at now.
func (d *Discovery) Tick(now time.Duration) DiscoveryOutput {
	if d.v.Deadline == 0 || now < d.v.Deadline {
		return DiscoveryOutput{}
	}
	if d.v.Stage == Requesting && d.v.Sent < maxPADR {
		return d.request(now)
	}
	if d.v.Stage == Requesting {
		return d.startOver(now)
	}
	return d.solicit(now)
}

// startOver gives up the AC whose offer was taken.
func (d *Discovery) startOver(now time.Duration) DiscoveryOutput {
	d.v.Stage, d.v.Offer, d.v.Sent = Soliciting, Offer{}, 0
	return d.solicit(now)
}

func (d *Discovery) solicit(now time.Duration) DiscoveryOutput {
	d.wait(now)
	return DiscoveryOutput{Frames: []Frame{NewPADI(d.src, d.want, d.v.HostUniq)}}
}

func (d *Discovery) request(now time.Duration) DiscoveryOutput {
	padr, err := newPADR(d.src, d.want, d.v.HostUniq, d.v.Offer)
	if err != nil { // what is wanted has changed since the offer was taken
		out := d.startOver(now)
		out.Dropped = err
		return out
	}
	d.wait(now)
	return DiscoveryOutput{Frames: []Frame{padr}}
}

// wait counts a frame sent and sets the time of its repetition.
func (d *Discovery) wait(now time.Duration) {
	w := min(retryFirst<<min(d.v.Sent, 10), retryLongest)
	d.v.Sent++
	d.v.Deadline = now + w + time.Duration(d.rand.Int64N(int64(w/4)))
}

// Receive takes a discovery frame that was addressed to us. PADT is not its
// affair.
func (d *Discovery) Receive(now time.Duration, f Frame) DiscoveryOutput {
	p, err := ParsePacket(f.Payload)
	if err != nil {
		return DiscoveryOutput{Dropped: err}
	}
	switch {
	case p.Code == PADO && d.v.Stage == Soliciting:
		return d.offered(now, f)
	case p.Code == PADS && d.v.Stage == Requesting:
		return d.confirmed(f, p)
	case p.Code == PADS && d.v.Stage != Idle:
		return d.stray(f, p)
	}
	return DiscoveryOutput{Dropped: fmt.Errorf("%v is not expected now", p.Code)}
}

// offered takes the first good offer. Of an offer that is not taken nothing
// remains.
func (d *Discovery) offered(now time.Duration, f Frame) DiscoveryOutput {
	o, err := ParseOffer(f, d.v.HostUniq)
	if err == nil {
		err = d.want.Accepts(o)
	}
	if err == nil {
		_, err = newPADR(d.src, d.want, d.v.HostUniq, o)
	}
	if err != nil {
		return DiscoveryOutput{Dropped: err}
	}
	d.v.Stage, d.v.Offer, d.v.Asked, d.v.Sent = Requesting, o, o.AC, 0
	return d.request(now)
}

// confirmed takes the PADS that ends discovery (RFC 2516 section 5.4).
func (d *Discovery) confirmed(f Frame, p Packet) DiscoveryOutput {
	if f.Src != d.v.Offer.AC {
		return DiscoveryOutput{Dropped: fmt.Errorf("PADS from %v, not from %v", f.Src, d.v.Offer.AC)}
	}
	tags, err := ParseTags(p.Payload)
	if err != nil {
		return DiscoveryOutput{Dropped: err}
	}
	if !tags.only(HostUniq, d.v.HostUniq) {
		return DiscoveryOutput{Dropped: errors.New("PADS whose Host-Uniq is not ours")}
	}
	if err := tags.Error(); err != nil {
		d.Stop()
		return DiscoveryOutput{Refused: err}
	}
	if s, ok := tags.Get(ServiceName); ok && d.want.ServiceName != "" && string(s) != d.want.ServiceName {
		return DiscoveryOutput{Dropped: fmt.Errorf("PADS for service %q", s)}
	}
	if p.SessionID == 0 || p.SessionID == 0xffff {
		d.Stop()
		return DiscoveryOutput{Refused: fmt.Errorf("%w 0x%04x", ErrBadSession, p.SessionID)}
	}
	// RFC 4638 section 4: no tag in the PADS, no larger payload.
	if d.want.MaxPayload > MaxMTU {
		d.v.Offer.MaxPayload = min(tags.maxPayload(), d.want.MaxPayload)
	}
	d.v.Stage, d.v.Session, d.v.Deadline, d.v.Sent = Confirmed, p.SessionID, 0, 0
	return DiscoveryOutput{}
}

// stray releases a session that a repeated PADR has opened beside ours, or that
// was confirmed after we had gone back to PADIs; at most as often as PADRs are
// repeated.
func (d *Discovery) stray(f Frame, p Packet) DiscoveryOutput {
	out := DiscoveryOutput{Dropped: fmt.Errorf("PADS for another session, 0x%04x", p.SessionID)}
	tags, err := ParseTags(p.Payload)
	if err != nil || f.Src != d.v.Asked || p.SessionID == d.v.Session || p.SessionID == 0 ||
		!tags.only(HostUniq, d.v.HostUniq) || d.v.Strays >= maxPADR {
		return out
	}
	d.v.Strays++
	out.Frames = []Frame{NewPADT(d.src, f.Src, p.SessionID, "")}
	return out
}
