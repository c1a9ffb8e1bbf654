package session_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"reflect"
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

var (
	hostMAC = pppoe.MAC{2, 0, 0, 0, 0, 1}
	acMAC   = pppoe.MAC{0, 0x1e, 0x13, 0xc2, 0x69, 0xc2}
)

// line is a session and an access concentrator with a virtual clock and a wire
// between them.
type line struct {
	t      testing.TB
	now    time.Duration
	m      *session.Machine
	ac     *concentrator.AC
	cfg    session.Config
	seed   *rand.Rand
	queue  []pppoe.Frame
	next   time.Duration // the session's deadline
	acNext time.Duration
	events []session.Event
	sent   []pppoe.Frame            // by the session
	cut    bool                     // the wire is
	filter func(f pppoe.Frame) bool // lets a frame of either side through
	check  func()                   // after each step of the session
	data   uint64                   // data packets received so far
}

func newLine(t testing.TB, change func(*session.Config, *concentrator.Config)) *line {
	cfg := session.Config{
		MAC: hostMAC, MTU: 1454, Username: "user@bizf.example.jp", Password: "secret4",
		Auth:     []lcp.Auth{lcp.AuthCHAPMD5, lcp.AuthPAP},
		Families: []session.Family{session.IPv4}, IPCP: ipcp.Config{DNS: true},
		InterfaceID: ipv6cp.Identifier{0xfd, 0x61, 0xff, 0x9b, 0xeb, 0x97, 0x1f, 0x93},
		Echo:        lcp.EchoConfig{Interval: 10 * time.Second}, Failures: 5, DeadAfter: time.Minute,
	}
	ac := concentrator.Config{
		MAC: acMAC, Name: "BAS-TOKYO", Auth: []lcp.Auth{lcp.AuthPAP}, Secret: []byte("cookie"),
		Address: netip.MustParseAddr("203.0.113.1"),
		Subscribers: concentrator.NewSubscribers(map[string]concentrator.Login{
			"user@bizf.example.jp": {
				Password: "secret4", IPv4: netip.MustParseAddr("203.0.113.7"),
				DNS: [2]netip.Addr{netip.MustParseAddr("198.51.100.53"), netip.MustParseAddr("198.51.100.54")},
			},
			"user@bizf6.example.jp": {Password: "secret6", IPv6: true},
			"user@both.example.jp":  {Password: "secret", IPv4: netip.MustParseAddr("203.0.113.8"), IPv6: true},
		}),
	}
	if change != nil {
		change(&cfg, &ac)
	}
	r := rand.New(rand.NewPCG(1, 2))
	return &line{
		t: t, now: time.Hour, cfg: cfg, seed: r, m: session.New(cfg, r),
		ac: concentrator.New(ac, rand.New(rand.NewPCG(3, 4))),
	}
}

func both(c *session.Config, _ *concentrator.Config) {
	c.Username, c.Password = "user@both.example.jp", "secret"
	c.Families = []session.Family{session.IPv4, session.IPv6}
}

// do feeds one input to the session and puts its frames on the wire.
func (l *line) do(in session.Input) {
	in.Received = l.data
	out := l.m.Step(l.now, in)
	l.next = out.Deadline
	l.events = append(l.events, out.Events...)
	l.sent = append(l.sent, out.Frames...)
	l.queue = append(l.queue, out.Frames...)
	if l.check != nil {
		l.check()
	}
}

func (l *line) command(c session.Command) { l.do(session.Input{Command: c, Cause: cause.Released}) }

// inject puts frames of the concentrator on the wire.
func (l *line) inject(frames ...pppoe.Frame) { l.queue = append(l.queue, frames...) }

func (l *line) acStep(f *pppoe.Frame) {
	out := l.ac.Step(l.now, f)
	l.acNext = out.Deadline
	l.queue = append(l.queue, out.Frames...)
}

// run lets time pass until the wire is silent and d is over.
func (l *line) run(d time.Duration) {
	l.t.Helper()
	end := l.now + d
	for steps := 0; ; steps++ {
		if steps > 100000 {
			l.t.Fatal("the line does not come to rest")
		}
		if len(l.queue) > 0 {
			f := l.queue[0]
			l.queue = l.queue[1:]
			if l.cut || l.filter != nil && !l.filter(f) {
				continue
			}
			if f.Src == hostMAC {
				l.acStep(&f)
			} else {
				l.do(session.Input{Frame: &f})
			}
			continue
		}
		next := timer.Earliest(l.next, l.acNext)
		if next == 0 || next > end {
			l.now = end
			return
		}
		l.now = max(l.now, next)
		if l.next != 0 && l.next <= l.now {
			l.do(session.Input{})
		}
		if l.acNext != 0 && l.acNext <= l.now {
			l.acStep(nil)
		}
	}
}

// up dials and expects the session to come up.
func (l *line) up() {
	l.t.Helper()
	l.command(session.Dial)
	l.run(5 * time.Second)
	if p := l.m.Phase(); p != session.Up {
		l.t.Fatalf("phase %q after 5 s, want up; events: %v", p, l.events)
	}
}

// closed expects that the session has ended, and returns how.
func (l *line) closed() session.Event {
	l.t.Helper()
	for _, e := range l.events {
		if e.Kind == session.Closed {
			return e
		}
	}
	l.t.Fatalf("the session is not closed but in phase %q; events: %v", l.m.Phase(), l.events)
	return session.Event{}
}

func (l *line) has(k session.Kind) bool { return l.count(k) > 0 }

func (l *line) count(k session.Kind) int {
	n := 0
	for _, e := range l.events {
		if e.Kind == k {
			n++
		}
	}
	return n
}

// sentCodes counts the session's discovery frames with the given code.
func (l *line) sentCodes(code pppoe.Code) int {
	n := 0
	for _, f := range l.sent {
		if p, err := pppoe.ParsePacket(f.Payload); err == nil && f.EtherType == pppoe.EtherTypeDiscovery && p.Code == code {
			n++
		}
	}
	return n
}

// theSession returns the concentrator's only session.
func (l *line) theSession() *concentrator.Session {
	l.t.Helper()
	for _, s := range l.ac.Sessions() {
		return s
	}
	l.t.Fatal("the concentrator has no session")
	return nil
}

// fromAC makes a session frame of the concentrator's.
func (l *line) fromAC(id uint16, payload []byte) pppoe.Frame {
	b := pppoe.Packet{SessionID: id, Payload: payload}.AppendTo(nil)
	return pppoe.Frame{Dst: hostMAC, Src: acMAC, EtherType: pppoe.EtherTypeSession, Payload: b}
}

// restoreEachStep replaces the session by a copy made from its snapshot, by way
// of JSON, after each step.
func (l *line) restoreEachStep() {
	l.check = func() {
		s := l.m.Snapshot()
		b, err := json.Marshal(s)
		if err != nil {
			l.t.Fatal(err)
		}
		var again session.Snapshot
		if err := json.Unmarshal(b, &again); err != nil {
			l.t.Fatal(err)
		}
		m := session.New(l.cfg, l.seed)
		m.Restore(again)
		b2, _ := json.Marshal(m.Snapshot())
		if string(b) != string(b2) {
			l.t.Fatalf("restored session differs:\n%s\n%s", b, b2)
		}
		if !reflect.DeepEqual(l.m.Info(), m.Info()) {
			l.t.Fatalf("restored session tells otherwise:\n%+v\n%+v", l.m.Info(), m.Info())
		}
		l.m = m
	}
}
