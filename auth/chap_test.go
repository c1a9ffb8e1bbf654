package auth_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pppoectl/auth"
	"pppoectl/ppp"
)

func rng() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func chapServer() *auth.CHAPServer {
	return auth.NewCHAPServer("BAS-TOKYO", func(name string, valid func(string) bool) auth.Verdict {
		if name == user && valid(secret) {
			return auth.Verdict{OK: true, Text: "Access granted"}
		}
		return auth.Verdict{Text: "Access denied"}
	}, rng())
}

// The response is pppd's, octet for octet, and its verdicts are understood.
func TestCHAPAsInTheCaptures(t *testing.T) {
	t.Run("accepted", func(t *testing.T) {
		packets := captured(t, "chap.pcap", ppp.CHAP)
		for i, login := range [][2]string{{user, secret}, {user6, secret6}, {user, secret}} {
			challenge, response, success := packets[3*i], packets[3*i+1], packets[3*i+2]
			c := auth.NewCHAPClient(login[0], login[1])
			c.Start(0)
			if got := only(t, c.Receive(0, challenge)); !samePacket(got, response) {
				t.Errorf("got  %x\nwant %x", got, response)
			}
			if out := c.Receive(0, success); !out.Done || out.Text != "Access granted" || c.Deadline() != 0 {
				t.Errorf("got %+v, timer until %v", out, c.Deadline())
			}
		}
	})
	t.Run("rejected", func(t *testing.T) {
		packets := captured(t, "chap-wrong-password.pcap", ppp.CHAP)
		c := auth.NewCHAPClient(user, "wrong")
		c.Start(0)
		if got := only(t, c.Receive(0, packets[0])); !samePacket(got, packets[1]) {
			t.Errorf("got  %x\nwant %x", got, packets[1])
		}
		out := c.Receive(0, packets[2])
		expectRejected(t, out.Err, ppp.CHAP, "Access denied")
	})
}

func TestCHAPEndsAgainstEachOther(t *testing.T) {
	for _, c := range []struct {
		name, secret string
		ok           bool
	}{
		{user, secret, true}, {user, "wrong", false}, {"nobody", secret, false}, {user, "", false},
	} {
		client, server := auth.NewCHAPClient(c.name, c.secret), chapServer()
		client.Start(0)
		response := only(t, client.Receive(0, only(t, server.Start(0))))
		out, name := server.Receive(0, response)
		verdict := client.Receive(0, only(t, out))
		if name != c.name || out.Done != c.ok || verdict.Done != c.ok {
			t.Errorf("%q, %q: name %q, server %v, client %v", c.name, c.secret, name, out.Done, verdict.Done)
		}
		if bytes.Contains(response.Data, []byte(secret)) {
			t.Error("the secret is in the response")
		}
		if !c.ok {
			expectRejected(t, out.Err, ppp.CHAP, "Access denied")
			expectRejected(t, verdict.Err, ppp.CHAP, "Access denied")
		}
	}
}

func TestCHAPChallengesThatGetNoResponse(t *testing.T) {
	for name, in := range map[string]string{
		"nothing in it":           "01 01 0004",
		"value of no octets":      "01 01 0005 00",
		"no value, but a name":    "01 01 0008 00 414243",
		"value past the end":      "01 01 0006 ff00",
		"value past by one":       "01 01 0007 03 0102",
		"a response":              "02 01 0006 0101",
		"code 9":                  "09 01 0006 0101",
		"Success, unchallenged":   "03 01 0004",
		"Failure, unchallenged":   "04 01 0004",
		"Success of identifier 0": "03 00 0004",
	} {
		t.Run(name, func(t *testing.T) {
			c := auth.NewCHAPClient(user, secret)
			c.Start(0)
			expectDropped(t, c.Receive(0, packet(t, in)))
			if p := only(t, c.Receive(0, packet(t, "01 07 0006 0155"))); p.ID != 7 {
				t.Errorf("a good one after it got identifier %d", p.ID)
			}
		})
	}
}

func TestCHAPChallengeOfAnyGoodSize(t *testing.T) {
	for _, size := range []int{1, 16, 255} {
		for _, name := range []int{0, 1000} {
			c := auth.NewCHAPClient(user, secret)
			c.Start(0)
			data := append([]byte{byte(size)}, make([]byte, size+name)...)
			p := only(t, c.Receive(0, ppp.Packet{Code: 1, ID: 3, Data: data}))
			if p.Code != 2 || p.ID != 3 || p.Data[0] != 16 || string(p.Data[17:]) != user {
				t.Errorf("size %d, name of %d: %x", size, name, p)
			}
		}
	}
}

func TestCHAPVerdictsOfAnotherIdentifierAreDropped(t *testing.T) {
	c := auth.NewCHAPClient(user, secret)
	c.Start(0)
	c.Receive(0, packet(t, "01 07 0006 0155"))
	expectDropped(t, c.Receive(0, packet(t, "03 06 0004")))
	expectDropped(t, c.Receive(0, packet(t, "04 08 0004")))
	if out := c.Receive(0, packet(t, "03 07 0004")); !out.Done {
		t.Errorf("got %+v", out)
	}
	expectDropped(t, c.Receive(0, packet(t, "03 07 0004"))) // once is enough
	expectDropped(t, c.Receive(0, packet(t, "04 07 0004")))
}

func TestCHAPRepeatedChallengeGetsTheSameResponse(t *testing.T) {
	c := auth.NewCHAPClient(user, secret)
	c.Start(0)
	challenge := packet(t, "01 07 0006 0155")
	first := only(t, c.Receive(0, challenge))
	for range 50 {
		if again := only(t, c.Receive(0, challenge)); !samePacket(again, first) {
			t.Fatalf("got %x, then %x", first, again)
		}
	}
}

// The peer may challenge at any time, but not have secrets tried out by us.
func TestCHAPNewChallengesAreAnsweredSparingly(t *testing.T) {
	c := auth.NewCHAPClient(user, secret)
	c.Start(0)
	responses := 0
	for i := range 600 { // ten minutes, one each second
		in := ppp.Packet{Code: 1, ID: uint8(i), Data: []byte{2, byte(i >> 8), byte(i)}}
		out := c.Receive(time.Duration(i)*time.Second, in)
		responses += len(out.Packets)
		if len(out.Packets) == 0 && out.Dropped == nil {
			t.Fatal("neither answered nor dropped")
		}
	}
	if responses < 60 || responses > 66 {
		t.Errorf("%d responses in ten minutes, want one each ten seconds and a few at first", responses)
	}
}

func TestCHAPChallengeWhileUpIsAnsweredAndHasNoDeadline(t *testing.T) {
	c := auth.NewCHAPClient(user, secret)
	c.Start(0)
	c.Receive(0, packet(t, "01 07 0006 0155"))
	c.Receive(0, packet(t, "03 07 0004"))
	only(t, c.Receive(time.Hour, packet(t, "01 08 0006 0166")))
	if c.Deadline() != 0 {
		t.Errorf("timer until %v: a lost verdict would end an authenticated session", c.Deadline())
	}
	out := c.Receive(time.Hour, packet(t, "04 08 0004"))
	expectRejected(t, out.Err, ppp.CHAP, "")
}

// RFC 1994 section 4.2: the verdict may be lost, and the authenticator, which takes its success for
// known, challenges no more. Only a repeated response brings it again.
func TestCHAPResponseIsRepeatedUntilAVerdict(t *testing.T) {
	c, s := auth.NewCHAPClient(user, secret), chapServer()
	c.Start(0)
	response := only(t, c.Receive(time.Second, only(t, s.Start(time.Second))))
	s.Receive(time.Second, response) // its success is lost
	if got := c.Deadline(); got != 4*time.Second {
		t.Fatalf("the next response at %v, want after 3 s", got)
	}
	again := only(t, c.Tick(4*time.Second))
	if !samePacket(again, response) {
		t.Errorf("got  %x\nwant %x", again, response)
	}
	out, _ := s.Receive(4*time.Second, again)
	if out := c.Receive(4*time.Second, only(t, out)); !out.Done || c.Deadline() != 0 {
		t.Errorf("%+v, timer until %v", out, c.Deadline())
	}
}

func TestCHAPClientGivesUp(t *testing.T) {
	for name, challenged := range map[string]bool{"no CHAP challenge": false, "no verdict": true} {
		c := auth.NewCHAPClient(user, secret)
		c.Start(0)
		if challenged {
			c.Receive(0, packet(t, "01 07 0006 0155"))
		}
		if out := c.Tick(c.Deadline() - 1); out.Err != nil {
			t.Errorf("too early: %v", out.Err)
		}
		var out auth.Output
		for out.Err == nil && c.Deadline() != 0 {
			if c.Deadline() > 30*time.Second {
				t.Fatalf("%s: waits until %v", name, c.Deadline())
			}
			out = c.Tick(c.Deadline())
		}
		if !errors.Is(out.Err, auth.ErrTimeout) || !strings.Contains(out.Err.Error(), name) {
			t.Errorf("error %v, want a time-out with %q", out.Err, name)
		}
		expectDropped(t, c.Receive(0, packet(t, "03 07 0004")))
	}
}

func TestCHAPServerRepeatsItsChallenge(t *testing.T) {
	s := chapServer()
	first := only(t, s.Start(0))
	for i := range 9 {
		if got := only(t, s.Tick(time.Duration(i+1)*3*time.Second)); !samePacket(got, first) {
			t.Errorf("challenge %d: %x, want %x", i+2, got, first)
		}
	}
	if out := s.Tick(s.Deadline()); !errors.Is(out.Err, auth.ErrTimeout) || s.Deadline() != 0 {
		t.Errorf("after ten: %+v, timer until %v", out, s.Deadline())
	}
	if second := only(t, s.Start(0)); second.ID == first.ID || bytes.Equal(second.Data, first.Data) {
		t.Errorf("a new challenge is the old one: %x", second)
	}
}

// RFC 1994 section 4.2: a repeated response gets the same answer.
func TestCHAPServerRepeatsItsAnswerAndDecidesOnce(t *testing.T) {
	client, server := auth.NewCHAPClient(user, secret), chapServer()
	client.Start(0)
	response := only(t, client.Receive(0, only(t, server.Start(0))))
	first, _ := server.Receive(0, response)
	response.Data = append([]byte{16}, make([]byte, 16)...) // another value now
	second, _ := server.Receive(0, response)
	if !first.Done || second.Done || second.Err != nil || !samePacket(only(t, first), only(t, second)) {
		t.Errorf("%+v, then %+v", first, second)
	}
}

func TestCHAPServerDropsWhatIsNoResponse(t *testing.T) {
	s := chapServer()
	id := only(t, s.Start(0)).ID
	for _, p := range []ppp.Packet{
		{Code: 1, ID: id, Data: []byte{1, 1}},
		{Code: 2, ID: id + 1, Data: []byte{1, 1}},
		{Code: 2, ID: id, Data: []byte{9, 1}},
		{Code: 2, ID: id},
	} {
		out, _ := s.Receive(0, p)
		expectDropped(t, out)
	}
	if out := s.Tick(s.Deadline() - 1); len(out.Packets) != 0 {
		t.Error("a challenge before its time")
	}
}

// A login that timed out must not be let in because an earlier one was.
func TestCHAPServerForgetsTheVerdictOfAnEarlierLogin(t *testing.T) {
	client, s := auth.NewCHAPClient(user, secret), chapServer()
	client.Start(0)
	s.Receive(0, only(t, client.Receive(0, only(t, s.Start(0)))))
	challenge := only(t, s.Start(0))
	for s.Deadline() != 0 {
		s.Tick(s.Deadline())
	}
	out, _ := s.Receive(0, ppp.Packet{Code: 2, ID: challenge.ID, Data: append([]byte{16}, make([]byte, 16)...)})
	if p := out.Packets; len(p) > 0 && p[0].Code == 3 {
		t.Errorf("a wrong response gets Success: %+v", out)
	}
}

func TestCHAPGoesOnFromItsSnapshot(t *testing.T) {
	c := auth.NewCHAPClient(user, secret)
	fresh := func() *auth.CHAPClient { return auth.NewCHAPClient(user, secret) }
	c.Start(time.Hour)
	c = through(t, c, fresh())
	challenge := packet(t, "01 07 0006 0155")
	first := only(t, c.Receive(time.Hour, challenge))
	c = through(t, c, fresh())
	if again := only(t, c.Receive(time.Hour, challenge)); !samePacket(again, first) {
		t.Errorf("got %x, want %x", again, first)
	}
	if out := c.Receive(time.Hour, packet(t, "03 07 0004")); !out.Done {
		t.Errorf("got %+v", out)
	}
	through(t, c, fresh())
	if fmt.Sprint(c.Protocol(), chapServer().Protocol()) != "CHAP CHAP" {
		t.Error("protocols")
	}
}

func TestCHAPSnapshotSharesNothing(t *testing.T) {
	c := auth.NewCHAPClient(user, secret)
	c.Start(0)
	first := only(t, c.Receive(0, packet(t, "01 07 0006 0155")))
	v := c.Snapshot()
	v.Challenge[0] = 0xee
	if again := only(t, c.Tick(c.Deadline())); !samePacket(again, first) {
		t.Errorf("a changed snapshot: %x, want %x", again, first)
	}
	v = c.Snapshot()
	c.Restore(v)
	v.Challenge[0] = 0xee
	if again := only(t, c.Tick(c.Deadline())); !samePacket(again, first) {
		t.Errorf("changed after Restore: %x, want %x", again, first)
	}
}
