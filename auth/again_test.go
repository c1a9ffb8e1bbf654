package auth_test

import (
	"strings"
	"testing"
	"time"

	"pppoectl/auth"
	"pppoectl/ppp"
)

// What is decided is not asked for any more.
func TestNothingIsDueAfterTheVerdict(t *testing.T) {
	chap, server := auth.NewCHAPClient(user, secret), chapServer()
	chap.Start(time.Hour)
	response := only(t, chap.Receive(time.Hour, only(t, server.Start(time.Hour))))
	verdict, _ := server.Receive(time.Hour, response)
	chap.Receive(time.Hour, only(t, verdict))
	pap, papServer := auth.NewPAPClient(user, secret), papServer()
	papServer.Start(time.Hour)
	verdict, _ = papServer.Receive(time.Hour, only(t, pap.Start(time.Hour)))
	pap.Receive(time.Hour, only(t, verdict))
	if !pap.Snapshot().Done || !chap.Snapshot().Done {
		t.Errorf("%+v, %+v", pap.Snapshot(), chap.Snapshot())
	}
	for name, end := range map[string]interface {
		Tick(time.Duration) auth.Output
		Deadline() time.Duration
	}{"CHAP client": chap, "CHAP server": server, "PAP client": pap, "PAP server": papServer} {
		out := end.Tick(2 * time.Hour)
		if end.Deadline() != 0 || len(out.Packets) != 0 || out.Err != nil {
			t.Errorf("%s: %+v, timer until %v", name, out, end.Deadline())
		}
	}
}

func TestPAPServerWaitsForHalfAMinute(t *testing.T) {
	s := papServer()
	s.Start(time.Hour)
	if out := s.Tick(time.Hour + 30*time.Second - 1); out.Err != nil || s.Deadline() != time.Hour+30*time.Second {
		t.Errorf("%+v, timer until %v", out, s.Deadline())
	}
}

// Each negotiation of LCP has ten requests of its own.
func TestPAPStartedAgainCountsAnew(t *testing.T) {
	c := auth.NewPAPClient(user, secret)
	c.Start(0)
	for range 5 {
		c.Tick(c.Deadline())
	}
	requests := len(c.Start(time.Hour).Packets)
	for c.Deadline() != 0 {
		requests += len(c.Tick(c.Deadline()).Packets)
	}
	if requests != 10 {
		t.Errorf("%d requests, want 10", requests)
	}
}

// RFC 1994 section 4.1: the challenge says who asks.
func TestCHAPServerTellsItsName(t *testing.T) {
	if p := only(t, chapServer().Start(0)); !strings.HasSuffix(string(p.Data), "BAS-TOKYO") {
		t.Errorf("challenge %x", p.Data)
	}
}

// A challenge is the same one only with its identifier and its value: another is answered sparingly.
func TestCHAPChallengeIsNewByIdentifierOrValue(t *testing.T) {
	for name, challenge := range map[string]func(i byte) ppp.Packet{
		"identifier": func(i byte) ppp.Packet { return ppp.Packet{Code: 1, ID: i, Data: []byte{1, 1}} },
		"value":      func(i byte) ppp.Packet { return ppp.Packet{Code: 1, ID: 1, Data: []byte{1, i}} },
	} {
		c := auth.NewCHAPClient(user, secret)
		c.Start(0)
		responses := 0
		for i := range byte(100) {
			responses += len(c.Receive(0, challenge(i)).Packets)
		}
		if responses != 5 {
			t.Errorf("another %s each time: %d responses at once, want 5", name, responses)
		}
	}
}

// Whoever has LCP negotiated anew has no more secrets tried out by that.
func TestCHAPStartedAgainIsAsSparing(t *testing.T) {
	c := auth.NewCHAPClient(user, secret)
	for i := range byte(5) {
		c.Start(0)
		only(t, c.Receive(0, ppp.Packet{Code: 1, ID: i, Data: []byte{1, i}}))
	}
	c.Start(0)
	expectDropped(t, c.Receive(0, ppp.Packet{Code: 1, ID: 5, Data: []byte{1, 5}}))
	only(t, c.Receive(10*time.Second, ppp.Packet{Code: 1, ID: 5, Data: []byte{1, 5}}))
}

// Each challenge has ten responses of its own: the verdict on each may be lost.
func TestCHAPChallengeIsAnsweredTenTimes(t *testing.T) {
	c := auth.NewCHAPClient(user, secret)
	c.Start(0)
	c.Receive(0, ppp.Packet{Code: 1, ID: 1, Data: []byte{1, 1}})
	c.Tick(c.Deadline())
	responses := len(c.Receive(c.Deadline(), ppp.Packet{Code: 1, ID: 2, Data: []byte{1, 2}}).Packets)
	for c.Deadline() != 0 {
		responses += len(c.Tick(c.Deadline()).Packets)
	}
	if responses != 10 {
		t.Errorf("%d responses, want 10", responses)
	}
}

func TestCHAPClientWaitsHalfAMinuteForAChallenge(t *testing.T) {
	c := auth.NewCHAPClient(user, secret)
	c.Start(time.Hour)
	if c.Deadline() != time.Hour+30*time.Second {
		t.Errorf("timer until %v", c.Deadline())
	}
	if c.Tick(c.Deadline()); c.Deadline() != 0 {
		t.Errorf("has given up, and has a timer until %v", c.Deadline())
	}
}

// Only a Success lets us in, whatever else has the right identifier.
func TestCHAPCodeThatIsNoneIsNoSuccess(t *testing.T) {
	c := auth.NewCHAPClient(user, secret)
	c.Start(0)
	c.Receive(0, ppp.Packet{Code: 1, ID: 7, Data: []byte{1, 1}})
	for _, code := range []ppp.Code{0, 2, 5, 255} {
		expectDropped(t, c.Receive(0, ppp.Packet{Code: code, ID: 7}))
	}
	if !c.Snapshot().Waiting {
		t.Error("the verdict is not waited for any more")
	}
}

// As long as an MD5 digest: nobody meets the same one twice.
func TestCHAPServersChallengeHasSixteenOctets(t *testing.T) {
	if p := only(t, chapServer().Start(0)); p.Data[0] != 16 || len(p.Data) != 1+16+len("BAS-TOKYO") {
		t.Errorf("challenge %x", p.Data)
	}
}

func TestPAPVerdictAfterGivingUpCountsForNothing(t *testing.T) {
	c := auth.NewPAPClient(user, secret)
	id := only(t, c.Start(0)).ID
	for c.Deadline() != 0 {
		for _, p := range c.Tick(c.Deadline()).Packets {
			id = p.ID
		}
	}
	expectDropped(t, c.Receive(time.Hour, ppp.Packet{Code: 2, ID: id}))
}
