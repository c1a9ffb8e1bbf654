package lcp_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pppoectl/lab/captures"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// The AC of the captures, session 1: its LCP packets, fed to a link of ours,
// open it; its echo is answered.
func TestLinkOpensAgainstTheCapturedAC(t *testing.T) {
	for name, auth := range map[string]lcp.Auth{
		"pap.pcap": lcp.AuthPAP, "chap-wrong-password.pcap": lcp.AuthCHAPMD5,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLink(client, 0)
			own := l.Up(0).Packets[0]
			for _, b := range captures.Read(t, name) {
				in, ok := fromAC(b)
				if !ok || in.Code == ppp.ConfigureAck { // that one is about another magic number
					continue
				}
				out := l.Receive(0, in)
				if in.Code == ppp.ConfigureRequest {
					expect(t, out, fmt.Sprintf("Configure-Ack %d %x", in.ID, in.Data))
					own.Code = ppp.ConfigureAck
					expect(t, l.Receive(0, own), "up")
				}
				if in.Code == ppp.EchoRequest {
					expect(t, out, fmt.Sprintf("Echo-Reply %d %08x", in.ID, l.Vars().Magic))
					break
				}
			}
			if v := l.Vars(); !l.Opened() || v.PeerAuth != auth || v.PeerMRU != 1492 || v.PeerMagic == 0 {
				t.Errorf("state %v, %+v; want it open with %v", l.State(), v, auth)
			}
			if l.MTU() != 1454 {
				t.Errorf("MTU %d, want 1454", l.MTU())
			}
		})
	}
}

// fromAC returns the LCP packet of session 1 in a frame of the captures' AC.
func fromAC(b []byte) (ppp.Packet, bool) {
	f, err := pppoe.ParseFrame(b)
	if err != nil || f.EtherType != pppoe.EtherTypeSession || f.Src != (pppoe.MAC{2, 0, 0x5e, 0x10, 0, 0x0a}) {
		return ppp.Packet{}, false
	}
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || p.SessionID != 1 {
		return ppp.Packet{}, false
	}
	protocol, information, err := ppp.ParseFrame(p.Payload)
	if err != nil || protocol != ppp.LCP {
		return ppp.Packet{}, false
	}
	c, err := ppp.ParsePacket(information)
	return c, err == nil
}

func TestTwoLinksOpenAgainstEachOther(t *testing.T) {
	host := newLink(client, 0)
	ac := lcp.New(lcp.Config{MRU: 1492, Demand: []lcp.Auth{{Protocol: ppp.CHAP, Algorithm: 0x81}, lcp.AuthPAP, lcp.AuthCHAPMD5}},
		lcp.EchoConfig{}, rng(7))
	toAC, toHost := host.Up(0).Packets, ac.Up(0).Packets
	for range 20 {
		var fromHost, fromAC []ppp.Packet
		for _, p := range toAC {
			fromAC = append(fromAC, ac.Receive(0, p).Packets...)
		}
		for _, p := range toHost {
			fromHost = append(fromHost, host.Receive(0, p).Packets...)
		}
		toAC, toHost = fromHost, fromAC
	}
	if !host.Opened() || !ac.Opened() {
		t.Fatalf("states %v and %v", host.State(), ac.State())
	}
	h, a := host.Vars(), ac.Vars()
	if h.PeerAuth != lcp.AuthCHAPMD5 || a.Demand != lcp.AuthCHAPMD5 {
		t.Errorf("authentication %v and %v, want what the host likes best", h.PeerAuth, a.Demand)
	}
	if h.PeerMagic != a.Magic || a.PeerMagic != h.Magic || host.MTU() != 1454 || ac.MTU() != 1454 {
		t.Errorf("%+v\n%+v", h, a)
	}
}

func TestConfigureRequestInOpenedRenegotiatesWithAnotherMagic(t *testing.T) {
	l := opened(t, start, ten)
	magic := l.Vars().Magic
	out := l.Receive(start, request(t, 50, "0305 c223 05"))
	if l.Vars().Magic == magic {
		t.Error("the magic number is the old one")
	}
	expect(t, out, fmt.Sprintf("Configure-Request 2 010405ae0506%08x, Configure-Ack 50 0305c22305, down", l.Vars().Magic))
	own := out.Packets[0]
	own.Code = ppp.ConfigureAck
	expect(t, l.Receive(start, own), "up")
	if l.Vars().PeerAuth != lcp.AuthCHAPMD5 || !l.Echo().On {
		t.Errorf("%+v, %+v", l.Vars(), l.Echo())
	}
}

func TestMRUOfTheNextNegotiationCanBeChanged(t *testing.T) {
	l := newLink(client, 0)
	l.SetMRU(1500)
	expect(t, l.Up(0), fmt.Sprintf("Configure-Request 1 010405dc0506%08x", l.Vars().Magic))
}

func TestProtocolReject(t *testing.T) {
	for _, p := range []ppp.Protocol{ppp.IPCP, ppp.IPv6CP, ppp.PAP, ppp.IPv4, ppp.CCP} {
		l := opened(t, start, 0)
		out := l.Receive(start, packet(t, fmt.Sprintf("08 01 0008 %04x 0101", uint16(p))))
		if out.ProtocolRejected != p || out.Err != nil || tell(out) != "" || !l.Opened() {
			t.Errorf("%v: %+v", p, out)
		}
	}
}

func TestProtocolRejectOfLCPEndsIt(t *testing.T) {
	l := opened(t, start, ten)
	out := l.Receive(start, packet(t, "08 01 0006 c021"))
	expect(t, out, "Terminate-Request 2, down")
	if !errors.Is(out.Err, ppp.ErrProtocolRejected) || out.ProtocolRejected != 0 {
		t.Errorf("error %v, rejected %v", out.Err, out.ProtocolRejected)
	}
}

func TestProtocolRejectWithoutAProtocolIsDropped(t *testing.T) {
	for _, in := range []string{"08 01 0004", "08 01 0005 80"} {
		expectDropped(t, opened(t, start, 0), packet(t, in))
	}
}

func TestCodeRejectOfConfigureRequestEndsLCP(t *testing.T) {
	l := opened(t, start, ten)
	out := l.Receive(start, packet(t, "07 01 000c 0101 0008 0104 05ae"))
	expect(t, out, "Terminate-Request 2, down")
	if !errors.Is(out.Err, ppp.ErrCodeRejected) || l.Echo().On {
		t.Errorf("error %v, echo %+v", out.Err, l.Echo())
	}
}

func TestWhatNeedsNoAnswerGetsNone(t *testing.T) {
	l := opened(t, start, 0)
	for _, in := range []string{"0b 01 0008 36bb605a", "0d 01 000c 36bb605a 00000e10"} {
		if out := l.Receive(start, packet(t, in)); tell(out) != "" || out.Err != nil || out.Dropped != nil {
			t.Errorf("%s: %+v", in, out)
		}
	}
	out := l.Receive(start, packet(t, "0c 01 000b 36bb605a 425241"))
	if tell(out) != "" || out.Identified != "BRA" {
		t.Errorf("Identification: %+v", out)
	}
	expectDropped(t, l, packet(t, "0c 01 0007 36bb60"))
}

func TestUnknownCodeGetsACodeRejectCutToThePeersMRU(t *testing.T) {
	l := opened(t, start, 0) // the peer's MRU is 1492
	out := l.Receive(start, ppp.Packet{Code: 0x20, ID: 3, Data: make([]byte, 1600)})
	if p := out.Packets[0]; p.Code != ppp.CodeReject || len(p.AppendTo(nil)) != 1492 {
		t.Errorf("%v of %d octets, want a Code-Reject of 1492", p.Code, len(p.AppendTo(nil)))
	}
}

// CVE-2020-8597 is answered like all that we do not speak.
func TestRejectReturnsTheFrameCutToThePeersMRU(t *testing.T) {
	l := opened(t, start, 0)
	p := l.Reject(ppp.EAP, unhex(t, "0107 0006 0410"))
	expect(t, lcp.Output{Output: ppp.Output{Packets: []ppp.Packet{p}}}, "Protocol-Reject 1 c227010700060410")
	p = l.Reject(ppp.EAP, make([]byte, 1600))
	if n := len(p.AppendTo(nil)); n != 1492 || p.ID != 2 {
		t.Errorf("%d octets, identifier %d; want 1492 and 2", n, p.ID)
	}
}

// RFC 1661 section 5.8: an echo has the magic number of who sends it.
func TestEchoIsThePeersByItsMagicNumber(t *testing.T) {
	l := opened(t, 0, 0)
	magic := l.Vars().PeerMagic
	if magic == 0 {
		t.Fatal("the peer has no number")
	}
	for name, c := range map[string]struct {
		packet ppp.Packet
		want   bool
	}{
		"the peer's":               {echo(ppp.EchoRequest, 1, magic, ""), true},
		"the peer's, with data":    {echo(ppp.EchoRequest, 1, magic, "data"), true},
		"another's":                {echo(ppp.EchoRequest, 1, magic^1, ""), false},
		"nobody's":                 {echo(ppp.EchoRequest, 1, 0, ""), false},
		"less than a magic number": {ppp.Packet{Code: ppp.EchoRequest, ID: 1, Data: []byte{1, 2, 3}}, false},
		"without any magic number": {ppp.Packet{Code: ppp.EchoRequest, ID: 1}, false},
	} {
		if got := l.FromPeer(c.packet); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestCloseSaysWhy(t *testing.T) {
	l := opened(t, start, ten)
	expect(t, l.Close(start, "bye"), "Terminate-Request 2 627965, down")
	expect(t, l.Receive(start, packet(t, "06 02 0004")), "finished")
	if l.State() != ppp.Closed {
		t.Errorf("state %v, want Closed", l.State())
	}
}

// A link restored from JSON at any moment goes on as the first would have.
func TestSnapshotAndRestore(t *testing.T) {
	for name, l := range map[string]*lcp.Link{
		"asking": asking(t, client), "open": opened(t, start, ten), "suspect": suspect(t),
	} {
		t.Run(name, func(t *testing.T) {
			var s lcp.Snapshot
			b, err := json.Marshal(l.Snapshot())
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &s); err != nil {
				t.Fatal(err)
			}
			m := newLink(client, ten)
			m.Restore(s)
			if !reflect.DeepEqual(m.Snapshot(), l.Snapshot()) || m.Deadline() != l.Deadline() || m.MTU() != l.MTU() {
				t.Errorf("%+v became %+v", l.Snapshot(), m.Snapshot())
			}
			long := ppp.Packet{Code: 0x20, ID: 3, Data: make([]byte, 1600)}
			if got, want := tell(m.Receive(start, long)), tell(l.Receive(start, long)); got != want {
				t.Errorf("got %d characters, want %d", len(got), len(want))
			}
			now := l.Deadline()
			if got, want := tell(m.Tick(now, 0)), tell(l.Tick(now, 0)); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func suspect(t testing.TB) *lcp.Link {
	l := opened(t, start, ten)
	tickTo(t, l, start+12*time.Second, 0)
	return l
}
