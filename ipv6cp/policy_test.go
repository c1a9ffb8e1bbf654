package ipv6cp_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pppoectl/ipv6cp"
	"pppoectl/lab/captures"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

var (
	hostID = ipv6cp.Identifier{0xb9, 0xe5, 0x70, 0x4e, 0x1d, 0xca, 0x45, 0x45}
	acID   = ipv6cp.Identifier{0xb0, 0xa3, 0xbd, 0xdf, 0x48, 0x96, 0x52, 0x67}
	zero   ipv6cp.Identifier
)

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

// end is an automaton with its policy.
type end struct {
	*ppp.Automaton
	policy *ipv6cp.Policy
}

// asking returns an end that has sent its first Configure-Request.
func asking(t testing.TB, want ipv6cp.Identifier, seed uint64) (end, ppp.Packet) {
	t.Helper()
	p := ipv6cp.NewPolicy(want, rng(seed))
	e := end{ppp.NewAutomaton(p), p}
	e.Open(0)
	return e, only(t, e.Up(0))
}

func only(t testing.TB, out ppp.Output) ppp.Packet {
	t.Helper()
	if len(out.Packets) != 1 {
		t.Fatalf("%d packets (error %v, dropped %v), want 1", len(out.Packets), out.Err, out.Dropped)
	}
	return out.Packets[0]
}

func tell(p ppp.Packet) string {
	return strings.TrimSpace(fmt.Sprintf("%v %d %x", p.Code, p.ID, p.Data))
}

// packet makes a packet; data is hexadecimal.
func packet(t testing.TB, code ppp.Code, id uint8, data string) ppp.Packet {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(data), ""))
	if err != nil {
		t.Fatal(err)
	}
	return ppp.Packet{Code: code, ID: id, Data: b}
}

// option writes an Interface-Identifier option in hexadecimal.
func option(id ipv6cp.Identifier) string { return fmt.Sprintf("010a%x", id[:]) }

// identifier reads a packet with one Interface-Identifier option.
func identifier(t testing.TB, p ppp.Packet, code ppp.Code) ipv6cp.Identifier {
	t.Helper()
	options, err := ppp.ParseOptions(p.Data)
	if err != nil || p.Code != code || len(options) != 1 || options[0].Type != 1 || len(options[0].Data) != 8 {
		t.Fatalf("got %s, want a %v with one identifier", tell(p), code)
	}
	return ipv6cp.Identifier(options[0].Data)
}

// lab/captures/pap.pcap, frames 39 to 42: two requests, two Acks. Ours, with
// the identifier that pppd chose, is pppd's, octet for octet.
func TestClientAgainstTheCapturedAC(t *testing.T) {
	var frames []ppp.Packet
	for _, b := range captures.Read(t, "pap.pcap")[38:42] {
		f, err := pppoe.ParseFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		p, err := pppoe.ParsePacket(f.Payload)
		if err != nil {
			t.Fatal(err)
		}
		protocol, information, err := ppp.ParseFrame(p.Payload)
		if err != nil || protocol != ppp.IPv6CP {
			t.Fatalf("%v, %v", protocol, err)
		}
		c, err := ppp.ParsePacket(information)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, c)
	}
	e, first := asking(t, hostID, 1)
	if tell(first) != tell(frames[1]) {
		t.Errorf("got %s, want %s", tell(first), tell(frames[1]))
	}
	if ack := only(t, e.Receive(0, frames[0])); tell(ack) != tell(frames[2]) {
		t.Errorf("got %s, want %s", tell(ack), tell(frames[2]))
	}
	e.Receive(0, frames[3])
	if v := e.policy.Snapshot(); e.State() != ppp.Opened || v.Local != hostID || v.Peer != acID {
		t.Errorf("state %v, %+v", e.State(), v)
	}
}

func TestTwoEndsAgree(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b ipv6cp.Identifier
	}{
		{"on what they want", hostID, acID},
		{"when both want the same", hostID, hostID},
		{"when one has none", zero, acID},
		{"when the other has none", hostID, zero},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(20) {
				a, toB := asking(t, c.a, 2*seed)
				b, toA := asking(t, c.b, 2*seed+1)
				queueA, queueB := []ppp.Packet{toA}, []ppp.Packet{toB}
				for n := 0; len(queueA)+len(queueB) > 0; n++ {
					if n > 50 {
						t.Fatal("they talk without end")
					}
					var nextA, nextB []ppp.Packet
					for _, p := range queueA {
						nextB = append(nextB, a.Receive(0, p).Packets...)
					}
					for _, p := range queueB {
						nextA = append(nextA, b.Receive(0, p).Packets...)
					}
					queueA, queueB = nextA, nextB
				}
				va, vb := a.policy.Snapshot(), b.policy.Snapshot()
				if a.State() != ppp.Opened || b.State() != ppp.Opened {
					t.Fatalf("states %v and %v", a.State(), b.State())
				}
				if va.Local != vb.Peer || vb.Local != va.Peer || va.Local == vb.Local || va.Local == zero || vb.Local == zero {
					t.Errorf("%+v\n%+v", va, vb)
				}
			}
		})
	}
}

func TestPeersOptions(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"an identifier", option(acID), "Configure-Ack 7 " + option(acID)},
		{"of no octets", "0102", "Configure-Reject 7 0102"},
		{"of seven octets", "0109 01020304050607", "Configure-Reject 7 010901020304050607"},
		{"of nine octets", "010b 010203040506070809", "Configure-Reject 7 010b010203040506070809"},
		{"IPv6-Compression-Protocol", "0204 004f", "Configure-Reject 7 0204004f"},
		{"an option of eight octets that is no identifier", "050a 0102030405060708", "Configure-Reject 7 050a0102030405060708"},
		{"twice", option(acID) + option(acID), "Configure-Reject 7 " + option(acID)},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, _ := asking(t, hostID, 1)
			if got := tell(only(t, e.Receive(0, packet(t, ppp.ConfigureRequest, 7, c.in)))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// RFC 5072 section 4.1.
func TestIdentifiersThatAreZeroOrEqual(t *testing.T) {
	t.Run("the peer's is zero: Nak with another", func(t *testing.T) {
		e, _ := asking(t, hostID, 1)
		got := identifier(t, only(t, e.Receive(0, packet(t, ppp.ConfigureRequest, 1, option(zero)))), ppp.ConfigureNak)
		if got == zero || got == hostID {
			t.Errorf("proposed %v", got)
		}
	})
	t.Run("equal: Nak with another", func(t *testing.T) {
		e, _ := asking(t, hostID, 1)
		got := identifier(t, only(t, e.Receive(0, packet(t, ppp.ConfigureRequest, 1, option(hostID)))), ppp.ConfigureNak)
		if got == zero || got == hostID {
			t.Errorf("proposed %v", got)
		}
	})
	t.Run("both zero: Reject", func(t *testing.T) {
		e, _ := asking(t, zero, 1)
		identifier(t, only(t, e.Receive(0, packet(t, ppp.ConfigureRequest, 1, option(zero)))), ppp.ConfigureReject)
	})
	t.Run("equal without end: Rejects, then the end", func(t *testing.T) {
		e, _ := asking(t, hostID, 1)
		for i := range 100 {
			out := e.Receive(0, packet(t, ppp.ConfigureRequest, uint8(i), option(hostID)))
			if out.Err != nil {
				if !errors.Is(out.Err, ppp.ErrNotConverging) {
					t.Errorf("error %v, want ErrNotConverging", out.Err)
				}
				return
			}
			if i >= ppp.MaxFailure {
				identifier(t, only(t, out), ppp.ConfigureReject)
			}
		}
		t.Error("a hundred times the same")
	})
}

func TestIdentifierLeftOutIsAskedForOnce(t *testing.T) {
	e, _ := asking(t, hostID, 1)
	if got := identifier(t, only(t, e.Receive(0, packet(t, ppp.ConfigureRequest, 1, ""))), ppp.ConfigureNak); got == zero || got == hostID {
		t.Errorf("proposed %v", got)
	}
	if got := tell(only(t, e.Receive(0, packet(t, ppp.ConfigureRequest, 2, "")))); got != "Configure-Ack 2" {
		t.Errorf("the second time: %s, want an Ack", got)
	}
	if v := e.policy.Snapshot(); v.Peer != zero || v.Peer.LinkLocal().IsValid() {
		t.Errorf("%+v", v)
	}
}

// A new negotiation begins with what we want, and what the peer has to be asked for.
func TestNewNegotiationForgetsRefusals(t *testing.T) {
	p := ipv6cp.NewPolicy(hostID, rand.New(rand.NewPCG(1, 2)))
	p.Reset()
	p.Judge(nil, true)
	p.Refused(ppp.ConfigureReject, p.Request())
	if code, _, _ := p.Judge(nil, true); len(p.Request()) != 0 || code != ppp.ConfigureAck {
		t.Errorf("asks for %v, answers an empty request with %v", p.Request(), code)
	}
	p.Reset()
	if code, _, _ := p.Judge(nil, true); len(p.Request()) != 1 || code != ppp.ConfigureNak {
		t.Errorf("anew: asks for %v, answers an empty request with %v", p.Request(), code)
	}
}

func TestPeersProposal(t *testing.T) {
	other := ipv6cp.Identifier{1, 2, 3, 4, 5, 6, 7, 8}
	ask := func(t *testing.T, in string) ipv6cp.Identifier {
		e, _ := asking(t, hostID, 1)
		e.Receive(0, packet(t, ppp.ConfigureRequest, 1, option(acID)))
		return identifier(t, only(t, e.Receive(0, packet(t, ppp.ConfigureNak, 1, in))), ppp.ConfigureRequest)
	}
	if got := ask(t, option(other)); got != other {
		t.Errorf("asked for %v, want what the peer proposed", got)
	}
	for name, id := range map[string]ipv6cp.Identifier{"zero": zero, "the peer's own": acID} {
		if got := ask(t, option(id)); got == zero || got == acID || got == hostID {
			t.Errorf("proposed %s: asked for %v, want a new one", name, got)
		}
	}
	for _, in := range []string{"0102", "0109 01020304050607", "0204 004f", ""} {
		if got := ask(t, in); got != hostID {
			t.Errorf("Nak %q: asked for %v, want the same again", in, got)
		}
	}
}

func TestEndlessProposalsEnd(t *testing.T) {
	e, _ := asking(t, hostID, 1)
	for i := range 100 {
		id := ipv6cp.Identifier{7: byte(i + 1)}
		if out := e.Receive(0, packet(t, ppp.ConfigureNak, e.Snapshot().ID, option(id))); out.Err != nil {
			if !errors.Is(out.Err, ppp.ErrNotConverging) {
				t.Errorf("error %v, want ErrNotConverging", out.Err)
			}
			return
		}
	}
	t.Error("100 identifiers were taken")
}

func TestRejectedIdentifierIsSimplyOurs(t *testing.T) {
	e, _ := asking(t, hostID, 1)
	if got := tell(only(t, e.Receive(0, packet(t, ppp.ConfigureReject, 1, option(hostID))))); got != "Configure-Request 2" {
		t.Errorf("got %s, want an empty request", got)
	}
	if v := e.policy.Snapshot(); v.Local != hostID || !v.Silent {
		t.Errorf("%+v", v)
	}
}

// After the Reject the identifier is not negotiated any more: a Nak of what we
// did not ask for changes nothing.
func TestNakOfWhatWeDidNotAskForIsIgnored(t *testing.T) {
	e, _ := asking(t, hostID, 1)
	e.Receive(0, packet(t, ppp.ConfigureReject, 1, option(hostID)))
	e.Receive(0, packet(t, ppp.ConfigureNak, 2, option(ipv6cp.Identifier{7: 9})))
	if v := e.policy.Snapshot(); v.Silent && v.Local != hostID {
		t.Errorf("our identifier became %v without being asked for", v.Local)
	}
}

func TestIdentifierStaysWhenNegotiatedAnew(t *testing.T) {
	e, _ := asking(t, hostID, 1)
	other := ipv6cp.Identifier{1, 2, 3, 4, 5, 6, 7, 8}
	e.Receive(0, packet(t, ppp.ConfigureNak, 1, option(other)))
	e.Receive(0, packet(t, ppp.ConfigureRequest, 1, option(acID)))
	e.Receive(0, packet(t, ppp.ConfigureAck, 2, option(other)))
	if e.State() != ppp.Opened {
		t.Fatalf("state %v, want Opened", e.State())
	}
	out := e.Receive(0, packet(t, ppp.ConfigureRequest, 2, option(acID)))
	if len(out.Packets) != 2 || identifier(t, out.Packets[0], ppp.ConfigureRequest) != other || out.Changes[0] != ppp.LayerDown {
		t.Errorf("got %+v", out)
	}
}

func TestSnapshotAndRestore(t *testing.T) {
	e, _ := asking(t, hostID, 1)
	e.Receive(0, packet(t, ppp.ConfigureRequest, 1, ""))
	for _, step := range []string{"half way", "rejected"} {
		b, err := json.Marshal(e.policy.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		var v ipv6cp.Vars
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		p := ipv6cp.NewPolicy(hostID, rng(9))
		p.Restore(v)
		if p.Snapshot() != e.policy.Snapshot() || !ppp.EqualOptions(p.Request(), e.policy.Request()) {
			t.Errorf("%s: %+v became %+v", step, e.policy.Snapshot(), p.Snapshot())
		}
		e.Receive(0, packet(t, ppp.ConfigureReject, 1, option(hostID)))
	}
}
