package fuzz_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pppoectl/fuzz"
	"pppoectl/ipcp"
	"pppoectl/ppp"
)

// The language of FuzzAutomaton: an octet says what happens, and takes what it
// needs from the octets that follow.
const (
	opaUp = iota // 0 to 3 are the commands
	opaDown
	opaOpen
	opaClose
	opaRejected // a Protocol-Reject came
	opaTime     // 1 octet: how long
	opaMRU      // 1 octet: the peer's
	opaPacket   // 2 octets: code, identifier; 1 octet: length n; n octets: data
	opaAnswer   // 1 octet: code; 1 octet: an octet of the value; the peer answers our last request
	opaAsk      // 2 octets: identifier, an octet of the address; the peer's Configure-Request
	opaReload   // the twin goes on from a snapshot
	opaCount
)

// asker is an automaton with IPCP's policy, which knows each kind of answer.
type asker struct {
	a *ppp.Automaton
	p *ipcp.Policy
}

func newAsker() asker {
	p := ipcp.NewPolicy(ipcp.Config{DNS: true})
	return asker{ppp.NewAutomaton(p), p}
}

// negotiator plays a sequence to two automata, of which one is taken out of a
// snapshot now and then.
type negotiator struct {
	t      *testing.T
	one    asker
	twin   asker
	mru    int
	now    time.Duration
	data   []byte
	last   ppp.Packet // our last request
	up     bool
	heard  int
	silent int // packets sent since the last input that was not time
}

func newNegotiator(t *testing.T, data []byte) *negotiator {
	return &negotiator{t: t, one: newAsker(), twin: newAsker(), mru: ppp.MRUDefault, now: time.Hour, data: data}
}

func (n *negotiator) octet() byte {
	if len(n.data) == 0 {
		return 0
	}
	b := n.data[0]
	n.data = n.data[1:]
	return b
}

func (n *negotiator) octets() []byte {
	length := min(int(n.octet()), len(n.data))
	b := n.data[:length]
	n.data = n.data[length:]
	return slices.Clone(b)
}

// timed reports whether the restart timer runs in a state (RFC 1661 section 4.1).
func timed(s ppp.State) bool {
	return s == ppp.Closing || s == ppp.Stopping || s == ppp.ReqSent || s == ppp.AckRcvd || s == ppp.AckSent
}

// mostUnheard is how many packets go out while nobody says anything: Max-Configure,
// the eager ones before, and those that end it.
const mostUnheard = 16 + 8 + ppp.MaxConfigure + ppp.MaxTerminate

// do does the same to both and checks what must always hold.
func (n *negotiator) do(f func(a *ppp.Automaton) ppp.Output) {
	before := n.one.a.State()
	out, same := f(n.one.a), f(n.twin.a)
	if a, b := snapshot(n.t, n.one.a.Snapshot()), snapshot(n.t, n.twin.a.Snapshot()); a != b || !slices.EqualFunc(out.Packets, same.Packets, equalPackets) ||
		!slices.Equal(out.Changes, same.Changes) || (out.Err == nil) != (same.Err == nil) || out.Rejected != same.Rejected {
		n.t.Fatalf("%+v, and the twin %+v:\n%s\n%s", out, same, a, b)
	}
	state, d := n.one.a.State(), n.one.a.Deadline()
	if timed(state) != (d != 0) || d != 0 && (d <= n.now || d > n.now+ppp.RestartTimer) {
		n.t.Fatalf("state %v, deadline %v at %v", state, d, n.now)
	}
	for _, c := range out.Changes {
		switch c {
		case ppp.LayerUp, ppp.LayerDown:
			if n.up == (c == ppp.LayerUp) {
				n.t.Fatalf("layer change %v, up is %v", c, n.up)
			}
			n.up = !n.up
		}
	}
	if n.up != (state == ppp.Opened) {
		n.t.Fatalf("state %v, told up %v", state, n.up)
	}
	if len(out.Packets) > 2 || len(out.Changes) > 2 || before <= ppp.Starting && state <= ppp.Starting && len(out.Packets) > 0 {
		n.t.Fatalf("from %v to %v: %+v", before, state, out)
	}
	for _, p := range out.Packets {
		n.packet(p)
	}
	if n.silent += len(out.Packets); n.silent > mostUnheard {
		n.t.Fatalf("%d packets, and nobody has said a word", n.silent)
	}
}

func equalPackets(a, b ppp.Packet) bool { return string(a.AppendTo(nil)) == string(b.AppendTo(nil)) }

// packet checks one of ours.
func (n *negotiator) packet(p ppp.Packet) {
	switch p.Code {
	case ppp.ConfigureRequest:
		n.last = p
		fallthrough
	case ppp.ConfigureAck, ppp.ConfigureNak, ppp.ConfigureReject:
		if _, err := ppp.ParseOptions(p.Data); err != nil {
			n.t.Fatalf("%v of ours: %v", p.Code, err)
		}
	case ppp.TerminateRequest, ppp.TerminateAck:
	case ppp.CodeReject:
		if len(p.Data)+ppp.HeaderLen > n.mru {
			n.t.Fatalf("Code-Reject of %d octets", len(p.Data)+ppp.HeaderLen)
		}
	default:
		n.t.Fatalf("%v of ours", p.Code)
	}
}

func (n *negotiator) receive(p ppp.Packet) {
	n.silent = 0
	n.heard++
	n.do(func(a *ppp.Automaton) (out ppp.Output) {
		q := p
		q.Data = slices.Clone(p.Data)
		if n.heard%16 != 0 { // to measure takes its time
			return a.Receive(n.now, q)
		}
		fuzz.Frugal(n.t, len(q.Data), func() { out = a.Receive(n.now, q) })
		return out
	})
}

func (n *negotiator) tick(end time.Duration) {
	for n.one.a.Deadline() != 0 && n.one.a.Deadline() <= end {
		n.now = n.one.a.Deadline()
		n.do(func(a *ppp.Automaton) ppp.Output { return a.Tick(n.now) })
	}
	n.now = end
}

func (n *negotiator) step() {
	commands := map[byte]func(a *ppp.Automaton) ppp.Output{
		opaUp:       func(a *ppp.Automaton) ppp.Output { return a.Up(n.now) },
		opaDown:     func(a *ppp.Automaton) ppp.Output { return a.Down(n.now) },
		opaOpen:     func(a *ppp.Automaton) ppp.Output { return a.Open(n.now) },
		opaClose:    func(a *ppp.Automaton) ppp.Output { return a.Close(n.now, "fuzz") },
		opaRejected: func(a *ppp.Automaton) ppp.Output { return a.ProtocolRejected(n.now) },
	}
	op := n.octet() % opaCount
	if f := commands[op]; f != nil {
		n.silent = 0
		n.do(f)
		return
	}
	switch op {
	case opaTime:
		w := time.Duration(n.octet())
		n.tick(n.now + w*w*time.Millisecond) // up to 65 s
	case opaMRU:
		n.mru = 128 + 4*int(n.octet())
		n.one.a.SetMRU(n.mru)
		n.twin.a.SetMRU(n.mru)
	case opaPacket:
		n.receive(ppp.Packet{Code: ppp.Code(n.octet()), ID: n.octet(), Data: n.octets()})
	case opaAnswer:
		code, value := ppp.ConfigureAck+ppp.Code(n.octet()%5), n.octet() // Ack, Nak, Reject, Terminate-Request, Terminate-Ack
		data := slices.Clone(n.last.Data)
		if code == ppp.ConfigureNak {
			data = []byte{3, 6, 203, 0, 113, value}
		}
		n.receive(ppp.Packet{Code: code, ID: n.one.a.Snapshot().ID, Data: data})
	case opaAsk:
		n.receive(ppp.Packet{Code: ppp.ConfigureRequest, ID: n.octet(), Data: []byte{3, 6, 203, 0, 113, n.octet()}})
	case opaReload:
		n.reload()
	}
}

func (n *negotiator) reload() {
	var v ppp.Vars
	var w ipcp.Vars
	for from, to := range map[string]any{snapshot(n.t, n.twin.a.Snapshot()): &v, snapshot(n.t, n.twin.p.Snapshot()): &w} {
		if err := json.Unmarshal([]byte(from), to); err != nil {
			n.t.Fatal(err)
		}
	}
	n.twin = newAsker()
	n.twin.p.Restore(w)
	n.twin.a.Restore(v)
	n.twin.a.SetMRU(n.mru)
}

// FuzzAutomaton is the automaton of RFC 1661 section 4 under any sequence of
// commands, packets and time. Its timer runs in the states in which the RFC has it
// run, its notices are in order, and a peer that says nothing has us stop.
func FuzzAutomaton(f *testing.F) {
	open := []byte{opaOpen, opaUp, opaAnswer, 1, 7, opaAnswer, 0, 0, opaAsk, 1, 1}
	for _, more := range [][]byte{
		nil, {opaReload, opaAsk, 2, 2, opaAnswer, 0, 0}, {opaClose, opaTime, 255, opaOpen}, {opaDown, opaUp, opaTime, 255},
		{opaPacket, 5, 9, 2, 'n', 'o', opaTime, 60}, {opaRejected, opaTime, 255}, {opaMRU, 0, opaPacket, 99, 1, 3, 1, 2, 3},
		{opaPacket, 7, 1, 4, 12, 1, 0, 4}, {opaPacket, 7, 1, 4, 1, 1, 0, 4}, {opaAnswer, 3, 0, opaAnswer, 4, 0},
	} {
		f.Add(slices.Concat(open, more))
	}
	for _, name := range recordings { // what a real AC says of IPCP
		b := []byte{opaOpen, opaUp}
		perFrame(f, name, func(frame []byte) {
			if len(frame) > 26 && frame[13] == 0x64 && frame[20] == 0x80 && frame[21] == 0x21 && len(frame) < 26+255 {
				b = append(append(b, opaPacket, frame[22], frame[23], byte(len(frame)-26)), frame[26:]...)
			}
		})
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n := newNegotiator(t, data)
		for steps := 0; len(n.data) > 0 && steps < 400; steps++ {
			n.step()
		}
		n.silent = 0
		n.do(func(a *ppp.Automaton) ppp.Output { return a.Close(n.now, "end") })
		n.tick(n.now + time.Duration(ppp.MaxTerminate+1)*ppp.RestartTimer)
		if s := n.one.a.State(); timed(s) || n.up {
			t.Fatalf("not closed: state %v", s)
		}
	})
}

// The language must open the protocol, or it finds nothing.
func TestTheLanguageOpensTheAutomaton(t *testing.T) {
	n := newNegotiator(t, []byte{opaOpen, opaUp, opaAnswer, 1, 7, opaReload, opaAnswer, 0, 0, opaAsk, 1, 1})
	for len(n.data) > 0 {
		n.step()
	}
	if n.one.a.State() != ppp.Opened || n.one.p.Snapshot().Peer != netip.MustParseAddr("203.0.113.1") {
		t.Errorf("state %v, %+v", n.one.a.State(), n.one.p.Snapshot())
	}
}
