package dhcpv6_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	wire "github.com/insomniacslk/dhcp/dhcpv6"

	"pppoectl/dhcpv6"
)

// within is what RAND may make of a time (RFC 8415 section 15).
func within(d, of time.Duration) bool { return d >= of-of/10 && d <= of+of/10 }

// RFC 8415 section 15 with the parameters of section 7.6.
func TestRetransmission(t *testing.T) {
	const hour = time.Hour
	for _, c := range []struct {
		name     string
		to       func(*link)
		kind     wire.MessageType
		irt, mrt time.Duration
		messages int // of the exchange; 0: it does not end while we look
		lasting  time.Duration
		look     time.Duration
	}{
		{"Solicit: 1 s, up to an hour", soliciting, solicit, time.Second, hour, 0, 0, 5 * hour},
		{"Request: 1 s, up to 30 s, 10 times", requesting, request, time.Second, 30 * time.Second, 10, 0, hour},
		{"Renew: 10 s, up to 10 min", renewing, renew, 10 * time.Second, 10 * time.Minute, 0, 0, t2 - t1 - 1},
		{"Rebind: 10 s, up to 10 min", rebinding, rebind, 10 * time.Second, 10 * time.Minute, 0, 0, valid*time.Second - t2 - 1},
		{"Rebind of a lease of an earlier link: as Confirm, for 10 s", confirming, rebind, time.Second, 4 * time.Second, 0, 10 * time.Second, hour},
		{"Release: 1 s, 4 times", releasing, release, time.Second, 0, 4, 0, hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLink(t)
			c.to(l)
			first := l.last(c.kind)
			l.forget()
			l.run(c.look)
			at := []time.Duration{first.at}
			for _, s := range l.sent {
				if s.MessageType != c.kind || s.TransactionID != first.TransactionID {
					break
				}
				at = append(at, s.at)
				want := min(s.at-first.at, 0xffff*10*time.Millisecond) // section 21.9
				if got := s.Options.ElapsedTime(); (got - want).Abs() > 10*time.Millisecond {
					t.Errorf("elapsed time %v, want %v", got, want)
				}
			}
			var rt time.Duration
			for i := 1; i < len(at); i++ {
				was := rt
				rt = at[i] - at[i-1]
				switch {
				case i == 1 && c.kind == solicit && (rt <= c.irt || rt > c.irt+c.irt/10):
					t.Errorf("first RT %v, want more than %v", rt, c.irt) // section 18.2.1
				case i == 1 && !within(rt, c.irt):
					t.Errorf("first RT %v, want %v", rt, c.irt)
				case i > 1 && (rt < was*19/10 || rt > was*21/10) && (c.mrt == 0 || !within(rt, c.mrt)):
					t.Errorf("RT %d is %v after %v", i, rt, was)
				case c.mrt != 0 && rt > c.mrt+c.mrt/10:
					t.Errorf("RT %d is %v, MRT %v", i, rt, c.mrt)
				}
			}
			if c.messages != 0 && len(at) != c.messages {
				t.Errorf("%d messages, want %d", len(at), c.messages)
			}
			if end := at[len(at)-1] - first.at; c.lasting != 0 && (end > c.lasting || len(at) < 4) {
				t.Errorf("%d messages, the last after %v; want until %v", len(at), end, c.lasting)
			}
			if c.messages == 0 && c.lasting == 0 && (len(at) < 5 || len(at) != len(l.sent)+1) {
				t.Errorf("%d messages of %s in %v", len(at), l.kinds(), c.look)
			}
		})
	}
}

// Section 15: RAND is spread evenly over a tenth more and a tenth less; in a Solicit it is never less. The third
// wait of a Rebind that stands for a Confirm is cut to MRT.
func TestRetransmissionTimesOfManyClients(t *testing.T) {
	for _, c := range []struct {
		name        string
		to          func(*link)
		repetition  int
		least, most time.Duration
	}{
		{"Solicit", soliciting, 1, time.Second, 1100 * time.Millisecond},
		{"Request", requesting, 1, 900 * time.Millisecond, 1100 * time.Millisecond},
		{"Renew", renewing, 1, 9 * time.Second, 11 * time.Second},
		{"Rebind", rebinding, 1, 9 * time.Second, 11 * time.Second},
		{"Rebind for a Confirm", confirming, 1, 900 * time.Millisecond, 1100 * time.Millisecond},
		{"Rebind for a Confirm", confirming, 3, 3249 * time.Millisecond, 4400 * time.Millisecond},
		{"Release", releasing, 1, 900 * time.Millisecond, 1100 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%s, repetition %d", c.name, c.repetition), func(t *testing.T) {
			least, most := dhcpv6.Forever, time.Duration(0)
			for seed := range uint64(300) {
				l := seeded(t, seed)
				c.to(l)
				for range c.repetition - 1 {
					l.run(l.next - l.now)
				}
				at := l.now
				l.forget()
				l.run(l.next - l.now)
				if len(l.sent) != 1 {
					t.Fatalf("seed %d: sent %s", seed, l.kinds())
				}
				least, most = min(least, l.now-at), max(most, l.now-at)
			}
			if near := (c.most - c.least) / 10; least < c.least || least > c.least+near || most > c.most || most < c.most-near {
				t.Errorf("after %v to %v, want %v to %v", least, most, c.least, c.most)
			}
		})
	}
}

// MRT is reached, and kept to within RAND.
func TestLongestRetransmissionTimes(t *testing.T) {
	l := newLink(t)
	soliciting(l)
	l.run(24 * time.Hour)
	for i := len(l.sent) - 5; i < len(l.sent); i++ {
		if rt := l.sent[i].at - l.sent[i-1].at; !within(rt, time.Hour) {
			t.Errorf("RT %v, want an hour", rt)
		}
	}
}

func TestLongestRetransmissionTimesOfRenewAndRebind(t *testing.T) {
	l := newLink(t)
	requesting(l)
	l.say(reply, ia(iaid, 1000, 20000, prefix(given, 40000, 40000)))
	l.run(19999 * time.Second)
	l.last(renew)
	atMost := func() {
		t.Helper()
		if rt := l.next - l.sent[len(l.sent)-1].at; l.next != l.c.Lease().T2 && !within(rt, 10*time.Minute) {
			t.Errorf("RT %v, want ten minutes", rt)
		}
		for i := len(l.sent) - 8; i < len(l.sent); i++ {
			if rt := l.sent[i].at - l.sent[i-1].at; !within(rt, 10*time.Minute) {
				t.Errorf("RT %v, want ten minutes", rt)
			}
		}
	}
	atMost()
	l.run(15000 * time.Second)
	l.last(rebind)
	atMost()
}

// A message that does not count, after the last Request, does not end the wait
// for its answer.
func TestLastMessageHasItsTimeToo(t *testing.T) {
	for _, c := range []struct {
		name     string
		to       func(*link)
		messages int
	}{{"Request", requesting, 10}, {"Release", releasing, 4}} {
		t.Run(c.name, func(t *testing.T) {
			l := newLink(t)
			c.to(l)
			phase := l.c.Phase()
			for range c.messages - 1 {
				l.run(l.next - l.now)
			}
			l.dropped(func() { l.sayAs(serverB, reply, usual()) })
			l.phase(phase)
			l.run(l.next - l.now - 1)
			l.phase(phase)
			l.say(reply, usual())
			if want := map[dhcpv6.Phase]dhcpv6.Phase{dhcpv6.Requesting: dhcpv6.Bound, dhcpv6.Releasing: dhcpv6.Down}[phase]; l.c.Phase() != want {
				t.Errorf("phase %q, want %q", l.c.Phase(), want)
			}
		})
	}
}

// A Request that nobody answers fails after the last RT, not with its last
// message, and the search begins anew, more slowly each time.
func TestUnansweredRequestLeadsToSolicit(t *testing.T) {
	l := newLink(t)
	requesting(l)
	var waits []time.Duration
	for range 4 {
		l.forget()
		l.run(5 * time.Minute)
		var lastRequest, firstSolicit time.Duration
		for _, s := range l.sent {
			if s.MessageType == request {
				lastRequest = s.at
			} else if firstSolicit == 0 {
				firstSolicit = s.at
			}
		}
		waits = append(waits, firstSolicit-lastRequest)
		l.phase(dhcpv6.Soliciting)
		l.say(advertise, preference(255), usual())
		l.phase(dhcpv6.Requesting)
	}
	for i, wait := range waits {
		backoff := time.Second << i
		if wait < 27*time.Second+backoff*9/10 || wait > 33*time.Second+backoff*11/10 {
			t.Errorf("Solicit %v after the last Request, want 30 s and then %v", wait, backoff)
		}
	}
}

// A retransmission differs in its elapsed time only; another exchange has
// another transaction id.
func TestTransactions(t *testing.T) {
	l := newLink(t)
	renewing(l)
	l.run(valid * time.Second)
	l.run(time.Hour)
	seen := map[wire.TransactionID]wire.MessageType{}
	var order []wire.MessageType
	bodies := map[wire.TransactionID][]byte{}
	for _, s := range l.sent {
		if kind, known := seen[s.TransactionID]; !known {
			order = append(order, s.MessageType)
		} else if kind != s.MessageType {
			t.Errorf("transaction %v is of %v and of %v", s.TransactionID, kind, s.MessageType)
		}
		seen[s.TransactionID] = s.MessageType
		s.UpdateOption(wire.OptElapsedTime(0))
		if body := s.ToBytes(); bodies[s.TransactionID] != nil && !bytes.Equal(body, bodies[s.TransactionID]) {
			t.Errorf("%v was sent again as\n%x, was\n%x", s.MessageType, body, bodies[s.TransactionID])
		} else {
			bodies[s.TransactionID] = body
		}
	}
	if want := []wire.MessageType{solicit, request, renew, rebind, solicit}; fmt.Sprint(order) != fmt.Sprint(want) {
		t.Errorf("exchanges %v, want %v", order, want)
	}
}

// Section 14.1: 20 at once, then one each second, whatever the supervisor and the
// servers do.
func TestRateOfMessages(t *testing.T) {
	l := newLink(t)
	for range 100 { // a link that flaps
		l.command(dhcpv6.Start)
		l.command(dhcpv6.Stop)
	}
	if len(l.sent) != 20 {
		t.Errorf("%d messages at once, want 20", len(l.sent))
	}
	l.forget()
	for range 100 {
		l.run(500 * time.Millisecond)
		l.command(dhcpv6.Start)
		l.command(dhcpv6.Stop)
	}
	if len(l.sent) != 50 {
		t.Errorf("%d messages in 50 s, want 50", len(l.sent))
	}
}

// What may not be sent now is sent a second later, and nothing else is done until then.
func TestMessageThatHasToWaitIsDueAfterASecond(t *testing.T) {
	l := newLink(t)
	for range 20 {
		l.command(dhcpv6.Start)
	}
	l.forget()
	l.command(dhcpv6.Start)
	if len(l.sent) != 0 || l.next != l.now+time.Second {
		t.Fatalf("%s, deadline %v", l.kinds(), l.next)
	}
	l.run(time.Second)
	l.last(solicit)
}

// A server that knows no binding at a Renew and gives one that is to be renewed
// at once, for ever.
func TestLoopOfNoBindingIsSlow(t *testing.T) {
	l := newLink(t)
	bound(l)
	l.forget()
	begin := l.now
	for range 3000 {
		l.run(l.next - l.now)
		if len(l.sent) == 0 {
			continue
		}
		switch kind := l.sent[len(l.sent)-1].MessageType; kind {
		case renew, rebind:
			l.say(reply, pd(status(3, "")))
		default:
			l.say(reply, rapidCommit(), ia(iaid, 1, 1, prefix(given, preferred, valid)))
		}
	}
	if most := 20 + int((l.now-begin)/time.Second); len(l.sent) > most || len(l.sent) < 1000 {
		t.Errorf("%d messages in %v", len(l.sent), l.now-begin)
	}
}

// Section 21.9: the elapsed time is told in hundredths of a second, the longest for all that are longer.
func TestLongestElapsedTime(t *testing.T) {
	l := newLink(t)
	soliciting(l)
	l.run(24 * time.Hour)
	if got := l.last(solicit).Options.ElapsedTime(); got != 0xffff*10*time.Millisecond {
		t.Errorf("elapsed %v", got)
	}
}

// Section 21.7: what is asked for, in every message that may ask.
func TestOptionsOfEachMessage(t *testing.T) {
	for _, c := range []struct {
		name   string
		to     func(*link)
		kind   wire.MessageType
		asks   bool
		server []byte
		rapid  bool
		about  []string
	}{
		{"Solicit", soliciting, solicit, true, nil, true, []string{}},
		{"Request", requesting, request, true, serverA, false, []string{given}},
		{"Renew", renewing, renew, true, serverA, false, []string{given}},
		{"Rebind", rebinding, rebind, true, nil, false, []string{given}},
		{"Rebind of an earlier lease", confirming, rebind, true, nil, false, []string{given}},
		{"Release", releasing, release, false, serverA, false, []string{given}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLink(t)
			c.to(l)
			m := l.last(c.kind)
			if m.Options.ElapsedTime() != 0 || len(m.GetOption(wire.OptionElapsedTime)) != 1 {
				t.Errorf("elapsed time %v in the first message", m.Options.ElapsedTime())
			}
			for _, code := range []wire.OptionCode{wire.OptionSolMaxRT, wire.OptionDNSRecursiveNameServer, wire.OptionDomainSearchList, wire.OptionNTPServer, wire.OptionAFTRName} {
				if m.IsOptionRequested(code) != c.asks {
					t.Errorf("%v asked for: %v", code, !c.asks)
				}
			}
			if !bytes.Equal(m.server(), c.server) || (m.GetOneOption(wire.OptionRapidCommit) != nil) != c.rapid {
				t.Errorf("server %x, rapid commit %v", m.server(), m.GetOption(wire.OptionRapidCommit))
			}
			if fmt.Sprint(m.prefixes()) != fmt.Sprint(c.about) {
				t.Errorf("about %v, want %v", m.prefixes(), c.about)
			}
			if m.GetOneOption(wire.OptionReconfAccept) != nil {
				t.Error("Reconfigure Accept of a client that knows no Reconfigure")
			}
		})
	}
}
