package dhcpv6_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pppoectl/dhcpv6"
)

func hinted(p string) func(*dhcpv6.Config) {
	return func(c *dhcpv6.Config) { c.Hint = netip.MustParsePrefix(p) }
}

func offered(p string) []byte { return pd(prefix(p, preferred, valid)) }

// RFC 8415 section 18.2.9.
func TestAdvertiseWithPreference255IsTakenAtOnce(t *testing.T) {
	l := newLink(t)
	soliciting(l)
	l.now += 100 * time.Millisecond
	l.sayAs(serverB, advertise, preference(254), offered(other))
	l.phase(dhcpv6.Soliciting)
	l.say(advertise, preference(255), offered(given))
	if m := l.last(request); !bytes.Equal(m.server(), serverA) || m.at != l.now || fmt.Sprint(m.prefixes()) != "["+given+"]" {
		t.Errorf("Request to %x at %v about %v", m.server(), m.at, m.prefixes())
	}
}

func TestBestAdvertiseOfTheFirstRTIsTaken(t *testing.T) {
	for _, c := range []struct {
		name   string
		a, b   []byte // Preference options; A comes first
		server []byte
	}{
		{"the higher preference", preference(3), preference(7), serverB},
		{"the lower one later", preference(7), preference(3), serverA},
		{"none is 0", nil, preference(1), serverB},
		{"of equals the first", preference(7), preference(7), serverA},
		{"both without one", nil, nil, serverA},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLink(t)
			soliciting(l)
			began, end := l.now, l.next
			l.now += 100 * time.Millisecond
			l.say(advertise, c.a, offered(given))
			l.now += 100 * time.Millisecond
			l.sayAs(serverB, advertise, c.b, offered(other))
			if l.phase(dhcpv6.Soliciting); l.next != end {
				t.Errorf("an Advertise has moved the timer from %v to %v", end, l.next)
			}
			l.run(end - l.now)
			m := l.last(request)
			if !bytes.Equal(m.server(), c.server) || m.at != end || m.at-began <= time.Second || len(l.sent) != 2 {
				t.Errorf("%s, the Request to %x, want %x, after %v, want %v", l.kinds(), m.server(), c.server, m.at-began, end-began)
			}
		})
	}
}

func TestFirstAdvertiseAfterTheFirstRTIsTaken(t *testing.T) {
	l := newLink(t)
	soliciting(l)
	l.run(2 * time.Second)
	l.last(solicit)
	l.say(advertise, offered(given))
	if m := l.last(request); m.at != l.now || !bytes.Equal(m.server(), serverA) {
		t.Errorf("Request at %v to %x", m.at, m.server())
	}
}

// Section 18.2.9: what offers no prefix is no offer, and moves no timer.
func TestAdvertiseWithoutAPrefixIsNoOffer(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []byte
	}{
		{"no IA_PD", nil},
		{"empty IA_PD", pd()},
		{"NoPrefixAvail in the message", append(status(6, "none left"), usual()...)},
		{"NoPrefixAvail in the IA_PD", pd(status(6, "none left"), prefix(given, preferred, valid))},
		{"NoPrefixAvail in the prefix", pd(prefix(given, preferred, valid, status(6, "none left")))},
		{"valid for 0 s", pd(prefix(given, 0, 0))},
		{"another IAID", ia(iaid+1, 0, 0, prefix(given, preferred, valid))},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLink(t)
			soliciting(l)
			before := l.next
			for range 3 {
				l.say(advertise, preference(255), c.options)
			}
			if l.phase(dhcpv6.Soliciting); l.next != before || len(l.sent) != 1 {
				t.Errorf("timer %v, was %v; sent %s", l.next, before, l.kinds())
			}
			l.told(dhcpv6.Refused) // once
			l.sayAs(serverB, advertise, preference(255), offered(other))
			if m := l.last(request); !bytes.Equal(m.server(), serverB) {
				t.Errorf("Request to %x", m.server())
			}
		})
	}
}

func TestRefusalKeepsTheServersWords(t *testing.T) {
	l := newLink(t)
	soliciting(l)
	l.say(advertise, status(6, "pool exhausted"))
	if e := l.events[0]; e.Kind != dhcpv6.Refused || e.Peer != "pool exhausted" || e.Text != "server 0003000102005e10000a: NoPrefixAvail" {
		t.Errorf("%+v", e)
	}
}

// A server that says that all is well and gives nothing is told of in other words than Success.
func TestAnswerWithoutAPrefixIsToldAsThat(t *testing.T) {
	l := newLink(t)
	soliciting(l)
	l.say(advertise, pd(status(0, "fine")))
	l.told(dhcpv6.Refused)
	if e := l.events[0]; !strings.Contains(e.Text, "no prefix in its answer") || strings.Contains(e.Text, "Success") {
		t.Errorf("%+v", e)
	}
}

// Section 18.2.1: two messages instead of four.
func TestRapidCommit(t *testing.T) {
	l := newLink(t)
	soliciting(l)
	l.sayAs(serverB, advertise, preference(9), offered(other))
	l.say(reply, usual(), rapidCommit())
	l.phase(dhcpv6.Bound)
	l.has(given)
	if !bytes.Equal(l.c.Lease().Server, serverA) || len(l.sent) != 1 || !l.c.Confirmed() {
		t.Errorf("server %x, sent %s", l.c.Lease().Server, l.kinds())
	}
	l.told(dhcpv6.Delegated)
	l.run(t1)
	if m := l.last(renew); !bytes.Equal(m.server(), serverA) {
		t.Errorf("Renew to %x", m.server())
	}
}

// A Reply to a Solicit that is over is late: the Request counts.
func TestRapidCommitAfterTheRequestIsDropped(t *testing.T) {
	l := newLink(t)
	soliciting(l)
	late := append([]byte{byte(reply)}, l.last(solicit).TransactionID[:]...)
	for _, o := range [][]byte{clientID(duid), serverID(serverB), rapidCommit(), offered(other)} {
		late = append(late, o...)
	}
	l.say(advertise, preference(255), usual())
	l.dropped(func() { l.step(dhcpv6.Input{Message: late}) })
	l.say(reply, usual())
	l.has(given)
}

// A hint of length 0 makes some ISPs drop the link.
func TestHint(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*dhcpv6.Config)
		want []string
	}{
		{"none", func(*dhcpv6.Config) {}, []string{}},
		{"a length", hinted("::/56"), []string{"::/56"}},
		{"a prefix", hinted(other), []string{other}},
		{"a prefix with host bits", hinted("2001:db8:200::1/56"), []string{other}},
		{"length 0", hinted("::/0"), []string{}},
		{"length 1", hinted("::/1"), []string{"::/1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLink(t, c.set)
			soliciting(l)
			if got := l.last(solicit).prefixes(); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("hint %v, want %v", got, c.want)
			}
		})
	}
}

// The server's word counts, not the hint, nor what it offered before.
func TestServerMayGiveAnotherPrefixThanItOffered(t *testing.T) {
	l := newLink(t, hinted(other))
	soliciting(l)
	l.say(advertise, preference(255), offered(other))
	l.say(reply, usual())
	l.has(given)
}

// Section 21.24, also from a message that offers nothing (section 18.2.9).
func TestSolMaxRT(t *testing.T) {
	for _, c := range []struct {
		name string
		in   uint32
		want time.Duration
	}{
		{"59 s is ignored", 59, time.Hour},
		{"60 s", 60, time.Minute},
		{"a day", 86400, 24 * time.Hour},
		{"more than a day is ignored", 86401, time.Hour},
		{"0 is ignored", 0, time.Hour},
		{"the highest number is ignored", infinity, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLink(t)
			soliciting(l)
			l.say(advertise, status(6, ""), solMaxRT(c.in))
			l.phase(dhcpv6.Soliciting)
			for range 2 { // it lasts when the link does not
				l.forget()
				l.run(10 * 24 * time.Hour)
				rt := l.sent[len(l.sent)-1].at - l.sent[len(l.sent)-2].at
				if !within(rt, c.want) {
					t.Errorf("RT %v, want %v", rt, c.want)
				}
				l.command(dhcpv6.Stop)
				l.command(dhcpv6.Start)
			}
		})
	}
	t.Run("from a dropped message it is not taken", func(t *testing.T) {
		l := newLink(t)
		soliciting(l)
		l.dropped(func() { l.raw(advertise, clientID(serverB), serverID(serverA), solMaxRT(60)) })
		l.run(10 * 24 * time.Hour)
		if rt := l.sent[len(l.sent)-1].at - l.sent[len(l.sent)-2].at; !within(rt, time.Hour) {
			t.Errorf("RT %v, want an hour", rt)
		}
	})
}

// Three Solicits unanswered are told of, once.
func TestSilenceIsToldOnce(t *testing.T) {
	l := newLink(t)
	soliciting(l)
	for len(l.events) == 0 {
		l.run(l.next - l.now)
	}
	if e := l.events[0]; e.Kind != dhcpv6.Unanswered || len(l.sent) != 4 || !strings.Contains(e.Text, "3 times") {
		t.Errorf("%+v with Solicit %d", e, len(l.sent))
	}
	l.run(24 * time.Hour)
	l.told(dhcpv6.Unanswered)
}

// A server that gives nothing has answered.
func TestRefusalIsNoSilence(t *testing.T) {
	l := newLink(t)
	soliciting(l)
	l.say(advertise, status(6, "no prefix"))
	l.run(24 * time.Hour)
	l.told(dhcpv6.Refused)
}
