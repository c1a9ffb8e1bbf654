package lcp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"pppoectl/ppp"
	"pppoectl/timer"
)

// Snapshot is all that a Link remembers, as plain data.
type Snapshot struct {
	Automaton ppp.Vars `json:"automaton"`
	Link      Vars     `json:"link"`
	Echo      EchoVars `json:"echo"`
	RejectID  uint8    `json:"reject_id,omitempty"` // of our last Protocol-Reject
}

// Output is what follows from one input to a Link.
type Output struct {
	ppp.Output
	// ProtocolRejected is the protocol that the peer does not speak; zero if
	// none. LCP itself is dealt with already.
	ProtocolRejected ppp.Protocol
	// Identified is the text of an Identification, untrusted.
	Identified string
}

// Link is LCP for one session: the automaton, the options and the keepalive.
type Link struct {
	automaton *ppp.Automaton
	policy    *policy
	echo      echo
	rejectID  uint8
}

// New returns a link in state Initial.
func New(cfg Config, ec EchoConfig, rand *rand.Rand) *Link {
	p := &policy{cfg: cfg, rand: rand, v: Vars{PeerMRU: ppp.MRUDefault}}
	return &Link{automaton: ppp.NewAutomaton(p), policy: p, echo: echo{cfg: ec}}
}

// Snapshot returns all that the link remembers.
func (l *Link) Snapshot() Snapshot {
	return Snapshot{l.automaton.Snapshot(), l.policy.v, l.echo.v, l.rejectID}
}

// Restore makes the link go on from s.
func (l *Link) Restore(s Snapshot) {
	l.automaton.Restore(s.Automaton)
	l.policy.v, l.echo.v, l.rejectID = s.Link, s.Echo, s.RejectID
	if l.Opened() {
		l.automaton.SetMRU(l.policy.v.PeerMRU)
	}
}

// SetEcho changes how the keepalive works, from the next echo on.
func (l *Link) SetEcho(ec EchoConfig) { l.echo.cfg = ec }

// SetMRU changes what we ask for in negotiations to come, in octets.
func (l *Link) SetMRU(mru int) { l.policy.cfg.MRU = mru }

// Opened reports whether the link is open.
func (l *Link) Opened() bool { return l.automaton.State() == ppp.Opened }

// State returns the automaton's state.
func (l *Link) State() ppp.State { return l.automaton.State() }

// Vars returns what was agreed on.
func (l *Link) Vars() Vars { return l.policy.v }

// Echo returns the keepalive's figures.
func (l *Link) Echo() EchoVars { return l.echo.v }

// MTU returns the largest packet in octets that both sides let the link carry.
func (l *Link) MTU() int {
	mtu := l.policy.v.PeerMRU
	if ours := l.policy.v.MRU; ours != 0 {
		mtu = min(mtu, ours)
	}
	return mtu
}

// Deadline returns when Tick is to be called; zero means never.
func (l *Link) Deadline() time.Duration {
	return timer.Earliest(l.automaton.Deadline(), l.echo.v.Deadline)
}

// Up says that PPPoE carries frames now, and opens the link.
func (l *Link) Up(now time.Duration) Output {
	l.automaton.Open(now)
	return l.follow(now, l.automaton.Up(now))
}

// Down says that PPPoE carries no frames any more.
func (l *Link) Down(now time.Duration) Output { return l.follow(now, l.automaton.Down(now)) }

// Close ends the link with a Terminate-Request that holds text.
func (l *Link) Close(now time.Duration, text string) Output {
	return l.follow(now, l.automaton.Close(now, text))
}

// Pause says that nothing can reach the peer for now: no echo is sent or missed
// until Suspect.
func (l *Link) Pause() { l.echo.pause() }

// Suspect says that the peer may be gone: it is asked at once.
func (l *Link) Suspect(now time.Duration) { l.echo.suspect(now) }

// Unasked is an Echo-Reply to what the peer may have asked while nobody was there to answer.
// pppd, like others, takes any Echo-Reply for a sign of life; the rest ignore it.
func (l *Link) Unasked() ppp.Packet {
	return ppp.Packet{Code: ppp.EchoReply, Data: binary.BigEndian.AppendUint32(nil, l.policy.v.Magic)}
}

// Hurry asks a peer that is suspect in quick succession until a time.
func (l *Link) Hurry(now, until time.Duration) { l.echo.hurry(now, until) }

// Tick does what is due at now. received is how many data packets have come
// from the peer so far: data counts as life.
func (l *Link) Tick(now time.Duration, received uint64) Output {
	out := l.follow(now, l.automaton.Tick(now))
	out.Packets = append(out.Packets, l.echo.tick(now, l.policy.v.Magic, received)...)
	return out
}

// Receive takes an LCP packet.
func (l *Link) Receive(now time.Duration, p ppp.Packet) Output {
	switch p.Code {
	case ppp.ProtocolReject, ppp.EchoRequest, ppp.EchoReply, ppp.DiscardRequest,
		ppp.Identification, ppp.TimeRemaining:
		if !l.Opened() {
			return dropped(fmt.Errorf("%v in state %v", p.Code, l.State()))
		}
	}
	switch p.Code {
	case ppp.ProtocolReject:
		return l.protocolReject(now, p)
	case ppp.EchoRequest:
		return l.echoRequest(p)
	case ppp.EchoReply:
		return dropped(l.echo.reply(now, p, l.policy.v.PeerMagic))
	case ppp.Identification:
		if len(p.Data) < 4 {
			return dropped(fmt.Errorf("%v of %d octets: %w", p.Code, len(p.Data), ppp.ErrTruncated))
		}
		return Output{Identified: string(p.Data[4:])}
	case ppp.DiscardRequest, ppp.TimeRemaining:
		return Output{}
	}
	out := l.follow(now, l.automaton.Receive(now, p))
	if out.Rejected == ppp.EchoRequest || out.Rejected == ppp.EchoReply {
		l.echo.reject()
	}
	return out
}

// FromPeer reports whether an echo has the magic number that the peer has negotiated, which
// is zero if it has none (RFC 1661 section 5.8).
func (l *Link) FromPeer(p ppp.Packet) bool {
	return len(p.Data) >= 4 && binary.BigEndian.Uint32(p.Data) == l.policy.v.PeerMagic
}

// Reject returns the Protocol-Reject of a frame whose protocol is not spoken
// here (RFC 1661 section 5.7), cut to the peer's MRU.
func (l *Link) Reject(protocol ppp.Protocol, information []byte) ppp.Packet {
	l.rejectID++
	data := ppp.AppendFrame(nil, protocol, information)
	return ppp.Packet{Code: ppp.ProtocolReject, ID: l.rejectID, Data: data[:min(len(data), l.policy.v.PeerMRU-ppp.HeaderLen)]}
}

// follow does what LCP itself has to do when its layer comes up or down.
func (l *Link) follow(now time.Duration, out ppp.Output) Output {
	for _, c := range out.Changes {
		switch c {
		case ppp.LayerUp:
			l.automaton.SetMRU(l.policy.v.PeerMRU)
			l.echo.start(now)
		case ppp.LayerDown:
			l.automaton.SetMRU(ppp.MRUDefault)
			l.echo.stop()
		}
	}
	out.Err = l.policy.unwanted(out.Err)
	return Output{Output: out}
}

// protocolReject is RFC 1661 section 5.7, receiving side.
func (l *Link) protocolReject(now time.Duration, p ppp.Packet) Output {
	protocol, _, err := ppp.ParseFrame(p.Data)
	if err != nil {
		return dropped(fmt.Errorf("Protocol-Reject: %w", err))
	}
	if protocol == ppp.LCP {
		return l.follow(now, l.automaton.ProtocolRejected(now))
	}
	return Output{ProtocolRejected: protocol}
}

// echoRequest is RFC 1661 section 5.8, receiving side: the reply carries our
// magic number, then the request's data, and never more than the peer's MRU.
func (l *Link) echoRequest(p ppp.Packet) Output {
	if len(p.Data) < 4 {
		return dropped(fmt.Errorf("Echo-Request of %d octets: %w", len(p.Data), ppp.ErrTruncated))
	}
	if m := binary.BigEndian.Uint32(p.Data); m != 0 && m == l.policy.v.Magic {
		return dropped(errors.New("Echo-Request with our own magic number: the line is looped back"))
	}
	data := bytes.Clone(p.Data[:min(len(p.Data), l.policy.v.PeerMRU-ppp.HeaderLen)])
	binary.BigEndian.PutUint32(data, l.policy.v.Magic)
	return Output{Output: ppp.Output{Packets: []ppp.Packet{{Code: ppp.EchoReply, ID: p.ID, Data: data}}}}
}

func dropped(err error) Output { return Output{Output: ppp.Output{Dropped: err}} }
