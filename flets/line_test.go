package flets_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/flets"
	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
	"pppoectl/timer"
)

const (
	user4 = "user@bizf.example.jp"
	user6 = "user@bizf6.example.jp"
	both  = "user@both.example.jp"
)

var lineMAC = pppoe.MAC{0, 0x1e, 0x13, 0xc2, 0x69, 0xc2}

// box is a line with hosts on it and a virtual clock.
type box struct {
	t       testing.TB
	l       *flets.Line
	now     time.Duration
	next    time.Duration
	hosts   []*host
	events  []concentrator.Event
	packets [][]byte
	frames  []pppoe.Frame // to hosts
	queue   []pppoe.Frame // of these, what has not arrived yet
	busy    bool          // it is being emptied
	express bool          // the last input was tried there
}

type host struct {
	b      *box
	mac    pppoe.MAC
	m      *session.Machine
	next   time.Duration
	events []session.Event
	ip     [][]byte
}

// newBox returns the line of the example, with more YAML behind it, at two hours.
func newBox(t testing.TB, change func(*flets.Config)) *box {
	t.Helper()
	c, err := flets.Parse([]byte(flets.Example))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&c)
	}
	b := &box{t: t, now: 2 * time.Hour}
	b.l = flets.New(c, lineMAC, b.now, rand.New(rand.NewPCG(1, 2)))
	b.take(b.l.Tick(b.now))
	return b
}

func (b *box) host(user string) *host {
	families := map[string][]session.Family{user4: {session.IPv4}, user6: {session.IPv6}}[user]
	if families == nil {
		families = []session.Family{session.IPv4, session.IPv6}
	}
	password := map[string]string{user4: "secret4", user6: "secret6", both: "secret"}[user]
	if password == "" {
		password = "load"
	}
	return b.hostWith(session.Config{Username: user, Password: password, Families: families})
}

func (b *box) hostWith(cfg session.Config) *host {
	n := byte(len(b.hosts) + 1)
	cfg.MAC, cfg.MTU, cfg.Auth = pppoe.MAC{2, 0, 0, 0, 0, n}, 1454, []lcp.Auth{lcp.AuthCHAPMD5, lcp.AuthPAP}
	cfg.IPCP, cfg.InterfaceID = ipcp.Config{DNS: true}, ipv6cp.Identifier{0xfd, 1, 2, 3, 4, 5, 6, n}
	cfg.Failures, cfg.DeadAfter = 5, 24*time.Hour
	h := &host{b: b, mac: cfg.MAC, m: session.New(cfg, rand.New(rand.NewPCG(3, uint64(n))))}
	b.hosts = append(b.hosts, h)
	return h
}

func (h *host) do(in session.Input) {
	in.Received = uint64(len(h.ip))
	out := h.m.Step(h.b.now, in)
	h.next = out.Deadline
	h.events = append(h.events, out.Events...)
	for _, f := range out.Frames {
		h.b.receive(f)
	}
}

func (h *host) dial() {
	h.b.t.Helper()
	h.do(session.Input{Command: session.Dial})
	h.b.run(time.Second)
}

func (h *host) up() *host {
	h.b.t.Helper()
	h.dial()
	if p := h.m.Phase(); p != session.Up {
		h.b.t.Fatalf("%v is in phase %q; %v", h.mac, p, h.events)
	}
	return h
}

// expectDown expects that the session has ended for a reason.
func (h *host) expectDown(c cause.Code, peer string) {
	h.b.t.Helper()
	for i := len(h.events) - 1; i >= 0; i-- {
		if e := h.events[i]; e.Kind == session.Closed {
			if e.Cause != c || e.Peer != peer {
				h.b.t.Errorf("ended by %+v, want %v and %q", e, c, peer)
			}
			return
		}
	}
	h.b.t.Errorf("phase %q, want it ended; %v", h.m.Phase(), h.events)
}

// data returns a session frame of the host's with an IP packet.
func (h *host) data(packet []byte) pppoe.Frame {
	i := h.m.Info()
	protocol := ppp.IPv4
	if packet[0]>>4 == 6 {
		protocol = ppp.IPv6
	}
	p := pppoe.Packet{SessionID: i.SessionID, Payload: ppp.AppendFrame(nil, protocol, packet)}
	return pppoe.Frame{Dst: i.AC, Src: h.mac, EtherType: pppoe.EtherTypeSession, Payload: p.AppendTo(nil)}
}

func (h *host) count(kind session.Kind) int {
	n := 0
	for _, e := range h.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// take takes what the line says.
func (b *box) take(out flets.Output) {
	b.next = out.Deadline
	b.events = append(b.events, out.Events...)
	b.packets = append(b.packets, out.Packets...)
	b.frames, b.queue = append(b.frames, out.Frames...), append(b.queue, out.Frames...)
	if b.busy {
		return
	}
	b.busy = true
	for ; len(b.queue) > 0; b.queue = b.queue[1:] {
		b.deliver(b.queue[0])
	}
	b.busy = false
}

func (b *box) deliver(f pppoe.Frame) {
	for _, h := range b.hosts {
		switch {
		case f.Dst != h.mac:
		case f.EtherType == pppoe.EtherTypeSession && len(f.Payload) > 8 && f.Payload[6] == 0:
			h.ip = append(h.ip, f.Payload[8:])
		default:
			h.do(session.Input{Frame: &f})
		}
	}
}

// do carries out a command.
func (b *box) do(text string) {
	b.t.Helper()
	if err := b.try(text); err != nil {
		b.t.Fatalf("%s: %v", text, err)
	}
}

func (b *box) try(text string) error {
	b.t.Helper()
	c, err := flets.ParseCommand(text)
	if err != nil {
		b.t.Fatal(err)
	}
	out, err := b.l.Do(b.now, c)
	b.take(out)
	return err
}

// run lets time pass.
func (b *box) run(d time.Duration) {
	b.t.Helper()
	end := b.now + d
	for steps := 0; ; steps++ {
		if steps > 1000000 {
			b.t.Fatal("the line does not come to rest")
		}
		next := b.next
		for _, h := range b.hosts {
			next = timer.Earliest(next, h.next)
		}
		if next == 0 || next > end {
			b.now = end
			return
		}
		b.now = max(b.now, next)
		if b.next != 0 && b.next <= b.now {
			b.take(b.l.Tick(b.now))
		}
		for _, h := range b.hosts {
			if h.next != 0 && h.next <= b.now {
				h.do(session.Input{})
			}
		}
	}
}

// faults returns the commands that events told of.
func (b *box) faults() []string {
	var list []string
	for _, e := range b.events {
		if e.Kind == flets.Fault {
			list = append(list, e.Text)
		}
	}
	return list
}

// ip4 returns an IPv4 packet; no checksum, for nobody looks at it here.
func ip4(from, to [4]byte, n int) []byte {
	b := append([]byte{0x45, 0, 0, byte(20 + n), 0, 0, 0, 0, 64, 253, 0, 0}, append(from[:], to[:]...)...)
	return append(b, make([]byte, n)...)
}

var (
	out4  = [4]byte{198, 51, 100, 1}
	host4 = [4]byte{203, 0, 113, 7}
)

func TestLineCarriesPackets(t *testing.T) {
	b := newBox(t, nil)
	h := b.host(user4).up()
	b.carry(ip4(out4, host4, 8))
	b.carry(ip4(out4, [4]byte{203, 0, 113, 99}, 8))
	b.carry(nil)
	if len(h.ip) != 1 || string(h.ip[0]) != string(ip4(out4, host4, 8)) {
		t.Errorf("%x", h.ip)
	}
	b.receive(h.data(ip4(host4, out4, 8)))
	b.receive(h.data(ip4(out4, host4, 8)))
	if len(b.packets) != 1 || string(b.packets[0]) != string(ip4(host4, out4, 8)) {
		t.Errorf("%x", b.packets)
	}
}

func TestSecondConcentrator(t *testing.T) {
	b := newBox(t, nil)
	macs := b.l.MACs()
	if len(macs) != 2 || macs[0] != lineMAC || macs[1] == lineMAC || !macs[1].Unicast() {
		t.Fatalf("%v", macs)
	}
	osaka := b.hostWith(session.Config{Username: user4, Password: "secret4", Families: []session.Family{session.IPv4}, Discovery: pppoe.Want{ACName: "BAS-OSAKA"}})
	osaka.dial()
	if osaka.m.Phase() != session.Discovery {
		t.Fatalf("phase %q while it is off", osaka.m.Phase())
	}
	b.do("on BAS-OSAKA")
	b.run(time.Minute)
	if i := osaka.m.Info(); i.Phase != session.Up || i.AC != macs[1] {
		t.Fatalf("%+v", i)
	}
	b.carry(ip4(out4, host4, 8))
	if len(osaka.ip) != 1 {
		t.Error("no packet comes by the second")
	}
	second := b.host(user4)
	second.dial() // at the other one, but a login is one
	second.expectDown(cause.AuthRejected, "already logged in")
	b.do("off BAS-OSAKA")
	if n := len(b.l.Status(b.now).Sessions); n != 0 {
		t.Errorf("%d sessions at one that is off", n)
	}
	second.up()
}

func TestMACsAsConfigured(t *testing.T) {
	own := pppoe.MAC{2, 9, 9, 9, 9, 9}
	b := newBox(t, func(c *flets.Config) { c.ACs[1].MAC = &own })
	if macs := b.l.MACs(); macs[0] != lineMAC || macs[1] != own {
		t.Errorf("%v", macs)
	}
}

func TestScenarioRunsAtItsTimes(t *testing.T) {
	c, err := flets.Parse([]byte(flets.Example[:strings.Index(flets.Example, "scenario:")] + `
scenario:
- {at: 10s, do: drop user@bizf.example.jp}
- {at: 10s, do: lose 0%}
- {at: 20s, do: padt nobody@example.jp}
- {at: 30s, do: terminate user@bizf6.example.jp see you}
`))
	if err != nil {
		t.Fatal(err)
	}
	b := newBox(t, func(to *flets.Config) { *to = c })
	h := b.host(user6).up()
	b.run(8*time.Second + 999*time.Millisecond)
	if len(b.faults()) != 0 {
		t.Errorf("too early: %q", b.faults())
	}
	b.run(time.Millisecond)
	// The first fails, for there is no such session, and the second does not.
	if got := strings.Join(b.faults(), "; "); got != "drop user@bizf.example.jp: user@bizf.example.jp has no session; lose 0%" {
		t.Errorf("%q", got)
	}
	b.run(20 * time.Second)
	h.expectDown(cause.Terminated, "see you")
	if b.l.Tick(b.now).Deadline == b.now {
		t.Error("the scenario does not end")
	}
}

func TestDestinationsOfTheExample(t *testing.T) {
	if n := len(newBox(t, nil).l.Destinations()); n != 6 {
		t.Errorf("%d destinations, want 6", n)
	}
}
