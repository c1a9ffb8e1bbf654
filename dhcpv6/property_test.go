package dhcpv6_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	wire "github.com/insomniacslk/dhcp/dhcpv6"

	"pppoectl/dhcpv6"
)

// world is a client and a server with a bad channel between them. The server
// moves, forgets, refuses and goes away.
type world struct {
	t     *testing.T
	r     *rand.Rand
	c     *dhcpv6.Client
	now   time.Duration
	next  time.Duration // the client's deadline
	up    bool          // the link
	alive bool          // the server
	loss  float64
	onWay []packet
	net   int  // which prefix the server gives
	knows bool // the server has our binding
	sent  []time.Duration
}

type packet struct {
	at       time.Duration
	toServer bool
	data     []byte
	says     map[netip.Prefix]lifetimes
}

type lifetimes struct{ preferred, valid time.Duration }

func (w *world) step(in dhcpv6.Input, says map[netip.Prefix]lifetimes) {
	w.t.Helper()
	before := w.c.Lease().Prefixes
	out := w.c.Step(w.now, in)
	w.next = out.Deadline
	if w.next != 0 && w.next < w.now || len(out.Messages) > 2 {
		w.t.Fatalf("deadline %v at %v, %d messages", w.next, w.now, len(out.Messages))
	}
	for _, b := range out.Messages {
		w.sent = append(w.sent, w.now)
		w.post(packet{toServer: true, data: b})
	}
	after := w.c.Lease().Prefixes
	w.check(before, after, says)
	for _, p := range before { // nothing vanishes for no reason
		gone := !slices.ContainsFunc(after, func(q dhcpv6.Prefix) bool { return q.Prefix == p.Prefix })
		if l, ok := says[p.Prefix]; gone && p.ValidUntil > w.now && in.Command != dhcpv6.Release && (!ok || l.valid > 0) {
			w.t.Fatalf("%v is gone at %v", p, w.now)
		}
	}
	if p := w.c.Phase(); (p == dhcpv6.Bound || p == dhcpv6.Renewing) && !w.c.Confirmed() {
		w.t.Fatalf("%s, not confirmed: %v", p, after)
	}
}

// check expects each prefix to be as it was, but for its deprecation, or as the
// server has just said.
func (w *world) check(before, after []dhcpv6.Prefix, says map[netip.Prefix]lifetimes) {
	w.t.Helper()
	for _, p := range after {
		i := slices.IndexFunc(before, func(q dhcpv6.Prefix) bool { return q.Prefix == p.Prefix })
		kept := i >= 0 && p.ValidUntil == before[i].ValidUntil && p.PreferredUntil <= before[i].PreferredUntil
		l, ok := says[p.Prefix]
		said := ok && p.ValidUntil == w.now+l.valid && p.PreferredUntil == w.now+l.preferred
		if !kept && !said || p.ValidUntil <= w.now {
			w.t.Fatalf("%+v at %v; was %v, the server says %v", p, w.now, before, says)
		}
	}
}

// post puts a packet on the way: lost, late, doubled.
func (w *world) post(p packet) {
	for range 1 + w.r.IntN(2) {
		if w.r.Float64() < w.loss {
			continue
		}
		p.at = w.now + time.Duration(w.r.Int64N(int64(50*time.Millisecond)))
		if w.r.IntN(20) == 0 {
			p.at += time.Duration(w.r.Int64N(int64(2 * time.Minute)))
		}
		w.onWay = append(w.onWay, p)
	}
}

// serve is the server.
func (w *world) serve(b []byte) {
	m, err := wire.MessageFromBytes(b)
	if err != nil {
		w.t.Fatal(err)
	}
	if s := m.Options.ServerID(); !w.alive || s != nil && !bytes.Equal(s.ToBytes(), serverA) {
		return
	}
	kind, options, says := reply, [][]byte{clientID(duid), serverID(serverA)}, map[netip.Prefix]lifetimes{}
	current := netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x00::/56", 1+w.net))
	give := func(more ...[]byte) {
		life := uint32(600 + w.r.IntN(86400))
		says[current] = lifetimes{time.Duration(life/2) * time.Second, time.Duration(life) * time.Second}
		options = append(options, pd(append(more, prefix(current.String(), life/2, life))...))
	}
	switch m.MessageType {
	case solicit:
		if kind = advertise; w.r.IntN(4) == 0 {
			kind, w.knows = reply, true
			options = append(options, rapidCommit())
		}
		if w.r.IntN(10) == 0 {
			options = append(options, pd(status(6, "")))
		} else {
			give()
		}
	case request:
		w.knows = true
		give()
	case renew, rebind:
		var gone [][]byte
		for _, p := range m.Options.OneIAPD().Options.Prefixes() {
			if p.Prefix.String() != current.String() && w.r.IntN(2) == 0 {
				gone = append(gone, prefix(p.Prefix.String(), 0, 0))
				says[netip.MustParsePrefix(p.Prefix.String())] = lifetimes{}
			}
		}
		if w.knows {
			give(gone...)
		} else {
			options = append(options, pd(status(3, "")))
		}
	case release:
		w.knows = false
	}
	w.post(packet{data: slices.Concat([]byte{byte(kind)}, m.TransactionID[:], slices.Concat(options...)), says: says})
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	for end := w.now + d; ; {
		at, which := end, -1
		if w.next != 0 && w.next < at {
			at = w.next
		}
		for i, p := range w.onWay {
			if p.at < at {
				at, which = p.at, i
			}
		}
		w.now = max(w.now, at)
		switch {
		case which >= 0:
			p := w.onWay[which]
			w.onWay = slices.Delete(w.onWay, which, which+1)
			if !w.up {
				continue
			}
			if p.toServer {
				w.serve(p.data)
				continue
			}
			w.step(dhcpv6.Input{Message: p.data}, p.says)
		case at == end:
			return
		default:
			w.step(dhcpv6.Input{}, nil)
		}
	}
}

func (w *world) command(c dhcpv6.Command) {
	w.up = c == dhcpv6.Start || w.up && c == dhcpv6.Release
	w.step(dhcpv6.Input{Command: c}, nil)
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 8415)), now: time.Hour, alive: true}
	w.c = dhcpv6.New(dhcpv6.Config{DUID: duid, IAID: iaid}, rand.New(rand.NewPCG(seed, 18)))
	return w
}

// Whatever happens on the line and in the server, a prefix is only there as long
// as the server's word, messages are few, and once the server has lived for a
// while the client is bound to what it gives.
func TestClientFindsItsWayBack(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := newWorld(t, seed)
			w.loss = float64(seed%4) * 0.2
			w.command(dhcpv6.Start)
			for range 100 {
				switch w.r.IntN(10) {
				case 0:
					w.alive = !w.alive
				case 1:
					w.knows = false
				case 2, 3:
					w.net = w.r.IntN(8)
				case 4:
					w.command(dhcpv6.Stop)
					w.run(time.Duration(w.r.Int64N(int64(time.Hour))))
					w.command(dhcpv6.Start)
				case 5: // sleep
					w.now += time.Duration(w.r.Int64N(int64(48 * time.Hour)))
					w.step(dhcpv6.Input{}, nil)
				case 6:
					if w.r.IntN(4) == 0 {
						w.command(dhcpv6.Release)
						w.run(time.Minute)
						w.command(dhcpv6.Start)
					}
				}
				w.run(time.Duration(w.r.Int64N(int64(3 * time.Hour))))
			}
			w.alive, w.loss = true, 0.2
			w.run(12 * time.Hour) // of a search at its slowest, an hour, some are lost
			w.bound()
			w.rate()
		})
	}
}

// bound expects the client to have what the server gives, at the latest at the
// next Renew.
func (w *world) bound() {
	w.t.Helper()
	if p := w.c.Phase(); p != dhcpv6.Bound && p != dhcpv6.Renewing && p != dhcpv6.Rebinding || !w.c.Confirmed() {
		w.t.Errorf("phase %q, confirmed %v, with a server that answers", p, w.c.Confirmed())
	}
	current := netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x00::/56", 1+w.net))
	w.run(24 * time.Hour)
	for _, p := range w.c.Lease().Prefixes {
		if p.Prefix == current {
			return
		}
	}
	w.t.Errorf("lease %v, want %v", w.c.Lease().Prefixes, current)
}

// rate checks RFC 8415 section 14.1's token bucket: in any time, no more than 20
// and one each second.
func (w *world) rate() {
	w.t.Helper()
	for i, from := range w.sent {
		for j := i + 20; j < min(len(w.sent), i+200); j++ {
			if most := 21 + int((w.sent[j]-from)/time.Second); j-i+1 > most {
				w.t.Fatalf("%d messages in %v", j-i+1, w.sent[j]-from)
			}
		}
	}
}

// A perfect line and a server that changes nothing: bound at once, and never
// anything but Renews.
func TestQuietLineIsQuiet(t *testing.T) {
	l := newLink(t)
	bound(l)
	l.forget()
	for range 1000 { // three weeks
		l.run(l.next - l.now)
		l.last(renew)
		l.say(reply, usual())
		l.phase(dhcpv6.Bound)
		l.has(given)
	}
	if len(l.sent) != 1000 || len(l.events) != 1000 {
		t.Errorf("%d messages, %d events, want 1000 of each", len(l.sent), len(l.events))
	}
}

// All options at random, many of them nonsense, in all phases.
func TestNonsenseNeverBreaksTheRules(t *testing.T) {
	texts := []string{given, other, "2001:db8::/0", "ff00::/8", "fe80::/64", "::/48", "2001:db8::1/64", "2001:db8::/200"}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		number := func() uint32 {
			return []uint32{0, 1, 2, 30, 3600, 7200, 1 << 31, infinity - 1, infinity}[r.IntN(9)]
		}
		l := newLink(t)
		asking[r.IntN(len(asking))].to(l)
		for range 200 {
			var options [][]byte
			for range r.IntN(4) {
				var prefixes [][]byte
				for range r.IntN(4) {
					prefixes = append(prefixes, prefix(texts[r.IntN(len(texts))], number(), number()))
				}
				if r.IntN(5) == 0 {
					prefixes = append(prefixes, status(r.IntN(8), "x"))
				}
				options = append(options, ia(iaid, number(), number(), prefixes...))
			}
			if r.IntN(2) == 0 {
				options = append(options, rapidCommit(), preference(byte(r.Uint32())))
			}
			kind := reply
			if r.IntN(2) == 0 {
				kind = advertise
			}
			out := l.sayAs([][]byte{serverA, serverB}[r.IntN(2)], kind, options...)
			if len(out.Messages) > 2 {
				t.Fatalf("%d messages", len(out.Messages))
			}
			seen := map[netip.Prefix]bool{}
			for _, p := range l.c.Lease().Prefixes {
				if !dhcpv6.Delegable(p.Prefix) || p.PreferredUntil > p.ValidUntil || p.ValidUntil <= l.now || seen[p.Prefix] {
					t.Fatalf("seed %d: %v at %v", seed, l.c.Lease().Prefixes, l.now)
				}
				seen[p.Prefix] = true
			}
			if x := l.c.Lease(); l.c.Phase() == dhcpv6.Bound && (len(x.Prefixes) == 0 || x.T1 > x.T2 || x.T1 <= l.now) {
				t.Fatalf("seed %d: bound to %+v at %v", seed, x, l.now)
			}
			if l.next == 0 && l.c.Phase() != dhcpv6.Bound || l.next != 0 && l.next < l.now {
				t.Fatalf("seed %d: phase %q, deadline %v at %v", seed, l.c.Phase(), l.next, l.now)
			}
			l.run(min(time.Duration(number()), 7200) * time.Second)
		}
	}
}
