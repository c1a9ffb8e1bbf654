package fuzz_test

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/timer"
)

// pair is two ends of one protocol, each an automaton with its policy.
type pair struct {
	ends   [2]end
	now    time.Duration
	flying []flight
	sent   int
}

// end is an automaton, alone or in a link of LCP's.
type end interface {
	Up(time.Duration) []ppp.Packet
	Close(time.Duration) []ppp.Packet
	Receive(time.Duration, ppp.Packet) []ppp.Packet
	Tick(time.Duration) []ppp.Packet
	Deadline() time.Duration
	State() ppp.State
}

type flight struct {
	at time.Duration
	to int
	p  ppp.Packet
}

// ncp is an end that is an automaton alone.
type ncp struct{ *ppp.Automaton }

func (n ncp) Up(now time.Duration) []ppp.Packet {
	n.Open(now)
	return n.Automaton.Up(now).Packets
}
func (n ncp) Close(now time.Duration) []ppp.Packet { return n.Automaton.Close(now, "").Packets }
func (n ncp) Tick(now time.Duration) []ppp.Packet  { return n.Automaton.Tick(now).Packets }
func (n ncp) Receive(now time.Duration, p ppp.Packet) []ppp.Packet {
	return n.Automaton.Receive(now, p).Packets
}

// link is an end that is a whole LCP.
type link struct{ *lcp.Link }

func (l link) Up(now time.Duration) []ppp.Packet    { return l.Link.Up(now).Packets }
func (l link) Close(now time.Duration) []ppp.Packet { return l.Link.Close(now, "").Packets }
func (l link) Tick(now time.Duration) []ppp.Packet  { return l.Link.Tick(now, 0).Packets }
func (l link) Receive(now time.Duration, p ppp.Packet) []ppp.Packet {
	return l.Link.Receive(now, p).Packets
}

// pairs make the two ends of each protocol, which do not like at once what the other asks for.
var pairs = map[string]func() [2]end{
	"LCP": func() [2]end {
		a := lcp.Config{MRU: 1454, Allowed: []lcp.Auth{lcp.AuthPAP}}
		b := lcp.Config{MRU: 1492, Demand: []lcp.Auth{lcp.AuthCHAPMD5, lcp.AuthPAP}}
		return [2]end{
			link{lcp.New(a, lcp.EchoConfig{}, rand.New(rand.NewPCG(1, 1)))}, link{lcp.New(b, lcp.EchoConfig{}, rand.New(rand.NewPCG(2, 2)))},
		}
	},
	"IPCP": func() [2]end {
		b := ipcp.Config{Address: netip.MustParseAddr("203.0.113.1"), Assign: netip.MustParseAddr("203.0.113.7")}
		return [2]end{
			ncp{ppp.NewAutomaton(ipcp.NewPolicy(ipcp.Config{DNS: true}))}, ncp{ppp.NewAutomaton(ipcp.NewPolicy(b))},
		}
	},
	"IPv6CP": func() [2]end { // both want the same identifier
		return [2]end{
			ncp{ppp.NewAutomaton(ipv6cp.NewPolicy(ipv6cp.Identifier{1}, rand.New(rand.NewPCG(1, 1))))},
			ncp{ppp.NewAutomaton(ipv6cp.NewPolicy(ipv6cp.Identifier{1}, rand.New(rand.NewPCG(2, 2))))},
		}
	},
}

func (p *pair) put(from int, packets []ppp.Packet, fate func(n int) []time.Duration) {
	for _, q := range packets {
		for _, d := range fate(p.sent) {
			q.Data = slices.Clone(q.Data)
			p.flying = append(p.flying, flight{p.now + d, 1 - from, q})
		}
		p.sent++
	}
	slices.SortStableFunc(p.flying, func(a, b flight) int { return cmp.Compare(a.at, b.at) })
}

// run lets time pass until done, or the end.
func (p *pair) run(d time.Duration, fate func(n int) []time.Duration, done func() bool) {
	for end := p.now + d; !done(); {
		var first time.Duration
		if len(p.flying) > 0 {
			first = p.flying[0].at
		}
		next := timer.Earliest(first, p.ends[0].Deadline(), p.ends[1].Deadline())
		if next == 0 || next > end {
			p.now = end
			return
		}
		p.now = max(p.now, next)
		if next == first {
			f := p.flying[0]
			p.flying = p.flying[1:]
			p.put(f.to, p.ends[f.to].Receive(p.now, f.p), fate)
			continue
		}
		for i, e := range p.ends {
			if e.Deadline() == next {
				p.put(i, e.Tick(p.now), fate)
			}
		}
	}
}

func (p *pair) in(state ppp.State) func() bool {
	return func() bool { return p.ends[0].State() == state && p.ends[1].State() == state }
}

func never() bool { return false }

// meet lets a pair negotiate, and one of them close, with some faults on the way.
func meet(t *testing.T, name string, list ...fault) int {
	p := pair{ends: pairs[name](), now: time.Hour}
	fate := func(n int) []time.Duration {
		for _, f := range list {
			if f.frame == n {
				return faults[f.kind].delays
			}
		}
		return []time.Duration{wireDelay}
	}
	begin := p.now
	for i, e := range p.ends {
		p.put(i, e.Up(p.now), fate)
	}
	p.run(time.Minute, fate, p.in(ppp.Opened))
	took := p.now - begin
	p.run(9*time.Second, fate, never)
	if !p.in(ppp.Opened)() || took > time.Duration(len(list))*ppp.RestartTimer+aMoment {
		t.Fatalf("%s: %v: %v and %v, after %v", name, list, p.ends[0].State(), p.ends[1].State(), took)
	}
	p.put(0, p.ends[0].Close(p.now), fate)
	p.run(hangupWithin, fate, never)
	if p.ends[0].State() != ppp.Closed || p.sent > 100 {
		t.Fatalf("%s: %v: %v %v after Close, %d packets", name, list, p.ends[0].State(), hangupWithin, p.sent)
	}
	return p.sent
}

// The automata alone, with the policies of each protocol: both are open, and stay so, within a restart timer for each
// fault; and closed within Max-Terminate of them.
func TestModelPairsWithEveryFaultAndEveryPair(t *testing.T) {
	for name := range pairs {
		packets := meet(t, name)
		for i := range packets + 4 {
			for k := range faults {
				meet(t, name, fault{i, k})
				for j := i + 1; j < packets+8; j++ {
					for l := range faults {
						meet(t, name, fault{i, k}, fault{j, l})
					}
				}
			}
		}
	}
}

// On a line that stays bad each end still comes to rest, open or not, within the RFC's counters: until a peer is heard
// Max-Configure requests, and the eager ones; then each Nak, Reject or Ack may begin the count anew, and there are not more of
// the former than the bound of refusals.
func TestModelPairsOnALineThatStaysBad(t *testing.T) {
	const longest = (4*ppp.MaxFailure + 2) * (ppp.MaxConfigure + 2) * ppp.RestartTimer
	for name, ends := range pairs {
		for seed := range uint64(200) {
			r := rand.New(rand.NewPCG(seed, 1661))
			loss := 10 + r.IntN(91)
			fate := func(int) []time.Duration {
				var delays []time.Duration
				for range 1 + r.IntN(2) {
					if r.IntN(100) >= loss {
						delays = append(delays, wireDelay+time.Duration(r.Int64N(int64(4*time.Second))))
					}
				}
				return delays
			}
			p := pair{ends: ends(), now: time.Hour}
			for i, e := range p.ends {
				p.put(i, e.Up(p.now), fate)
			}
			rest := func() bool {
				return len(p.flying) == 0 && p.ends[0].Deadline() == 0 && p.ends[1].Deadline() == 0
			}
			if p.run(longest, fate, rest); !rest() {
				t.Fatalf("%s, seed %d, %d %% lost: %v and %v after %v", name, seed, loss, p.ends[0].State(), p.ends[1].State(), longest)
			}
			for _, e := range p.ends {
				if s := e.State(); s != ppp.Opened && s != ppp.Stopped && s != ppp.Closed {
					t.Fatalf("%s, seed %d: at rest in %v", name, seed, s)
				}
			}
		}
	}
}
