package session_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

var otherMAC = pppoe.MAC{0, 0x1e, 0x13, 0xc2, 0x69, 0xc3} // the AC's neighbour

// hexBytes reads annotated hexadecimal.
func hexBytes(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for text := range strings.Lines(s) {
		text, _, _ = strings.Cut(text, "#")
		for _, f := range strings.Fields(text) {
			digits.WriteString(f)
		}
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hexFrame makes a frame of the AC's to us from annotated hexadecimal, which
// begins with the PPPoE header.
func hexFrame(t testing.TB, etherType uint16, s string) pppoe.Frame {
	t.Helper()
	return pppoe.Frame{Dst: hostMAC, Src: acMAC, EtherType: etherType, Payload: hexBytes(t, s)}
}

// ppp feeds a PPP frame, given as annotated hexadecimal, to the session, and
// returns what the session answered.
func (l *line) ppp(s string) []pppoe.Frame {
	l.t.Helper()
	return l.feed(l.fromAC(l.m.Info().SessionID, hexBytes(l.t, s)))
}

// feed gives a frame straight to the session and returns the answers, which do
// not go on the wire.
func (l *line) feed(f pppoe.Frame) []pppoe.Frame {
	l.t.Helper()
	before, queue := len(l.sent), l.queue
	l.do(session.Input{Frame: &f})
	l.queue = queue
	return l.sent[before:]
}

// remembers returns all that the session remembers, as text.
func (l *line) remembers() string {
	l.t.Helper()
	b, err := json.Marshal(l.m.Snapshot())
	if err != nil {
		l.t.Fatal(err)
	}
	return string(b)
}

// ignores expects that a frame gets no answer, changes nothing, and is reported
// as dropped.
func (l *line) ignores(f pppoe.Frame) {
	l.t.Helper()
	l.do(session.Input{}) // what is due now is not the frame's doing
	before, dropped, deadline := l.remembers(), l.count(session.Dropped), l.next
	events := len(l.events)
	for _, a := range l.feed(f) {
		l.t.Errorf("answered: %v %x", a.Dst, a.Payload)
	}
	if after := l.remembers(); after != before {
		l.t.Errorf("session changed from\n%s\nto\n%s", before, after)
	}
	if l.next != deadline {
		l.t.Errorf("deadline moved from %v to %v", deadline, l.next)
	}
	if l.count(session.Dropped) != dropped+1 || len(l.events) != events+1 || l.last(session.Dropped).Text == "" {
		l.t.Errorf("events %v, want that one frame was dropped", l.events[events:])
	}
}

func TestPADTThatIsNotForUsIsIgnored(t *testing.T) {
	padt := func(change func(f *pppoe.Frame), id uint16) pppoe.Frame {
		f := pppoe.NewPADT(acMAC, hostMAC, id, "")
		change(&f)
		return f
	}
	for name, f := range map[string]pppoe.Frame{
		"other id":              padt(func(*pppoe.Frame) {}, 2),
		"id 0":                  padt(func(*pppoe.Frame) {}, 0),
		"id ffff":               padt(func(*pppoe.Frame) {}, 0xffff),
		"other AC":              padt(func(f *pppoe.Frame) { f.Src = otherMAC }, 1),
		"from a group":          padt(func(f *pppoe.Frame) { f.Src[0] |= 1 }, 1),
		"from us":               padt(func(f *pppoe.Frame) { f.Src = hostMAC }, 1),
		"broadcast destination": padt(func(f *pppoe.Frame) { f.Dst = pppoe.Broadcast }, 1),
		"other destination":     padt(func(f *pppoe.Frame) { f.Dst = otherMAC }, 1),
		"length over the frame": hexFrame(t, pppoe.EtherTypeDiscovery, "11 a7 0001 0004"),
		"header cut short":      hexFrame(t, pppoe.EtherTypeDiscovery, "11 a7 0001"),
		"version 2":             hexFrame(t, pppoe.EtherTypeDiscovery, "21 a7 0001 0000"),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, nil)
			l.up()
			l.ignores(f)
		})
	}
}

func TestPADTWithAnyTagsEndsTheSessionWithoutAnAnswer(t *testing.T) {
	for name, c := range map[string]struct{ payload, peer string }{
		"no tags":                   {"11 a7 0001 0000", ""},
		"padding":                   {"11 a7 0001 0000  0000 0000 0000", ""},
		"cut tag header":            {"11 a7 0001 0003  0203 00", ""},
		"tag over the end":          {"11 a7 0001 0006  0203 00ff 4141", ""},
		"another's Host-Uniq":       {"11 a7 0001 0008  0103 0004 dead beef", ""},
		"unknown tag":               {"11 a7 0001 0006  7777 0002 0000", ""},
		"error text":                {"11 a7 0001 0007  0203 0003 627965", "bye"},
		"terminal escapes, quoted ": {"11 a7 0001 0008  0203 0004 1b5b324a", "\x1b[2J"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, nil)
			l.up()
			if a := l.feed(hexFrame(t, pppoe.EtherTypeDiscovery, c.payload)); len(a) != 0 {
				t.Errorf("answered: %x", a)
			}
			if e := l.closed(); e.Cause != cause.PADT || e.Peer != c.peer {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestPADTStormIsNeverAnswered(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.sent = nil
	for id := range 2000 {
		f := pppoe.NewPADT(acMAC, hostMAC, uint16(id), "")
		if id%3 == 2 {
			f.Src = otherMAC
		}
		l.feed(f)
	}
	if len(l.sent) != 0 || l.count(session.Closed) != 1 {
		t.Errorf("%d frames sent, closed %d times", len(l.sent), l.count(session.Closed))
	}
}

func TestPADTInEveryPhaseEndsOnceAndSaysNothing(t *testing.T) {
	for name, to := range phases {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, nil)
			to(l)
			_, _, id := l.m.Address()
			l.sent = nil
			l.inject(pppoe.NewPADT(acMAC, hostMAC, id, ""), pppoe.NewPADT(acMAC, hostMAC, id, ""))
			l.run(0)
			if id == 0 {
				if l.has(session.Closed) {
					t.Errorf("closed without a session: %v", l.events)
				}
			} else if l.count(session.Closed) != 1 || l.m.Phase() != session.Down {
				t.Errorf("phase %q, events %v", l.m.Phase(), l.events)
			}
			if n := l.sentCodes(pppoe.PADT); n != 0 {
				t.Errorf("%d PADTs sent", n)
			}
		})
	}
}

// phases brings a fresh line into each phase of a session.
var phases = map[string]func(*line){
	"down":        func(*line) {},
	"discovery":   func(l *line) { l.cut = true; l.command(session.Dial); l.queue, l.cut = nil, false },
	"lcp":         func(l *line) { l.stuck(ppp.LCP) },
	"auth":        func(l *line) { l.stuck(ppp.PAP) },
	"network":     func(l *line) { l.stuck(ppp.IPCP) },
	"up":          func(l *line) { l.up() },
	"terminating": func(l *line) { l.up(); l.command(session.Hangup); l.queue = nil },
}

// stuck dials an AC whose packets of one protocol get lost until now.
func (l *line) stuck(protocol ppp.Protocol) {
	l.t.Helper()
	l.filter = func(f pppoe.Frame) bool { return !isPPP(f, protocol) || f.Src == hostMAC }
	l.command(session.Dial)
	l.run(50 * time.Millisecond)
	l.filter = nil
	want := map[ppp.Protocol]session.Phase{
		ppp.LCP: session.Link, ppp.PAP: session.Auth, ppp.CHAP: session.Auth, ppp.IPCP: session.Network,
	}[protocol]
	if l.m.Phase() != want {
		l.t.Fatalf("phase %q, want %q; %v", l.m.Phase(), want, l.events)
	}
}

func TestSessionFramesOfOthersAreIgnoredInEveryPhase(t *testing.T) {
	const terminate = "c021 0501 0004"
	for phase, to := range phases {
		for name, change := range map[string]func(f *pppoe.Frame){
			"other id":          func(f *pppoe.Frame) { f.Payload[3] ^= 2 },
			"other AC":          func(f *pppoe.Frame) { f.Src = otherMAC },
			"other destination": func(f *pppoe.Frame) { f.Dst = otherMAC },
			"broadcast":         func(f *pppoe.Frame) { f.Dst = pppoe.Broadcast },
			"from a group":      func(f *pppoe.Frame) { f.Src = pppoe.Broadcast },
			"code 7":            func(f *pppoe.Frame) { f.Payload[1] = 7 },
		} {
			t.Run(phase+"/"+name, func(t *testing.T) {
				l := newLine(t, nil)
				to(l)
				f := l.fromAC(l.m.Info().SessionID, hexBytes(t, terminate))
				change(&f)
				l.ignores(f)
			})
		}
	}
}

func TestBadFramingIsIgnored(t *testing.T) {
	cases := map[string]string{
		"CVE-2025-37749, length 0":                 "11 00 0001 0000",
		"length 0 and padding":                     "11 00 0001 0000  c021 0501 0004",
		"length 1":                                 "11 00 0001 0001  c0",
		"length 1, the rest past it":               "11 00 0001 0001  c0 21 0501 0004",
		"a Terminate-Request past the length":      "11 00 0001 0002  c021 0501 0004",
		"half a Terminate-Request past the length": "11 00 0001 0004  c021 0501 0004",
		"length over the frame":                    "11 00 0001 0007  c021 0501 0004",
		"length ffff":                              "11 00 0001 ffff  c021 0501 0004",
		"version 2":                                "21 00 0001 0006  c021 0501 0004",
		"type 2":                                   "12 00 0001 0006  c021 0501 0004",
		"LCP length 0":                             "11 00 0001 0006  c021 0501 0000",
		"LCP length 3":                             "11 00 0001 0006  c021 0501 0003",
		"LCP length over the packet":               "11 00 0001 0006  c021 0501 0005",
		"LCP option over the end, CVE-2006-4304":   "11 00 0001 000e  c021 0101 000c 01ff 05ae 0000 0000",
		"IPCP option over the end":                 "11 00 0001 000e  8021 0101 000c 03ff cb00 7101 0000",
		"IPv6CP option over the end":               "11 00 0001 000e  8057 0101 000c 01ff 0290 1a00 0000",
		"LCP option of length 0":                   "11 00 0001 000a  c021 0102 0008 0100 05ae",
		"LCP option of length 1":                   "11 00 0001 000a  c021 0102 0008 0101 05ae",
		"LCP option header cut short":              "11 00 0001 0007  c021 0102 0005 01",
	}
	for n := range 8 {
		cases[fmt.Sprintf("CVE-2024-27016, %d octets", n)] = "110000010006c021"[:2*n]
	}
	for name, payload := range cases {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, both)
			l.up()
			f := hexFrame(t, pppoe.EtherTypeSession, payload)
			if p, err := pppoe.ParsePacket(f.Payload); err == nil && len(p.Payload) >= 2 && (p.Payload[0] == 0xc0 || p.Payload[0] == 0x80) {
				l.dropsPacket(f)
				return
			}
			l.ignores(f)
		})
	}
}

// unlimited is remembers without the limiters.
func (l *line) unlimited() string {
	l.t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(l.remembers()), &all); err != nil {
		l.t.Fatal(err)
	}
	for _, key := range []string{"limit", "rejects"} {
		delete(all["session"].(map[string]any), key)
	}
	b, err := json.Marshal(all)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(b)
}

// dropsPacket is ignores for packets that count for the limit of control
// packets.
func (l *line) dropsPacket(f pppoe.Frame) {
	l.t.Helper()
	l.do(session.Input{})
	before, n := l.unlimited(), l.count(session.Dropped)
	for _, a := range l.feed(f) {
		l.t.Errorf("answered: %x", a.Payload)
	}
	if after := l.unlimited(); after != before {
		l.t.Errorf("session changed from\n%s\nto\n%s", before, after)
	}
	if l.count(session.Dropped) != n+1 {
		l.t.Errorf("not reported as dropped; events %v", l.events)
	}
}

// CVE-2026-46306: compressed protocol fields are never agreed to, so 0x2145 is a
// protocol that nobody speaks, and no IPv4.
func TestProtocolOfOneOctetIsNotUnderstood(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	a := l.ppp("21 4500 0014 0000 0000 4006 0000 cb007101 cb007107")
	if len(a) != 1 || !isPPP(a[0], ppp.LCP) || l.m.Phase() != session.Up {
		t.Errorf("phase %q, answers %x, want one Protocol-Reject", l.m.Phase(), a)
	}
}

func TestDiscoveryFramesThatMakeNoSenseNowAreIgnored(t *testing.T) {
	for name, payload := range map[string]string{
		"PADI from the AC":   "11 09 0000 0004  0101 0000",
		"PADO while up":      "11 07 0000 000f  0101 0000 0102 0003 424153 0103 0000",
		"PADR from the AC":   "11 19 0000 0004  0101 0000",
		"PADM":               "11 d3 0001 0000",
		"PADN":               "11 d4 0001 0000",
		"code ff":            "11 ff 0001 0000",
		"PADS of our id":     "11 65 0001 0004  0101 0000",
		"short frame":        "11 65",
		"CVE-2008-3584 PADO": "11 07 0000 0008  0103 00ff 0001 0001",
	} {
		for phase, to := range phases {
			t.Run(phase+"/"+name, func(t *testing.T) {
				l := newLine(t, nil)
				to(l)
				l.ignores(hexFrame(t, pppoe.EtherTypeDiscovery, payload))
			})
		}
	}
}

func TestFramesOfOtherEtherTypesAreNothing(t *testing.T) {
	l := newLine(t, func(_ *session.Config, ac *concentrator.Config) { ac.Echo = time.Second })
	l.up()
	before := l.remembers()
	f := hexFrame(t, 0x0800, "11 a7 0001 0000")
	if a := l.feed(f); len(a) != 0 || l.remembers() != before {
		t.Errorf("answers %x, session now %s", a, l.remembers())
	}
}
