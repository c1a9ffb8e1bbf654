package session_test

import (
	"fmt"
	"testing"
	"time"

	"pppoectl/concentrator"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// flood sends n packets of the AC's, evenly spread over one second. The line
// works meanwhile.
func (l *line) flood(n int, packet func(i int) string) {
	l.t.Helper()
	end := l.now + time.Second
	for i := range n {
		f := l.fromAC(l.m.Info().SessionID, hexBytes(l.t, packet(i)))
		l.do(session.Input{Frame: &f})
		l.run(time.Second / time.Duration(n))
	}
	l.now = max(l.now, end)
}

// atMost is how many control packets a second may be answered.
const atMost = 100 + 50

func TestFloodsAreAnsweredAtALimitedRate(t *testing.T) {
	for name, c := range map[string]struct {
		n      int
		packet func(i int) string
		answer ppp.Code
	}{
		"10000 Echo-Requests": {10000, func(i int) string { return fmt.Sprintf("c021 09%02x 0008 00000000", i&0xff) }, ppp.EchoReply},
		"4096 unknown protocols": {4096, func(i int) string {
			return fmt.Sprintf("%04x 0101 0004", 0x4001+i%64*0x200)
		}, ppp.ProtocolReject},
		"4096 unknown protocols, as Echo-Replies": {4096, func(int) string { return "4001 0a01 0008 00000000" }, ppp.ProtocolReject},
		"4096 unknown codes":                      {4096, func(int) string { return "c021 2001 0004" }, ppp.CodeReject},
		"4096 broken unknown packets":             {4096, func(int) string { return "4001" }, ppp.ProtocolReject},
		"4096 Echo-Replies":                       {4096, func(i int) string { return fmt.Sprintf("c021 0a%02x 0008 12345678", i&0xff) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, func(c *session.Config, _ *concentrator.Config) {
				c.Echo = lcp.EchoConfig{Interval: time.Second}
			})
			l.up()
			for range 20 {
				l.sent = nil
				l.flood(c.n, c.packet)
				if n := l.sentPPP(ppp.LCP, c.answer); n > atMost {
					t.Fatalf("%d answers in a second, want at most %d", n, atMost)
				}
				if n := len(l.sent); n > atMost+3 {
					t.Fatalf("%d frames in a second", n)
				}
				if n := l.count(session.Dropped); n < c.n-atMost {
					t.Fatalf("%d frames told as dropped, want %d at least", n, c.n-atMost)
				}
				l.events = nil // thousands
			}
			if i := l.m.Info(); l.m.Phase() != session.Up || i.Suspect || i.Echo.Lost != 0 || i.Echo.Sent < 15 {
				t.Errorf("phase %q, %+v: our own keepalive suffers", l.m.Phase(), i.Echo)
			}
			l.run(time.Minute)
			if l.m.Phase() != session.Up || len(l.ac.Sessions()) != 1 {
				t.Errorf("phase %q a minute later, %d sessions at the AC", l.m.Phase(), len(l.ac.Sessions()))
			}
		})
	}
}

// What deserves no better than a Reject, or has not the AC's magic number, must not keep
// the AC's own Echo-Requests from being answered: the AC would end the session.
func TestACsKeepaliveSurvivesAFlood(t *testing.T) {
	for name, packet := range map[string]string{
		"unknown protocol":                   "4001 0101 0004",
		"unknown code":                       "c021 2001 0004",
		"Echo-Request without a number":      "c021 0901 0008 00000000",
		"Echo-Request, another's number":     "c021 0901 0008 deadbeef",
		"Echo-Request without enough octets": "c021 0901 0006 0000",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, func(_ *session.Config, ac *concentrator.Config) { ac.Echo = 1030 * time.Millisecond }) // never just when a bound has room again
			l.up()
			for range 15 {
				l.flood(1000, func(int) string { return packet })
			}
			if l.m.Phase() != session.Up || len(l.ac.Sessions()) != 1 {
				t.Errorf("phase %q, %d sessions at the AC", l.m.Phase(), len(l.ac.Sessions()))
			}
		})
	}
}

func TestHangupAndPADTWorkInAFlood(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.flood(10000, func(int) string { return "c021 0901 0008 00000000" })
	l.feed(pppoe.NewPADT(acMAC, hostMAC, l.m.Info().SessionID, ""))
	if l.m.Phase() != session.Down {
		t.Errorf("phase %q after a PADT", l.m.Phase())
	}

	l = newLine(t, nil)
	l.up()
	l.flood(10000, func(int) string { return "c021 0901 0008 00000000" })
	l.command(session.Hangup)
	l.run(10 * time.Second)
	l.closed()
	if len(l.ac.Sessions()) != 0 {
		t.Error("the AC still has the session")
	}
}

// A flood of Configure-Requests renegotiates in place, and at a limited rate;
// when it is over the session is up again, with the same id.
func TestConfigureRequestFloodInOpened(t *testing.T) {
	for name, packet := range map[string]func(i int) string{
		"LCP":     func(i int) string { return fmt.Sprintf("c021 01%02x 000e 0104 05d4 0506 1234%04x", i&0xff, i) },
		"LCP bad": func(i int) string { return fmt.Sprintf("c021 01%02x 0008 0304 c227", i&0xff) },
		"IPCP":    func(i int) string { return fmt.Sprintf("8021 01%02x 000a 0306 cb007101", i&0xff) },
		"IPv6CP":  func(i int) string { return fmt.Sprintf("8057 01%02x 000e 010a 0290 1a00 41a3 %04x", i&0xff, i) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, both)
			l.up()
			id := l.m.Info().SessionID
			for range 3 {
				l.sent = nil
				l.flood(2000, packet)
				if n := len(l.sent); n > 5*atMost {
					t.Fatalf("%d frames in a second", n)
				}
			}
			if name == "LCP bad" { // refused without end: the session may end, and then has ended properly
				l.run(time.Minute)
				if l.m.Phase() != session.Up {
					l.closed()
				}
				return
			}
			l.run(time.Minute)
			if i := l.m.Info(); l.m.Phase() != session.Up || i.SessionID != id || i.IPv4 == nil || i.IPv6 == nil {
				t.Errorf("phase %q, session %d, %+v", l.m.Phase(), i.SessionID, i)
			}
		})
	}
}

func TestChallengeFloodIsAnsweredSparinglyWhileUp(t *testing.T) {
	l := newLine(t, func(_ *session.Config, ac *concentrator.Config) { ac.Auth = []lcp.Auth{lcp.AuthCHAPMD5} })
	l.up()
	l.sent = nil
	for i := range 60 {
		l.ppp(fmt.Sprintf("c223 01%02x 0009 04 %08x", i, i))
		l.run(time.Second)
	}
	n := 0
	for _, f := range l.sent {
		if isPPP(f, ppp.CHAP) {
			n++
		}
	}
	if n < 1 || n > 5+6 || l.m.Phase() != session.Up {
		t.Errorf("%d responses to 60 challenges in a minute, phase %q", n, l.m.Phase())
	}
}
