package dhcpv6_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pppoectl/dhcpv6"
)

// RFC 8415 section 18.2.12: a Rebind at once, with the parameters of Confirm, and
// nothing is routed to the prefix before a server has confirmed it.
func TestNewLinkAsksForTheOldLease(t *testing.T) {
	l := newLink(t)
	bound(l)
	l.run(time.Minute)
	l.command(dhcpv6.Stop)
	if l.has(given); l.c.Confirmed() || l.c.Phase() != dhcpv6.Down {
		t.Errorf("phase %q, confirmed %v", l.c.Phase(), l.c.Confirmed())
	}
	l.run(time.Minute)
	l.forget()
	l.command(dhcpv6.Start)
	if m := l.last(rebind); m.at != l.now || l.c.Confirmed() || fmt.Sprint(m.prefixes()) != "["+given+"]" {
		t.Errorf("Rebind at %v about %v, confirmed %v", m.at, m.prefixes(), l.c.Confirmed())
	}
	l.sayAs(serverB, reply, usual())
	if l.phase(dhcpv6.Bound); !l.c.Confirmed() {
		t.Error("not confirmed")
	}
	l.told(dhcpv6.Delegated) // anew, for this link
	if l.next != l.now+t1 {
		t.Errorf("deadline %v, want T1", l.next)
	}
}

// A supervisor that says Start twice means a new link.
func TestStartOfALinkThatIsUpAsksAgain(t *testing.T) {
	l := newLink(t)
	bound(l)
	l.command(dhcpv6.Start)
	l.phase(dhcpv6.Confirming)
	if l.has(given); l.c.Confirmed() {
		t.Error("confirmed")
	}
}

func TestNewLinkWithoutAnAnswerSolicitsAfterTenSeconds(t *testing.T) {
	l := newLink(t)
	confirming(l)
	began := l.now
	l.forget()
	l.run(10*time.Second - 1)
	l.phase(dhcpv6.Confirming)
	l.run(1)
	l.phase(dhcpv6.Soliciting)
	l.run(1) // the next call may be a moment later
	if m := l.last(solicit); m.at < began+10*time.Second || m.at > l.now {
		t.Errorf("Solicit after %v", m.at-began)
	}
	l.told(dhcpv6.Unanswered)
	l.say(advertise, preference(255), offered(other))
	l.say(reply, pd(prefix(other, preferred, valid)))
	l.has(other, "-"+given)
}

// An old prefix that no server has confirmed on this link is nothing to wait for T1 with.
func TestLeaseOfWhichOnlyAnOldPrefixIsLeftIsAskedForAnew(t *testing.T) {
	l := newLink(t)
	confirming(l)
	l.run(11 * time.Second)
	l.say(advertise, preference(255), offered(other))
	l.say(reply, pd(prefix(other, 1, 1)))
	l.phase(dhcpv6.Bound)
	l.run(time.Second)
	l.has("-" + given)
	l.phase(dhcpv6.Soliciting)
	l.last(solicit)
}

// A deadline that has passed already is no deadline: what is due is done in the
// call that finds it due.
func TestDeadlinesAreInTheFuture(t *testing.T) {
	for _, phase := range append([]phase{{"releasing", releasing}}, asking...) {
		t.Run(phase.name, func(t *testing.T) {
			l := newLink(t)
			phase.to(l)
			for range 50 {
				if l.next == 0 {
					break
				}
				l.now = l.next
				if l.step(dhcpv6.Input{}); l.next != 0 && l.next <= l.now {
					t.Fatalf("deadline %v at %v; phase %q", l.next, l.now, l.c.Phase())
				}
			}
		})
	}
}

func TestNewLinkAfterTheLeaseHasRunOutSolicits(t *testing.T) {
	l := newLink(t)
	bound(l)
	l.command(dhcpv6.Stop)
	l.forget()
	if l.next != l.c.Lease().Prefixes[0].PreferredUntil {
		t.Errorf("deadline %v", l.next)
	}
	l.run(valid * time.Second)
	l.has()
	l.told(dhcpv6.Deprecated, dhcpv6.Expired)
	if len(l.sent) != 0 || l.next != 0 {
		t.Errorf("%s, deadline %v, without a link", l.kinds(), l.next)
	}
	l.command(dhcpv6.Start)
	l.last(solicit)
}

func TestLeaseThatRunsOutWhileItIsAskedForIsAskedForNoMore(t *testing.T) {
	l := newLink(t)
	bound(l)
	l.run(valid*time.Second - 5*time.Second)
	l.command(dhcpv6.Start)
	l.phase(dhcpv6.Confirming)
	l.run(5 * time.Second)
	l.phase(dhcpv6.Soliciting)
	l.last(solicit)
}

// dhcpcd issue 332: the same DUID and IAID (which the harness checks in each
// message) and the old prefix, over many links.
func TestLeaseOutlivesManyLinks(t *testing.T) {
	l := newLink(t)
	bound(l)
	for range 20 {
		l.run(10 * time.Minute)
		l.command(dhcpv6.Stop)
		l.run(10 * time.Second)
		l.command(dhcpv6.Start)
		l.say(reply, usual())
		l.phase(dhcpv6.Bound)
		l.has(given)
	}
}

// A lease that another run of the program has kept, on another boot.
func TestRestoredLeaseIsAskedFor(t *testing.T) {
	l := newLink(t)
	bound(l)
	b, err := json.Marshal(l.c.Lease().Shift(-500 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	var lease dhcpv6.Lease
	if err := json.Unmarshal(b, &lease); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		cfg   dhcpv6.Config
		phase dhcpv6.Phase
	}{
		{"ours", dhcpv6.Config{DUID: duid, IAID: iaid}, dhcpv6.Confirming},
		{"of another DUID", dhcpv6.Config{DUID: serverB, IAID: iaid}, dhcpv6.Soliciting},
		{"of another IAID", dhcpv6.Config{DUID: duid, IAID: iaid + 1}, dhcpv6.Soliciting},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := dhcpv6.New(c.cfg, rand.New(rand.NewPCG(1, 2)))
			m.Restore(lease)
			out := m.Step(l.now-500*time.Second, dhcpv6.Input{Command: dhcpv6.Start})
			if m.Phase() != c.phase || len(out.Messages) != 1 || m.Confirmed() {
				t.Errorf("phase %q, %x", m.Phase(), out.Messages)
			}
			if c.phase == dhcpv6.Confirming && len(out.Events) != 0 {
				t.Errorf("news of what is as it was: %v", out.Events)
			}
		})
	}
}

// A lease of another identity is not ours to use: its server would never renew
// it for us.
func TestLeaseOfAnotherIdentityIsNotUsed(t *testing.T) {
	l := newLink(t)
	bound(l)
	lease := l.c.Lease()
	lease.Client = serverB
	again := newLink(t)
	again.c.Restore(lease)
	again.now = l.now
	again.command(dhcpv6.Start)
	again.say(reply, rapidCommit(), pd(prefix(other, preferred, valid)))
	again.has(other)
	again.run(preferred / 2 * time.Second)
	if got := fmt.Sprint(again.last(renew).prefixes()); got != "["+other+"]" {
		t.Errorf("Renew about %v", got)
	}
}

// Section 18.2.4: only what this server gave is in a Renew. That of a server
// before it runs out without words.
func TestRenewIsAboutWhatThisServerGave(t *testing.T) {
	l := newLink(t)
	confirming(l)
	l.run(10*time.Second + 1)
	l.sayAs(serverB, reply, rapidCommit(), ia(iaid, 1000, 2000, prefix(other, preferred, valid)))
	l.phase(dhcpv6.Bound)
	l.run(1000 * time.Second)
	if m := l.last(renew); !bytes.Equal(m.server(), serverB) || fmt.Sprint(m.prefixes()) != "["+other+"]" {
		t.Errorf("Renew to %x about %v", m.server(), m.prefixes())
	}
}

// Section 18.2.7: the lease is gone before the server hears of it.
func TestRelease(t *testing.T) {
	l := newLink(t)
	bound(l)
	l.run(time.Minute)
	l.forget()
	l.command(dhcpv6.Release)
	l.phase(dhcpv6.Releasing)
	if l.has(); l.c.Confirmed() {
		t.Error("confirmed")
	}
	m := l.last(release)
	if !bytes.Equal(m.server(), serverA) || fmt.Sprint(m.prefixes()) != "["+given+"]" || m.at != l.now {
		t.Errorf("Release to %x about %v", m.server(), m.prefixes())
	}
	l.told()
	l.say(reply, status(3, "NoBinding is no error here"))
	l.phase(dhcpv6.Down)
	l.told(dhcpv6.Released)
	if l.next != 0 {
		t.Errorf("deadline %v", l.next)
	}
	l.command(dhcpv6.Start)
	l.last(solicit)
}

func TestUnansweredReleaseEnds(t *testing.T) {
	l := newLink(t)
	releasing(l)
	l.forget()
	l.run(time.Minute)
	l.phase(dhcpv6.Down)
	l.told(dhcpv6.Released)
	if len(l.sent) != 3 || l.next != 0 {
		t.Errorf("%s after the first, deadline %v", l.kinds(), l.next)
	}
}

func TestReleaseOfNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		to   func(*link)
	}{
		{"never started", func(*link) {}},
		{"soliciting", soliciting},
		{"requesting", requesting},
		{"all has run out", func(l *link) { bound(l); l.run(valid * time.Second) }},
		{"no server is known", func(l *link) {
			bound(l)
			lease := l.c.Lease()
			lease.Server, lease.Prefixes[0].Server = nil, nil
			l.c.Restore(lease)
		}},
		{"the link is down", func(l *link) { bound(l); l.command(dhcpv6.Stop) }},
		{"released before", func(l *link) { releasing(l); l.say(reply) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLink(t)
			c.to(l)
			l.forget()
			l.command(dhcpv6.Release)
			l.phase(dhcpv6.Down)
			l.told(dhcpv6.Released)
			if l.has(); len(l.sent) != 0 || l.next != 0 {
				t.Errorf("sent %s, deadline %v", l.kinds(), l.next)
			}
		})
	}
}

func TestStopEndsARelease(t *testing.T) {
	l := newLink(t)
	releasing(l)
	l.command(dhcpv6.Stop)
	l.phase(dhcpv6.Down)
	if l.has(); l.next != 0 {
		t.Errorf("deadline %v", l.next)
	}
}

// Stop in each phase ends all asking.
func TestStop(t *testing.T) {
	for _, phase := range asking {
		t.Run(phase.name, func(t *testing.T) {
			l := newLink(t)
			phase.to(l)
			l.command(dhcpv6.Stop)
			l.forget()
			l.run(365 * 24 * time.Hour)
			if l.phase(dhcpv6.Down); len(l.sent) != 0 {
				t.Errorf("sent %s", l.kinds())
			}
		})
	}
}
