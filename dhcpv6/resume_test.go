package dhcpv6_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	wire "github.com/insomniacslk/dhcp/dhcpv6"

	"pppoectl/dhcpv6"
)

// A lease that this process knows nothing of, or that was another client's, is not resumed: a prefix is looked for.
func TestResumeWithoutAUsableLeaseSolicits(t *testing.T) {
	for name, change := range map[string]func(l *link, lease dhcpv6.Lease){
		"no lease": func(*link, dhcpv6.Lease) {},
		"another DUID": func(l *link, lease dhcpv6.Lease) {
			lease.Client = serverB
			l.c.Restore(lease)
		},
		"a lease that has run out": func(l *link, lease dhcpv6.Lease) {
			l.now += valid * time.Second
			l.c.Restore(lease)
		},
		"another DUID from now on": func(l *link, lease dhcpv6.Lease) {
			l.c.Restore(lease)
			l.c.Configure(dhcpv6.Config{DUID: serverB, IAID: iaid})
			l.duid = serverB
		},
		"another IAID": func(l *link, lease dhcpv6.Lease) {
			lease.IAID++
			l.c.Restore(lease)
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := newLink(t)
			bound(before)
			l := newLink(t)
			l.now = before.now
			change(l, before.c.Lease())
			l.command(dhcpv6.Resume)
			l.phase(dhcpv6.Soliciting)
			l.last(solicit)
			if l.has(); l.c.Confirmed() {
				t.Error("confirmed")
			}
		})
	}
}

// A lease that goes on is asked for again when its T1 comes, and says nothing before.
func TestResumedLeaseGoesOn(t *testing.T) {
	before := newLink(t)
	bound(before)
	l := newLink(t)
	l.now = before.now + time.Minute
	l.c.Restore(before.c.Lease())
	l.command(dhcpv6.Resume)
	l.phase(dhcpv6.Bound)
	if l.has(given); !l.c.Confirmed() || len(l.sent) != 0 {
		t.Errorf("confirmed %v, sent %s", l.c.Confirmed(), l.kinds())
	}
	l.told()
	l.run(t1 - time.Minute)
	l.last(renew)
}

// RFC 8415 section 7.6: Rebinds for the lease of the link before go out after 1, 2 and 4 s, give or take, for ten.
func TestOldLeaseIsAskedForFourTimes(t *testing.T) {
	l := newLink(t)
	confirming(l)
	began := l.now
	l.forget()
	l.run(10*time.Second - 1)
	var waits []time.Duration
	last := began
	for _, s := range l.sent {
		waits, last = append(waits, s.at-last), s.at
	}
	if len(waits) != 3 || !within(waits[0], time.Second) || waits[1] < 1700*time.Millisecond || waits[1] > 2400*time.Millisecond || waits[2] > 4400*time.Millisecond {
		t.Errorf("repeated after %v", waits)
	}
	l.phase(dhcpv6.Confirming)
	l.run(1)
	l.phase(dhcpv6.Soliciting)
}

// What cannot be read of one IA_PD does not hide the next.
func TestBrokenPrefixHidesNoGoodOne(t *testing.T) {
	for name, broken := range map[string][]byte{
		"an option past its end": prefix(other, preferred, valid, []byte{0, 13, 0, 9, 0}),
		"shorter than a prefix":  opt(wire.OptionIAPrefix, make([]byte, 24)),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLink(t)
			requesting(l)
			l.say(reply, pd(broken), usual())
			l.phase(dhcpv6.Bound)
			l.has(given)
		})
	}
}

// A server that gives other prefixes each time is borne, but not remembered without end: what is forgotten is told.
func TestPrefixesThatAreForgottenAreTold(t *testing.T) {
	l := newLink(t)
	requesting(l)
	for round := range 3 {
		if round > 0 {
			l.run(time.Hour / 2)
			l.phase(dhcpv6.Renewing)
		}
		var all []byte
		for i := range 16 {
			all = append(all, prefix(fmt.Sprintf("2001:db8:%x%02x::/48", round+1, i), preferred, valid)...)
		}
		l.events = nil
		l.say(reply, ia(iaid, 1800, 2880, all))
	}
	withdrawn := 0
	for _, e := range l.events {
		if e.Kind == dhcpv6.Withdrawn {
			withdrawn++
		}
	}
	if n := len(l.c.Lease().Prefixes); n != 32 || withdrawn != 16 {
		t.Errorf("%d prefixes, want 32; %d withdrawn, want 16", n, withdrawn)
	}
}

// The end of a preferred lifetime is told, whatever else comes at the same moment.
func TestDeprecationIsToldBesideADroppedMessage(t *testing.T) {
	l := newLink(t)
	bound(l)
	l.now += preferred*time.Second + time.Second // late: it has slept
	l.forget()
	l.step(dhcpv6.Input{Message: []byte{byte(reply), 1, 2}})
	var told int
	for _, e := range l.events {
		if e.Kind == dhcpv6.Deprecated {
			told++
		}
	}
	if told != 1 {
		t.Errorf("events %v", l.events)
	}
}

func TestDelegablePrefixes(t *testing.T) {
	for p, want := range map[string]bool{
		"2001:db8::/32": true, "2001::/16": true, "2000::/15": false, "2001:db8::1/64": false, "2001:db8::1/128": true,
		"::/64": false, "::1/128": false, "fe80::/64": false, "ff00::/16": false, "::ffff:192.0.2.0/120": false, "192.0.2.0/24": false,
	} {
		if got := dhcpv6.Delegable(netip.MustParsePrefix(p)); got != want {
			t.Errorf("%s: %v, want %v", p, got, want)
		}
	}
	if dhcpv6.Delegable(netip.Prefix{}) {
		t.Error("no prefix is delegable")
	}
}

// RFC 8415 section 15: RAND keeps clients that began together apart.
func TestRepetitionsAreSpread(t *testing.T) {
	l := newLink(t)
	renewing(l)
	l.forget()
	last := l.now
	l.run(5 * time.Minute)
	exact := 0
	for i, s := range l.sent {
		if s.at-last == 10*time.Second<<i {
			exact++
		}
		last = s.at
	}
	if len(l.sent) < 3 || exact > 0 {
		t.Errorf("%d of %d repetitions to the second", exact, len(l.sent))
	}
}

// A Request that nobody answers is told of as that, and another server is looked for.
func TestUnansweredRequestIsTold(t *testing.T) {
	l := newLink(t)
	requesting(l)
	l.forget()
	for l.c.Phase() == dhcpv6.Requesting {
		l.run(time.Second)
	}
	l.told(dhcpv6.Unanswered)
	l.phase(dhcpv6.Soliciting)
}
