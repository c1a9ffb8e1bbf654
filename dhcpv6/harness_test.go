package dhcpv6_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	wire "github.com/insomniacslk/dhcp/dhcpv6"

	"pppoectl/dhcpv6"
)

const (
	iaid     = 0x5e100001
	infinity = 0xffffffff
	forever  = dhcpv6.Forever
)

var (
	duid    = []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 1}
	serverA = []byte{0, 3, 0, 1, 2, 0, 0x5e, 0x10, 0, 0xa}
	serverB = []byte{0, 3, 0, 1, 2, 0, 0x5e, 0x10, 0, 0xb}
)

// What bound gives: T1 half an hour, T2 48 minutes, preferred for an hour, valid
// for two.
const (
	given     = "2001:db8:100::/56"
	other     = "2001:db8:200::/56"
	t1, t2    = 1800 * time.Second, 2880 * time.Second
	preferred = 3600
	valid     = 7200
)

func u16(n int) []byte    { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// opt is an option; what is in it need make no sense.
func opt(code wire.OptionCode, parts ...[]byte) []byte {
	data := slices.Concat(parts...)
	return slices.Concat(u16(int(code)), u16(len(data)), data)
}

func clientID(b []byte) []byte { return opt(wire.OptionClientID, b) }
func serverID(b []byte) []byte { return opt(wire.OptionServerID, b) }

func preference(n byte) []byte { return opt(wire.OptionPreference, []byte{n}) }

func solMaxRT(seconds uint32) []byte { return opt(wire.OptionSolMaxRT, u32(seconds)) }

func rapidCommit() []byte { return opt(wire.OptionRapidCommit) }

func status(code int, text string) []byte {
	return opt(wire.OptionStatusCode, u16(code), []byte(text))
}

func ia(id, t1, t2 uint32, options ...[]byte) []byte {
	return opt(wire.OptionIAPD, u32(id), u32(t1), u32(t2), slices.Concat(options...))
}

// pd is our IA_PD with T1 and T2 left to the client.
func pd(options ...[]byte) []byte { return ia(iaid, 0, 0, options...) }

// prefix is an IA Prefix.
func prefix(p string, preferred, valid uint32, options ...[]byte) []byte {
	addr, bits, _ := strings.Cut(p, "/")
	var n int
	if _, err := fmt.Sscan(bits, &n); err != nil {
		panic(err)
	}
	a := netip.MustParseAddr(addr).As16()
	return opt(wire.OptionIAPrefix, u32(preferred), u32(valid), []byte{byte(n)}, a[:], slices.Concat(options...))
}

// usual is what a good server says.
func usual() []byte { return ia(iaid, 1800, 2880, prefix(given, preferred, valid)) }

// sent is one message of the client, read by another decoder.
type sent struct {
	*wire.Message
	at  time.Duration
	raw []byte
}

// prefixes lists what the message is about.
func (s sent) prefixes() []string {
	list := []string{}
	for _, p := range s.Options.OneIAPD().Options.Prefixes() {
		list = append(list, p.Prefix.String())
	}
	return list
}

func (s sent) server() []byte {
	if d := s.Options.ServerID(); d != nil {
		return d.ToBytes()
	}
	return nil
}

// link is a client on a link with servers that say what a test tells them to.
type link struct {
	t      testing.TB
	c      *dhcpv6.Client
	duid   []byte // the client's
	now    time.Duration
	next   time.Duration // the client's deadline
	sent   []sent
	events []dhcpv6.Event
}

func newLink(t testing.TB, changes ...func(*dhcpv6.Config)) *link {
	return seeded(t, 8415, changes...)
}

// seeded is a link whose client has random numbers of its own.
func seeded(t testing.TB, seed uint64, changes ...func(*dhcpv6.Config)) *link {
	t.Helper()
	cfg := dhcpv6.Config{DUID: duid, IAID: iaid}
	for _, change := range changes {
		change(&cfg)
	}
	return &link{t: t, duid: cfg.DUID, now: 1000 * time.Second, c: dhcpv6.New(cfg, rand.New(rand.NewPCG(seed, 18)))}
}

// step feeds one input. Every message must be whole, with our DUID and IAID, and
// leave all times to the server (RFC 8415 sections 21.21 and 21.22).
func (l *link) step(in dhcpv6.Input) dhcpv6.Output {
	l.t.Helper()
	out := l.c.Step(l.now, in)
	l.next = out.Deadline
	for _, raw := range out.Messages {
		m, err := wire.MessageFromBytes(raw)
		if err != nil {
			l.t.Fatalf("message %x: %v", raw, err)
		}
		s := sent{m, l.now, raw}
		d, ias := m.Options.ClientID(), m.Options.IAPD()
		if d == nil || !bytes.Equal(d.ToBytes(), l.duid) || len(ias) != 1 || binary.BigEndian.Uint32(ias[0].IaId[:]) != iaid {
			l.t.Fatalf("client %v, IA_PDs %v", d, ias)
		}
		if ias[0].T1 != 0 || ias[0].T2 != 0 {
			l.t.Errorf("T1 %v, T2 %v; want 0", ias[0].T1, ias[0].T2)
		}
		for _, p := range ias[0].Options.Prefixes() {
			if p.PreferredLifetime != 0 || p.ValidLifetime != 0 {
				l.t.Errorf("lifetimes %v, %v; want 0", p.PreferredLifetime, p.ValidLifetime)
			}
		}
		l.sent = append(l.sent, s)
	}
	l.events = append(l.events, out.Events...)
	return out
}

func (l *link) command(c dhcpv6.Command) { l.t.Helper(); l.step(dhcpv6.Input{Command: c}) }

// run lets time pass, with a call at each deadline.
func (l *link) run(d time.Duration) {
	l.t.Helper()
	end := l.now + d
	for calls := 0; l.next != 0 && l.next <= end; calls++ {
		if calls > 100000 {
			l.t.Fatal("the deadlines have no end")
		}
		l.now = max(l.now, l.next)
		l.step(dhcpv6.Input{})
	}
	l.now = end
}

// last is the newest message; there must be one of this kind.
func (l *link) last(kind wire.MessageType) sent {
	l.t.Helper()
	if len(l.sent) == 0 || l.sent[len(l.sent)-1].MessageType != kind {
		l.t.Fatalf("last of %s, want %v", l.kinds(), kind)
	}
	return l.sent[len(l.sent)-1]
}

// kinds names what was sent.
func (l *link) kinds() string {
	var list []string
	for _, s := range l.sent {
		list = append(list, s.MessageType.String())
	}
	return strings.Join(list, " ")
}

// say is a message of serverA to us, about the newest message.
func (l *link) say(kind wire.MessageType, options ...[]byte) dhcpv6.Output {
	l.t.Helper()
	return l.sayAs(serverA, kind, options...)
}

func (l *link) sayAs(server []byte, kind wire.MessageType, options ...[]byte) dhcpv6.Output {
	l.t.Helper()
	return l.raw(kind, append([][]byte{clientID(duid), serverID(server)}, options...)...)
}

// raw is a message with the newest transaction id and nothing else of its own.
func (l *link) raw(kind wire.MessageType, options ...[]byte) dhcpv6.Output {
	l.t.Helper()
	xid := l.sent[len(l.sent)-1].TransactionID
	return l.step(dhcpv6.Input{Message: slices.Concat([]byte{byte(kind)}, xid[:], slices.Concat(options...))})
}

const (
	advertise = wire.MessageTypeAdvertise
	reply     = wire.MessageTypeReply
	solicit   = wire.MessageTypeSolicit
	request   = wire.MessageTypeRequest
	renew     = wire.MessageTypeRenew
	rebind    = wire.MessageTypeRebind
	release   = wire.MessageTypeRelease
)

// The way to each phase.
func soliciting(l *link) { l.t.Helper(); l.command(dhcpv6.Start); l.phase(dhcpv6.Soliciting) }

func requesting(l *link) {
	l.t.Helper()
	soliciting(l)
	l.say(advertise, preference(255), usual())
	l.phase(dhcpv6.Requesting)
}

func bound(l *link) {
	l.t.Helper()
	requesting(l)
	l.say(reply, usual())
	l.phase(dhcpv6.Bound)
}

func renewing(l *link) { l.t.Helper(); bound(l); l.run(t1); l.phase(dhcpv6.Renewing) }

func rebinding(l *link) { l.t.Helper(); bound(l); l.run(t2); l.phase(dhcpv6.Rebinding) }

func confirming(l *link) {
	l.t.Helper()
	bound(l)
	l.run(time.Minute)
	l.command(dhcpv6.Stop)
	l.run(time.Minute)
	l.command(dhcpv6.Start)
	l.phase(dhcpv6.Confirming)
}

func releasing(l *link) {
	l.t.Helper()
	bound(l)
	l.command(dhcpv6.Release)
	l.phase(dhcpv6.Releasing)
}

// phase is a way to a phase.
type phase struct {
	name string
	to   func(*link)
}

// asking are the phases in which a prefix is asked for.
var asking = []phase{
	{"soliciting", soliciting}, {"requesting", requesting}, {"renewing", renewing},
	{"rebinding", rebinding}, {"confirming", confirming},
}

func (l *link) phase(want dhcpv6.Phase) {
	l.t.Helper()
	if got := l.c.Phase(); got != want {
		l.t.Fatalf("phase %q, want %q; sent %s; %v", got, want, l.kinds(), l.events)
	}
}

// has expects the lease to be of exactly these prefixes, those behind "-" being
// deprecated.
func (l *link) has(want ...string) {
	l.t.Helper()
	got := []string{}
	for _, p := range l.c.Lease().Prefixes {
		text := p.Prefix.String()
		if !p.Preferred(l.now) {
			text = "-" + text
		}
		got = append(got, text)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		l.t.Errorf("lease of %v, want %v", got, want)
	}
}

// told expects exactly these kinds of events since the last forget.
func (l *link) told(want ...dhcpv6.Kind) {
	l.t.Helper()
	got := []dhcpv6.Kind{}
	for _, e := range l.events {
		got = append(got, e.Kind)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		l.t.Errorf("events %v, want %v", l.events, want)
	}
}

func (l *link) forget() { l.sent, l.events = nil, nil }

// state is all that a message must not change when it is dropped.
func (l *link) state() string {
	b, err := json.Marshal(l.c.Lease())
	if err != nil {
		l.t.Fatal(err)
	}
	return fmt.Sprint(l.c.Phase(), l.c.Confirmed(), l.next, string(b))
}

// dropped expects that a message changes nothing and is told of as dropped.
func (l *link) dropped(feed func()) {
	l.t.Helper()
	before, events, messages := l.state(), len(l.events), len(l.sent)
	feed()
	if after := l.state(); after != before {
		l.t.Errorf("now\n%s\nwas\n%s", after, before)
	}
	if news := l.events[events:]; len(news) != 1 || news[0].Kind != dhcpv6.Dropped || len(l.sent) != messages {
		l.t.Errorf("events %v, %d messages; want one dropped", news, len(l.sent)-messages)
	}
}
