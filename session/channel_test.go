package session_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pppoectl/concentrator"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
	"pppoectl/timer"
)

// channel is a line that loses, repeats and delays frames, so that they
// overtake each other.
type channel struct {
	*line
	r      *rand.Rand
	loss   int // percent
	twice  int // percent
	jitter time.Duration
	flying []flight
}

type flight struct {
	at time.Duration
	f  pppoe.Frame
}

// depart puts what the ends have sent on its way.
func (c *channel) depart() {
	for _, f := range c.queue {
		for copies := 1; copies > 0; copies-- {
			if c.r.IntN(100) < c.twice {
				copies++
			}
			if c.r.IntN(100) < c.loss {
				continue
			}
			at := c.now + time.Millisecond
			if c.jitter > 0 {
				at += time.Duration(c.r.Int64N(int64(c.jitter)))
			}
			c.flying = append(c.flying, flight{at, f})
		}
	}
	c.queue = nil
	slices.SortStableFunc(c.flying, func(a, b flight) int { return cmp.Compare(a.at, b.at) })
}

func (c *channel) pass(d time.Duration) {
	c.t.Helper()
	end := c.now + d
	for range 200000 {
		c.depart()
		var arrival time.Duration
		if len(c.flying) > 0 {
			arrival = c.flying[0].at
		}
		next := timer.Earliest(arrival, c.line.next, c.acNext)
		if next == 0 || next > end {
			c.now = end
			return
		}
		c.now = max(c.now, next)
		switch {
		case arrival == next:
			f := c.flying[0].f
			c.flying = c.flying[1:]
			if f.Src == hostMAC {
				c.acStep(&f)
			} else {
				c.do(session.Input{Frame: &f})
			}
		case c.line.next == next:
			c.do(session.Input{})
		default:
			c.acStep(nil)
		}
	}
	c.t.Fatal("the line does not come to rest")
}

func TestSessionOverABadLineComesUpOrEnds(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			l := newLine(t, func(s *session.Config, ac *concentrator.Config) {
				both(s, ac)
				ac.Auth = [][]lcp.Auth{{lcp.AuthPAP}, {lcp.AuthCHAPMD5}}[seed%2]
				ac.Echo = 10 * time.Second
			})
			c := &channel{
				line: l, r: rand.New(rand.NewPCG(seed, 11)),
				loss: int(seed % 40), twice: int(seed * 7 % 30), jitter: time.Duration(seed*37%900) * time.Millisecond,
			}
			g := newGuard(l)
			g.before()
			l.check = func() { g.check(); g.before() }
			up := 0
			for range 12 { // redials as the supervisor would
				if l.m.Phase() == session.Down {
					g.dialled = true
					l.command(session.Dial)
				}
				c.pass(time.Minute)
				if l.m.Phase() == session.Up {
					up++
				}
			}
			if c.loss < 10 && up == 0 {
				t.Errorf("never up in twelve minutes at %d %% loss", c.loss)
			}
			// The line becomes a good one.
			c.loss, c.twice, c.jitter = 0, 0, 0
			c.pass(7 * time.Minute)
			if l.m.Phase() == session.Down {
				g.dialled = true
				l.command(session.Dial)
				c.pass(30 * time.Second)
			}
			if i := l.m.Info(); l.m.Phase() != session.Up || i.IPv4 == nil || i.IPv6 == nil || i.Suspect {
				t.Fatalf("phase %q on a good line, IPv4 %v, IPv6 %v: %v", l.m.Phase(), i.IPv4, i.IPv6, l.last(session.NetworkFailed))
			}
			if s := l.ac.Sessions()[l.m.Info().SessionID]; s == nil || !s.Opened(ppp.IPCP) || !s.Opened(ppp.IPv6CP) {
				t.Errorf("the AC does not agree: %+v", s)
			}
			l.command(session.Hangup)
			c.pass(time.Minute)
			if l.closed(); len(l.ac.Sessions()) != 0 {
				t.Errorf("%d sessions left at the AC", len(l.ac.Sessions()))
			}
		})
	}
}

// last returns the last event of a kind.
func (l *line) last(k session.Kind) session.Event {
	for _, e := range slices.Backward(l.events) {
		if e.Kind == k {
			return e
		}
	}
	return session.Event{}
}
