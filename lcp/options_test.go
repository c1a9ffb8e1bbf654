package lcp_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pppoectl/lcp"
	"pppoectl/ppp"
)

func TestRequestAsksForMRUAndMagic(t *testing.T) {
	l := newLink(client, 0)
	out := l.Up(0)
	want := fmt.Sprintf("Configure-Request 1 010405ae0506%08x", l.Vars().Magic)
	expect(t, out, want)
	expect(t, l.Tick(l.Deadline(), 0), want)
	if l.Vars().Magic == 0 {
		t.Error("magic number 0")
	}
}

func TestPeersOptions(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"none", "", "Configure-Ack 7"},
		{"MRU, PAP, magic (lab/captures/pap.pcap)", "0104 05d4 0304 c023 0506 36bb605a", "Configure-Ack 7 010405d40304c023050636bb605a"},
		{"CHAP-MD5", "0305 c223 05", "Configure-Ack 7 0305c22305"},
		{"MRU 128", "0104 0080", "Configure-Ack 7 01040080"},
		{"MRU 1500, over ours", "0104 05dc", "Configure-Ack 7 010405dc"},
		{"MRU 127", "0104 007f", "Configure-Nak 7 01040080"},
		{"MRU 0", "0104 0000", "Configure-Nak 7 01040080"},
		{"MRU of no octets", "0102", "Configure-Reject 7 0102"},
		{"MRU of one octet", "0103 05", "Configure-Reject 7 010305"},
		{"MRU of three octets", "0105 05dc00", "Configure-Reject 7 010505dc00"},
		{"magic of no octets", "0502", "Configure-Reject 7 0502"},
		{"magic of one octet", "0503 01", "Configure-Reject 7 050301"},
		{"magic of five octets", "0507 0102030405", "Configure-Reject 7 05070102030405"},
		{"authentication of no octets", "0302", "Configure-Nak 7 0305c22305"},
		{"authentication of one octet", "0303 c0", "Configure-Nak 7 0305c22305"},
		{"CHAP without algorithm", "0304 c223", "Configure-Nak 7 0305c22305"},
		{"CHAP without algorithm, then magic", "0304 c223 0506 11223344", "Configure-Nak 7 0305c22305"},
		{"CHAP with two algorithms", "0306 c223 0505", "Configure-Nak 7 0305c22305"},
		{"CHAP, algorithm 0", "0305 c223 00", "Configure-Nak 7 0305c22305"},
		{"MS-CHAP", "0305 c223 80", "Configure-Nak 7 0305c22305"},
		{"MS-CHAP-v2", "0305 c223 81", "Configure-Nak 7 0305c22305"},
		{"EAP", "0304 c227", "Configure-Nak 7 0305c22305"},
		{"unknown authentication", "0304 c999", "Configure-Nak 7 0305c22305"},
		{"PAP with an octet too many", "0305 c023 05", "Configure-Nak 7 0305c22305"},
		{"PFC", "0702", "Configure-Reject 7 0702"},
		{"ACFC", "0802", "Configure-Reject 7 0802"},
		{"FCS-Alternatives", "0903 01", "Configure-Reject 7 090301"},
		{"ACCM", "0206 00000000", "Configure-Reject 7 020600000000"},
		{"PFC and ACFC beside good ones", "0104 05d4 0702 0802 0506 11223344", "Configure-Reject 7 07020802"},
		{"callback, multilink MRRU", "0d03 06 1104 05dc", "Configure-Reject 7 0d0306110405dc"},
		{"endpoint discriminator too short (CVE-2026-58095)", "1302", "Configure-Reject 7 1302"},
		{"MRU twice", "0104 05d4 0104 05d4", "Configure-Reject 7 010405d4"},
		{"PAP and CHAP", "0304 c023 0305 c223 05", "Configure-Reject 7 0305c22305"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := asking(t, client)
			expect(t, l.Receive(0, request(t, 7, c.in)), c.want)
		})
	}
}

func TestMalformedOptionsAreDropped(t *testing.T) {
	for name, in := range map[string]string{
		"past the end (CVE-2006-4304)": "01ff 05ae 00000000",
		"length 0":                     "0100 05ae",
		"length 1":                     "0101",
		"good one, then half a header": "0104 05d4 05",
	} {
		t.Run(name, func(t *testing.T) { expectDropped(t, asking(t, client), request(t, 9, in)) })
	}
}

func TestAuthenticationNaksBecomeRejects(t *testing.T) {
	l := asking(t, lcp.Config{MRU: 1454, Allowed: []lcp.Auth{lcp.AuthPAP}})
	var got []string
	var want []string
	for id := range byte(7) {
		out := l.Receive(0, request(t, id, "0305 c223 81"))
		if out.Err != nil {
			t.Errorf("request %d ends it: %v", id, out.Err)
		}
		got = append(got, tell(out))
		answer := fmt.Sprintf("Configure-Nak %d 0304c023", id)
		if id >= ppp.MaxFailure {
			answer = fmt.Sprintf("Configure-Reject %d 0305c22381", id)
		}
		want = append(want, answer)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWithNothingAllowedAuthenticationIsRejected(t *testing.T) {
	l := asking(t, lcp.Config{MRU: 1454})
	expect(t, l.Receive(0, request(t, 1, "0304 c023")), "Configure-Reject 1 0304c023")
}

func TestEndOverAuthenticationSaysWhatThePeerWanted(t *testing.T) {
	for want, in := range map[string]string{
		"MS-CHAP-v2": "0305 c223 81", "MS-CHAP;": "0305 c223 80", "CHAP algorithm 7": "0305 c223 07",
		"EAP": "0304 c227", "without an algorithm": "0304 c223", "by EAP;": "0305 c227 01", "of 1 octets": "0303 c0",
	} {
		l := asking(t, lcp.Config{MRU: 1454, Allowed: []lcp.Auth{lcp.AuthPAP}})
		l.Receive(0, request(t, 1, in))
		out := l.Receive(0, packet(t, "05 09 0004"))
		if out.Err == nil || !strings.Contains(out.Err.Error(), want) || !strings.Contains(out.Err.Error(), "PAP") {
			t.Errorf("error %v, want it to name %s and PAP", out.Err, want)
		}
	}
}

func TestEndOverAnythingElseSaysNothingOfAuthentication(t *testing.T) {
	l := asking(t, client)
	l.Receive(0, request(t, 1, "0305 c223 81"))
	l.Receive(0, request(t, 2, "0304 c023")) // it has given in
	out := l.Receive(0, packet(t, "05 09 0004"))
	if out.Err == nil || strings.Contains(out.Err.Error(), "authentication") {
		t.Errorf("error %v", out.Err)
	}
}

func TestAuthNames(t *testing.T) {
	if got := fmt.Sprint(lcp.Auth{}, lcp.AuthPAP, lcp.AuthCHAPMD5); got != "none PAP CHAP-MD5" {
		t.Errorf("got %s", got)
	}
}

func TestWhatThePeerWantsCountsOnceAcknowledged(t *testing.T) {
	l := asking(t, client)
	l.Receive(0, request(t, 1, "0104 0500 0304 c023 0506 00000000")) // Nak: magic 0
	if v := l.Vars(); v.PeerMRU != 1500 || v.PeerAuth != (lcp.Auth{}) {
		t.Errorf("after the Nak: %+v", v)
	}
	l.Receive(0, request(t, 2, "0104 0500 0304 c023 0506 00000001"))
	if v := l.Vars(); v.PeerMRU != 1280 || v.PeerAuth != lcp.AuthPAP || v.PeerMagic != 1 {
		t.Errorf("after the Ack: %+v", v)
	}
	l.Receive(0, request(t, 3, ""))
	if v := l.Vars(); v.PeerMRU != 1500 || v.PeerAuth != (lcp.Auth{}) || v.PeerMagic != 0 {
		t.Errorf("after an Ack of nothing: %+v", v)
	}
}

func TestMTUIsTheSmallerMRU(t *testing.T) {
	for in, want := range map[string]int{"": 1454, "0104 05d4": 1454, "0104 0500": 1280} {
		l := asking(t, client)
		l.Receive(0, request(t, 1, in))
		if got := l.MTU(); got != want {
			t.Errorf("peer's %q: MTU %d, want %d", in, got, want)
		}
	}
}

func TestPeersRefusalOfOurMRU(t *testing.T) {
	for _, c := range []struct{ name, code, option, want string }{
		{"smaller", "03", "0104 0500", "01040500"},
		{"larger", "03", "0104 05dc", "010405ae"},
		{"the least", "03", "0104 0080", "01040080"},
		{"less than that", "03", "0104 007f", "010405ae"},
		{"absurdly small", "03", "0104 0010", "010405ae"},
		{"of length zero", "03", "0102", "010405ae"},
		{"rejected", "04", "0104 05ae", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := asking(t, client)
			option := unhex(t, c.option)
			out := l.Receive(0, ppp.Packet{Code: ppp.Code(unhex(t, c.code)[0]), ID: 1, Data: option})
			want := fmt.Sprintf("Configure-Request 2 %s0506%08x", c.want, l.Vars().Magic)
			expect(t, out, want)
		})
	}
}

func TestOneMRUNakAfterAnotherEnds(t *testing.T) {
	l := asking(t, client)
	for i := range 100 {
		mru := 1400 + i
		in := packet(t, fmt.Sprintf("03 %02x 0008 0104 %04x", l.Snapshot().Automaton.ID, mru))
		if out := l.Receive(0, in); out.Err != nil {
			if !errors.Is(out.Err, ppp.ErrNotConverging) {
				t.Errorf("error %v, want ErrNotConverging", out.Err)
			}
			return
		}
	}
	t.Error("100 Naks were taken")
}

func TestNakOfWhatWeDidNotAskForIsIgnored(t *testing.T) {
	l := asking(t, client)
	l.Receive(0, packet(t, fmt.Sprintf("04 01 000a 0506 %08x", l.Vars().Magic)))
	l.Receive(0, packet(t, "04 02 0008 0104 05ae"))
	out := l.Receive(0, packet(t, "03 03 0014 0104 0500 0304 c023 0506 11223344 0702"))
	expect(t, out, "Configure-Request 4")
	if l.MTU() != ppp.MRUDefault {
		t.Errorf("MTU %d, want the default", l.MTU())
	}
}

func TestDemandedAuthentication(t *testing.T) {
	server := lcp.Config{MRU: 1492, Demand: []lcp.Auth{lcp.AuthCHAPMD5, lcp.AuthPAP}}
	for _, c := range []struct {
		name, in, want string
		fails          bool
	}{
		{"nak towards one that we take", "03 01 0008 0304 c023", "0304c023", false},
		{"nak towards one that we do not take", "03 01 0008 0304 c227", "0304c023", false},
		{"nak of other options alone", "03 01 000b 0104 05d4 0703 01", "0305c22305", false},
		{"reject", "04 01 0009 0305 c223 05", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := asking(t, server)
			out := l.Receive(0, packet(t, c.in))
			if c.fails {
				if out.Err == nil || tell(out) != "Terminate-Request 2" {
					t.Errorf("got %q, error %v", tell(out), out.Err)
				}
				return
			}
			expect(t, out, fmt.Sprintf("Configure-Request 2 010405d4%s0506%08x", c.want, l.Vars().Magic))
		})
	}
	t.Run("the only one", func(t *testing.T) {
		l := newLink(lcp.Config{MRU: 1492, Demand: []lcp.Auth{lcp.AuthPAP}}, 0)
		expect(t, l.Up(0), fmt.Sprintf("Configure-Request 1 010405d40304c0230506%08x", l.Vars().Magic))
	})
	t.Run("nak after nak until none is left", func(t *testing.T) {
		l := asking(t, server)
		l.Receive(0, packet(t, "03 01 0008 0304 c227"))
		if out := l.Receive(0, packet(t, "03 02 0008 0304 c227")); out.Err == nil {
			t.Error("no error")
		}
	})
}

func TestMagicZeroIsNakedWithAnother(t *testing.T) {
	l := asking(t, client)
	out := l.Receive(0, request(t, 1, "0506 00000000"))
	if got := tell(out); !strings.HasPrefix(got, "Configure-Nak 1 0506") || strings.HasSuffix(got, "00000000") {
		t.Errorf("got %q, want a Nak with a number", got)
	}
}

func TestOurOwnMagicIsNakedWithAnother(t *testing.T) {
	l := asking(t, client)
	own := fmt.Sprintf("0506%08x", l.Vars().Magic)
	out := l.Receive(0, request(t, 1, own))
	if got := tell(out); !strings.HasPrefix(got, "Configure-Nak 1 0506") || strings.HasSuffix(got, own) {
		t.Errorf("got %q, want a Nak with another number", got)
	}
}

// On a looped line all that we send comes back.
func TestLoopedLineIsNoticed(t *testing.T) {
	l := newLink(client, 0)
	queue := l.Up(0).Packets
	for range 50 {
		if len(queue) == 0 {
			t.Fatal("silence")
		}
		out := l.Receive(0, queue[0])
		queue = append(queue[1:], out.Packets...)
		if out.Err != nil {
			if !errors.Is(out.Err, lcp.ErrLoopback) {
				t.Errorf("error %v, want ErrLoopback", out.Err)
			}
			return
		}
	}
	t.Error("not noticed")
}

// Other requests between those that come back do not hide the loop.
func TestLoopIsNoticedBetweenOtherRequests(t *testing.T) {
	l := asking(t, client)
	for i := range byte(20) {
		in := request(t, i, fmt.Sprintf("0506%08x", l.Vars().Magic))
		if i%2 == 1 {
			in = request(t, i, "0506 00000000")
		}
		out := l.Receive(0, in)
		if out.Err != nil {
			if !errors.Is(out.Err, lcp.ErrLoopback) {
				t.Errorf("error %v, want ErrLoopback", out.Err)
			}
			return
		}
		if code := out.Packets[len(out.Packets)-1].Code; code == ppp.ConfigureAck {
			t.Fatalf("request %d got an Ack", i)
		}
	}
	t.Error("not noticed")
}

// A peer that hits our number by chance is no loop.
func TestLoopCountEndsWithAgreement(t *testing.T) {
	l := asking(t, client)
	for range 10 {
		l.Receive(0, request(t, 1, fmt.Sprintf("0506%08x", l.Vars().Magic)))
		out := l.Receive(0, request(t, 2, "0506 11223344"))
		if out.Err != nil || tell(out) != "Configure-Ack 2 050611223344" {
			t.Fatalf("got %q, error %v", tell(out), out.Err)
		}
	}
	for range 4 { // the fifth would be one too many
		if out := l.Receive(0, request(t, 1, fmt.Sprintf("0506%08x", l.Vars().Magic))); out.Err != nil {
			t.Fatal(out.Err)
		}
	}
}

// Zero on both sides is no loop: it is no number.
func TestMagicZeroIsNoLoop(t *testing.T) {
	l := asking(t, client)
	l.Receive(0, packet(t, fmt.Sprintf("04 01 000a 0506 %08x", l.Vars().Magic))) // ours is not wanted
	for id := range byte(10) {
		if out := l.Receive(0, request(t, id, "0506 00000000")); out.Err != nil {
			t.Fatalf("request %d: %v", id, out.Err)
		}
	}
}
