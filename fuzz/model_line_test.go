package fuzz_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/pppoe"
	"pppoectl/session"
	"pppoectl/timer"
)

// both is a session and its concentrator on a line with a virtual clock. What
// becomes of a frame on its way is fate's decision.
type both struct {
	t           testing.TB
	now         time.Duration
	cfg         session.Config
	m           *session.Machine
	ac          *concentrator.AC
	next        time.Duration // the session's deadline
	acNext      time.Duration
	events      []session.Event
	flying      []arrival
	sent        int // frames of both
	fate        func(n int, f pppoe.Frame) []time.Duration
	hosts, acs  rand.PCG          // their chance
	step        func(what string) // before anything happens to either
	afterHost   func(in session.Input, out session.Output)
	afterAC     func(f *pppoe.Frame, out concentrator.Output)
	authChoice  []lcp.Auth
	hostAddress netip.Addr
}

type arrival struct {
	at time.Duration
	f  pppoe.Frame
}

// wireDelay is how long a frame is on its way if nothing happens to it.
const wireDelay = time.Millisecond

func newBoth(t testing.TB, auth ...lcp.Auth) *both {
	b := &both{t: t, now: time.Hour, authChoice: auth, hostAddress: netip.MustParseAddr("203.0.113.8")}
	b.hosts, b.acs = *rand.NewPCG(1, 2), *rand.NewPCG(3, 4)
	b.cfg = session.Config{
		MAC: host, MTU: 1454, Username: "user", Password: "hunter22", Auth: []lcp.Auth{lcp.AuthCHAPMD5, lcp.AuthPAP},
		Families: []session.Family{session.IPv4, session.IPv6}, IPCP: ipcp.Config{DNS: true},
		InterfaceID: ipv6cp.Identifier{1, 2, 3, 4, 5, 6, 7, 8}, Echo: lcp.EchoConfig{Interval: 10 * time.Second},
		Failures: 5, DeadAfter: time.Minute,
	}
	login := concentrator.Login{
		Password: "hunter22", IPv4: b.hostAddress, IPv6: true,
		DNS: [2]netip.Addr{netip.MustParseAddr("198.51.100.53"), netip.MustParseAddr("198.51.100.54")},
	}
	b.m = session.New(b.cfg, rand.New(&b.hosts))
	b.ac = concentrator.New(concentrator.Config{
		MAC: ac, Name: "BAS", Auth: auth, Secret: []byte("cookie"), Echo: 10 * time.Second,
		Address:     netip.MustParseAddr("203.0.113.1"),
		Subscribers: concentrator.NewSubscribers(map[string]concentrator.Login{"user": login, "": login}),
	}, rand.New(&b.acs))
	return b
}

// put puts frames of either on the wire.
func (b *both) put(frames ...pppoe.Frame) {
	for _, f := range frames {
		delays := []time.Duration{wireDelay}
		if b.fate != nil {
			delays = b.fate(b.sent, f)
		}
		b.sent++
		for _, d := range delays {
			b.flying = append(b.flying, arrival{b.now + d, f})
		}
	}
	slices.SortStableFunc(b.flying, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
}

func (b *both) do(in session.Input) session.Output {
	if b.step != nil {
		b.step("host")
	}
	out := b.m.Step(b.now, in)
	b.next = out.Deadline
	b.events = append(b.events, out.Events...)
	b.put(out.Frames...)
	if b.afterHost != nil {
		b.afterHost(in, out)
	}
	return out
}

func (b *both) command(c session.Command) {
	b.do(session.Input{Command: c, Cause: cause.Released, Text: "bye"})
}

func (b *both) acStep(f *pppoe.Frame) {
	if b.step != nil {
		b.step("AC")
	}
	out := b.ac.Step(b.now, f)
	b.acNext = out.Deadline
	b.put(out.Frames...)
	if b.afterAC != nil {
		b.afterAC(f, out)
	}
}

// run lets time pass; it ends early when done says so.
func (b *both) run(d time.Duration, done func() bool) {
	b.t.Helper()
	end := b.now + d
	for range 100000 {
		if done != nil && done() {
			return
		}
		var first time.Duration
		if len(b.flying) > 0 {
			first = b.flying[0].at
		}
		next := timer.Earliest(first, b.next, b.acNext)
		if next == 0 || next > end {
			b.now = end
			return
		}
		b.now = max(b.now, next)
		switch next {
		case first:
			f := b.flying[0].f
			b.flying = b.flying[1:]
			if f.Src == host {
				b.acStep(&f)
			} else {
				b.do(session.Input{Frame: &f})
			}
		case b.next:
			b.do(session.Input{})
		default:
			b.acStep(nil)
		}
	}
	b.t.Fatal("the line does not come to rest")
}

func (b *both) isUp() bool {
	i := b.m.Info()
	return b.m.Phase() == session.Up && i.IPv4 != nil && i.IPv6 != nil && !i.Suspect
}

// contents writes down all that v remembers, also what is not exported. Functions are left out.
func contents(v any) string {
	var b strings.Builder
	write(&b, reflect.ValueOf(v), map[uintptr]bool{})
	return b.String()
}

func write(b *strings.Builder, v reflect.Value, seen map[uintptr]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] {
			b.WriteString("*")
			return
		}
		seen[v.Pointer()] = true
		write(b, v.Elem(), seen)
	case reflect.Interface:
		if !v.IsNil() {
			write(b, v.Elem(), seen)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			b.WriteString(v.Type().Field(i).Name + "{")
			write(b, v.Field(i), seen)
			b.WriteString("}")
		}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			fmt.Fprintf(b, "%x", v.Bytes())
			return
		}
		for i := range v.Len() {
			write(b, v.Index(i), seen)
			b.WriteString(",")
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return cmp.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
		for _, k := range keys {
			fmt.Fprint(b, k, ":")
			write(b, v.MapIndex(k), seen)
			b.WriteString(",")
		}
	case reflect.Func:
	default:
		fmt.Fprint(b, v)
	}
}
