package dhcpv6_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	wire "github.com/insomniacslk/dhcp/dhcpv6"

	"pppoectl/dhcpv6"
)

// oneAnswer asks for a prefix and answers with a Reply of these options.
func oneAnswer(t *testing.T, options ...[]byte) *link {
	t.Helper()
	l := newLink(t)
	requesting(l)
	l.events = nil
	l.say(reply, options...)
	return l
}

// Messages that do not count, in every phase: nothing changes.
func TestMessagesThatAreDropped(t *testing.T) {
	ids := slices.Concat(clientID(duid), serverID(serverA))
	drops := map[string]func(l *link){
		"empty":      func(l *link) { l.step(dhcpv6.Input{Message: []byte{}}) },
		"header cut": func(l *link) { l.step(dhcpv6.Input{Message: []byte{byte(reply), 1, 2}}) },
		"another transaction": func(l *link) {
			x := l.sent[len(l.sent)-1].TransactionID
			l.step(dhcpv6.Input{Message: slices.Concat([]byte{byte(reply), x[0], x[1], x[2] ^ 1}, ids, rapidCommit(), usual())})
		},
		"Advertise of another transaction": func(l *link) {
			x := l.sent[len(l.sent)-1].TransactionID
			l.step(dhcpv6.Input{Message: slices.Concat([]byte{byte(advertise), x[0], x[1], x[2] ^ 1}, ids, preference(255), usual())})
		},
		"an option's length past the end": func(l *link) {
			l.raw(reply, ids, rapidCommit(), usual(), u16(int(wire.OptionDNSRecursiveNameServer)), u16(17), make([]byte, 16))
		},
		"no Server Identifier":             func(l *link) { l.raw(reply, clientID(duid), rapidCommit(), usual()) },
		"two Server Identifiers":           func(l *link) { l.raw(reply, ids, serverID(serverB), rapidCommit(), usual()) },
		"the same Server Identifier twice": func(l *link) { l.raw(reply, ids, serverID(serverA), rapidCommit(), usual()) },
		"empty Server Identifier":          func(l *link) { l.raw(reply, clientID(duid), serverID(nil), rapidCommit(), usual()) },
		"Server Identifier of a type only": func(l *link) { l.raw(reply, clientID(duid), serverID([]byte{0, 3}), rapidCommit(), usual()) },
		"Server Identifier of 131 octets (CVE-2018-15688)": func(l *link) {
			l.raw(reply, clientID(duid), serverID(make([]byte, 131)), rapidCommit(), usual())
		},
		"no Client Identifier":           func(l *link) { l.raw(reply, serverID(serverA), rapidCommit(), usual()) },
		"another Client Identifier":      func(l *link) { l.raw(reply, clientID(serverB), serverID(serverA), rapidCommit(), usual()) },
		"begin of our Client Identifier": func(l *link) { l.raw(reply, clientID(duid[:9]), serverID(serverA), rapidCommit(), usual()) },
		"two Client Identifiers":         func(l *link) { l.raw(reply, ids, clientID(duid), rapidCommit(), usual()) },
		"Reconfigure that says Renew":    func(l *link) { l.say(10, opt(wire.OptionReconfMessage, []byte{5})) },
	}
	for _, kind := range []wire.MessageType{0, 1, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 36, 255} {
		drops[fmt.Sprintf("message type %d", kind)] = func(l *link) { l.say(kind, rapidCommit(), preference(255), usual()) }
	}
	phases := append(slices.Clone(asking), phase{"releasing", releasing}, phase{"bound", bound})
	for _, phase := range phases {
		for name, feed := range drops {
			t.Run(phase.name+"/"+name, func(t *testing.T) {
				l := newLink(t)
				phase.to(l)
				l.dropped(func() { feed(l) })
			})
		}
	}
}

// Whoever reads why a message was dropped finds what is wrong with it.
func TestDroppedMessagesAreTold(t *testing.T) {
	for text, message := range map[string][]byte{
		"header":            {byte(reply), 1, 2},
		"Server Identifier": {byte(reply), 1, 2, 3},
		"an option":         {byte(reply), 1, 2, 3, 0, 1, 0, 1},
	} {
		l := newLink(t)
		soliciting(l)
		l.step(dhcpv6.Input{Message: message})
		if e := l.events[len(l.events)-1]; e.Kind != dhcpv6.Dropped || !strings.Contains(e.Text, text) {
			t.Errorf("%x: %+v, want %q", message, e, text)
		}
	}
}

// CVE-2018-15688: systemd had room for less than a server's identifier may have. All
// octets of one that RFC 8415 section 11.1 allows go back as they came.
func TestServerIdentifierIsEchoedWhole(t *testing.T) {
	for n := 3; n <= 130; n++ {
		server := make([]byte, n)
		for i := range server {
			server[i] = byte(i*7 + n)
		}
		server[0] = 0xff // of a type that nobody knows
		l := newLink(t)
		soliciting(l)
		l.sayAs(server, advertise, preference(255), offered(given))
		if got := l.last(request).server(); !bytes.Equal(got, server) {
			t.Fatalf("Request to %x, want %x", got, server)
		}
		l.sayAs(server, reply, usual())
		l.run(t1)
		if got := l.last(renew).server(); !bytes.Equal(got, server) {
			t.Fatalf("Renew to %x, want %x", got, server)
		}
	}
}

// Good messages of the wrong kind, server or moment.
func TestMessagesThatAreDroppedInOnePhase(t *testing.T) {
	for _, c := range []struct {
		name string
		to   func(*link)
		feed func(l *link)
	}{
		{"Reply to a Solicit without Rapid Commit", soliciting, func(l *link) { l.say(reply, usual()) }},
		{"Advertise to a Request", requesting, func(l *link) { l.say(advertise, preference(255), usual()) }},
		{"Advertise to a Renew", renewing, func(l *link) { l.say(advertise, preference(255), usual()) }},
		{"Advertise to a Release", releasing, func(l *link) { l.say(advertise, preference(255), usual()) }},
		{"Reply of another server to a Request", requesting, func(l *link) { l.sayAs(serverB, reply, usual()) }},
		{"Reply of another server to a Renew", renewing, func(l *link) { l.sayAs(serverB, reply, usual()) }},
		{"Reply of another server to a Release", releasing, func(l *link) { l.sayAs(serverB, reply) }},
		{"the Reply again", bound, func(l *link) { l.say(reply, usual()) }},
		{"Reply when the link is down", func(l *link) { bound(l); l.command(dhcpv6.Stop) }, func(l *link) { l.say(reply, usual()) }},
		{"Reply after the Release is over", func(l *link) { releasing(l); l.say(reply) }, func(l *link) { l.say(reply, usual()) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLink(t)
			c.to(l)
			l.dropped(func() { c.feed(l) })
		})
	}
}

// A search that waits has asked nothing yet: even who guesses its transaction id
// is not heard.
func TestAnswerBeforeTheQuestionIsDropped(t *testing.T) {
	waiting := func() *link {
		l := newLink(t)
		requesting(l)
		l.say(reply) // no prefix: searched again, but not at once
		l.phase(dhcpv6.Soliciting)
		return l
	}
	twin := waiting()
	twin.run(twin.next - twin.now)
	l := waiting()
	before := len(l.sent)
	l.sent = append(l.sent, twin.last(solicit)) // of which the answer has the id
	l.dropped(func() { l.say(advertise, preference(255), usual()) })
	l.dropped(func() { l.say(reply, rapidCommit(), usual()) })
	l.sent = l.sent[:before]
	l.run(l.next - l.now)
	l.say(advertise, preference(255), usual())
	l.phase(dhcpv6.Requesting)
}

// systemd issue 28183: a server whose messages end with a zero.
func TestTrailingOctetsDoNotCost(t *testing.T) {
	for n := range 4 {
		oneAnswer(t, usual(), make([]byte, n)).has(given)
	}
	oneAnswer(t, pd(prefix(given, preferred, valid, []byte{0, 0, 0}), []byte{0})).has(given)
	oneAnswer(t, opt(wire.OptionStatusCode, []byte{6}), usual()).has(given) // a status of one octet
}

// What is wrong in one prefix costs that prefix, and not the one beside it.
func TestBadPrefixes(t *testing.T) {
	whole := prefix(other, preferred, valid)
	for _, c := range []struct {
		name string
		bad  []byte
	}{
		{"24 octets", opt(wire.OptionIAPrefix, whole[4:len(whole)-1])},
		{"empty", opt(wire.OptionIAPrefix)},
		{"preferred longer than valid", prefix(other, valid+1, valid)},
		{"preferred for ever, valid not", prefix(other, infinity, valid)},
		{"valid for 0 s, never ours", prefix(other, 0, 0)},
		{"length 0", prefix("2001:db8::/0", preferred, valid)},
		{"::/0", prefix("::/0", preferred, valid)},
		{"::/56", prefix("::/56", preferred, valid)},
		{"length 129", prefix("2001:db8::/129", preferred, valid)},
		{"length 255", prefix("2001:db8::/255", preferred, valid)},
		{"host bits", prefix("2001:db8:200::1/56", preferred, valid)},
		{"one host bit", prefix("2001:db8:200:80::/56", preferred, valid)},
		{"multicast", prefix("ff02::/56", preferred, valid)},
		{"link-local", prefix("fe80::/64", preferred, valid)},
		{"loopback", prefix("::1/128", preferred, valid)},
		{"IPv4-mapped", prefix("::ffff:192.0.2.0/120", preferred, valid)},
		{"an option past its end", prefix(other, preferred, valid, []byte{0, 13, 0, 9, 0})},
		{"NoPrefixAvail", prefix(other, preferred, valid, status(6, ""))},
		{"status 65535", prefix(other, preferred, valid, status(65535, ""))},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := oneAnswer(t, pd(c.bad, prefix(given, preferred, valid)))
			l.phase(dhcpv6.Bound)
			l.has(given)
			l = oneAnswer(t, pd(c.bad))
			l.phase(dhcpv6.Soliciting)
			l.has()
		})
	}
}

// A prefix so short that it holds multicast or link-local addresses, or much of
// the Internet, is none for a house: the route to nowhere for what of it is not
// used would take the rest of the world along.
func TestPrefixesOfHalfTheWorldAreRefused(t *testing.T) {
	for _, p := range []string{"8000::/1", "f000::/4", "fe00::/7", "fe00::/8", "2000::/3"} {
		t.Run(p, func(t *testing.T) { oneAnswer(t, pd(prefix(p, preferred, valid))).has() })
	}
}

func TestGoodPrefixesOfAllLengths(t *testing.T) {
	for _, p := range []string{"2001:db8::/32", "2001:db8::/48", given, "2001:db8:0:1::/64", "2001:db8::1/128", "fd00:1::/48"} {
		oneAnswer(t, pd(prefix(p, preferred, valid))).has(p)
	}
}

// RFC 8415 section 21.21: what is wrong with an IA_PD costs that IA_PD.
func TestBadAssociations(t *testing.T) {
	good := prefix(given, preferred, valid)
	for _, c := range []struct {
		name string
		bad  []byte
	}{
		{"11 octets", opt(wire.OptionIAPD, u32(iaid), u32(0), []byte{0, 0, 0})},
		{"empty option", opt(wire.OptionIAPD)},
		{"T1 > T2 > 0", ia(iaid, 1001, 1000, good)},
		{"T1 infinite, T2 not", ia(iaid, infinity, 1000, good)},
		{"another IAID", ia(iaid+1, 0, 0, good)},
		{"an option past its end", pd(good, []byte{0, 26, 0, 25, 0})},
		{"no prefix", pd()},
		{"none at all", nil},
		{"an IA_NA instead", opt(wire.OptionIANA, u32(iaid), u32(0), u32(0), good)},
		{"a prefix outside of any", good},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := oneAnswer(t, c.bad)
			l.phase(dhcpv6.Soliciting) // odhcp6c issue 24: and not at once
			l.has()
			l.told(dhcpv6.Refused)
			if wait := l.next - l.now; !within(wait, time.Second) {
				t.Errorf("the search begins after %v, want a second", wait)
			}
			l = oneAnswer(t, c.bad, pd(prefix(other, preferred, valid)))
			l.phase(dhcpv6.Bound)
			l.has(other)
		})
	}
}

// A server that never has a prefix is asked ever more slowly.
func TestSearchSlowsDown(t *testing.T) {
	l := newLink(t)
	requesting(l)
	for i := range 16 {
		l.say(reply, pd())
		l.phase(dhcpv6.Soliciting)
		if wait, want := l.next-l.now, min(time.Second<<i, time.Hour); !within(wait, want) {
			t.Errorf("search %d begins after %v, want %v", i, wait, want)
		}
		l.run(l.next - l.now)
		l.say(advertise, preference(255), usual())
		l.phase(dhcpv6.Requesting)
	}
	slow := func() *link { // three failures behind us
		l := newLink(t)
		requesting(l)
		for range 3 {
			l.say(reply, pd())
			l.run(l.next - l.now)
			l.say(advertise, preference(255), usual())
		}
		return l
	}
	t.Run("not after a success", func(t *testing.T) {
		l := slow()
		l.say(reply, usual())
		l.run(valid * time.Second)
		if m := l.last(solicit); m.at != l.now {
			t.Errorf("Solicit at %v, want %v", m.at, l.now)
		}
	})
	t.Run("not on a new link", func(t *testing.T) {
		l := slow()
		l.command(dhcpv6.Stop)
		l.command(dhcpv6.Start)
		if m := l.last(solicit); m.at != l.now || m.Options.ElapsedTime() != 0 {
			t.Errorf("Solicit at %v, want %v", m.at, l.now)
		}
	})
}

// RFC 6603's option, which we do not ask for, of any length and content.
func TestPDExcludeIsIgnored(t *testing.T) {
	for _, data := range [][]byte{{}, {64}, {64, 0xff}, {56, 1}, {121, 0x80}, append([]byte{128}, make([]byte, 9)...), {200, 0, 0, 0}, make([]byte, 40)} {
		oneAnswer(t, pd(prefix(given, preferred, valid, opt(67, data)))).has(given)
	}
}

// Advertises without end are cheap: the first good one is kept.
func TestStormOfAdvertises(t *testing.T) {
	l := newLink(t)
	soliciting(l)
	end := l.next
	for i := range 10000 {
		server := append(slices.Clone(serverB), byte(i>>8), byte(i))
		if i == 0 {
			server = serverA
		}
		if out := l.sayAs(server, advertise, preference(7), offered(given)); len(out.Messages)+len(out.Events) != 0 {
			t.Fatalf("%+v", out)
		}
	}
	l.run(end - l.now)
	if m := l.last(request); !bytes.Equal(m.server(), serverA) {
		t.Errorf("Request to %x", m.server())
	}
}

func TestManyPrefixesAreBounded(t *testing.T) {
	many := func(from int) []byte {
		var list [][]byte
		for i := range 200 {
			list = append(list, prefix(fmt.Sprintf("2001:db8:%x::/56", from+i), preferred, valid))
		}
		return pd(list...)
	}
	l := oneAnswer(t, many(0x1000))
	if n := len(l.c.Lease().Prefixes); n != 16 {
		t.Errorf("%d prefixes, want 16", n)
	}
	for i := range 5 { // and all others at each Renew
		l.run(l.next - l.now)
		l.say(reply, many(0x2000+i*0x100))
		if n := len(l.c.Lease().Prefixes); n != 32 {
			t.Errorf("%d prefixes, want 32", n)
		}
		if n := len(l.sent[len(l.sent)-1].raw); n > 1232 {
			t.Errorf("a message of %d octets", n)
		}
	}
}

func TestTextsAreBounded(t *testing.T) {
	l := oneAnswer(t, status(6, strings.Repeat("x", 60000)))
	if e := l.events[0]; len(e.Peer) != 256 || len(e.Text) > 400 {
		t.Errorf("%d octets of the server's words", len(e.Peer))
	}
}
