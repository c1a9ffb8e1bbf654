package session_test

import (
	"bytes"
	"fmt"
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

// oneReject expects exactly one answer, a Protocol-Reject of the given
// information, and returns its length.
func oneReject(t *testing.T, answers []pppoe.Frame, rejected []byte) int {
	t.Helper()
	if len(answers) != 1 || !isPPP(answers[0], ppp.LCP) {
		t.Fatalf("answers %x, want one Protocol-Reject", answers)
	}
	p, _ := pppoe.ParsePacket(answers[0].Payload)
	c, err := ppp.ParsePacket(p.Payload[2:])
	if err != nil || c.Code != ppp.ProtocolReject || len(c.Data) < 6 || !bytes.HasPrefix(rejected, c.Data) {
		t.Fatalf("%v %x, want a Protocol-Reject with the begin of %x", c.Code, c.Data, rejected)
	}
	return len(p.Payload) - 2
}

// CVE-2020-8597: an EAP request with a value of 16 octets and a name of 300.
func TestEAPThatWasNotAgreedToIsRejectedCutToTheMRU(t *testing.T) {
	eap := "c227 0107 0142 04 10" + strings.Repeat("00", 16) + strings.Repeat("41", 300)
	for _, c := range []struct {
		name   string
		phase  string
		mru    int // of the AC
		length int // of the Protocol-Reject
	}{
		{"before authentication", "auth", 1492, 4 + 2 + 0x142},
		{"after up", "up", 1492, 4 + 2 + 0x142},
		{"before authentication, small MRU", "auth", 128, 128},
		{"after up, small MRU", "up", 128, 128},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLine(t, func(_ *session.Config, ac *concentrator.Config) { ac.MRU = c.mru })
			phases[c.phase](l)
			if n := oneReject(t, l.ppp(eap), hexBytes(t, eap)); n != c.length {
				t.Errorf("Protocol-Reject of %d octets, want %d", n, c.length)
			}
			if p := string(l.m.Phase()); p != c.phase || l.has(session.Closed) {
				t.Errorf("phase %q, events %v", p, l.events)
			}
			l.run(5 * time.Second)
			if l.m.Phase() != session.Up {
				t.Errorf("phase %q afterwards, want up", l.m.Phase())
			}
		})
	}
}

func TestAuthenticationProtocolThatWasNotAgreedToIsRejected(t *testing.T) {
	const (
		challenge = "c223 0107 0019 10 000102030405060708090a0b0c0d0e0f 41414141"
		papAck    = "c023 0201 0005 00"
	)
	for _, c := range []struct {
		name   string
		agreed lcp.Auth
		packet string
	}{
		{"CHAP challenge when PAP was", lcp.AuthPAP, challenge},
		{"PAP Ack when CHAP was", lcp.AuthCHAPMD5, papAck},
	} {
		for _, phase := range []string{"auth", "up"} {
			t.Run(c.name+"/"+phase, func(t *testing.T) {
				l := newLine(t, func(_ *session.Config, ac *concentrator.Config) { ac.Auth = []lcp.Auth{c.agreed} })
				if phase == "auth" {
					l.stuck(c.agreed.Protocol)
				} else {
					l.up()
				}
				oneReject(t, l.ppp(c.packet), hexBytes(t, c.packet))
				if string(l.m.Phase()) != phase {
					t.Errorf("phase %q; %v", l.m.Phase(), l.events)
				}
			})
		}
	}
}

func TestUnknownProtocolsBeforeLCPIsOpenAreDropped(t *testing.T) {
	for _, packet := range []string{
		"c227 0107 0004", "c029 0101 0004", "80fd 0101 0004", "8021 0101 0004", "c023 0201 0005 00", "c223 0301 0004",
		"0000 0101 0004", "c020 0101 0004", "c121 0101 0004",
	} {
		l := newLine(t, nil)
		l.stuck(ppp.LCP)
		l.dropsPacket(l.fromAC(l.m.Info().SessionID, hexBytes(t, packet)))
	}
}

func TestNetworkProtocolsBeforeAuthenticationAreDropped(t *testing.T) {
	for name, packet := range map[string]string{
		"IPCP request":        "8021 0101 000a 0306 cb007101",
		"IPCP Ack":            "8021 0201 000a 0306 cb007107",
		"IPCP Terminate":      "8021 0501 0004",
		"IPv6CP request":      "8057 0101 000e 010a 0290 1a00 41a3 d3f3",
		"CCP, not spoken":     "80fd 0101 0004",
		"IPv6CP, unasked for": "8057 0101 0004",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, nil)
			l.stuck(ppp.PAP)
			l.dropsPacket(l.fromAC(l.m.Info().SessionID, hexBytes(t, packet)))
		})
	}
}

// CVE-2004-1002 is about CBCP (c029) whose option is too short, or past the end. RFC
// 1661 section 2: a protocol's number ends in an odd octet, and begins with an even one.
func TestProtocolsThatNobodySpeaksAreRejectedAndNothingElse(t *testing.T) {
	for name, packet := range map[string]string{
		"CBCP, option of length 1":    "c029 0101 0008 0201 0000",
		"CBCP, option of length 0":    "c029 0101 0006 0200",
		"CBCP, option past the end":   "c029 0101 0008 02ff 0000",
		"CBCP, length past the end":   "c029 0101 00ff 0204 0000",
		"CCP":                         "80fd 0101 0004",
		"IPv6CP, not asked for":       "8057 0101 0004",
		"LQR":                         "c025 0101 0004",
		"LQR that begins as an Ack":   "c025 0601 0004",
		"IPv4 that strays":            "0021ff",
		"IPv6 that strays":            "0057ff",
		"number 4011":                 "4011 4500 0000",
		"number 0":                    "0000 0101 0004",
		"number that ends in even":    "c020 0101 0004",
		"number that begins with odd": "c121 0101 0004",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, nil)
			l.up()
			l.events = nil
			answers := l.ppp(packet)
			if packet == "0021ff" || packet == "0057ff" { // IP that strays here is nobody's
				if len(answers) != 0 {
					t.Errorf("answered: %x", answers)
				}
			} else {
				oneReject(t, answers, hexBytes(t, packet))
			}
			if l.m.Phase() != session.Up || l.has(session.NetworkDown) {
				t.Errorf("phase %q, events %v", l.m.Phase(), l.events)
			}
		})
	}
}

// What nobody speaks is no verdict, whatever its octets would say if it were.
func TestVerdictsOfAnotherProtocolAreRejected(t *testing.T) {
	l := newLine(t, nil)
	l.stuck(ppp.PAP)
	id := l.m.Snapshot().Auth.ID
	l.events = nil
	for code := range 4 {
		packet := fmt.Sprintf("c025 %02x%02x 0005 00", code, id)
		oneReject(t, l.ppp(packet), hexBytes(t, packet))
	}
	if l.m.Phase() != session.Auth || len(l.events) != 0 {
		t.Errorf("phase %q, events %v", l.m.Phase(), l.events)
	}
}

func TestVerdictsWithTheWrongIdentifierAreDropped(t *testing.T) {
	for name, c := range map[string]struct {
		auth   lcp.Auth
		packet string
	}{
		"PAP Ack":               {lcp.AuthPAP, "c023 02ee 0005 00"},
		"PAP Nak":               {lcp.AuthPAP, "c023 03ee 0005 00"},
		"PAP Ack, bad length":   {lcp.AuthPAP, "c023 0201 0006 ff 41"},
		"CHAP Success":          {lcp.AuthCHAPMD5, "c223 03ee 0004"},
		"CHAP Failure":          {lcp.AuthCHAPMD5, "c223 04ee 0004"},
		"CHAP empty challenge":  {lcp.AuthCHAPMD5, "c223 0101 0005 00"},
		"CHAP value over end":   {lcp.AuthCHAPMD5, "c223 0101 0006 ff00"},
		"CHAP Response, not us": {lcp.AuthCHAPMD5, "c223 0201 0006 0100"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, func(_ *session.Config, ac *concentrator.Config) { ac.Auth = []lcp.Auth{c.auth} })
			l.stuck(c.auth.Protocol)
			l.dropsPacket(l.fromAC(l.m.Info().SessionID, hexBytes(t, c.packet)))
			l.run(5 * time.Second)
			if l.m.Phase() != session.Up && c.auth == lcp.AuthPAP {
				t.Errorf("phase %q afterwards, want up: %v", l.m.Phase(), l.events)
			}
		})
	}
}

// The AC's words may be anything, and as long as a frame.
func TestTerminateRequestWithAnyTextIsAcknowledged(t *testing.T) {
	for name, text := range map[string]string{
		"none": "", "escapes": "\x1b]0;owned\a\x1b[2J\r\n", "not UTF-8": "\xff\xfe\x00\x80", "1400 octets": strings.Repeat("\x9b", 1400),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, nil)
			l.up()
			request := ppp.Packet{Code: ppp.TerminateRequest, ID: 77, Data: []byte(text)}
			a := l.feed(l.fromAC(l.m.Info().SessionID, ppp.AppendFrame(nil, ppp.LCP, request.AppendTo(nil))))
			if len(a) != 2 || !bytes.HasSuffix(a[0].Payload, []byte{0xc0, 0x21, byte(ppp.TerminateAck), 77, 0, 4}) || code(a[1]) != pppoe.PADT {
				t.Errorf("answers %x, want a Terminate-Ack and a PADT", a)
			}
			if e := l.closed(); e.Cause != cause.Terminated || e.Peer != text {
				t.Errorf("%+v, want the text as it came", e)
			}
		})
	}
}

func TestCHAPSuccessWithoutAChallengeIsDropped(t *testing.T) {
	l := newLine(t, func(_ *session.Config, ac *concentrator.Config) { ac.Auth = []lcp.Auth{lcp.AuthCHAPMD5} })
	l.stuck(ppp.CHAP) // no challenge has come
	for id := range 256 {
		l.dropsPacket(l.fromAC(l.m.Info().SessionID, hexBytes(t, fmt.Sprintf("c223 03%02x 0004", id))))
		l.now += time.Second / 10
	}
	if l.has(session.Authenticated) {
		t.Errorf("events %v", l.events)
	}
}

func TestProtocolRejectOfLCPEndsTheSession(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.ppp("c021 0801 0006 c021")
	if l.m.Phase() != session.Terminating {
		t.Errorf("phase %q", l.m.Phase())
	}
	l.run(10 * time.Second)
	if e := l.closed(); e.Cause != cause.NegotiationError || !strings.Contains(e.Text, "peer rejects the protocol") {
		t.Errorf("%+v", e)
	}
	if len(l.ac.Sessions()) != 0 {
		t.Error("the AC was not told")
	}
}

func TestProtocolRejectOfOneNetworkLeavesTheOther(t *testing.T) {
	for packet, c := range map[string]struct{ down, up session.Family }{
		"c021 0801 0006 8057":                         {session.IPv6, session.IPv4},
		"c021 0801 0006 8021":                         {session.IPv4, session.IPv6},
		"c021 0801 0010 8021 0101 000a 0306 cb007107": {session.IPv4, session.IPv6},
		"c021 0801 000a 8057 0101 0004":               {session.IPv6, session.IPv4},
	} {
		t.Run(packet, func(t *testing.T) {
			l := newLine(t, both)
			l.up()
			l.ppp(packet)
			l.run(time.Hour)
			i := l.m.Info()
			if l.m.Phase() != session.Up || (i.IPv4 != nil) != (c.up == session.IPv4) || (i.IPv6 != nil) != (c.up == session.IPv6) {
				t.Errorf("phase %q, %+v; %v", l.m.Phase(), i, l.events)
			}
			if l.count(session.NetworkDown) != 1 || l.count(session.NetworkFailed) != 1 {
				t.Errorf("events %v", l.events)
			}
		})
	}
}

func TestRejectedNetworkIsNotSpokenAnyMoreUntilLCPIsNegotiatedAnew(t *testing.T) {
	l := newLine(t, both)
	l.up()
	l.ppp("c021 0801 0006 8057")
	l.sent = nil
	if a := l.ppp("8057 0107 000e 010a 0290 1a00 41a3 d3f3"); len(a) != 0 {
		t.Errorf("answered after a Protocol-Reject: %x", a)
	}
	l.inject(l.theSession().Renegotiate(l.now)...)
	l.run(time.Second)
	if i := l.m.Info(); i.IPv6 == nil || i.IPv4 == nil {
		t.Errorf("after a new negotiation: %+v; %v", i, l.events)
	}
}

func TestProtocolRejectsThatConcernNothingChangeNothing(t *testing.T) {
	for name, packet := range map[string]string{
		"of PAP, done":      "c021 0801 0006 c023",
		"of IPv4":           "c021 0801 0006 0021",
		"of CCP":            "c021 0801 0006 80fd",
		"without protocol":  "c021 0801 0004",
		"with half of one":  "c021 0801 0005 80",
		"of IPv6CP, unused": "c021 0801 0006 8057",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, nil)
			l.up()
			l.events = nil
			a := l.ppp(packet)
			l.run(time.Minute)
			if len(a) != 0 || l.m.Phase() != session.Up || l.has(session.NetworkDown) || l.has(session.LinkDown) {
				t.Errorf("answers %x, phase %q, events %v", a, l.m.Phase(), l.events)
			}
		})
	}
}

func TestCodeRejects(t *testing.T) {
	for code := ppp.ConfigureRequest; code <= ppp.TimeRemaining; code++ {
		t.Run(code.String(), func(t *testing.T) {
			l := newLine(t, nil)
			l.up()
			l.ppp(fmt.Sprintf("c021 0701 0008 %02x01 0004", byte(code)))
			l.run(10 * time.Second)
			if code <= ppp.CodeReject {
				if e := l.closed(); e.Cause != cause.NegotiationError || !strings.Contains(e.Text, code.String()) {
					t.Errorf("%+v, want an end that names %v", e, code)
				}
				return
			}
			l.run(10 * time.Minute)
			if l.m.Phase() != session.Up || l.has(session.NetworkDown) || l.has(session.Suspected) {
				t.Errorf("phase %q, events %v", l.m.Phase(), l.events)
			}
			off := l.m.Info().Echo.Off != ""
			if want := code == ppp.EchoRequest || code == ppp.EchoReply; off != want {
				t.Errorf("keepalive off: %v, want %v", off, want)
			}
		})
	}
}

func TestCodeRejectOfANetworkProtocolEndsThatOne(t *testing.T) {
	l := newLine(t, both)
	l.up()
	l.ppp("8021 0701 0008 0101 0004")
	l.run(20 * time.Second)
	if i := l.m.Info(); i.IPv4 != nil || i.IPv6 == nil || l.m.Phase() != session.Up {
		t.Errorf("phase %q, %+v; %v", l.m.Phase(), i, l.events)
	}
}

func TestUnknownCodesGetACodeReject(t *testing.T) {
	for _, packet := range []string{"c021 2007 0008 deadbeef", "8021 0807 0006 8021", "8021 ff07 0004"} {
		l := newLine(t, nil)
		l.up()
		a := l.ppp(packet)
		if len(a) != 1 || !strings.HasSuffix(fmt.Sprintf("%x", a[0].Payload), strings.ReplaceAll(packet[5:], " ", "")) ||
			a[0].Payload[8] != byte(ppp.CodeReject) || l.m.Phase() != session.Up {
			t.Errorf("%s: phase %q, answers %x", packet, l.m.Phase(), a)
		}
	}
}

// RFC 1570 section 2.1: the AC's words are told, and nothing else comes of them.
func TestIdentificationIsTold(t *testing.T) {
	l := newLine(t, nil)
	l.up()
	l.events = nil
	if answers := l.ppp("c021 0c01 000b 00000000 425241"); len(answers) != 0 {
		t.Errorf("answered: %x", answers)
	}
	if len(l.events) != 1 || l.events[0].Kind != session.Notice || l.events[0].Peer != "BRA" || l.events[0].Text == "" {
		t.Errorf("%v", l.events)
	}
}
