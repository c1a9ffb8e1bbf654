package ipcp_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"pppoectl/ipcp"
	"pppoectl/ppp"
)

// Some peers acknowledge even a request for 0.0.0.0.
func TestAcknowledgedAddressMustBeOfUse(t *testing.T) {
	for _, c := range []struct {
		name   string
		cfg    ipcp.Config
		usable bool
	}{
		{"0.0.0.0", ipcp.Config{}, false},
		{"fixed", ipcp.Config{Address: hostAddr}, true},
		{"unnumbered", ipcp.Config{Unnumbered: true}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, first := asking(t, c.cfg)
			e.Receive(0, ppp.Packet{Code: ppp.ConfigureAck, ID: 1, Data: first.Data})
			err := e.policy.Usable()
			if (err == nil) != c.usable {
				t.Errorf("error %v, want it usable: %v", err, c.usable)
			}
			if err != nil && (!errors.Is(err, ipcp.ErrNoAddress) || !strings.Contains(err.Error(), "0.0.0.0")) {
				t.Errorf("error %v, want ErrNoAddress with the address", err)
			}
		})
	}
}

// What a session has got is asked for anew in the next: addresses and what the peer refused are forgotten.
func TestNewNegotiationAsksForAllAgain(t *testing.T) {
	e, first := asking(t, ipcp.Config{DNS: true})
	e.Receive(0, packet(t, ppp.ConfigureReject, 1, "8306 00000000"))
	e.Receive(0, packet(t, ppp.ConfigureNak, 2, "0306 cb007107 8106 c6336435"))
	e.Down(0)
	if again := only(t, e.Up(0)); tell(again) != "Configure-Request 4 030600000000810600000000830600000000" {
		t.Errorf("got %s, first %s", tell(again), tell(first))
	}
	if got := e.policy.Servers(); got != nil {
		t.Errorf("name servers %v", got)
	}
}

// The AC's side: a host that insists on another address than its own ends with a Reject, not with that address.
func TestConcentratorNeverGivesAnotherAddress(t *testing.T) {
	e, _ := asking(t, ipcp.Config{Assign: hostAddr})
	other := ppp.Option{Type: 3, Data: netip.MustParseAddr("203.0.113.8").AsSlice()}.AppendTo(nil)
	for id := range uint8(10) {
		p := only(t, e.Receive(0, ppp.Packet{Code: ppp.ConfigureRequest, ID: id, Data: other}))
		want := ppp.ConfigureNak
		if id >= ppp.MaxFailure {
			want = ppp.ConfigureReject
		}
		if p.Code != want {
			t.Errorf("request %d: %v, want %v", id, p.Code, want)
		}
	}
}

func TestNothingIsOfUseBeforeItIsAgreedOn(t *testing.T) {
	p := ipcp.NewPolicy(ipcp.Config{DNS: true})
	if p.Usable() == nil || p.Servers() != nil {
		t.Errorf("%v, name servers %v", p.Usable(), p.Servers())
	}
}

// A peer that has rejected an option has nothing more to say of it.
func TestNakOfARejectedNameServerIsIgnored(t *testing.T) {
	e, _ := asking(t, ipcp.Config{DNS: true})
	e.Receive(0, packet(t, ppp.ConfigureReject, 1, "8306 00000000"))
	got := tell(only(t, e.Receive(0, packet(t, ppp.ConfigureNak, 2, "8106 c6336435 8306 c6336436"))))
	if got != "Configure-Request 3 0306000000008106c6336435" {
		t.Errorf("got %s", got)
	}
	if servers := e.policy.Servers(); len(servers) != 1 || servers[0] != dns1 {
		t.Errorf("name servers %v", servers)
	}
}

// What a peer has named before, it may still reject.
func TestNameServerThatIsRejectedAfterAllIsNone(t *testing.T) {
	p := ipcp.NewPolicy(ipcp.Config{DNS: true})
	p.Reset()
	server := ppp.Option{Type: 129, Data: []byte{198, 51, 100, 53}}
	p.Refused(ppp.ConfigureNak, []ppp.Option{server})
	if got := p.Snapshot().DNS[0]; got != netip.MustParseAddr("198.51.100.53") {
		t.Fatalf("named: %v", got)
	}
	p.Refused(ppp.ConfigureReject, []ppp.Option{server})
	if got := p.Snapshot().DNS[0]; got != netip.IPv4Unspecified() {
		t.Errorf("rejected: %v", got)
	}
	for _, o := range p.Request() {
		if o.Type == 129 {
			t.Error("it is asked for again")
		}
	}
}

// A Nak with the very address that is configured asks for nothing else.
func TestNakWithOurFixedAddressIsNoOtherAddress(t *testing.T) {
	p := ipcp.NewPolicy(ipcp.Config{Address: netip.MustParseAddr("203.0.113.7")})
	p.Reset()
	if err := p.Refused(ppp.ConfigureNak, []ppp.Option{{Type: 3, Data: []byte{203, 0, 113, 7}}}); err != nil {
		t.Error(err)
	}
}

// Who rejects the option gives no address at all, which is told.
func TestRejectedAddressIsToldAsThat(t *testing.T) {
	p := ipcp.NewPolicy(ipcp.Config{})
	p.Reset()
	err := p.Refused(ppp.ConfigureReject, p.Request()[:1])
	if !errors.Is(err, ipcp.ErrNoAddress) || !strings.Contains(err.Error(), "rejects the IP-Address option") {
		t.Error(err)
	}
}
