package dhcpv6_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pppoectl/dhcpv6"
)

// A server with the best preference that never answers must not starve another.
func TestServerThatDoesNotAnswerIsAvoided(t *testing.T) {
	l := newLink(t)
	soliciting(l)
	both := func() {
		l.sayAs(serverB, advertise, preference(9), offered(other))
		l.say(advertise, preference(1), offered(given))
		l.run(3 * time.Second)
	}
	both()
	if m := l.last(request); !bytes.Equal(m.server(), serverB) {
		t.Fatalf("first asked: %x", m.server())
	}
	l.run(5 * time.Minute) // ten Requests
	l.phase(dhcpv6.Soliciting)
	both()
	if m := l.last(request); !bytes.Equal(m.server(), serverA) {
		t.Errorf("then asked: %x", m.server())
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
