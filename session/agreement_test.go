package session_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// kinds returns the kinds of all events but what was dropped, with families.
func (l *line) kinds() string {
	var s []string
	for _, e := range l.events {
		if e.Kind != session.Dropped {
			s = append(s, strings.TrimSpace(string(e.Kind)+" "+string(e.Family)))
		}
	}
	return strings.Join(s, ", ")
}

// script plays an AC by hand for one protocol: answer gets each packet of ours
// and returns the AC's.
func (l *line) script(protocol ppp.Protocol, answer func(p ppp.Packet) []ppp.Packet) {
	var scripted []string
	l.filter = func(f pppoe.Frame) bool {
		if !isPPP(f, protocol) {
			return f.Src == hostMAC || code(f) != pppoe.PADT // the real AC loses its patience
		}
		if f.Src == acMAC {
			return slices.Contains(scripted, string(f.Payload))
		}
		p, _ := pppoe.ParsePacket(f.Payload)
		c, err := ppp.ParsePacket(p.Payload[2:])
		if err != nil {
			l.t.Fatal(err)
		}
		for _, a := range answer(c) {
			g := l.fromAC(p.SessionID, ppp.AppendFrame(nil, protocol, a.AppendTo(nil)))
			scripted = append(scripted, string(g.Payload))
			l.inject(g)
		}
		return false
	}
}

func TestAddressThatChangesAfterOpenedIsDownThenUp(t *testing.T) {
	l := newLine(t, nil)
	address, opened := []byte{203, 0, 113, 7}, false
	l.script(ppp.IPCP, func(p ppp.Packet) []ppp.Packet {
		if p.Code != ppp.ConfigureRequest {
			return nil
		}
		options, _ := ppp.ParseOptions(p.Data)
		wants := append([]ppp.Option{}, options...)
		wants[0] = ppp.Option{Type: 3, Data: address}
		own := ppp.Packet{Code: ppp.ConfigureRequest, ID: p.ID, Data: []byte{3, 6, 203, 0, 113, 1}}
		if ppp.EqualOptions(options, wants) {
			answers := []ppp.Packet{{Code: ppp.ConfigureAck, ID: p.ID, Data: p.Data}, own}
			if opened {
				answers = answers[:1]
			}
			return answers
		}
		return []ppp.Packet{{Code: ppp.ConfigureNak, ID: p.ID, Data: ppp.AppendOptions(nil, wants[:1])}}
	})
	l.up()
	l.events, opened = nil, true
	address = []byte{203, 0, 113, 99}
	l.feed(l.fromAC(1, hexBytes(t, "8021 0150 000a 0306 cb007101"))) // the AC negotiates anew
	if i := l.m.Info(); i.IPv4 != nil {
		t.Errorf("IPv4 is still told as up: %+v", i.IPv4)
	}
	l.run(10 * time.Second)
	if got := l.kinds(); got != "network_down ipv4, network_up ipv4, up" {
		t.Errorf("events %q, want down, then up", got)
	}
	if i := l.m.Info(); i.IPv4 == nil || i.IPv4.Local != netip.MustParseAddr("203.0.113.99") {
		t.Errorf("%+v", i.IPv4)
	}
}

func TestAddressesThatNoHostCanHaveNeverComeUp(t *testing.T) {
	for _, address := range []string{"00000000", "7f000001", "e0000001", "ffffffff", "cb007101"} {
		t.Run(address, func(t *testing.T) {
			l := newLine(t, nil)
			l.script(ppp.IPCP, func(p ppp.Packet) []ppp.Packet {
				if p.Code != ppp.ConfigureRequest {
					return nil
				}
				own := ppp.Packet{Code: ppp.ConfigureRequest, ID: 1, Data: []byte{3, 6, 203, 0, 113, 1}}
				return []ppp.Packet{own, {Code: ppp.ConfigureNak, ID: p.ID, Data: hexBytes(t, "0306"+address)}}
			})
			l.command(session.Dial)
			l.run(2 * time.Minute)
			if l.has(session.NetworkUp) {
				t.Errorf("events %v", l.events)
			}
			if e := l.closed(); e.Cause != cause.NetworkFailed || !strings.Contains(e.Text, "IPCP") {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestLCPThatNeverConvergesEnds(t *testing.T) {
	answers := map[string]func(p ppp.Packet) []ppp.Packet{
		"no answer": func(ppp.Packet) []ppp.Packet { return nil },
		"Nak for MRU": func(p ppp.Packet) []ppp.Packet {
			return []ppp.Packet{{Code: ppp.ConfigureNak, ID: p.ID, Data: []byte{1, 4, 5, p.ID}}}
		},
		"Reject of all": func(p ppp.Packet) []ppp.Packet {
			return []ppp.Packet{{Code: ppp.ConfigureReject, ID: p.ID, Data: p.Data}}
		},
		"Nak and Reject in turn": func(p ppp.Packet) []ppp.Packet {
			if p.ID%2 == 0 {
				return []ppp.Packet{{Code: ppp.ConfigureNak, ID: p.ID, Data: []byte{1, 4, 5, p.ID}}}
			}
			return []ppp.Packet{{Code: ppp.ConfigureReject, ID: p.ID, Data: p.Data[:min(4, len(p.Data))]}}
		},
		"Ack, but no request of its own": func(p ppp.Packet) []ppp.Packet {
			return []ppp.Packet{{Code: ppp.ConfigureAck, ID: p.ID, Data: p.Data}}
		},
		"requests that we refuse": func(p ppp.Packet) []ppp.Packet {
			if p.Code == ppp.TerminateRequest {
				return nil
			}
			return []ppp.Packet{{Code: ppp.ConfigureRequest, ID: p.ID + 1, Data: []byte{3, 4, 0xc2, 0x27}}}
		},
		"our own requests, looped": func(p ppp.Packet) []ppp.Packet { return []ppp.Packet{p} },
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, nil)
			n := 0
			l.script(ppp.LCP, func(p ppp.Packet) []ppp.Packet {
				if n++; n > 500 {
					return nil
				}
				return answer(p)
			})
			l.command(session.Dial)
			l.run(5 * time.Minute)
			e := l.closed()
			want := cause.NegotiationError
			if strings.Contains(name, "looped") {
				want = cause.Loopback
			}
			if e.Cause != want || e.Text == "" {
				t.Errorf("%+v, want %s with its reason", e, want)
			}
			if n > 200 || l.has(session.LinkUp) {
				t.Errorf("%d packets of ours; %s", n, l.kinds())
			}
			if l.sentCodes(pppoe.PADT) != 1 || l.next != 0 {
				t.Errorf("%d PADTs, deadline %v", l.sentCodes(pppoe.PADT), l.next)
			}
		})
	}
}

// An AC that repeats its challenge and never decides must not hold the uplink
// in authentication for ever.
func TestAuthenticationThatComesToNoVerdictEnds(t *testing.T) {
	for name, c := range map[string]struct {
		auth      lcp.Auth
		challenge func(i byte) ppp.Packet
	}{
		"PAP, silence":  {lcp.AuthPAP, nil},
		"CHAP, silence": {lcp.AuthCHAPMD5, nil},
		"CHAP, the same challenge again and again": {lcp.AuthCHAPMD5, func(byte) ppp.Packet {
			return ppp.Packet{Code: 1, ID: 7, Data: []byte{4, 1, 2, 3, 4}}
		}},
		"CHAP, new challenges": {lcp.AuthCHAPMD5, func(i byte) ppp.Packet {
			return ppp.Packet{Code: 1, ID: i, Data: []byte{4, 1, 2, 3, i}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, func(_ *session.Config, ac *concentrator.Config) { ac.Auth = []lcp.Auth{c.auth} })
			l.filter = func(f pppoe.Frame) bool { return !isPPP(f, c.auth.Protocol) }
			l.command(session.Dial)
			l.run(0)
			l.ac.Forget()
			for i := range 60 {
				if c.challenge != nil && l.m.Phase() == session.Auth {
					l.feed(l.fromAC(1, ppp.AppendFrame(nil, ppp.CHAP, c.challenge(byte(i)).AppendTo(nil))))
				}
				l.run(10 * time.Second)
			}
			if e := l.closed(); e.Cause != cause.AuthTimeout {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestClocksNearTwoToThe32Seconds(t *testing.T) {
	for name, start := range map[string]time.Duration{
		"boot":            time.Nanosecond,
		"49.7 days":       (1 << 32) * time.Millisecond,
		"2^31 s":          (1<<31 - 20) * time.Second,
		"2^32 s":          (1<<32 - 20) * time.Second,
		"2^53 ns":         1<<53 - 20*time.Second,
		"the end of all ": 1<<63 - 1 - 10*time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, both)
			l.now = start
			l.restoreEachStep()
			l.up()
			if d := l.next - l.now; d <= 0 || d > 10*time.Second {
				t.Fatalf("next deadline in %v", d)
			}
			l.run(5 * time.Minute)
			if i := l.m.Info(); l.m.Phase() != session.Up || i.Suspect || i.Echo.Sent < 29 || i.Echo.Lost != 0 {
				t.Errorf("phase %q, %+v", l.m.Phase(), i.Echo)
			}
			l.cut = true
			l.run(75 * time.Second)
			if e := l.closed(); e.Cause != cause.EchoLost {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestReusedMachineRemembersNothingOfTheLastSession(t *testing.T) {
	l := newLine(t, both)
	for i := range 20 {
		l.events = nil
		l.up()
		if got := l.m.Info().SessionID; got != uint16(i+1) {
			t.Fatalf("session %d, want %d", got, i+1)
		}
		l.command(session.Hangup)
		l.run(10 * time.Second)
		l.closed()
		if l.next != 0 || len(l.ac.Sessions()) != 0 {
			t.Fatalf("deadline %v, %d sessions at the AC", l.next, len(l.ac.Sessions()))
		}
	}
}

// What failed in the last session may work in the next.
func TestNextSessionKnowsNothingOfAFailedNetwork(t *testing.T) {
	l := newLine(t, both)
	l.filter = func(f pppoe.Frame) bool { return !isPPP(f, ppp.IPCP) }
	l.command(session.Dial)
	l.run(40 * time.Second)
	if n := l.m.Snapshot().Networks[0]; n.Failure == "" || n.Retries != 1 {
		t.Fatalf("%+v", n)
	}
	l.command(session.Hangup)
	l.run(10 * time.Second)
	if n := l.m.Snapshot().Networks[0]; n.Failure != "" || n.Retries != 0 || n.RetryAt != 0 || n.Automaton.State != ppp.Initial || n.Automaton.ID != 0 {
		t.Errorf("%+v", n)
	}
}

// Ten requests, and two Terminate-Requests: that is all that a silent AC gets.
func TestSilenceOnTheLoginEndsAfterTenRequests(t *testing.T) {
	l := newLine(t, nil)
	l.filter = func(f pppoe.Frame) bool { return !isPPP(f, ppp.PAP) }
	l.command(session.Dial)
	l.run(0)
	l.ac.Forget()
	l.run(37 * time.Second)
	if e := l.closed(); e.Cause != cause.AuthTimeout || !strings.Contains(e.Text, "10 PAP requests") {
		t.Errorf("%+v", e)
	}
	if n := l.sentPPP(ppp.LCP, ppp.TerminateRequest); n != ppp.MaxTerminate {
		t.Errorf("%d Terminate-Requests", n)
	}
}
