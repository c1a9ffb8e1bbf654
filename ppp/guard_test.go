package ppp_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pppoectl/ppp"
)

func TestAnswersThatCountForNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		in   ppp.Packet
	}{
		{"Ack with the identifier before ours", packet(t, ppp.ConfigureAck, 0, ours)},
		{"Ack with the identifier after ours", packet(t, ppp.ConfigureAck, 2, ours)},
		{"Nak with a wrong identifier", packet(t, ppp.ConfigureNak, 9, other)},
		{"Reject with a wrong identifier", packet(t, ppp.ConfigureReject, 9, ours)},
		{"Ack of a changed value", packet(t, ppp.ConfigureAck, 1, other)},
		{"Ack without our option", packet(t, ppp.ConfigureAck, 1, "")},
		{"Ack with one option more", packet(t, ppp.ConfigureAck, 1, ours+"05 02")},
		{"Ack with our option twice", packet(t, ppp.ConfigureAck, 1, ours+ours)},
		{"Ack with a broken option", packet(t, ppp.ConfigureAck, 1, "01 ff 11")},
		{"Nak with option length zero", packet(t, ppp.ConfigureNak, 1, "01 00 11")},
		{"Reject of another type", packet(t, ppp.ConfigureReject, 1, "05 03 11")},
		{"Reject of a changed value", packet(t, ppp.ConfigureReject, 1, other)},
		{"Reject of ours and another", packet(t, ppp.ConfigureReject, 1, ours+"05 02")},
		{"Reject of nothing", packet(t, ppp.ConfigureReject, 1, "")},
		{"Request with option length one (CVE-2006-4304)", packet(t, ppp.ConfigureRequest, 1, "01 01")},
		{"Code-Reject of half a packet", packet(t, ppp.CodeReject, 1, "09 01 00")},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, f := in(t, ppp.ReqSent)
			before := fmt.Sprint(a.Snapshot(), *f)
			expectDropped(t, a.Receive(0, c.in))
			if after := fmt.Sprint(a.Snapshot(), *f); after != before {
				t.Errorf("%s\nbecame\n%s", before, after)
			}
			expect(t, a.Receive(0, packet(t, ppp.ConfigureAck, 1, ours)), "")
			expectState(t, a, ppp.AckRcvd)
		})
	}
}

// RFC 1661 section 4.1 would let each of these bring the layer down; a late
// copy of an answer must not.
func TestRepeatedAnswersDoNotDisturbAnOpenedLayer(t *testing.T) {
	for _, code := range []ppp.Code{ppp.ConfigureAck, ppp.ConfigureNak, ppp.ConfigureReject} {
		for _, id := range []uint8{0, 1, 2} {
			a, _ := in(t, ppp.Opened)
			expectDropped(t, a.Receive(0, packet(t, code, id, ours)))
			expectState(t, a, ppp.Opened)
		}
	}
}

func TestRepeatedAckInAckRcvdIsDropped(t *testing.T) {
	a, _ := in(t, ppp.AckRcvd)
	expectDropped(t, a.Receive(0, packet(t, ppp.ConfigureAck, 1, ours)))
	expectState(t, a, ppp.AckRcvd)
}

func TestNakChangesTheNextRequestAndItsIdentifier(t *testing.T) {
	a, _ := in(t, ppp.ReqSent)
	expect(t, a.Receive(0, packet(t, ppp.ConfigureNak, 1, other)), "Configure-Request 2 010322")
	expectDropped(t, a.Receive(0, packet(t, ppp.ConfigureAck, 1, ours))) // of the request before
	expect(t, a.Receive(0, packet(t, ppp.ConfigureReject, 2, other)), "Configure-Request 3")
	expect(t, a.Receive(0, packet(t, ppp.ConfigureAck, 3, "")), "")
	expectState(t, a, ppp.AckRcvd)
}

func TestNothingIsAnsweredWithoutALowerLayer(t *testing.T) {
	for _, state := range []ppp.State{ppp.Initial, ppp.Starting} {
		a, _ := in(t, state)
		expectDropped(t, a.Receive(0, packet(t, ppp.ConfigureRequest, 1, other)))
		expectState(t, a, state)
	}
}

func TestTerminateAckMustAnswerOurRequest(t *testing.T) {
	a, _ := in(t, ppp.Closing) // Terminate-Request 2 is out
	expectDropped(t, a.Receive(0, packet(t, ppp.TerminateAck, 1, "")))
	expectState(t, a, ppp.Closing)
	expect(t, a.Receive(0, packet(t, ppp.TerminateAck, 2, "")), "finished")
	expectState(t, a, ppp.Closed)
}

func TestTerminateAckInOpenedMeansThatThePeerRestarted(t *testing.T) {
	a, _ := in(t, ppp.Opened)
	expect(t, a.Receive(0, packet(t, ppp.TerminateAck, 200, "")), "Configure-Request 2 010311, down")
	expectState(t, a, ppp.ReqSent)
}

func TestClosedLayerRefusesEverything(t *testing.T) {
	for _, code := range []ppp.Code{ppp.ConfigureRequest, ppp.ConfigureAck, ppp.ConfigureNak, ppp.TerminateRequest} {
		a, _ := in(t, ppp.Closed)
		out := a.Receive(0, packet(t, code, 77, ours))
		expect(t, out, "Terminate-Ack 77")
		if out.Err != nil {
			t.Errorf("%v: error %v, but nothing ended", code, out.Err)
		}
	}
}

func TestTerminateRequestWhileClosingIsNoNews(t *testing.T) {
	a, _ := in(t, ppp.Closing)
	out := a.Receive(0, packet(t, ppp.TerminateRequest, 9, ""))
	expect(t, out, "Terminate-Ack 9")
	if out.Err != nil {
		t.Errorf("error %v, but the end was our wish", out.Err)
	}
}

func TestConfigureRequestInOpenedRenegotiatesInPlace(t *testing.T) {
	a, f := in(t, ppp.Opened)
	a.Receive(0, packet(t, ppp.ConfigureNak, 1, other)) // late; no matter
	resets := f.Resets
	expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, 50, "01 03 33")),
		"Configure-Request 2 010311, Configure-Ack 50 010333, down")
	if f.Resets != resets+1 || f.Peer != 0x33 {
		t.Errorf("%d resets, peer's value %x; want one more than %d and 33", f.Resets, f.Peer, resets)
	}
	expect(t, a.Receive(0, packet(t, ppp.ConfigureAck, 2, ours)), "up")
}

func TestBadConfigureRequestInOpenedRenegotiatesToo(t *testing.T) {
	a, f := in(t, ppp.Opened)
	f.Only = 0x22
	expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, 50, "01 03 33")),
		"Configure-Request 2 010311, Configure-Nak 50 010322, down")
	expectState(t, a, ppp.ReqSent)
}

func TestConfigureRequestWakesAStoppedLayer(t *testing.T) {
	a, _ := in(t, ppp.Stopped)
	expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, 50, other)),
		"Configure-Request 2 010311, Configure-Ack 50 010322")
	expectState(t, a, ppp.AckSent)
}

func TestCodeRejectOfWhatEveryProtocolNeedsEndsIt(t *testing.T) {
	for code := ppp.ConfigureRequest; code <= ppp.CodeReject; code++ {
		t.Run(code.String(), func(t *testing.T) {
			a, _ := in(t, ppp.Opened)
			out := a.Receive(0, packet(t, ppp.CodeReject, 1, fmt.Sprintf("%02x 01 00 08 01 04 05 ae", uint8(code))))
			expect(t, out, "Terminate-Request 2, down")
			if !errors.Is(out.Err, ppp.ErrCodeRejected) {
				t.Errorf("error %v, want ErrCodeRejected", out.Err)
			}
			expectState(t, a, ppp.Stopping)
		})
	}
}

func TestCodeRejectOfExtensionsIsTolerated(t *testing.T) {
	for _, code := range []ppp.Code{0, 8, ppp.EchoRequest, ppp.Identification, 200} {
		a, _ := in(t, ppp.Opened)
		out := a.Receive(0, packet(t, ppp.CodeReject, 1, fmt.Sprintf("%02x 01 00 04", uint8(code))))
		expect(t, out, "")
		if out.Err != nil || out.Rejected != code {
			t.Errorf("%v: error %v, rejected %v", code, out.Err, out.Rejected)
		}
		expectState(t, a, ppp.Opened)
	}
}

func TestProtocolRejectEndsTheProtocol(t *testing.T) {
	for state, want := range map[ppp.State]string{
		ppp.ReqSent: "finished", ppp.AckRcvd: "finished", ppp.AckSent: "finished", ppp.Opened: "Terminate-Request 2, down",
	} {
		a, _ := in(t, state)
		out := a.ProtocolRejected(0)
		expect(t, out, want)
		if !errors.Is(out.Err, ppp.ErrProtocolRejected) {
			t.Errorf("%v: error %v, want ErrProtocolRejected", state, out.Err)
		}
	}
}

func TestUnknownCodeGetsItsPacketBack(t *testing.T) {
	a, _ := in(t, ppp.Opened)
	expect(t, a.Receive(0, packet(t, 0x20, 5, "aa bb")), "Code-Reject 1 20050006aabb")
	expect(t, a.Receive(0, packet(t, 0x20, 5, "")), "Code-Reject 2 20050004")
	expectState(t, a, ppp.Opened)
}

// RFC 1661 section 5.6: truncated to comply with the peer's MRU.
func TestCodeRejectIsCutToTheMRU(t *testing.T) {
	a, _ := in(t, ppp.Opened)
	unknown := ppp.Packet{Code: 0x20, ID: 5, Data: make([]byte, 1600)}
	size := func() int { return len(a.Receive(0, unknown).Packets[0].AppendTo(nil)) }
	if n := size(); n != 1500 {
		t.Errorf("%d octets, want 1500", n)
	}
	a.SetMRU(128)
	if n := size(); n != 128 {
		t.Errorf("%d octets, want 128", n)
	}
}

func TestFiveNaksThenRejects(t *testing.T) {
	a, f := in(t, ppp.ReqSent)
	f.Only = 0x22
	for i := range ppp.MaxFailure + 2 {
		want := fmt.Sprintf("Configure-Nak %d 010322", i)
		if i >= ppp.MaxFailure {
			want = fmt.Sprintf("Configure-Reject %d 010333", i)
		}
		expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, uint8(i), "01 03 33")), want)
	}
	expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, 90, other)), "Configure-Ack 90 010322")
	// The Ack clears the count.
	expect(t, a.Receive(0, packet(t, ppp.ConfigureRequest, 91, "01 03 33")), "Configure-Nak 91 010322")
}

// Max-Failure counts from the first Nak of a negotiation, also of one that the
// peer begins in place.
func TestFiveNaksThenRejectsInARenegotiation(t *testing.T) {
	a, f := in(t, ppp.Opened)
	f.Only = 0x22
	naks := 0
	for i := range 3 * ppp.MaxFailure {
		out := a.Receive(0, packet(t, ppp.ConfigureRequest, uint8(i), "01 03 33"))
		if out.Packets[len(out.Packets)-1].Code == ppp.ConfigureNak {
			naks++
		}
	}
	if naks != ppp.MaxFailure {
		t.Errorf("%d Naks, want %d", naks, ppp.MaxFailure)
	}
}

func TestEndlessRefusalsOfOursDoNotConverge(t *testing.T) {
	for _, c := range []struct {
		name  string
		codes []ppp.Code // in turn
	}{
		{"Naks", []ppp.Code{ppp.ConfigureNak}},
		{"Rejects", []ppp.Code{ppp.ConfigureReject}},
		{"Nak and Reject in turn", []ppp.Code{ppp.ConfigureNak, ppp.ConfigureReject}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, f := in(t, ppp.ReqSent)
			f.Stubborn = true
			for i := range 100 {
				out := a.Receive(0, packet(t, c.codes[i%len(c.codes)], a.Snapshot().ID, ours))
				if out.Err == nil {
					continue
				}
				if !errors.Is(out.Err, ppp.ErrNotConverging) || i < 10 || i > 40 {
					t.Errorf("error %v after %d refusals, want ErrNotConverging after some tens", out.Err, i)
				}
				expectState(t, a, ppp.Closing)
				return
			}
			t.Error("100 refusals were taken")
		})
	}
}

func TestAnAckForgetsEarlierRefusals(t *testing.T) {
	a, _ := in(t, ppp.ReqSent)
	for range 10 {
		for range 20 { // as many as are borne
			if out := a.Receive(0, packet(t, ppp.ConfigureNak, a.Snapshot().ID, ours)); out.Err != nil {
				t.Fatalf("gave up: %v", out.Err)
			}
		}
		a.Receive(0, packet(t, ppp.ConfigureAck, a.Snapshot().ID, ours))
		a.Tick(a.Deadline()) // Ack-Rcvd: the peer never asks, so we ask anew
	}
}

func TestEndlessRequestsThatWeRefuseDoNotConverge(t *testing.T) {
	a, f := in(t, ppp.ReqSent)
	f.Only = 0x22
	for i := range 100 {
		out := a.Receive(0, packet(t, ppp.ConfigureRequest, uint8(i), "01 03 33"))
		if out.Err == nil {
			continue
		}
		if !errors.Is(out.Err, ppp.ErrNotConverging) || i < 10 || i > 40 {
			t.Errorf("error %v after %d refusals, want ErrNotConverging after some tens", out.Err, i)
		}
		expectState(t, a, ppp.Closing)
		return
	}
	t.Error("100 requests were refused, and still no end")
}

func TestPolicyEndsTheNegotiation(t *testing.T) {
	reason := errors.New("not with me")
	t.Run("by a refusal that it cannot live with", func(t *testing.T) {
		a, f := in(t, ppp.ReqSent)
		f.Unwilling = reason
		out := a.Receive(0, packet(t, ppp.ConfigureReject, 1, ours))
		expect(t, out, "Terminate-Request 2")
		if !errors.Is(out.Err, reason) {
			t.Errorf("error %v, want the policy's", out.Err)
		}
	})
	t.Run("by a request that it cannot live with", func(t *testing.T) {
		a, f := in(t, ppp.ReqSent)
		f.Hostile = reason
		out := a.Receive(0, packet(t, ppp.ConfigureRequest, 1, ours))
		expect(t, out, "Terminate-Request 2")
		if !errors.Is(out.Err, reason) {
			t.Errorf("error %v, want the policy's", out.Err)
		}
	})
}

// On a line that doubles frames, or after an Ack that was lost, the request that
// has been acknowledged comes again: it is acknowledged again, and that is all.
func TestRepeatedConfigureRequestKeepsTheLayerUp(t *testing.T) {
	a, _ := in(t, ppp.Opened) // has acknowledged this request at time 0
	request := packet(t, ppp.ConfigureRequest, 7, other)
	for range 3 {
		expect(t, a.Receive(time.Second-1, request), "Configure-Ack 7 010322")
		expectState(t, a, ppp.Opened)
	}
}

// A peer that begins anew with the same words gets through with its second
// request; one that says anything else at once.
func TestNewConfigureRequestInOpenedBeginsAnew(t *testing.T) {
	for name, c := range map[string]struct {
		at      time.Duration
		request ppp.Packet
	}{
		"the same, later":    {time.Second, packet(t, ppp.ConfigureRequest, 7, other)},
		"another identifier": {0, packet(t, ppp.ConfigureRequest, 8, other)},
		"another value":      {0, packet(t, ppp.ConfigureRequest, 7, ours)},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := in(t, ppp.Opened)
			out := a.Receive(c.at, c.request)
			if len(out.Changes) == 0 || out.Changes[0] != ppp.LayerDown || a.State() != ppp.AckSent {
				t.Errorf("%s; state %v", tell(out), a.State())
			}
		})
	}
}
