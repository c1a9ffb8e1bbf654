package concentrator_test

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
	"pppoectl/timer"
)

var (
	acMAC = pppoe.MAC{0, 0x1e, 0x13, 0xc2, 0x69, 0xc2}
	addr  = netip.MustParseAddr
	pfx   = netip.MustParsePrefix
)

// The logins of the tests.
const (
	user4    = "user@bizf.example.jp"  // IPCP only
	user6    = "user@bizf6.example.jp" // IPv6CP only, with a prefix
	userBoth = "user@both.example.jp"
	userBare = "user@bare.example.jp" // IPv6CP, without a prefix
)

func logins() map[string]concentrator.Login {
	return map[string]concentrator.Login{
		user4: {Password: "secret", IPv4: addr("203.0.113.7"), Block: pfx("198.51.100.8/29"),
			DNS: [2]netip.Addr{addr("198.51.100.53"), addr("198.51.100.54")}},
		user6: {Password: "secret", IPv6: true, Prefix: pfx("2001:db8:100::/56"),
			DNS6: []netip.Addr{addr("2001:db8:ffff::53"), addr("2001:db8:ffff::54")}},
		userBoth: {Password: "secret", IPv4: addr("203.0.113.8"), IPv6: true, Prefix: pfx("2001:db8:200::/56")},
		userBare: {Password: "secret", IPv6: true},
	}
}

// segment is an Ethernet with concentrators, hosts and a virtual clock.
type segment struct {
	t       testing.TB
	now     time.Duration
	subs    *concentrator.Subscribers
	acs     []*concentrator.AC
	acNext  []time.Duration
	hosts   []*host
	queue   []pppoe.Frame
	packets [][]byte // that the concentrators hand to the network behind
	events  []concentrator.Event
	filter  func(pppoe.Frame) bool // lets a frame through
}

// newSegment returns a segment with one concentrator, which change may change.
func newSegment(t testing.TB, change func(*concentrator.Config)) *segment {
	s := &segment{t: t, now: time.Hour, subs: concentrator.NewSubscribers(logins())}
	s.addAC("BAS-TOKYO", change)
	return s
}

func (s *segment) addAC(name string, change func(*concentrator.Config)) *concentrator.AC {
	n := byte(len(s.acs))
	cfg := concentrator.Config{
		MAC: acMAC, Name: name, Auth: []lcp.Auth{lcp.AuthPAP}, Secret: []byte{'c', n},
		Address: addr("203.0.113.1"), Subscribers: s.subs,
	}
	cfg.MAC[5] += n
	if change != nil {
		change(&cfg)
	}
	ac := concentrator.New(cfg, rand.New(rand.NewPCG(3, uint64(n))))
	s.acs, s.acNext = append(s.acs, ac), append(s.acNext, 0)
	return ac
}

// host is a session.Machine with an Ethernet address.
type host struct {
	s      *segment
	mac    pppoe.MAC
	m      *session.Machine
	next   time.Duration
	events []session.Event
	heard  []pppoe.Frame // all that was for it
	ip     [][]byte      // IP packets among that
}

// host adds a host of a user, with the families that his login has.
func (s *segment) host(user string, families ...session.Family) *host {
	mac := pppoe.MAC{2, 0, 0, 0, 0, byte(len(s.hosts) + 1)}
	return s.hostAt(mac, user, families...)
}

func (s *segment) hostAt(mac pppoe.MAC, user string, families ...session.Family) *host {
	cfg := session.Config{
		MAC: mac, MTU: 1454, Username: user, Password: "secret",
		Auth: []lcp.Auth{lcp.AuthCHAPMD5, lcp.AuthPAP}, Families: families, IPCP: ipcp.Config{DNS: true},
		InterfaceID: ipv6cp.Identifier{0xfd, 0x61, 0xff, 0x9b, 0xeb, 0x97, 0x1f, mac[5]},
		Failures:    5, DeadAfter: time.Hour,
	}
	if len(families) == 0 {
		cfg.Families = map[string][]session.Family{
			user4: {session.IPv4}, user6: {session.IPv6}, userBare: {session.IPv6},
		}[user]
		if cfg.Families == nil {
			cfg.Families = []session.Family{session.IPv4, session.IPv6}
		}
	}
	return s.hostWith(cfg)
}

func (s *segment) hostWith(cfg session.Config) *host {
	h := &host{s: s, mac: cfg.MAC, m: session.New(cfg, rand.New(rand.NewPCG(5, uint64(len(s.hosts)))))}
	s.hosts = append(s.hosts, h)
	return h
}

// up dials and expects the session to come up.
func (h *host) up() *host {
	h.s.t.Helper()
	h.dial()
	if p := h.m.Phase(); p != session.Up {
		h.s.t.Fatalf("%v is in phase %q after a second; events: %v", h.mac, p, h.events)
	}
	return h
}

// dial dials and lets a second pass.
func (h *host) dial() {
	h.s.t.Helper()
	h.do(session.Input{Command: session.Dial})
	h.s.run(time.Second)
}

// hangup ends the session by the rules, abandon with no more than a PADT.
func (h *host) hangup() {
	h.s.t.Helper()
	h.do(session.Input{Command: session.Hangup, Cause: cause.Released})
	h.s.run(time.Second)
}

func (h *host) abandon() {
	h.s.t.Helper()
	h.do(session.Input{Command: session.Abandon, Cause: cause.Released})
	h.s.run(0)
}

func (h *host) do(in session.Input) {
	in.Received = uint64(len(h.ip))
	out := h.m.Step(h.s.now, in)
	h.next = out.Deadline
	h.events = append(h.events, out.Events...)
	h.s.queue = append(h.s.queue, out.Frames...)
}

// closed expects that the session has ended, and returns how the last one did.
func (h *host) closed() session.Event {
	h.s.t.Helper()
	for i := len(h.events) - 1; i >= 0; i-- {
		if h.events[i].Kind == session.Closed {
			return h.events[i]
		}
	}
	h.s.t.Fatalf("the session of %v is in phase %q; events: %v", h.mac, h.m.Phase(), h.events)
	return session.Event{}
}

// at returns the host's session at a concentrator.
func (h *host) at(ac *concentrator.AC) *concentrator.Session {
	h.s.t.Helper()
	for _, o := range ac.Sessions() {
		if o.Host == h.mac && o.ID == h.m.Info().SessionID {
			return o
		}
	}
	h.s.t.Fatalf("%v has no session %d", h.mac, h.m.Info().SessionID)
	return nil
}

// theSession is the host's session at the first concentrator.
func (h *host) theSession() *concentrator.Session {
	h.s.t.Helper()
	return h.at(h.s.acs[0])
}

// ppp puts a frame of the host's session on the wire.
func (h *host) ppp(protocol ppp.Protocol, information []byte) {
	i := h.m.Info()
	b := pppoe.Packet{SessionID: i.SessionID, Payload: ppp.AppendFrame(nil, protocol, information)}.AppendTo(nil)
	h.s.queue = append(h.s.queue, pppoe.Frame{Dst: i.AC, Src: h.mac, EtherType: pppoe.EtherTypeSession, Payload: b})
}

// send puts an IP packet of the host on the wire and lets it arrive.
func (h *host) send(packet []byte) {
	h.s.t.Helper()
	protocol := ppp.IPv4
	if packet[0]>>4 == 6 {
		protocol = ppp.IPv6
	}
	h.ppp(protocol, packet)
	h.s.run(0)
}

// told reports whether the host was told something of LCP or an NCP, by code.
func (h *host) told(protocol ppp.Protocol, code ppp.Code) []ppp.Packet {
	var list []ppp.Packet
	for _, f := range h.heard {
		p, err := pppoe.ParsePacket(f.Payload)
		if err != nil || f.EtherType != pppoe.EtherTypeSession {
			continue
		}
		got, information, err := ppp.ParseFrame(p.Payload)
		if err != nil || got != protocol {
			continue
		}
		if c, err := ppp.ParsePacket(information); err == nil && c.Code == code {
			list = append(list, c)
		}
	}
	return list
}

// padts counts the PADTs that a host has heard.
func (h *host) padts() int {
	n := 0
	for _, f := range h.heard {
		if p, err := pppoe.ParsePacket(f.Payload); err == nil && f.EtherType == pppoe.EtherTypeDiscovery && p.Code == pppoe.PADT {
			n++
		}
	}
	return n
}

// collect takes what a concentrator said.
func (s *segment) collect(i int, out concentrator.Output) {
	s.acNext[i] = out.Deadline
	s.queue = append(s.queue, out.Frames...)
	s.packets = append(s.packets, out.Packets...)
	s.events = append(s.events, out.Events...)
}

// carry hands a packet of the network behind to the first concentrator.
func (s *segment) carry(packet []byte) {
	s.t.Helper()
	s.collect(0, s.pass(s.acs[0], packet))
	s.run(0)
}

// act puts the frames of a command on the wire, and steps the concentrators.
func (s *segment) act(frames []pppoe.Frame) {
	s.t.Helper()
	s.queue = append(s.queue, frames...)
	for i, ac := range s.acs {
		s.collect(i, ac.Step(s.now, nil))
	}
	s.run(0)
}

// run lets time pass until the wire is silent and d is over.
func (s *segment) run(d time.Duration) {
	s.t.Helper()
	end := s.now + d
	for steps := 0; ; steps++ {
		if steps > 1000000 {
			s.t.Fatal("the segment does not come to rest")
		}
		if len(s.queue) > 0 {
			f := s.queue[0]
			s.queue = s.queue[1:]
			if s.filter == nil || s.filter(f) {
				s.deliver(f)
			}
			continue
		}
		var next time.Duration
		for i := range s.acs {
			next = timer.Earliest(next, s.acNext[i])
		}
		for _, h := range s.hosts {
			next = timer.Earliest(next, h.next)
		}
		if next == 0 || next > end {
			s.now = end
			return
		}
		s.now = max(s.now, next)
		for i, ac := range s.acs {
			if s.acNext[i] != 0 && s.acNext[i] <= s.now {
				s.collect(i, ac.Step(s.now, nil))
			}
		}
		for _, h := range s.hosts {
			if h.next != 0 && h.next <= s.now {
				h.do(session.Input{})
			}
		}
	}
}

// deliver hands a frame to every station, as an Ethernet does.
func (s *segment) deliver(f pppoe.Frame) {
	for i, ac := range s.acs {
		s.collect(i, s.step(ac, f))
	}
	for _, h := range s.hosts {
		if f.Dst != h.mac {
			continue
		}
		h.heard = append(h.heard, f)
		if p, err := pppoe.ParsePacket(f.Payload); err == nil && f.EtherType == pppoe.EtherTypeSession {
			if protocol, b, err := ppp.ParseFrame(p.Payload); err == nil && (protocol == ppp.IPv4 || protocol == ppp.IPv6) {
				h.ip = append(h.ip, b)
				continue
			}
		}
		h.do(session.Input{Frame: &f})
	}
}

// happened returns the events of a kind.
func (s *segment) happened(kind concentrator.Kind) []concentrator.Event {
	var list []concentrator.Event
	for _, e := range s.events {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// expectEvent fails unless there is an event of a kind whose text begins so.
func (s *segment) expectEvent(kind concentrator.Kind, text string) {
	s.t.Helper()
	for _, e := range s.happened(kind) {
		if strings.HasPrefix(e.Text, text) {
			return
		}
	}
	s.t.Errorf("no event %q with %q; events: %v", kind, text, s.events)
}
