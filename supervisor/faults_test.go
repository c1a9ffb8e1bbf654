package supervisor_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/flets"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// box is a Flets line in a box at the end of the wire.
type box struct {
	*flets.Line
	packets [][]byte // that have come through
}

// Step implements peer.
func (b *box) Step(now time.Duration, f *pppoe.Frame) concentrator.Output {
	if f == nil {
		return b.took(b.Tick(now))
	}
	return b.took(b.Receive(now, *f))
}

func (b *box) took(out flets.Output) concentrator.Output {
	b.packets = append(b.packets, out.Packets...)
	return concentrator.Output{Frames: out.Frames, Deadline: out.Deadline}
}

// inBox runs f in a world whose line is fletsim's example, of which text replaces
// parts.
func inBox(t *testing.T, replace []string, uplinks []configs.Uplink, f func(w *world, b *box)) {
	cfg, err := flets.Parse([]byte(strings.NewReplacer(replace...).Replace(flets.Example)))
	if err != nil {
		t.Fatal(err)
	}
	inWorldOf(t, uplinks, func(w *world) {
		b := &box{Line: flets.New(cfg, acMAC, w.wire.now(), rand.New(rand.NewPCG(1, 2)))}
		w.mu().Lock()
		w.peer = b
		w.mu().Unlock()
		for _, u := range uplinks {
			w.sup.Restart(background(), u.Name, time.Second) // it dialled the other one meanwhile
		}
		f(w, b)
	})
}

func (w *world) mu() *sync.Mutex { return &w.wire.mu }

// fault has the line do something.
func (w *world) fault(b *box, text string) {
	w.t.Helper()
	c, err := flets.ParseCommand(text)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu().Lock()
	out, err := b.Do(w.wire.now(), c)
	w.deliver(b.took(out))
	w.mu().Unlock()
	if err != nil {
		w.t.Fatal(err)
	}
	w.kick()
}

// ping sends a packet from the host's present address, if that has a session.
func (w *world) ping() {
	w.kernel.mu.Lock()
	var open *path
	for _, p := range w.paths {
		p.mu.Lock()
		if p.open && p.ipv4 {
			open = p
		}
		p.mu.Unlock()
	}
	w.kernel.mu.Unlock()
	u := w.uplink("bizf")
	w.mu().Lock()
	defer w.mu().Unlock()
	if open == nil || u.IPv4 == nil || !w.status.Carrier {
		return
	}
	packet := make([]byte, 28)
	packet[0] = 0x45
	binary.BigEndian.PutUint16(packet[2:], 28)
	copy(packet[12:], netip.MustParseAddr(u.IPv4.Local).AsSlice())
	copy(packet[16:], []byte{198, 51, 100, 1})
	payload := pppoe.Packet{SessionID: open.session.ID, Payload: ppp.AppendFrame(nil, ppp.IPv4, packet)}.AppendTo(nil)
	w.deliver(w.peer.Step(w.wire.now(), &pppoe.Frame{Dst: open.session.AC, Src: open.session.MAC, EtherType: pppoe.EtherTypeSession, Payload: payload}))
	w.kick()
}

// grain is how often a packet is sent.
const grain = 20 * time.Millisecond

// watch lets time pass and returns the longest time during which nothing came
// through, and whether something does at its end.
func (w *world) watch(b *box, d time.Duration) (longest time.Duration, passes bool) {
	var since time.Duration
	for at := time.Duration(0); at < d; at += grain {
		w.mu().Lock()
		n := len(b.packets)
		b.packets = nil
		w.mu().Unlock()
		if n > 0 {
			since = 0
		} else {
			since += grain
		}
		longest = max(longest, since)
		w.ping()
		w.pass(grain)
	}
	return longest, since < time.Second
}

// Each fault that fletsim knows, against the whole client with its default
// configuration: what it did, and how long nothing came through. The table is in
// docs/faults.md.
func TestFaults(t *testing.T) {
	const login = "user@bizf.example.jp"
	cases := []struct {
		name     string
		fault    []string // carried out one after another
		during   time.Duration
		atLeast  time.Duration // nothing comes through
		atMost   time.Duration
		cause    cause.Code // of the drop; None: the session stays
		sessions int        // begun because of it
		replace  []string   // in fletsim's configuration
		acName   string     // configured
	}{
		{name: "the session is forgotten", fault: []string{"drop " + login}, during: 2 * time.Minute, atLeast: 4 * time.Second, atMost: 17 * time.Second, cause: cause.EchoLost, sessions: 1},
		{name: "PADT", fault: []string{"padt " + login}, during: time.Minute, atMost: 1500 * time.Millisecond, cause: cause.PADT, sessions: 1},
		{name: "LCP Terminate-Request", fault: []string{"terminate " + login + " maintenance"}, during: time.Minute, atMost: 1500 * time.Millisecond, cause: cause.Terminated, sessions: 1},
		{name: "the AC restarts in no time", fault: []string{"forget"}, during: 2 * time.Minute, atLeast: 4 * time.Second, atMost: 17 * time.Second, cause: cause.EchoLost, sessions: 1},
		{name: "the AC restarts, away for 30 s", fault: []string{"restart 30s"}, during: 2 * time.Minute, atLeast: 30 * time.Second, atMost: 36 * time.Second, cause: cause.EchoLost, sessions: 1},
		{name: "PADT, and the login is refused for 20 s", fault: []string{"refuse " + login + " 20s", "padt " + login}, during: 2 * time.Minute, atLeast: 20 * time.Second, atMost: 45 * time.Second, cause: cause.PADT, sessions: 3},
		{name: "PADT, and the AC is full for 20 s", fault: []string{"full 20s", "padt " + login}, during: 2 * time.Minute, atLeast: 20 * time.Second, atMost: time.Minute, cause: cause.PADT, sessions: 1},
		{name: "silence for 30 s", fault: []string{"silence 30s"}, during: 2 * time.Minute, atLeast: 29 * time.Second, atMost: 31 * time.Second, replace: []string{"failures: 3", "failures: 60"}},
		{name: "silence for 30 s, and the AC gives up first", fault: []string{"silence 30s"}, during: 2 * time.Minute, atLeast: 29 * time.Second, atMost: 36 * time.Second, cause: cause.EchoLost, sessions: 1, replace: []string{"interval: 10s", "interval: 5s"}},
		{name: "silence for 90 s", fault: []string{"silence 90s"}, during: 4 * time.Minute, atLeast: 89 * time.Second, atMost: 125 * time.Second, cause: cause.EchoLost, sessions: 1},
		{name: "each frame is 0.3 s late", fault: []string{"delay 310ms"}, during: 2 * time.Minute, atMost: time.Second},
		{name: "each frame is 3 s late", fault: []string{"delay 3010ms"}, during: 5 * time.Minute, atMost: 4 * time.Second},
		{name: "20 % of the frames are lost", fault: []string{"lose 20%"}, during: 10 * time.Minute, atMost: time.Second, replace: []string{"failures: 3", "failures: 60"}},
		{name: "all frames come twice", fault: []string{"duplicate 100%"}, during: 2 * time.Minute},
		{name: "half of the frames are overtaken", fault: []string{"reorder 50%"}, during: 2 * time.Minute, atMost: time.Second},
		{name: "LCP begins anew (LAC, then LNS)", fault: []string{"renegotiate " + login}, during: time.Minute, atMost: 100 * time.Millisecond},
		{name: "PADT, and lossy: 20 %", fault: []string{"lose 20% 1m", "padt " + login}, during: 2 * time.Minute, atMost: 20 * time.Second, cause: cause.PADT, sessions: 1},
		{name: "PADT, and all frames come twice", fault: []string{"duplicate 100% 1m", "padt " + login}, during: 2 * time.Minute, atMost: 1500 * time.Millisecond, cause: cause.PADT, sessions: 1},
		{name: "PADT, and overtaken: 50 %", fault: []string{"reorder 50% 1m", "padt " + login}, during: 2 * time.Minute, atMost: 5 * time.Second, cause: cause.PADT, sessions: 1},
		{name: "PADT, and answers are 2 s late", fault: []string{"slow 2s 1m", "padt " + login}, during: 2 * time.Minute, atLeast: 8 * time.Second, atMost: 20 * time.Second, cause: cause.PADT, sessions: 1},
		{name: "another address, LCP anew", fault: []string{"address " + login + " 203.0.113.99", "renegotiate " + login}, during: time.Minute, atMost: 100 * time.Millisecond},
		{name: "another address, PADT", fault: []string{"address " + login + " 203.0.113.99", "padt " + login}, during: time.Minute, atMost: 1500 * time.Millisecond, cause: cause.PADT, sessions: 1},
		{name: "another prefix for the other login", fault: []string{"prefix user@bizf6.example.jp 2001:db8:300::/56"}, during: time.Minute},
		{name: "the AC has another name", fault: []string{"rename BAS-TOKYO BAS-NAGOYA", "padt " + login}, during: time.Minute, atMost: 1500 * time.Millisecond, cause: cause.PADT, sessions: 1},
		{name: "an AC with two names, the second one wanted", fault: []string{"padt " + login}, during: time.Minute, atMost: 1500 * time.Millisecond, cause: cause.PADT, sessions: 1,
			replace: []string{"# aliases", "aliases"}, acName: "BAS-TOKYO-2"},
		{name: "a second AC takes over", fault: []string{"off BAS-TOKYO", "on BAS-OSAKA"}, during: 2 * time.Minute, atLeast: 4 * time.Second, atMost: 17 * time.Second, cause: cause.EchoLost, sessions: 1},
		{name: "a second AC comes as well", fault: []string{"on BAS-OSAKA"}, during: 2 * time.Minute},
	}
	var table strings.Builder
	table.WriteString(preface)
	row := func(cells ...string) { fmt.Fprintf(&table, "| %s |\n", strings.Join(cells, " | ")) }
	row("what happens", "commands", "nothing came through for", "the session", "PADRs", "what pppoectl said of it")
	row("---", "---", "---", "---", "---", "---")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			uplinks := configuration().Uplinks[:1]
			uplinks[0].Want.ACName = c.acName
			inBox(t, c.replace, uplinks, func(w *world, b *box) {
				// Not just after an echo, and no packet at the moment of a timer.
				w.pass(time.Hour + 3*time.Second + 7*time.Millisecond)
				w.expect("bizf", control.Up)
				if _, passes := w.watch(b, time.Second); !passes {
					t.Fatal("nothing comes through to begin with")
				}
				before, padr := w.uplink("bizf"), w.count(pppoe.PADR)
				for _, f := range c.fault {
					w.fault(b, f)
				}
				down, passes := w.watch(b, c.during)
				u := w.uplink("bizf")
				if u.State != control.Up && u.State != control.Suspect || !passes {
					t.Fatalf("%s at the end; %+v", u.State, u.LastError)
				}
				if down < c.atLeast || down > c.atMost {
					t.Errorf("nothing came through for %v, want %v to %v", down, c.atLeast, c.atMost)
				}
				same := u.SessionID == before.SessionID && *u.AC == *before.AC
				if same != (c.cause == cause.None) {
					t.Errorf("session %d, was %d", u.SessionID, before.SessionID)
				}
				if c.acName != "" && (u.AC == nil || u.AC.Name != c.acName) {
					t.Errorf("AC %+v", u.AC)
				}
				kept, said := "stays", ""
				if !same {
					kept = "is a new one"
				}
				if d := u.LastDrop; d != nil && !same {
					said = d.Text
					if d.Cause != c.cause {
						t.Errorf("dropped by %v, want %v", d.Cause, c.cause)
					}
				} else if c.cause != cause.None {
					t.Error("no drop")
				}
				begun := w.count(pppoe.PADR) - padr
				if begun < c.sessions || begun > c.sessions+3 {
					t.Errorf("%d PADRs, want %d", begun, c.sessions)
				}
				name := c.name
				if len(c.replace) > 0 {
					name += " (AC: `" + c.replace[1] + "`)"
				}
				row(name, "`"+strings.Join(c.fault, "`, `")+"`", down.String(), kept, fmt.Sprint(begun), said)
			})
		})
	}
	const file = "../docs/faults.md"
	if *update {
		if err := os.WriteFile(file, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(old) != table.String() {
		t.Errorf("%s says otherwise; `go test ./supervisor -run Faults -update` writes\n%s", file, &table)
	}
}

var update = flag.Bool("update", false, "write docs/faults.md")

const preface = `# What a fault does

Each fault that ` + "`fletsim`" + ` knows, against the whole client with its default configuration: one IPv4 uplink, up for an
hour, echoes each 10 s, the last one 3 s ago. The line is that of ` + "`fletsim example`" + `, which gives a host up after three unanswered
echoes and lets a login in once, but for what stands in parentheses. A packet is sent each 20 ms; "nothing came through" is the
longest gap. The clock is a simulated one, so the figures are exact and the same each time; links and processes add their own
milliseconds, and what is lost is one draw of many. ` + "`lab/e2e`" + ` has some of these with real processes.
` + "`go test ./supervisor -run Faults -update`" + ` writes this page, and the test fails when it is not true any more.

`
