package fuzz_test

import (
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/ndp"

	"pppoectl/lan"
)

// The language of FuzzAdvertiser: an octet says what happens, and takes what it
// needs from the octets that follow.
const (
	oplTell    = iota // 1 octet: flags; 1 octet: how many prefixes, 3 octets each; 1 octet: length n; n octets: domains
	oplAsk            // 1 octet: host; somebody solicits
	oplMany           // 1 octet: how many hosts
	oplRestart        // the interface has come up
	oplFinal          // the router goes away
	oplTime           // 1 octet: how long
	oplReload         // another run begins with what hosts may have
	oplCount
)

// teller plays a sequence to an advertiser and checks what must always hold.
type teller struct {
	t         *testing.T
	a         *lan.Advertiser
	r         *rand.Rand
	now, next time.Duration
	data      []byte
	last      time.Duration // the last to all; 0: none
	answers   []time.Duration
}

var lanMAC = net.HardwareAddr{2, 0, 0, 0, 0, 9}

func (l *teller) octet() byte {
	if len(l.data) == 0 {
		return 0
	}
	b := l.data[0]
	l.data = l.data[1:]
	return b
}

func (l *teller) octets() []byte {
	n := min(int(l.octet()), len(l.data))
	b := l.data[:n]
	l.data = l.data[n:]
	return b
}

func (l *teller) do(in lan.Input) {
	out := l.a.Step(l.now, in)
	l.next = out.Deadline
	if l.next != 0 && l.next <= l.now {
		l.t.Fatalf("deadline %v at %v", l.next, l.now)
	}
	for _, m := range out.Messages {
		l.message(m, in.Final)
	}
	known := l.a.Known()
	seen := map[netip.Prefix]bool{}
	for _, k := range known {
		if seen[k.Prefix] || k.Until <= l.now {
			l.t.Fatalf("at %v: %v", l.now, known)
		}
		seen[k.Prefix] = true
	}
	if len(known) > 16+8 {
		l.t.Fatalf("%d prefixes are remembered", len(known))
	}
}

// message checks an advertisement: it can be sent in one piece (RFC 6980), is
// understood as it was meant, and comes at a rate that RFC 4861 section 6.2.6 allows.
func (l *teller) message(m lan.Message, final bool) {
	b, err := ndp.MarshalMessage(m.Advertisement)
	if err != nil {
		l.t.Fatalf("%+v: %v", m.Advertisement, err)
	}
	back, err := ndp.ParseMessage(b)
	if err != nil || len(b)+40 > 1500 {
		l.t.Fatalf("%d octets %x: %v", len(b), b, err)
	}
	if again, err := ndp.MarshalMessage(back); err != nil || string(again) != string(b) {
		l.t.Fatalf("%x came back as %x, %v", b, again, err)
	}
	for _, o := range m.Advertisement.Options {
		if p, ok := o.(*ndp.PrefixInformation); ok && (p.PreferredLifetime > p.ValidLifetime || p.ValidLifetime > 90*time.Minute || final && p.ValidLifetime > 0) {
			l.t.Fatalf("%+v", p)
		}
	}
	if !m.To.IsMulticast() {
		if l.answers = append(l.answers, l.now); len(l.answers) > 60 && l.now-l.answers[len(l.answers)-61] < 500*time.Millisecond {
			l.t.Fatal("more than 60 answers in half a second")
		}
		return
	}
	if !final && l.last != 0 && l.now-l.last < 3*time.Second {
		l.t.Fatalf("to all at %v and at %v", l.last, l.now)
	}
	if !final {
		l.last = l.now
	}
}

func (l *teller) prefix() lan.Prefix {
	n := l.octet()
	times := []time.Duration{0, time.Second, 10 * time.Second, time.Minute, 20 * time.Minute, 2 * time.Hour, lan.Forever - l.now}
	valid := times[int(l.octet())%len(times)]
	p := lan.Prefix{PreferredUntil: l.now + min(valid, times[int(l.octet())%len(times)]), ValidUntil: l.now + valid}
	p.Prefix = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, n % 24}), 64)
	return p
}

// tell is a configuration as a daemon makes it of leases: domains are host names
// of labels up to 63 octets.
func (l *teller) tell() {
	flags := l.octet()
	c := lan.Config{Router: flags&1 != 0, MTU: []int{0, 1280, 1454, 1500}[flags>>1&3]}
	for range l.octet() % 40 {
		p := l.prefix()
		if !slices.ContainsFunc(c.Prefixes, func(q lan.Prefix) bool { return q.Prefix == p.Prefix }) {
			c.Prefixes = append(c.Prefixes, p)
			c.Routes = append(c.Routes, lan.Prefix{Prefix: netip.PrefixFrom(p.Prefix.Addr(), 56).Masked(), ValidUntil: p.ValidUntil})
		}
	}
	for i := range flags >> 4 {
		c.DNS = append(c.DNS, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: i}))
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	if text := strings.Map(func(r rune) rune {
		if strings.ContainsRune(letters+" ", r) {
			return r
		}
		return 'x'
	}, string(l.octets())); text != "" {
		for _, d := range strings.Fields(text) {
			if !slices.ContainsFunc(strings.Split(d, "."), func(label string) bool { return len(label) > 63 }) {
				c.Domains = append(c.Domains, d)
			}
		}
	}
	l.do(lan.Input{Config: &c})
}

func (l *teller) step() {
	asks := func(n byte) {
		hosts := []netip.Addr{netip.IPv6Unspecified(), netip.MustParseAddr("2001:db8::1"), netip.AddrFrom16([16]byte{0xfe, 0x80, 15: n})}
		l.do(lan.Input{Asked: hosts[min(int(n), 2)]})
	}
	switch l.octet() % oplCount {
	case oplTell:
		l.tell()
	case oplAsk:
		asks(l.octet())
	case oplMany:
		for n := range l.octet() {
			asks(n)
		}
	case oplRestart:
		l.do(lan.Input{Restart: true})
	case oplFinal:
		l.do(lan.Input{Final: true})
	case oplTime:
		n := time.Duration(l.octet())
		end := l.now + n*n*n*time.Millisecond // up to 4.6 hours
		for calls := 0; l.next != 0 && l.next <= end; calls++ {
			if calls > 12000 {
				l.t.Fatal("the deadlines have no end")
			}
			l.now = l.next
			l.do(lan.Input{})
		}
		l.now = end
		l.do(lan.Input{})
	case oplReload:
		b, err := json.Marshal(l.a.Known())
		if err != nil {
			l.t.Fatal(err)
		}
		var known []lan.Stale
		if err := json.Unmarshal(b, &known); err != nil {
			l.t.Fatal(err)
		}
		l.a, l.last = lan.NewAdvertiser(l.now, lanMAC, known, l.r), 0
		l.do(lan.Input{})
	}
}

// FuzzAdvertiser is what a LAN is told under any sequence of leases, solicitations
// and time.
func FuzzAdvertiser(f *testing.F) {
	usual := []byte{oplTell, 0x15, 2, 1, 5, 5, 2, 4, 3, 21, 'a', '.', 'j', 'p', ' ', 'x', 'n', '-', '-', 'z', 'z', '.', 'j', 'p', ' ', 'a', '.', '.', 'b', ' ', 'c'}
	f.Add(usual)
	for _, more := range [][]byte{
		{oplTime, 255, oplAsk, 3, oplTime, 10, oplAsk, 0, oplTime, 20}, {oplTell, 0, 1, 3, 2, 2, 0, oplTime, 200, oplReload, oplRestart, oplTime, 100},
		{oplMany, 255, oplTime, 9}, {oplFinal, oplTime, 50, oplRestart, oplTime, 50}, {oplTell, 0, 0, 0, oplTime, 250},
	} {
		f.Add(slices.Concat(usual, more))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &teller{t: t, r: rand.New(rand.NewPCG(1, 2)), now: time.Hour, data: data}
		l.a = lan.NewAdvertiser(l.now, lanMAC, nil, l.r)
		for steps := 0; len(l.data) > 0 && steps < 200; steps++ {
			l.step()
		}
	})
}
