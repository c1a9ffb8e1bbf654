package ppp_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pppoectl/ppp"
)

// RFC 1661 section 5: the Length field counts its own header, so four octets are a whole packet.
func TestPacketsWithoutData(t *testing.T) {
	p, err := ppp.ParsePacket(unhex(t, "05 01 00 04"))
	if err != nil || p.Code != ppp.TerminateRequest || p.ID != 1 || len(p.Data) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	protocol, information, err := ppp.ParseFrame(unhex(t, "c0 21"))
	if err != nil || protocol != ppp.LCP || len(information) != 0 {
		t.Errorf("%v, %x, %v", protocol, information, err)
	}
}

// Twenty refusals in a row are borne, as those are that two ends need which agree in the end; the next is one
// too many.
func TestTwentyRefusalsAreBorne(t *testing.T) {
	t.Run("of ours", func(t *testing.T) {
		a, f := in(t, ppp.ReqSent)
		f.Stubborn = true
		for i := range 21 {
			out := a.Receive(0, packet(t, ppp.ConfigureNak, a.Snapshot().ID, ours))
			expectConverging(t, out, i < 20, "20")
		}
	})
	t.Run("of the peer's", func(t *testing.T) {
		a, f := in(t, ppp.ReqSent)
		f.Only = 0x22
		for i := range 21 {
			out := a.Receive(0, packet(t, ppp.ConfigureRequest, uint8(i), "01 03 33"))
			expectConverging(t, out, i < 20, "{1 ")
		}
	})
}

// expectConverging fails unless the negotiation goes on, or ends with words that hold text.
func expectConverging(t *testing.T, out ppp.Output, goes bool, text string) {
	t.Helper()
	switch {
	case goes && out.Err != nil:
		t.Errorf("ends with %v", out.Err)
	case !goes && (!errors.Is(out.Err, ppp.ErrNotConverging) || !strings.Contains(fmt.Sprint(out.Err), text)):
		t.Errorf("error %v, want ErrNotConverging and %q", out.Err, text)
	}
}

// Copies of one request that a line makes are one refusal.
func TestCopiesOfARefusedRequestCountOnce(t *testing.T) {
	a, f := in(t, ppp.ReqSent)
	f.Only = 0x22
	for range 50 {
		expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, 9, "01 03 33")), "Configure-Nak 9 010322")
	}
}

// Naks of either direction are counted for themselves, until the Ack of that direction.
func TestAckOfOneDirectionForgetsNoRefusalOfTheOther(t *testing.T) {
	t.Run("those that we send", func(t *testing.T) {
		a, f := in(t, ppp.ReqSent)
		f.Only = 0x22
		for i := range ppp.MaxFailure + 1 {
			want := fmt.Sprintf("Configure-Nak %d 010322", i)
			if i == ppp.MaxFailure {
				want = fmt.Sprintf("Configure-Reject %d 010333", i)
			}
			expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, uint8(i), "01 03 33")), want)
			if i == 2 {
				expect(t, a.Receive(0, packet(t, ppp.ConfigureAck, 1, ours)), "")
			}
		}
	})
	t.Run("those that we get", func(t *testing.T) {
		a, f := in(t, ppp.ReqSent)
		f.Stubborn = true
		for i := range 21 {
			out := a.Receive(0, packet(t, ppp.ConfigureNak, a.Snapshot().ID, ours))
			expectConverging(t, out, i < 20, "20")
			if i == 10 {
				expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, 7, other)), "Configure-Ack 7 010322")
			}
		}
	})
}

// What is not wanted is not negotiated: nobody is asked what to think of the options.
func TestRequestThatComesToNothingIsNotJudged(t *testing.T) {
	for state, want := range map[ppp.State]string{ppp.Closed: "Terminate-Ack 9", ppp.Closing: "", ppp.Stopping: ""} {
		a, f := in(t, state)
		f.Hostile, f.Peer = errors.New("judged"), 0
		out := a.Receive(0, packet(t, ppp.ConfigureRequest, 9, other))
		expect(t, out, want)
		if out.Err != nil || f.Peer != 0 || a.State() != state {
			t.Errorf("%v: error %v, peer's value %x, state %v", state, out.Err, f.Peer, a.State())
		}
	}
}

// A peer that comes back to a layer that has given up finds Naks allowed again.
func TestNewNegotiationCountsRefusalsAnew(t *testing.T) {
	a, f := in(t, ppp.ReqSent)
	f.Only = 0x22
	for i := range ppp.MaxFailure {
		a.Receive(0, packet(t, ppp.ConfigureRequest, uint8(i), "01 03 33"))
	}
	a.ProtocolRejected(0)
	expectState(t, a, ppp.Stopped)
	expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, 9, "01 03 33")), "Configure-Request 2 010311, Configure-Nak 9 010322")
}

// The numbers that IANA has given out.
func TestProtocolsAreNamedByTheirNumbers(t *testing.T) {
	for number, name := range map[ppp.Protocol]string{
		0x0021: "IPv4", 0x0057: "IPv6", 0x8021: "IPCP", 0x8057: "IPv6CP", 0x80fd: "CCP",
		0xc021: "LCP", 0xc023: "PAP", 0xc223: "CHAP", 0xc227: "EAP",
	} {
		if got := number.String(); got != name {
			t.Errorf("0x%04x is %s, want %s", uint16(number), got, name)
		}
	}
}

// A layer that is opened again knows nothing of how it was closed, nor of what was refused before.
func TestReopenedLayerBeginsAnew(t *testing.T) {
	a, f := in(t, ppp.ReqSent)
	f.Only = 0x22
	for i := range ppp.MaxFailure {
		a.Receive(0, packet(t, ppp.ConfigureRequest, uint8(i), "01 03 33"))
	}
	expect(t, a.Close(0, "bye"), "Terminate-Request 2 627965")
	a.Receive(0, packet(t, ppp.TerminateAck, 2, ""))
	expect(t, a.Open(0), "Configure-Request 3 010311")
	expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, 9, "01 03 33")), "Configure-Nak 9 010322")
	f.Hostile = errors.New("not with me")
	expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, 10, "01 03 33")), "Terminate-Request 4")
}

// RFC 1661 section 4.6: Max-Terminate also bounds what is not our wish.
func TestTerminateRequestsOfAStoppingLayerAreTwo(t *testing.T) {
	a, _ := in(t, ppp.Opened)
	expect(t, a.Receive(0, packet(t, ppp.CodeReject, 1, "02 01 00 04")), "Terminate-Request 2, down")
	expectState(t, a, ppp.Stopping)
	_, outs := ticks(a, 10)
	if len(outs) != ppp.MaxTerminate || tell(outs[0]) != "Terminate-Request 2" || tell(outs[1]) != "finished" {
		t.Errorf("%d time-outs: %v", len(outs), outs)
	}
}

// The request that was acknowledged before the peer's Terminate-Request counts again after it.
func TestSameRequestCountsInAnotherState(t *testing.T) {
	a, _ := in(t, ppp.AckSent) // has acknowledged 7
	a.Receive(0, packet(t, ppp.TerminateRequest, 8, ""))
	expectState(t, a, ppp.ReqSent)
	expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, 7, other)), "Configure-Ack 7 010322")
	expectState(t, a, ppp.AckSent)
}

// Only a peer that begins with its own request may not have been there to hear ours.
func TestOtherFirstWordsOfThePeerRepeatNothing(t *testing.T) {
	a := ppp.NewAutomaton(&fake{Want: 0x11})
	a.Open(0)
	a.Up(0)
	expect(t, a.Receive(10*ms, packet(t, 0x20, 5, "")), "Code-Reject 1 20050004")
}

func TestCodesAreNamedByTheirNumbers(t *testing.T) {
	names := "Configure-Request Configure-Ack Configure-Nak Configure-Reject Terminate-Request Terminate-Ack Code-Reject " +
		"Protocol-Reject Echo-Request Echo-Reply Discard-Request Identification Time-Remaining"
	for i, name := range strings.Fields(names) {
		if got := ppp.Code(i + 1).String(); got != name {
			t.Errorf("code %d is %s, want %s", i+1, got, name)
		}
	}
}
