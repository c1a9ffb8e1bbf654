package dhcpv6_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"pppoectl/dhcpv6"
)

// RFC 8415 section 18.2.4.
func TestRenewAtT1ExtendsTheLease(t *testing.T) {
	l := newLink(t)
	bound(l)
	began := l.now
	l.forget()
	l.run(t1 - 1)
	if len(l.sent) != 0 {
		t.Fatalf("%s before T1", l.kinds())
	}
	l.run(1)
	l.last(renew)
	l.run(5 * time.Second)
	l.say(reply, usual())
	l.phase(dhcpv6.Bound)
	l.told(dhcpv6.Renewed)
	got := l.c.Lease()
	if p := got.Prefixes[0]; got.T1 != l.now+t1 || got.T2 != l.now+t2 || p.PreferredUntil != l.now+preferred*time.Second || p.ValidUntil != l.now+valid*time.Second {
		t.Errorf("%v after %v", got, l.now-began)
	}
	if l.next != l.now+t1 {
		t.Errorf("deadline %v, want T1", l.next)
	}
}

// A server may shorten what it gave.
func TestShorterLifetimesCount(t *testing.T) {
	l := newLink(t)
	renewing(l)
	l.say(reply, pd(prefix(given, 60, 120)))
	if p := l.c.Lease().Prefixes[0]; p.PreferredUntil != l.now+time.Minute || p.ValidUntil != l.now+2*time.Minute {
		t.Errorf("%v at %v", p, l.now)
	}
}

// Section 18.2.5: from T2 on any server may answer, and becomes the one to ask.
func TestRebindAtT2TakesAnyServer(t *testing.T) {
	l := newLink(t)
	renewing(l)
	l.forget()
	l.run(t2 - t1)
	l.phase(dhcpv6.Rebinding)
	l.told(dhcpv6.Unanswered)
	for _, s := range l.sent[:len(l.sent)-1] {
		if s.MessageType != renew {
			t.Errorf("%s", l.kinds())
		}
	}
	l.last(rebind)
	l.has(given)
	l.sayAs(serverB, reply, usual())
	l.phase(dhcpv6.Bound)
	l.run(t1)
	if m := l.last(renew); !bytes.Equal(m.server(), serverB) {
		t.Errorf("Renew to %x", m.server())
	}
}

// odhcp6c issue 157: nothing is lost before it has run out; then the search
// begins at once.
func TestUnansweredRebindKeepsThePrefixUntilItHasRunOut(t *testing.T) {
	l := newLink(t)
	rebinding(l)
	l.forget()
	l.run(valid*time.Second - t2 - 1)
	l.phase(dhcpv6.Rebinding)
	l.has("-" + given) // preferred for an hour only
	if l.told(dhcpv6.Deprecated); !l.c.Confirmed() {
		t.Error("not confirmed any more")
	}
	l.forget()
	l.run(1)
	l.phase(dhcpv6.Soliciting)
	l.has()
	l.told(dhcpv6.Expired)
	if m := l.last(solicit); m.at != l.now || l.c.Confirmed() || l.events[0].Text != given {
		t.Errorf("Solicit at %v, %v", m.at, l.events)
	}
}

// Section 18.2.10.1.
func TestNoBindingIsFollowedByARequestToTheServerThatSaidIt(t *testing.T) {
	for _, c := range []struct {
		name   string
		to     func(*link)
		server []byte
	}{{"Renew", renewing, serverA}, {"Rebind", rebinding, serverB}, {"Rebind of an earlier lease", confirming, serverB}} {
		t.Run(c.name, func(t *testing.T) {
			l := newLink(t)
			c.to(l)
			asked := l.sent[len(l.sent)-1].TransactionID
			l.events = nil
			l.sayAs(c.server, reply, pd(status(3, "who?")))
			l.told() // it goes on
			m := l.last(request)
			if !bytes.Equal(m.server(), c.server) || fmt.Sprint(m.prefixes()) != "["+given+"]" || m.at != l.now || m.TransactionID == asked {
				t.Errorf("Request to %x about %v", m.server(), m.prefixes())
			}
			l.has(given) // until it has run out
			l.sayAs(c.server, reply, usual())
			l.phase(dhcpv6.Bound)
			l.has(given)
			if !bytes.Equal(l.c.Lease().Server, c.server) || !l.c.Confirmed() {
				t.Errorf("%v", l.c.Lease())
			}
		})
	}
}

func TestNoBindingAndThenNoPrefixLeadsToSolicit(t *testing.T) {
	l := newLink(t)
	renewing(l)
	l.say(reply, pd(status(3, "")))
	l.say(reply, pd(status(6, "")))
	l.phase(dhcpv6.Soliciting)
	l.has(given)
	l.run(2 * time.Second)
	l.last(solicit)
}

// A Reply without our IA_PD counts as none.
func TestRenewIsRepeatedAfterAReplyWithoutIAPD(t *testing.T) {
	l := newLink(t)
	renewing(l)
	next := l.next
	l.say(reply)
	l.phase(dhcpv6.Renewing)
	l.has(given)
	if l.next != next {
		t.Errorf("next Renew at %v, was %v", l.next, next)
	}
}

// What Renew may answer with.
func TestPrefixesChangeAtRenew(t *testing.T) {
	longer := "2001:db8:100::/60"
	a, b := prefix(given, preferred, valid), prefix(other, preferred, valid)
	gone := prefix(given, 0, 0)
	for _, c := range []struct {
		name   string
		answer []byte
		lease  []string
		phase  dhcpv6.Phase
		events []dhcpv6.Kind
	}{
		{"the same", pd(a), []string{given}, dhcpv6.Bound, []dhcpv6.Kind{dhcpv6.Renewed}},
		{"the same twice", pd(a, a), []string{given}, dhcpv6.Bound, []dhcpv6.Kind{dhcpv6.Renewed}},
		{"the same, then withdrawn in the same message", pd(a, gone), []string{given}, dhcpv6.Bound, []dhcpv6.Kind{dhcpv6.Renewed}},
		{"one more", pd(a, b), []string{given, other}, dhcpv6.Bound, []dhcpv6.Kind{dhcpv6.Delegated}},
		{"moved", pd(gone, b), []string{other}, dhcpv6.Bound, []dhcpv6.Kind{dhcpv6.Withdrawn, dhcpv6.Delegated}},
		{"moved, the old one named last", pd(b, gone), []string{other}, dhcpv6.Bound, []dhcpv6.Kind{dhcpv6.Withdrawn, dhcpv6.Delegated}},
		{"moved, the old one not named", pd(b), []string{other, "-" + given}, dhcpv6.Bound, []dhcpv6.Kind{dhcpv6.Delegated}},
		{"shrunk", pd(gone, prefix(longer, preferred, valid)), []string{longer}, dhcpv6.Bound, []dhcpv6.Kind{dhcpv6.Withdrawn, dhcpv6.Delegated}},
		{"deprecated", pd(prefix(given, 0, valid)), []string{"-" + given}, dhcpv6.Bound, []dhcpv6.Kind{dhcpv6.Delegated}},
		{"withdrawn", pd(gone), []string{}, dhcpv6.Soliciting, []dhcpv6.Kind{dhcpv6.Withdrawn}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLink(t)
			renewing(l)
			began := l.c.Lease().Prefixes[0]
			l.events = nil
			l.say(reply, c.answer)
			l.phase(c.phase)
			l.has(c.lease...)
			l.told(c.events...)
			for _, p := range l.c.Lease().Prefixes {
				if p.Prefix.String() == given && !p.Preferred(l.now) && c.name != "deprecated" && p.ValidUntil != began.ValidUntil {
					t.Errorf("%v, was valid until %v", p, began.ValidUntil)
				}
			}
		})
	}
}

// RFC 8415 section 18.2.10.1: what the server does not speak of stays as it is. A
// Reply that only takes back what we never had says nothing of ours.
func TestWithdrawalOfAPrefixThatIsNotOursChangesNothing(t *testing.T) {
	for _, phase := range []phase{{"renewing", renewing}, {"rebinding", rebinding}} {
		t.Run(phase.name, func(t *testing.T) {
			l := newLink(t)
			phase.to(l)
			before := l.c.Phase()
			l.say(reply, pd(prefix(other, 0, 0)))
			l.phase(before)
			l.has(given)
		})
	}
}

// What is withdrawn is told as that: the others are as they were.
func TestWithdrawalOfOneOfTwoDeprecatesNone(t *testing.T) {
	l := newLink(t)
	requesting(l)
	l.say(reply, ia(iaid, 1800, 2880, prefix(given, preferred, valid), prefix(other, preferred, valid)))
	l.run(t1)
	l.phase(dhcpv6.Renewing)
	l.events = nil
	l.say(reply, pd(prefix(other, 0, 0)))
	l.has(given)
	l.told(dhcpv6.Withdrawn, dhcpv6.Refused)
	l.run(l.next - l.now)
	if got := fmt.Sprint(l.last(renew).prefixes()); got != "["+given+"]" {
		t.Errorf("Renew about %v", got)
	}
}

// A withdrawn prefix is searched for again, but not at once.
func TestSearchAfterWithdrawalWaits(t *testing.T) {
	l := newLink(t)
	renewing(l)
	l.events = nil
	l.say(reply, pd(prefix(given, 0, 0)))
	l.last(renew)
	if wait := l.next - l.now; !within(wait, time.Second) {
		t.Errorf("the search begins after %v", wait)
	}
	if l.c.Confirmed() {
		t.Error("nothing is confirmed")
	}
	l.run(l.next - l.now)
	if m := l.last(solicit); m.Options.ElapsedTime() != 0 { // section 21.9
		t.Errorf("%v into an exchange that begins", m.Options.ElapsedTime())
	}
}

// A deprecated prefix that the server speaks of no more runs out, and only it.
func TestOldPrefixRunsOutBesideTheNewOne(t *testing.T) {
	l := newLink(t)
	renewing(l)
	l.say(reply, ia(iaid, infinity, infinity, prefix(other, infinity, infinity)))
	l.has(other, "-"+given)
	l.events = nil
	l.run(valid*time.Second - t1 - 1)
	l.has(other, "-"+given)
	l.run(1)
	l.has(other)
	l.told(dhcpv6.Expired)
	l.phase(dhcpv6.Bound)
	if l.next != 0 {
		t.Errorf("deadline %v with infinite lifetimes", l.next)
	}
}

// Section 15: what has run out meanwhile is not in a retransmission (and section
// 18.2.4: it must not be).
func TestRetransmissionLeavesOutWhatHasRunOut(t *testing.T) {
	l := newLink(t)
	requesting(l)
	l.say(reply, ia(iaid, 100, 190, prefix(given, preferred, valid), prefix(other, 150, 195)))
	l.run(190 * time.Second)
	if got := fmt.Sprint(l.last(rebind).prefixes()); got != "["+given+" "+other+"]" {
		t.Errorf("about %v", got)
	}
	l.run(15 * time.Second)
	l.has(given)
	if m := l.last(rebind); m.Options.ElapsedTime() == 0 || fmt.Sprint(m.prefixes()) != "["+given+"]" {
		t.Errorf("%v into the exchange about %v", m.Options.ElapsedTime(), m.prefixes())
	}
}

// A suspend is a jump of the time: what is due then is done, once.
func TestSuspend(t *testing.T) {
	for _, c := range []struct {
		name   string
		jump   time.Duration // from Bound
		phase  dhcpv6.Phase
		lease  []string
		events []dhcpv6.Kind
		sent   string
	}{
		{"until before T1", t1 - 1, dhcpv6.Bound, []string{given}, nil, ""},
		{"past T1", t2 - 1, dhcpv6.Renewing, []string{given}, nil, "RENEW"},
		{"until T2", t2, dhcpv6.Rebinding, []string{given}, nil, "REBIND"},
		{"past T2", preferred*time.Second - 1, dhcpv6.Rebinding, []string{given}, nil, "REBIND"},
		{"past the preferred lifetime", preferred * time.Second, dhcpv6.Rebinding, []string{"-" + given}, []dhcpv6.Kind{dhcpv6.Deprecated}, "REBIND"},
		{"past the valid lifetime", valid * time.Second, dhcpv6.Soliciting, []string{}, []dhcpv6.Kind{dhcpv6.Expired}, "SOLICIT"},
		{"of a year", 365 * 24 * time.Hour, dhcpv6.Soliciting, []string{}, []dhcpv6.Kind{dhcpv6.Expired}, "SOLICIT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLink(t)
			bound(l)
			l.forget()
			l.now += c.jump
			l.step(dhcpv6.Input{})
			l.phase(c.phase)
			l.has(c.lease...)
			l.told(c.events...)
			if l.kinds() != c.sent {
				t.Errorf("sent %s, want %s", l.kinds(), c.sent)
			}
		})
	}
}

// In the middle of an exchange too; and a Reply that waited in the socket
// meanwhile cannot bring back what has run out.
func TestSuspendWhileRenewing(t *testing.T) {
	l := newLink(t)
	renewing(l)
	l.now += valid * time.Second
	l.step(dhcpv6.Input{})
	l.phase(dhcpv6.Soliciting)
	l.has()
	l.sent = l.sent[:len(l.sent)-1]
	l.dropped(func() { l.say(reply, usual()) })
}
