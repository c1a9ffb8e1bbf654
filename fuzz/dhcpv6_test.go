package fuzz_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	wire "github.com/insomniacslk/dhcp/dhcpv6"

	"pppoectl/dhcpv6"
	"pppoectl/fuzz"
)

var (
	clientDUID  = []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 1}
	serverDUIDs = [][]byte{{0, 3, 0, 1, 2, 0, 0x5e, 0x10, 0, 0xa}, {0, 2, 0, 0, 0, 9, 7}}
)

// The language of FuzzDHCPv6Client: an octet says what happens, and takes what it
// needs from the octets that follow.
const (
	opStart   = iota // 0 to 2 are the commands
	opStop           // the link is down
	opRelease        // give back
	opWait           // 1 octet: how long, with a call at each deadline
	opSleep          // 1 octet: how long, without
	opSay            // 1 octet: kind and server; 1 octet: how many options; the options, see player6.option
	opGood           // 1 octet: which; the answer of a good server
	opBytes          // 1 octet: length n; n octets behind type and transaction id
	opKeep           // the client goes on from its lease, as after a restart
	op6Count
)

// player6 plays a sequence and checks what must always hold.
type player6 struct {
	t         *testing.T
	c         *dhcpv6.Client
	r         *rand.Rand
	now, next time.Duration
	data      []byte
	asked     *wire.Message // the newest message
	sent      []time.Duration
	steps     int
}

func newPlayer6(t *testing.T, data []byte) *player6 {
	p := &player6{t: t, r: rand.New(rand.NewPCG(1, 2)), now: time.Hour, data: data}
	p.c = dhcpv6.New(p.config(), p.r)
	return p
}

func (p *player6) config() dhcpv6.Config {
	return dhcpv6.Config{DUID: clientDUID, IAID: 7, Hint: netip.MustParsePrefix("::/56")}
}

func (p *player6) octet() byte {
	if len(p.data) == 0 {
		return 0
	}
	b := p.data[0]
	p.data = p.data[1:]
	return b
}

func (p *player6) octets(n int) []byte {
	n = min(n, len(p.data))
	b := p.data[:n]
	p.data = p.data[n:]
	return slices.Clone(b)
}

func (p *player6) do(in dhcpv6.Input) {
	var out dhcpv6.Output
	if p.steps++; p.steps%16 == 3 && in.Message != nil { // to measure takes its time
		fuzz.Frugal(p.t, len(in.Message), func() { out = p.c.Step(p.now, in) })
	} else {
		out = p.c.Step(p.now, in)
	}
	p.next = out.Deadline
	for i := range in.Message { // nothing is kept of it
		in.Message[i] = 0xee
	}
	if p.next != 0 && p.next < p.now || len(out.Messages) > 2 || len(out.Events) > 40 {
		p.t.Fatalf("deadline %v at %v; %d messages, %d events", p.next, p.now, len(out.Messages), len(out.Events))
	}
	for _, e := range out.Events {
		if len(e.Text) > 4096 || len(e.Peer) > 256 || e.Kind == "" {
			p.t.Fatalf("%d octets, %d of the server: %+v", len(e.Text), len(e.Peer), e)
		}
	}
	for _, b := range out.Messages {
		m, err := wire.MessageFromBytes(b)
		if err != nil || len(b) > 1232 || m.Options.ClientID() == nil || len(m.Options.IAPD()) != 1 {
			p.t.Fatalf("message %x: %v", b, err)
		}
		p.asked = m
		p.sent = append(p.sent, p.now)
		if n := len(p.sent) - 22; n >= 0 && p.now-p.sent[n] < time.Second {
			p.t.Fatalf("22 messages in %v", p.now-p.sent[n])
		}
	}
	p.check()
}

func (p *player6) check() {
	lease, phase := p.c.Lease(), p.c.Phase()
	seen := map[netip.Prefix]bool{}
	for _, q := range lease.Prefixes {
		if !dhcpv6.Delegable(q.Prefix) || q.Prefix.Bits() < 1 || q.PreferredUntil > q.ValidUntil || q.ValidUntil <= p.now || seen[q.Prefix] {
			p.t.Fatalf("%v at %v", lease.Prefixes, p.now)
		}
		seen[q.Prefix] = true
	}
	told := lease.Told
	if len(lease.Prefixes) > 32 || len(told.DNS) > 8 || len(told.Domains) > 8 || len(told.NTP) > 8 || len(told.AFTR) > 253 || len(lease.Server) > 130 {
		p.t.Fatalf("%+v", lease)
	}
	for _, name := range slices.Concat(told.Domains, told.NTP, []string{told.AFTR}) {
		if len(name) > 253 || bytes.ContainsAny([]byte(name), " \t\r\n\x00;'\"\\/%") {
			p.t.Fatalf("name %q", name)
		}
	}
	asking := phase != dhcpv6.Down && phase != dhcpv6.Bound
	if asking && p.next == 0 || phase == dhcpv6.Bound && (len(lease.Prefixes) == 0 || !p.c.Confirmed()) || p.c.Confirmed() && len(lease.Prefixes) == 0 {
		p.t.Fatalf("phase %q, deadline %v, confirmed %v, %+v", phase, p.next, p.c.Confirmed(), lease)
	}
}

func option6(code wire.OptionCode, parts ...[]byte) []byte {
	data := slices.Concat(parts...)
	b := binary.BigEndian.AppendUint16(nil, uint16(code))
	return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...)
}

// number is a lifetime or a time: those at which something may break.
func (p *player6) number() []byte {
	list := []uint32{0, 1, 2, 5, 60, 3600, 7200, 86400, 1 << 31, 0xfffffffe, 0xffffffff}
	return binary.BigEndian.AppendUint32(nil, list[int(p.octet())%len(list)])
}

func (p *player6) prefix() []byte {
	b := append(p.number(), p.number()...)
	n := p.octet()
	a := [16]byte{0x20, 1, 0xd, 0xb8, 0, n}
	length := []byte{56, 56, 56, 48, 64, 128, 0, 129}[n%8]
	if n > 250 {
		a[0] = n
	}
	status := []byte{}
	if n > 200 {
		status = option6(wire.OptionStatusCode, []byte{0, n - 200})
	}
	return option6(wire.OptionIAPrefix, b, []byte{length}, a[:], status)
}

// option builds one option: 1 octet says which.
func (p *player6) option() []byte {
	switch n := p.octet(); n % 8 {
	case 0, 1, 2: // our IA_PD, and sometimes another's
		id := []byte{0, 0, 0, 7}
		if n > 240 {
			id[3]++
		}
		inside := [][]byte{id, p.number(), p.number()}
		for range p.octet() % 5 {
			inside = append(inside, p.prefix())
		}
		if s := p.octet(); s > 200 {
			inside = append(inside, option6(wire.OptionStatusCode, []byte{0, s - 200}, p.octets(int(s%8))))
		}
		return option6(wire.OptionIAPD, inside...)
	case 3:
		return option6(wire.OptionRapidCommit)
	case 4:
		return option6(wire.OptionPreference, p.octets(1))
	case 5:
		return option6(wire.OptionStatusCode, []byte{0, p.octet() % 8}, p.octets(int(p.octet())))
	case 6:
		return option6(wire.OptionSolMaxRT, p.number())
	default:
		codes := []wire.OptionCode{wire.OptionDNSRecursiveNameServer, wire.OptionDomainSearchList, wire.OptionNTPServer, wire.OptionAFTRName, 67, wire.OptionIAPD}
		return option6(codes[int(p.octet())%len(codes)], p.octets(int(p.octet())))
	}
}

// say is a message with the newest transaction id and good identifiers.
func (p *player6) say(kind wire.MessageType, server []byte, options ...[]byte) {
	if p.asked == nil {
		return
	}
	x := p.asked.TransactionID
	p.do(dhcpv6.Input{Message: slices.Concat([]byte{byte(kind)}, x[:], option6(wire.OptionClientID, clientDUID), option6(wire.OptionServerID, server), slices.Concat(options...))})
}

func (p *player6) step() {
	switch op := p.octet() % op6Count; op {
	case opStart, opStop, opRelease:
		p.do(dhcpv6.Input{Command: dhcpv6.Command(op + 1)})
	case opWait:
		n := time.Duration(p.octet())
		end := p.now + n*n*n*time.Millisecond // up to 4.6 hours
		for calls := 0; p.next != 0 && p.next <= end; calls++ {
			if calls > 30000 {
				p.t.Fatal("the deadlines have no end")
			}
			p.now = max(p.now, p.next)
			p.do(dhcpv6.Input{})
		}
		p.now = end
	case opSleep:
		n := time.Duration(p.octet())
		p.now += n * n * n * time.Second / 10 // up to 19 days
		p.do(dhcpv6.Input{})
	case opSay:
		n := p.octet()
		var options [][]byte
		for range p.octet() % 8 {
			options = append(options, p.option())
		}
		p.say([]wire.MessageType{7, 2, 7, 10}[n%4], serverDUIDs[n/4%2], options...)
	case opGood:
		p.good(p.octet())
	case opBytes:
		if b := p.octets(int(p.octet())); p.asked != nil && len(b) > 0 {
			x := p.asked.TransactionID
			p.do(dhcpv6.Input{Message: slices.Concat(b[:1], x[:], b[1:])})
		}
	case opKeep:
		p.reload()
	}
}

func (p *player6) good(which byte) {
	kind := wire.MessageTypeReply
	options := [][]byte{}
	if p.asked != nil && p.asked.MessageType == wire.MessageTypeSolicit {
		if kind = wire.MessageTypeAdvertise; which%2 == 1 {
			kind = wire.MessageTypeReply
			options = append(options, option6(wire.OptionRapidCommit))
		} else {
			options = append(options, option6(wire.OptionPreference, []byte{255}))
		}
	}
	a := netip.MustParseAddr("2001:db8::").As16()
	a[5] = which / 2
	options = append(options, option6(wire.OptionIAPD, []byte{0, 0, 0, 7, 0, 0, 7, 8, 0, 0, 0xb, 0x40},
		option6(wire.OptionIAPrefix, []byte{0, 0, 0xe, 0x10, 0, 0, 0x1c, 0x20, 56}, a[:])))
	server := serverDUIDs[0]
	if p.asked != nil && p.asked.Options.ServerID() != nil {
		server = p.asked.Options.ServerID().ToBytes()
	}
	p.say(kind, server, options...)
}

func (p *player6) reload() {
	b, err := json.Marshal(p.c.Lease())
	if err != nil {
		p.t.Fatal(err)
	}
	var lease dhcpv6.Lease
	if err := json.Unmarshal(b, &lease); err != nil {
		p.t.Fatal(err)
	}
	p.c = dhcpv6.New(p.config(), p.r)
	p.c.Restore(lease)
	if again, _ := json.Marshal(p.c.Lease()); !bytes.Equal(again, b) {
		p.t.Fatalf("restored\n%s\nwas\n%s", again, b)
	}
	p.next, p.asked, p.sent = 0, nil, nil
}

// The ways into each phase.
var ways6 = map[dhcpv6.Phase][]byte{
	dhcpv6.Down:       {},
	dhcpv6.Soliciting: {opStart},
	dhcpv6.Requesting: {opStart, opGood, 0},
	dhcpv6.Bound:      {opStart, opGood, 1},
	dhcpv6.Renewing:   {opStart, opGood, 0, opGood, 0, opWait, 123},
	dhcpv6.Rebinding:  {opStart, opGood, 0, opGood, 0, opWait, 145},
	dhcpv6.Confirming: {opStart, opGood, 1, opStop, opStart},
	dhcpv6.Releasing:  {opStart, opGood, 1, opRelease},
}

func (p *player6) play() {
	for steps := 0; len(p.data) > 0 && steps < 300; steps++ {
		p.step()
	}
}

func FuzzDHCPv6Client(f *testing.F) {
	for _, way := range ways6 {
		f.Add(way)
		f.Add(append(slices.Clone(way), opSay, 0, 2, 3, 0, 5, 6, 2, 5, 6, 1, 6, 7, 2, 0, opWait, 255, opKeep, opStart, opGood, 3, opSleep, 200))
		f.Add(append(slices.Clone(way), opSay, 0, 1, 0, 0, 0, 0, 203, opWait, 50, opGood, 2, opRelease, opWait, 60))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := newPlayer6(t, data)
		p.play()
		p.do(dhcpv6.Input{Command: dhcpv6.Stop})
		if p.c.Phase() != dhcpv6.Down || p.c.Confirmed() {
			t.Fatalf("phase %q after Stop", p.c.Phase())
		}
	})
}

// FuzzDHCPv6Message answers with the input as it is, and with its octets behind
// the right identifiers, in each phase.
func FuzzDHCPv6Message(f *testing.F) {
	pd := option6(wire.OptionIAPD, []byte{0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0},
		option6(wire.OptionIAPrefix, []byte{0, 0, 0xe, 0x10, 0, 0, 0x1c, 0x20, 56, 0x20, 1, 0xd, 0xb8, 0x20}, make([]byte, 11)))
	for _, kind := range []byte{2, 7, 10} {
		f.Add(append([]byte{kind, 0, 0, 0}, pd...))
		f.Add(slices.Concat([]byte{kind, 0, 0, 0}, option6(wire.OptionRapidCommit), option6(wire.OptionPreference, []byte{255}), pd, make([]byte, 3)))
	}
	f.Add(slices.Concat([]byte{7, 0, 0, 0}, option6(wire.OptionIAPD, []byte{0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0}, option6(wire.OptionStatusCode, []byte{0, 3, 'n', 'o'}))))
	f.Add(slices.Concat([]byte{7, 0, 0, 0}, pd, option6(wire.OptionDNSRecursiveNameServer, make([]byte, 32)), option6(wire.OptionDomainSearchList, []byte("\x07example\x02jp\x00")),
		option6(wire.OptionNTPServer, option6(3, []byte("\x03ntp\x00"))), option6(wire.OptionAFTRName, []byte("\x04aftr\x02jp\x00"))))
	f.Fuzz(func(t *testing.T, b []byte) {
		for phase, way := range ways6 {
			p := newPlayer6(t, slices.Clone(way))
			p.play()
			if p.c.Phase() != phase {
				t.Fatalf("phase %q, want %q", p.c.Phase(), phase)
			}
			p.do(dhcpv6.Input{Message: append([]byte{}, b...)})
			if p.asked == nil || len(b) < 4 {
				continue
			}
			x := p.asked.TransactionID
			p.do(dhcpv6.Input{Message: slices.Concat(b[:1], x[:], b[4:])}) // with the input's own identifiers
			p.say(wire.MessageType(b[0]), serverDUIDs[0], b[4:])
			p.do(dhcpv6.Input{})
		}
	})
}
