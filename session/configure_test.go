package session_test

import (
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// configure changes the configuration of a session that lives, and forgets what was
// sent and told before.
func (l *line) configure(change func(*session.Config)) {
	l.t.Helper()
	change(&l.cfg)
	out := l.m.Configure(l.now, l.cfg)
	l.next, l.events, l.sent = out.Deadline, out.Events, out.Frames
	l.queue = append(l.queue, out.Frames...)
}

// expectKinds expects the events since configure.
func (l *line) expectKinds(want string) {
	l.t.Helper()
	if got := l.kinds(); got != want {
		l.t.Errorf("events %q, want %q", got, want)
	}
}

func oneFamily(f session.Family) func(*session.Config, *concentrator.Config) {
	return func(c *session.Config, ac *concentrator.Config) {
		both(c, ac)
		c.Families = []session.Family{f}
	}
}

func families(list ...session.Family) func(*session.Config) {
	return func(c *session.Config) { c.Families = list }
}

func TestFamilyThatIsWantedAgainComesUpBesideTheOther(t *testing.T) {
	for kept, other := range map[session.Family]session.Family{session.IPv4: session.IPv6, session.IPv6: session.IPv4} {
		l := newLine(t, both)
		l.up()
		l.configure(families(kept))
		l.run(time.Minute)
		l.configure(families(session.IPv4, session.IPv6))
		l.run(time.Second)
		l.expectKinds("network_up " + string(other))
		if i := l.m.Info(); i.IPv4 == nil || i.IPv6 == nil || i.Phase != session.Up {
			t.Errorf("%s: %+v", other, i)
		}
	}
}

// An AC whose IPv6CP we have rejected does not speak it any more (RFC 1661 section
// 5.7): the session stays up without it.
func TestFamilyThatTheACDoesNotSpeakAnyMoreFailsAlone(t *testing.T) {
	l := newLine(t, oneFamily(session.IPv4))
	l.up()
	l.configure(families(session.IPv4, session.IPv6))
	if n := l.sentPPP(ppp.IPv6CP, ppp.ConfigureRequest); n != 1 || l.next >= l.now+time.Second {
		t.Errorf("%d Configure-Requests, the next thing in %v", n, l.next-l.now)
	}
	l.run(time.Minute)
	l.expectKinds("network_failed ipv6")
	if i := l.m.Info(); i.IPv4 == nil || i.Phase != session.Up {
		t.Errorf("%+v", i)
	}
}

func TestFamilyThatIsNotWantedAnyMoreIsTerminated(t *testing.T) {
	l := newLine(t, both)
	l.up()
	l.configure(families(session.IPv4))
	l.expectKinds("network_down ipv6")
	if n := l.sentPPP(ppp.IPv6CP, ppp.TerminateRequest); n != 1 || len(l.sent) != 1 {
		t.Errorf("%d Terminate-Requests for IPv6CP, %d frames", n, len(l.sent))
	}
	l.run(time.Second)
	if i := l.m.Info(); i.IPv4 == nil || i.IPv6 != nil || i.Phase != session.Up || l.theSession().Opened(ppp.IPv6CP) {
		t.Errorf("%+v", i)
	}
}

// Nobody waits for what is not wanted any more.
func TestSessionIsUpWithoutTheFamilyThatIsNotWantedAnyMore(t *testing.T) {
	l := newLine(t, both)
	l.filter = func(f pppoe.Frame) bool { return !isPPP(f, ppp.IPv6CP) }
	l.command(session.Dial)
	l.run(time.Second)
	if l.m.Phase() != session.Network {
		t.Fatalf("phase %q", l.m.Phase())
	}
	l.configure(families(session.IPv4))
	l.expectKinds("up")
}

// The AC hears of it by the next Configure-Request: RFC 1661 begins anew in place.
func TestIdentifierThatHasChangedIsNegotiatedAnewInPlace(t *testing.T) {
	l := newLine(t, both)
	l.up()
	l.configure(func(c *session.Config) { c.InterfaceID = ipv6cp.Identifier{7: 9} })
	l.run(time.Second)
	l.expectKinds("network_down ipv6, network_up ipv6")
	if i := l.m.Info(); i.IPv6 == nil || i.IPv6.ID != (ipv6cp.Identifier{7: 9}) || i.IPv4 == nil {
		t.Errorf("%+v", i)
	}
	if n := l.sentPPP(ppp.IPv6CP, ppp.TerminateRequest) + l.sentPPP(ppp.LCP, ppp.ConfigureRequest); n != 0 {
		t.Errorf("%d packets that end more than the identifier", n)
	}
}

func TestNameServersThatAreNotWantedAnyMoreCostIPCPAlone(t *testing.T) {
	l := newLine(t, both)
	l.up()
	l.configure(func(c *session.Config) { c.IPCP.DNS = false })
	l.run(time.Second)
	l.expectKinds("network_down ipv4, network_up ipv4")
	if i := l.m.Info(); i.IPv4 == nil || len(i.IPv4.DNS) != 0 || i.IPv6 == nil {
		t.Errorf("%+v", i)
	}
}

// Login, AC and MTU are for the next session.
func TestWhatIsForTheNextSessionLeavesThisOneAlone(t *testing.T) {
	l := newLine(t, both)
	l.up()
	l.configure(func(c *session.Config) {
		c.Username, c.Password, c.MTU = "user@bizf.example.jp", "secret4", 1400
		c.Discovery.ACName = "BAS-OSAKA"
	})
	l.run(time.Second)
	l.expectKinds("")
	if len(l.sent) != 0 || l.m.Phase() != session.Up {
		t.Errorf("%d frames, phase %q", len(l.sent), l.m.Phase())
	}
	l.command(session.Hangup)
	l.run(time.Second)
	l.ac.Config().Name = "BAS-OSAKA"
	l.configure(families(session.IPv4))
	l.up()
	if i := l.m.Info(); i.MTU != 1400 || i.IPv4 == nil || i.IPv6 != nil {
		t.Errorf("%+v", i)
	}
}

func TestACThatIsWantedNowIsLookedForAtOnce(t *testing.T) {
	l := newLine(t, func(c *session.Config, _ *concentrator.Config) { c.Discovery.ACName = "BAS-OSAKA" })
	l.command(session.Dial)
	l.run(time.Second)
	l.configure(func(c *session.Config) { c.Discovery.ACName = "BAS-TOKYO" })
	if l.next == 0 {
		t.Fatal("no PADI is to come")
	}
	l.run(10 * time.Second)
	if l.m.Phase() != session.Up {
		t.Errorf("phase %q; %s", l.m.Phase(), l.kinds())
	}
}

func TestKeepaliveThatHasChangedGoesByTheNewFigures(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.configure(func(c *session.Config) { c.Echo = lcp.EchoConfig{Interval: time.Second} })
	l.run(10 * time.Second) // one of the old interval may still be due
	sent := l.m.Info().Echo.Sent
	l.run(10 * time.Second)
	if n := l.m.Info().Echo.Sent - sent; n != 10 {
		t.Errorf("%d echoes in ten seconds, want 10", n)
	}
	l.ac.Forget()
	l.configure(func(c *session.Config) { c.DeadAfter, c.Failures = 20*time.Second, 1000 })
	l.run(22 * time.Second)
	if e := l.closed(); e.Cause != cause.EchoLost {
		t.Errorf("%+v", e)
	}
}

// What is due when the configuration comes is done, as in each step.
func TestConfigureDoesWhatIsDue(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.now += 10 * time.Second
	l.configure(func(*session.Config) {})
	if l.sentPPP(ppp.LCP, ppp.EchoRequest) != 1 || l.next != l.now+lcp.EchoWait {
		t.Errorf("%d frames, deadline in %v", len(l.sent), l.next-l.now)
	}
}

// Before the networks are open, a change only counts when they are.
func TestConfigureWhileLCPIsNegotiated(t *testing.T) {
	l := newLine(t, oneFamily(session.IPv4))
	l.filter = func(f pppoe.Frame) bool { return f.EtherType == pppoe.EtherTypeDiscovery }
	l.command(session.Dial)
	l.run(100 * time.Millisecond)
	l.filter = nil
	l.configure(families(session.IPv6))
	l.expectKinds("")
	if len(l.sent) != 0 || l.m.Phase() != session.Link {
		t.Errorf("%d frames, phase %q", len(l.sent), l.m.Phase())
	}
	l.run(5 * time.Second)
	if i := l.m.Info(); i.Phase != session.Up || i.IPv6 == nil || i.IPv4 != nil {
		t.Errorf("%+v", i)
	}
}

// A family that had failed is tried at once, when what it asks for has changed.
func TestFamilyThatHadFailedIsTriedWithWhatHasChanged(t *testing.T) {
	l := newLine(t, both)
	l.script(ppp.IPCP, func(p ppp.Packet) []ppp.Packet {
		if p.Code == ppp.ConfigureRequest { // it has no address for us
			return []ppp.Packet{{Code: ppp.ConfigureReject, ID: p.ID, Data: p.Data}}
		}
		return nil
	})
	l.up()
	if l.last(session.NetworkFailed).Family != session.IPv4 {
		t.Fatalf("%s", l.kinds())
	}
	l.filter = nil
	l.configure(func(c *session.Config) { c.IPCP.DNS = false })
	l.run(time.Second)
	if i := l.m.Info(); i.IPv4 == nil || i.IPv6 == nil || i.Phase != session.Up {
		t.Errorf("%+v; %s", i, l.kinds())
	}
}

// A Terminate-Ack asks for no answer: the AC would take a Protocol-Reject for all time.
func TestTerminateAckOfWhatIsNotSpokenIsDropped(t *testing.T) {
	l := newLine(t, oneFamily(session.IPv4))
	l.up()
	l.dropsPacket(l.fromAC(1, hexBytes(t, "8057 0601 0004")))
	l.dropsPacket(l.fromAC(1, hexBytes(t, "80fd 0601 0004")))
}
