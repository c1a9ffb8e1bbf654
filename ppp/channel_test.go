package ppp_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pppoectl/ppp"
	"pppoectl/timer"
)

// channel joins two automata and mistreats their packets by chance.
type channel struct {
	t      testing.TB
	rand   *rand.Rand
	bad    bool // lose, repeat and delay packets
	ends   [2]*ppp.Automaton
	fakes  [2]*fake
	flying []flight
	// check is called after each step of an end.
	check func(end int)
}

type flight struct {
	at time.Duration
	to int
	p  ppp.Packet
}

func newChannel(t testing.TB, seed uint64) *channel {
	c := &channel{t: t, rand: rand.New(rand.NewPCG(seed, 1)), bad: true}
	// Each wants something that the other does not like at first.
	c.fakes = [2]*fake{{Want: 0x11, Only: 0x99}, {Want: 0x22, Only: 0x88}}
	for i, f := range c.fakes {
		c.ends[i] = ppp.NewAutomaton(f)
	}
	return c
}

func (c *channel) out(now time.Duration, from int, out ppp.Output) {
	for _, p := range out.Packets {
		copies := 1
		if c.bad {
			copies = []int{0, 1, 1, 1, 2}[c.rand.IntN(5)]
		}
		for range copies {
			delay := 10 * time.Millisecond
			if c.bad {
				delay += time.Duration(c.rand.Int64N(int64(500 * time.Millisecond)))
			}
			p.Data = slices.Clone(p.Data)
			c.flying = append(c.flying, flight{now + delay, 1 - from, p})
		}
	}
	if c.check != nil {
		c.check(from)
	}
}

func (c *channel) start() {
	for i, a := range c.ends {
		a.Open(0)
		c.out(0, i, a.Up(0))
	}
}

// run lets time pass up to end, and fails when more happens than can be.
func (c *channel) run(end time.Duration) {
	for range 20000 {
		slices.SortStableFunc(c.flying, func(a, b flight) int { return int(a.at - b.at) })
		due := timer.Earliest(c.ends[0].Deadline(), c.ends[1].Deadline())
		switch {
		case len(c.flying) > 0 && (due == 0 || c.flying[0].at <= due):
			f := c.flying[0]
			if f.at > end {
				return
			}
			c.flying = c.flying[1:]
			c.out(f.at, f.to, c.ends[f.to].Receive(f.at, f.p))
		case due != 0 && due <= end:
			for i, a := range c.ends {
				if a.Deadline() == due {
					c.out(due, i, a.Tick(due))
				}
			}
		default:
			return
		}
	}
	c.t.Fatal("the automata do not come to rest")
}

// expectOpen fails unless both ends are open and agree on the options.
func (c *channel) expectOpen() {
	c.t.Helper()
	for i, a := range c.ends {
		if a.State() != ppp.Opened {
			c.t.Errorf("end %d is in state %v, want Opened", i, a.State())
		}
		if ask, got := c.fakes[i].Ask, c.fakes[1-i].Peer; ask != got {
			c.t.Errorf("end %d asked for %x, the other end agreed to %x", i, ask, got)
		}
	}
}

func TestTwoAutomataConvergeOverABadLine(t *testing.T) {
	const minute = time.Minute
	for seed := range uint64(300) {
		c := newChannel(t, seed)
		c.start()
		c.run(minute) // whatever came of that,
		c.bad = false
		for i, a := range c.ends { // an end that gave up is dialled anew
			if a.State() == ppp.Stopped {
				a.Down(minute)
				c.out(minute, i, a.Up(minute))
			}
		}
		c.run(2 * minute)
		c.expectOpen()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestCloseEndsOverABadLine(t *testing.T) {
	const rounds = 100
	heard := 0
	for seed := range uint64(rounds) {
		c := newChannel(t, seed)
		c.bad = false
		c.start()
		c.run(time.Minute)
		c.expectOpen()
		c.bad = true
		c.out(time.Minute, 0, c.ends[0].Close(time.Minute, "enough"))
		c.run(2 * time.Minute)
		expectState(t, c.ends[0], ppp.Closed)
		if c.ends[1].State() == ppp.Stopped {
			heard++
		}
	}
	// Both Terminate-Requests are lost in one of 25 rounds.
	if heard < rounds*9/10 {
		t.Errorf("the other end has heard of it in %d of %d rounds", heard, rounds)
	}
}

// A process that ends at any step and another that goes on from its snapshot
// are, from outside, one.
func TestSnapshotAndRestoreAtEachStepChangeNothing(t *testing.T) {
	for seed := range uint64(50) {
		through := newChannel(t, seed)
		through.start()
		through.run(time.Minute)

		broken := newChannel(t, seed)
		broken.check = func(end int) {
			var v ppp.Vars
			again(t, broken.ends[end].Snapshot(), &v)
			var f fake
			again(t, *broken.fakes[end], &f)
			broken.fakes[end] = &f
			broken.ends[end] = ppp.NewAutomaton(&f)
			broken.ends[end].Restore(v)
		}
		broken.start()
		broken.run(time.Minute)

		for i := range through.ends {
			want, got := through.ends[i].Snapshot(), broken.ends[i].Snapshot()
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, end %d:\n%+v, without restarts\n%+v", seed, i, got, want)
			}
		}
	}
}

// again copies in to out by way of JSON.
func again(t testing.TB, in, out any) {
	t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshotSharesNothing(t *testing.T) {
	spoil := func(v ppp.Vars) {
		v.Requested[0].Data[0] ^= 0xff
		v.Acked.Data[0] ^= 0xff
	}
	a, _ := in(t, ppp.Opened)
	before := fmt.Sprintf("%+v", a.Snapshot())
	spoil(a.Snapshot())
	if after := fmt.Sprintf("%+v", a.Snapshot()); after != before {
		t.Errorf("%s\nbecame\n%s", before, after)
	}
	v := a.Snapshot()
	a.Restore(v)
	spoil(v)
	if after := fmt.Sprintf("%+v", a.Snapshot()); after != before {
		t.Errorf("%s\nbecame, restored from what was changed later,\n%s", before, after)
	}
}
