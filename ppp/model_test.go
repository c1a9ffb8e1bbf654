package ppp_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pppoectl/ppp"
)

// events are all that can happen to an automaton. Those that say the same to the
// table in another way stand in brackets.
var events = []string{
	"Up", "Down", "Open", "Close", "TO", "RCR+", "RCR+ (copy)", "RCR-", "RCR- (copy)", "RCR (broken)",
	"RCA", "RCA (another)", "RCN", "RCN (Reject)", "RCN (another)", "RTR", "RTA", "RTA (another)", "RUC", "RXJ+", "RXJ-", "RXJ- (protocol)",
	"a second passes",
}

// model is an automaton beside the reference, and the peer's memory.
type model struct {
	t   testing.TB
	a   *ppp.Automaton
	ref *reference
	v   modelVars
}

type modelVars struct {
	now      time.Duration
	policy   fake
	id       uint8      // of the peer's last packet
	asked    ppp.Packet // our last Configure-Request
	ended    uint8      // identifier of our last Terminate-Request
	ending   bool       // it is our last request
	coded    uint8      // of our last Code-Reject
	acked    ppp.Packet // the peer's request that was acknowledged last, and when
	ackedAt  time.Duration
	refused  uint8 // the identifier of the one that was refused last
	anyAcked bool
}

func newModel(t testing.TB) *model {
	m := &model{t: t, ref: newReference(t)}
	m.v.now, m.v.policy = time.Hour, fake{Want: 0x11, Only: 0x22}
	m.a = ppp.NewAutomaton(&m.v.policy)
	return m
}

// node is all that the three remember.
type node struct {
	model     modelVars
	automaton ppp.Vars
	reference refVars
	parent    *node
	event     string
}

func (m *model) node(parent *node, event string) *node {
	return &node{m.v, m.a.Snapshot(), m.ref.v, parent, event}
}

func (m *model) restore(n *node) {
	m.v, m.ref.v = n.model, n.reference
	m.a.Restore(n.automaton)
}

func (n *node) way() string {
	if n.parent == nil {
		return ""
	}
	return n.parent.way() + n.event + "\n"
}

// key is what the future of the three depends on: a node without times and
// identifiers.
type key struct {
	reference refVars
	state     ppp.State
	restarts  int
	timer     bool
	pending   bool
	heard     bool
	eager     int
	sent      int
	received  int
	ask       byte
	fresh     bool // the peer's last good request counts as repeated if it comes again
	anyAcked  bool
	refused   bool // likewise, the last bad one
	ending    bool
}

func (n *node) key() key {
	v, ref := n.automaton, n.reference
	ref.timer = min(ref.timer, 1)
	k := key{
		ref, v.State, v.Restarts, v.Deadline != 0, v.Pending, v.Heard, v.Eager, v.Sent, v.Received, n.model.policy.Ask,
		n.model.now-n.model.ackedAt < time.Second, n.model.anyAcked, v.Refused == n.model.refused, n.model.ending,
	}
	if v.Heard {
		k.eager, k.reference.eager = 0, 0
	}
	k.eager, k.reference.eager = min(k.eager, len(eagerly)), min(k.reference.eager, len(eagerly))
	return k
}

// happen lets one of the events happen to both and compares; false if it cannot
// happen now.
func (m *model) happen(event string) bool {
	m.v.now++
	name, variant, _ := strings.Cut(event, " (")
	kind := ""
	var out ppp.Output
	receive := func(code ppp.Code, id uint8, data ...byte) {
		m.v.id = id
		out = m.a.Receive(m.v.now, ppp.Packet{Code: code, ID: id, Data: data})
	}
	fresh := m.v.id + 1
	switch name {
	case "Up":
		out = m.a.Up(m.v.now)
	case "Down":
		out = m.a.Down(m.v.now)
	case "Open":
		out = m.a.Open(m.v.now)
	case "Close":
		out = m.a.Close(m.v.now, "bye")
	case "TO":
		if m.a.Deadline() == 0 {
			return false
		}
		m.v.now = m.a.Deadline()
		out = m.a.Tick(m.v.now)
	case "a second passes":
		if m.a.Deadline() != 0 {
			return false
		}
		m.v.now += time.Second
		return true
	case "RCR+":
		p := ppp.Packet{Code: ppp.ConfigureRequest, ID: fresh, Data: []byte{1, 3, 0x22}}
		if variant != "" {
			if !m.v.anyAcked {
				return false
			}
			p = m.v.acked
			if m.v.now-m.v.ackedAt < time.Second {
				kind = "again"
			}
		}
		out = m.a.Receive(m.v.now, p)
		if variant == "" {
			m.v.id = p.ID
		}
		if m.sent(out, ppp.ConfigureAck) && !(kind == "again" && m.ref.v.state == 9) {
			m.v.acked, m.v.ackedAt, m.v.anyAcked = p, m.v.now, true
		}
	case "RCR-":
		last := m.v.id
		if variant != "" {
			kind, fresh = "again", m.v.refused
		}
		receive(ppp.ConfigureRequest, fresh, 1, 3, 0x33)
		if variant != "" {
			m.v.id = last
		}
		if m.sent(out, ppp.ConfigureNak) || m.sent(out, ppp.ConfigureReject) {
			m.v.refused = fresh
		}
	case "RCR":
		kind = "broken"
		receive(ppp.ConfigureRequest, fresh, 1, 9, 0x22)
	case "RCA":
		m.answered(variant, &kind)
		out = m.a.Receive(m.v.now, ppp.Packet{Code: ppp.ConfigureAck, ID: m.answerID(variant), Data: m.v.asked.Data})
	case "RCN":
		m.answered(variant, &kind)
		p := ppp.Packet{Code: ppp.ConfigureNak, ID: m.answerID(variant), Data: []byte{1, 3, 0x44}}
		if variant == "Reject)" {
			p = ppp.Packet{Code: ppp.ConfigureReject, ID: p.ID, Data: m.v.asked.Data}
			if len(p.Data) == 0 {
				return false
			}
		}
		out = m.a.Receive(m.v.now, p)
	case "RTR":
		receive(ppp.TerminateRequest, fresh)
	case "RTA":
		id := m.v.ended
		switch { // it answers nothing of ours
		case !m.v.ending:
			id, kind = m.v.asked.ID+1, "stale"
		case variant != "":
			id, kind = id+1, "stale"
		}
		out = m.a.Receive(m.v.now, ppp.Packet{Code: ppp.TerminateAck, ID: id})
	case "RUC":
		receive(0x20, fresh)
	case "RXJ+":
		receive(ppp.CodeReject, fresh, 9, 0, 0, 4)
	case "RXJ-":
		if variant != "" && m.ref.v.state < 2 {
			return false // nobody can have said so
		} else if variant != "" {
			out = m.a.ProtocolRejected(m.v.now)
		} else {
			receive(ppp.CodeReject, fresh, 1, 0, 0, 4)
		}
	default:
		m.t.Fatalf("no event %q", event)
	}
	heard := m.ref.v.heard
	m.ref.happen(m.v.now, name, kind)
	if variant == "protocol)" { // LCP has told of it, not the peer in this protocol
		m.ref.v.heard = heard
	}
	m.compare(event, out)
	return true
}

func (m *model) sent(out ppp.Output, code ppp.Code) bool {
	return slices.ContainsFunc(out.Packets, func(p ppp.Packet) bool { return p.Code == code })
}

// answered finds out whether an answer counts for nothing.
func (m *model) answered(variant string, kind *string) {
	if variant == "another)" || !m.ref.v.open {
		*kind = "stale"
	}
}

func (m *model) answerID(variant string) uint8 {
	if variant == "another)" {
		return m.v.asked.ID - 1
	}
	return m.v.asked.ID
}

// compare expects of the automaton what the reference has done.
func (m *model) compare(event string, out ppp.Output) {
	var packets, layer []string
	for _, p := range out.Packets {
		packets = append(packets, m.tell(p))
	}
	for _, c := range out.Changes {
		layer = append(layer, [...]string{"tlu", "tld", "tls", "tlf"}[c])
	}
	want := fmt.Sprint(m.ref.packets, m.ref.layer, ppp.State(m.ref.v.state), m.ref.v.timer)
	if got := fmt.Sprint(packets, layer, m.a.State(), m.a.Deadline()); got != want {
		m.t.Errorf("%s: got %s, want %s", event, got, want)
	}
	if out.Dropped != nil && len(out.Packets)+len(out.Changes) > 0 {
		m.t.Errorf("%s: dropped (%v), and answered by %s", event, out.Dropped, packets)
	}
}

// tell names a packet as the reference does, by whether its identifier is new, and
// fails if it is not the one that it must be.
func (m *model) tell(p ppp.Packet) string {
	old := map[ppp.Code]uint8{ppp.ConfigureRequest: m.v.asked.ID, ppp.TerminateRequest: m.v.ended, ppp.CodeReject: m.v.coded}
	name := p.Code.String()
	switch p.Code {
	case ppp.ConfigureRequest, ppp.TerminateRequest:
		if p.ID == old[p.Code] {
			name += " again"
		}
	case ppp.CodeReject:
		if p.ID == old[p.Code] {
			m.t.Errorf("two Code-Rejects with identifier %d", p.ID)
		}
	}
	switch p.Code {
	case ppp.ConfigureRequest:
		m.v.asked, m.v.ending = p, false
	case ppp.TerminateRequest:
		m.v.ended, m.v.ending = p.ID, true
	case ppp.CodeReject:
		m.v.coded = p.ID
	}
	return name
}

// depth is how many events TestAutomatonIsTheRFCs follows: the environment's
// PPP_MODEL_DEPTH, or enough for a second. A thousand is all that there are.
func depth(t testing.TB, usual int) int {
	if s := os.Getenv("PPP_MODEL_DEPTH"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return usual
}

// From Initial on, whatever happens: state, packets, what the layer above is told
// and the timer are those of the RFC's table, but for the deviations. Ways that
// lead to one state are followed once.
func TestAutomatonIsTheRFCs(t *testing.T) {
	m := newModel(t)
	level := []*node{m.node(nil, "")}
	seen := map[key]bool{level[0].key(): true}
	steps, deepest := 0, 0
	for d := range depth(t, 18) {
		var next []*node
		for _, n := range level {
			for _, event := range events {
				m.restore(n)
				if !m.happen(event) {
					continue
				}
				steps++
				after := m.node(n, event)
				if t.Failed() {
					t.Fatalf("after\n%s", after.way())
				}
				if k := after.key(); !seen[k] {
					seen[k] = true
					next = append(next, after)
				}
			}
		}
		if level = next; len(level) == 0 {
			break
		}
		deepest = d + 1
	}
	t.Logf("%d states, %d steps, %d events deep, %d states not followed", len(seen), steps, deepest, len(level))
}

func TestAutomatonIsTheRFCsOnLongWays(t *testing.T) {
	for seed := range uint64(20) {
		m, r := newModel(t), rand.New(rand.NewPCG(seed, 1661))
		var last []string
		reached := map[ppp.State]bool{}
		for range 10000 {
			event := events[r.IntN(len(events))]
			if p := r.IntN(10); p < 2 { // or all ends too soon
				event = []string{"Up", "Open", "RCA", "RCR+", "TO"}[r.IntN(5)]
			}
			last = append(last[max(0, len(last)-20):], event)
			m.happen(event)
			if t.Failed() {
				t.Fatalf("seed %d: after\n%s", seed, strings.Join(last, "\n"))
			}
			reached[m.a.State()] = true
		}
		if len(reached) != 10 {
			t.Errorf("seed %d: only %v", seed, reached)
		}
	}
}
