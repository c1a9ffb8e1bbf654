package ipcp_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pppoectl/ipcp"
	"pppoectl/lab/captures"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

var (
	hostAddr = netip.MustParseAddr("203.0.113.7")
	acAddr   = netip.MustParseAddr("203.0.113.1")
	dns1     = netip.MustParseAddr("198.51.100.53")
	dns2     = netip.MustParseAddr("198.51.100.54")
)

// end is an automaton with its policy.
type end struct {
	*ppp.Automaton
	policy *ipcp.Policy
}

// asking returns an end that has sent its first Configure-Request.
func asking(t testing.TB, cfg ipcp.Config) (end, ppp.Packet) {
	t.Helper()
	p := ipcp.NewPolicy(cfg)
	e := end{ppp.NewAutomaton(p), p}
	e.Open(0)
	return e, only(t, e.Up(0))
}

// converse carries packets between two ends until both are silent.
func converse(t testing.TB, host, ac end, toAC, toHost []ppp.Packet) (errs []error) {
	t.Helper()
	for range 100 {
		if len(toAC)+len(toHost) == 0 {
			return errs
		}
		var fromHost, fromAC []ppp.Packet
		for _, p := range toAC {
			out := ac.Receive(0, p)
			fromAC, errs = append(fromAC, out.Packets...), append(errs, out.Err)
		}
		for _, p := range toHost {
			out := host.Receive(0, p)
			fromHost, errs = append(fromHost, out.Packets...), append(errs, out.Err)
		}
		toAC, toHost = fromHost, fromAC
	}
	t.Fatal("they talk without end")
	return nil
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

// The client's requests are pppd's, octet for octet, against the packets of the
// captured AC (lab/captures/ac-killed-by-padt.pcap, frames 14 to 19).
func TestClientAgainstTheCapturedAC(t *testing.T) {
	var frames []ppp.Packet
	for _, b := range captures.Read(t, "ac-killed-by-padt.pcap")[13:19] {
		f, err := pppoe.ParseFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		p, err := pppoe.ParsePacket(f.Payload)
		if err != nil {
			t.Fatal(err)
		}
		protocol, information, err := ppp.ParseFrame(p.Payload)
		if err != nil || protocol != ppp.IPCP {
			t.Fatalf("%v, %v", protocol, err)
		}
		c, err := ppp.ParsePacket(information)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, c)
	}
	acRequest, request, ack, nak, request2, ack2 := frames[0], frames[1], frames[2], frames[3], frames[4], frames[5]

	e, first := asking(t, ipcp.Config{DNS: true})
	for _, step := range []struct{ got, want ppp.Packet }{
		{first, request},
		{only(t, e.Receive(0, acRequest)), ack},
		{only(t, e.Receive(0, nak)), request2},
	} {
		if tell(step.got) != tell(step.want) {
			t.Errorf("got  %s\nwant %s", tell(step.got), tell(step.want))
		}
	}
	e.Receive(0, ack2)
	v := e.policy.Snapshot()
	if e.State() != ppp.Opened || v.Local != hostAddr || v.Peer != acAddr || v.DNS != [2]netip.Addr{dns1, dns2} {
		t.Errorf("state %v, %+v", e.State(), v)
	}
}

func TestHostAgainstConcentrator(t *testing.T) {
	zero := netip.IPv4Unspecified()
	server := ipcp.Config{Address: acAddr, Assign: hostAddr, Offer: [2]netip.Addr{dns1, dns2}}
	for _, c := range []struct {
		name       string
		host, ac   ipcp.Config
		local      netip.Addr
		servers    []netip.Addr
		acSeesPeer netip.Addr
	}{
		{"address and name servers", ipcp.Config{DNS: true}, server, hostAddr, []netip.Addr{dns1, dns2}, hostAddr},
		{"no name servers wanted", ipcp.Config{}, server, hostAddr, nil, hostAddr},
		{"fixed address, the right one", ipcp.Config{Address: hostAddr}, server, hostAddr, nil, hostAddr},
		{"no name servers to be had", ipcp.Config{DNS: true}, ipcp.Config{Address: acAddr, Assign: hostAddr}, hostAddr, nil, hostAddr},
		{
			"one name server", ipcp.Config{DNS: true},
			ipcp.Config{Address: acAddr, Assign: hostAddr, Offer: [2]netip.Addr{{}, dns2}}, hostAddr, []netip.Addr{dns2}, hostAddr,
		},
		{"unnumbered", ipcp.Config{Unnumbered: true}, ipcp.Config{Address: acAddr}, zero, nil, netip.Addr{}},
		{"unnumbered AC", ipcp.Config{}, ipcp.Config{Unnumbered: true, Assign: hostAddr}, hostAddr, nil, hostAddr},
		{"unnumbered, but an address is insisted on", ipcp.Config{Unnumbered: true}, server, zero, nil, netip.Addr{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			host, toAC := asking(t, c.host)
			ac, toHost := asking(t, c.ac)
			errs := converse(t, host, ac, []ppp.Packet{toAC}, []ppp.Packet{toHost})
			for host.State() != ppp.Opened || ac.State() != ppp.Opened {
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				if host.State() == ppp.Stopped || ac.State() == ppp.Stopped {
					t.Fatalf("states %v and %v", host.State(), ac.State())
				}
				errs = converse(t, host, ac, host.Tick(host.Deadline()).Packets, ac.Tick(ac.Deadline()).Packets)
			}
			if v := host.policy.Snapshot(); v.Local != c.local {
				t.Errorf("our address %v, want %v", v.Local, c.local)
			}
			if got := host.policy.Servers(); !reflect.DeepEqual(got, c.servers) {
				t.Errorf("name servers %v, want %v", got, c.servers)
			}
			if v := ac.policy.Snapshot(); v.Peer != c.acSeesPeer {
				t.Errorf("the AC sees %v, want %v", v.Peer, c.acSeesPeer)
			}
		})
	}
}

func TestFixedAddressThatThePeerChangesIsAnError(t *testing.T) {
	e, _ := asking(t, ipcp.Config{Address: netip.MustParseAddr("203.0.113.99")})
	out := e.Receive(0, packet(t, ppp.ConfigureNak, 1, "0306 cb007107"))
	if !errors.Is(out.Err, ipcp.ErrOtherAddress) || only(t, out).Code != ppp.TerminateRequest {
		t.Errorf("error %v, want ErrOtherAddress and a Terminate-Request", out.Err)
	}
}

func TestFixedAddressThatThePeerDoesNotWantToHearOfStays(t *testing.T) {
	e, first := asking(t, ipcp.Config{Address: hostAddr})
	out := e.Receive(0, ppp.Packet{Code: ppp.ConfigureReject, ID: 1, Data: first.Data})
	if p := only(t, out); tell(p) != "Configure-Request 2" || e.policy.Snapshot().Local != hostAddr {
		t.Errorf("%s, %v", tell(p), e.policy.Snapshot().Local)
	}
}

func TestAddressesThatNoHostCanHave(t *testing.T) {
	for _, a := range []string{"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", acAddr.String()} {
		t.Run(a, func(t *testing.T) {
			e, _ := asking(t, ipcp.Config{})
			e.Receive(0, packet(t, ppp.ConfigureRequest, 1, "0306 cb007101")) // the peer's own
			nak := ppp.Option{Type: 3, Data: netip.MustParseAddr(a).AsSlice()}.AppendTo(nil)
			out := e.Receive(0, ppp.Packet{Code: ppp.ConfigureNak, ID: 1, Data: nak})
			if !errors.Is(out.Err, ipcp.ErrNoAddress) {
				t.Errorf("error %v, want ErrNoAddress", out.Err)
			}
		})
	}
	t.Run("none at all", func(t *testing.T) {
		e, first := asking(t, ipcp.Config{})
		out := e.Receive(0, ppp.Packet{Code: ppp.ConfigureReject, ID: 1, Data: first.Data})
		if !errors.Is(out.Err, ipcp.ErrNoAddress) {
			t.Errorf("error %v, want ErrNoAddress", out.Err)
		}
	})
}

// One end's address is never the other's, whoever names it first.
func TestPeerDoesNotGetOurAddress(t *testing.T) {
	e, _ := asking(t, ipcp.Config{})
	e.Receive(0, packet(t, ppp.ConfigureNak, 1, "0306 cb007107"))
	p := only(t, e.Receive(0, packet(t, ppp.ConfigureRequest, 1, "0306 cb007107")))
	if p.Code == ppp.ConfigureAck {
		t.Errorf("%s: both ends have %v", tell(p), hostAddr)
	}
}

func TestPeersOptions(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "Configure-Ack 7"},
		{"an address", "0306 cb007101", "Configure-Ack 7 0306cb007101"},
		{"0.0.0.0", "0306 00000000", "Configure-Reject 7 030600000000"},
		{"127.0.0.1", "0306 7f000001", "Configure-Reject 7 03067f000001"},
		{"224.0.0.1", "0306 e0000001", "Configure-Reject 7 0306e0000001"},
		{"255.255.255.255", "0306 ffffffff", "Configure-Reject 7 0306ffffffff"},
		{"an address of no octets", "0302", "Configure-Reject 7 0302"},
		{"an address of 16 octets", "0312 20010db8000000000000000000000001", "Configure-Reject 7 031220010db8000000000000000000000001"},
		{"IP-Addresses", "010a cb007101 cb007107", "Configure-Reject 7 010acb007101cb007107"},
		{"Van Jacobson", "0206 002d0f01", "Configure-Reject 7 0206002d0f01"},
		{"our name servers", "8106 00000000 8306 00000000", "Configure-Reject 7 810600000000830600000000"},
		{"NetBIOS servers", "8206 00000000 8406 00000000", "Configure-Reject 7 820600000000840600000000"},
		{"an address twice", "0306 cb007101 0306 cb007101", "Configure-Reject 7 0306cb007101"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, _ := asking(t, ipcp.Config{})
			if got := tell(only(t, e.Receive(0, packet(t, ppp.ConfigureRequest, 7, c.in)))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestConcentratorAssignsWhatTheHostLeavesOut(t *testing.T) {
	e, _ := asking(t, ipcp.Config{Assign: hostAddr, Offer: [2]netip.Addr{dns1, dns2}})
	for in, want := range map[string]string{
		"":                            "Configure-Nak 7 0306cb007107",
		"0306 00000000 8106 00000000": "Configure-Nak 7 0306cb0071078106c6336435",
		"0306 cb007107 8306 c6336436": "Configure-Ack 7 0306cb0071078306c6336436",
	} {
		if got := tell(only(t, e.Receive(0, packet(t, ppp.ConfigureRequest, 7, in)))); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestNameServersAreOptional(t *testing.T) {
	const address = "0306 cb007107"
	for _, c := range []struct{ name, in, want string }{
		{"Nak with 0.0.0.0: not asked again", "03 8106 00000000", "Configure-Request 2 030600000000830600000000"},
		{"Nak of one", "03 8306 c6336436", "Configure-Request 2 0306000000008106000000008306c6336436"},
		{"Reject of the first alone", "04 8106 00000000", "Configure-Request 2 030600000000830600000000"},
		{"Reject of the second alone", "04 8306 00000000", "Configure-Request 2 030600000000810600000000"},
		{"Reject of both", "04 8106 00000000 8306 00000000", "Configure-Request 2 030600000000"},
		{"Nak of a wrong length", "03 8104 c633", "Configure-Request 2 030600000000810600000000830600000000"},
		{"Nak of 16 octets", "03 8112 20010db8000000000000000000000001", "Configure-Request 2 030600000000810600000000830600000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, _ := asking(t, ipcp.Config{DNS: true})
			in := packet(t, 0, 0, c.in).Data
			got := tell(only(t, e.Receive(0, ppp.Packet{Code: ppp.Code(in[0]), ID: 1, Data: in[1:]})))
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if out := e.Receive(0, packet(t, ppp.ConfigureNak, 2, address)); out.Err != nil {
				t.Errorf("error %v", out.Err)
			}
		})
	}
}

func TestNakOfWhatWeDidNotAskForIsIgnored(t *testing.T) {
	e, _ := asking(t, ipcp.Config{Unnumbered: true})
	got := tell(only(t, e.Receive(0, packet(t, ppp.ConfigureNak, 1, "0306 cb007107 8106 c6336435 8206 c6336435"))))
	if got != "Configure-Request 2" || len(e.policy.Servers()) != 0 || e.policy.Snapshot().Local != netip.IPv4Unspecified() {
		t.Errorf("%s, servers %v", got, e.policy.Servers())
	}
}

func TestEndlessNaksOfOurAddressEnd(t *testing.T) {
	e, _ := asking(t, ipcp.Config{})
	for i := range 100 {
		in := packet(t, ppp.ConfigureNak, e.Snapshot().ID, fmt.Sprintf("0306 cb0071%02x", 10+i))
		if out := e.Receive(0, in); out.Err != nil {
			if !errors.Is(out.Err, ppp.ErrNotConverging) {
				t.Errorf("error %v, want ErrNotConverging", out.Err)
			}
			return
		}
	}
	t.Error("100 addresses were taken")
}

// The peer gives another address in a session that is open: down, then up.
func TestAddressChangedInOpened(t *testing.T) {
	e, _ := asking(t, ipcp.Config{})
	e.Receive(0, packet(t, ppp.ConfigureRequest, 1, "0306 cb007101"))
	e.Receive(0, packet(t, ppp.ConfigureNak, 1, "0306 cb007107"))
	if out := e.Receive(0, packet(t, ppp.ConfigureAck, 2, "0306 cb007107")); fmt.Sprint(out.Changes) != fmt.Sprint([]ppp.Change{ppp.LayerUp}) {
		t.Fatalf("changes %v, want up", out.Changes)
	}
	out := e.Receive(0, packet(t, ppp.ConfigureRequest, 2, "0306 cb007101"))
	if len(out.Packets) != 2 || tell(out.Packets[0]) != "Configure-Request 3 030600000000" || out.Changes[0] != ppp.LayerDown {
		t.Fatalf("got %+v", out)
	}
	e.Receive(0, packet(t, ppp.ConfigureNak, 3, "0306 cb007108"))
	out = e.Receive(0, packet(t, ppp.ConfigureAck, 4, "0306 cb007108"))
	if v := e.policy.Snapshot(); len(out.Changes) != 1 || v.Local.String() != "203.0.113.8" || v.Peer != acAddr {
		t.Errorf("changes %v, %+v", out.Changes, v)
	}
}

func TestSnapshotAndRestore(t *testing.T) {
	e, _ := asking(t, ipcp.Config{DNS: true})
	check := func(step string) {
		t.Helper()
		b, err := json.Marshal(e.policy.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		var v ipcp.Vars
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		p := ipcp.NewPolicy(ipcp.Config{DNS: true})
		p.Restore(v)
		if p.Snapshot() != e.policy.Snapshot() || !ppp.EqualOptions(p.Request(), e.policy.Request()) {
			t.Errorf("%s: %+v became %+v", step, e.policy.Snapshot(), p.Snapshot())
		}
	}
	check("asking")
	e.Receive(0, packet(t, ppp.ConfigureReject, 1, "8306 00000000"))
	check("rejected")
	e.Receive(0, packet(t, ppp.ConfigureNak, 2, "0306 cb007107 8106 c6336435"))
	e.Receive(0, packet(t, ppp.ConfigureRequest, 1, "0306 cb007101"))
	check("assigned")
}
