package dhcpv6_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pppoectl/dhcpv6"
)

// A server with the best preference that never answers must not starve another, whoever of them offers first.
func TestServerThatDoesNotAnswerIsAvoided(t *testing.T) {
	for _, again := range []bool{true, false} { // it offers first again
		l := newLink(t)
		soliciting(l)
		both := func(bFirst bool) {
			offers := []func(){
				func() { l.sayAs(serverB, advertise, preference(9), offered(other)) },
				func() { l.say(advertise, preference(1), offered(given)) },
			}
			if !bFirst {
				slices.Reverse(offers)
			}
			for _, offer := range offers {
				offer()
			}
			l.run(3 * time.Second)
		}
		both(true)
		if m := l.last(request); !bytes.Equal(m.server(), serverB) {
			t.Fatalf("first asked: %x", m.server())
		}
		for l.c.Phase() == dhcpv6.Requesting { // ten Requests
			l.run(time.Second)
		}
		l.phase(dhcpv6.Soliciting)
		for n := len(l.sent); len(l.sent) == n; { // a Solicit, and the wait for offers
			l.run(100 * time.Millisecond)
		}
		both(again)
		if m := l.last(request); !bytes.Equal(m.server(), serverA) {
			t.Errorf("it offers first: %v; then asked: %x", again, m.server())
		}
	}
}

// One that has refused a Request comes after all others too, but is better than none.
func TestServerThatHasRefusedIsAskedIfNobodyElseOffers(t *testing.T) {
	for _, alone := range []bool{true, false} {
		l := newLink(t)
		soliciting(l)
		l.sayAs(serverB, advertise, preference(9), offered(other))
		l.run(2 * time.Second)
		l.last(request)
		l.sayAs(serverB, reply, pd(status(6, "")))
		l.phase(dhcpv6.Soliciting)
		l.forget()
		for len(l.sent) < 2 { // so that the first offer is taken at once
			l.run(l.next - l.now)
		}
		l.sayAs(serverB, advertise, preference(9), offered(given))
		l.sayAs(serverB, advertise, preference(1), offered(other)) // its worse offer is not a better one
		l.phase(dhcpv6.Soliciting)
		want := serverB
		if alone {
			l.run(l.next - l.now)
		} else {
			want = serverA
			l.say(advertise, preference(1), offered(given))
		}
		if m := l.last(request); !bytes.Equal(m.server(), want) || fmt.Sprint(m.prefixes()) != "["+given+"]" {
			t.Errorf("alone: %v; asked %x about %v", alone, m.server(), m.prefixes())
		}
	}
}

// Whoever had a prefix wants that one, also after it has run out.
func TestPrefixThatHasRunOutIsAskedForAgain(t *testing.T) {
	l := newLink(t)
	bound(l)
	l.forget()
	l.run(valid * time.Second)
	l.phase(dhcpv6.Soliciting)
	if got := fmt.Sprint(l.last(solicit).prefixes()); got != "["+given+"]" {
		t.Errorf("asked for %s", got)
	}
	// Not once it was given back.
	l = newLink(t)
	releasing(l)
	l.run(time.Minute)
	l.forget()
	l.command(dhcpv6.Start)
	if got := fmt.Sprint(l.last(solicit).prefixes()); got != "[]" {
		t.Errorf("after a Release asked for %s", got)
	}
}

// What is configured anew holds from the next link on; a lease of another identity
// is nothing that a server would know.
func TestConfigurationHoldsFromTheNextLinkOn(t *testing.T) {
	l := newLink(t)
	bound(l)
	l.c.Configure(dhcpv6.Config{DUID: []byte{0, 3, 0, 1, 9, 9, 9, 9, 9, 9}, IAID: iaid, Hint: netip.MustParsePrefix(other)})
	l.forget()
	l.run(t1) // the harness checks the DUID of each message
	l.phase(dhcpv6.Renewing)
	l.duid = []byte{0, 3, 0, 1, 9, 9, 9, 9, 9, 9}
	l.forget()
	l.command(dhcpv6.Stop)
	l.command(dhcpv6.Start)
	l.phase(dhcpv6.Soliciting)
	l.told(dhcpv6.Withdrawn)
	l.has()
	if got := fmt.Sprint(l.last(solicit).prefixes()); got != "["+other+"]" {
		t.Errorf("asked for %s", got)
	}
}
