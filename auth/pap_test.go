package auth_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pppoectl/auth"
	"pppoectl/lab/captures"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

const (
	user, secret   = "user@bizf.example.jp", "secret4"
	user6, secret6 = "user@bizf6.example.jp", "secret6"
)

// captured returns the packets of a protocol in a capture, in their order.
func captured(t testing.TB, name string, protocol ppp.Protocol) []ppp.Packet {
	t.Helper()
	var packets []ppp.Packet
	for _, b := range captures.Read(t, name) {
		f, err := pppoe.ParseFrame(b)
		if err != nil || f.EtherType != pppoe.EtherTypeSession {
			continue
		}
		p, err := pppoe.ParsePacket(f.Payload)
		if err != nil {
			t.Fatal(err)
		}
		number, information, err := ppp.ParseFrame(p.Payload)
		if err != nil || number != protocol {
			continue
		}
		c, err := ppp.ParsePacket(information)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, c)
	}
	return packets
}

// packet reads a packet from hexadecimal.
func packet(t testing.TB, s string) ppp.Packet {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	p, err := ppp.ParsePacket(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// only returns the one packet in out.
func only(t testing.TB, out auth.Output) ppp.Packet {
	t.Helper()
	if len(out.Packets) != 1 {
		t.Fatalf("%d packets (error %v, dropped %v), want 1", len(out.Packets), out.Err, out.Dropped)
	}
	return out.Packets[0]
}

// expectDropped fails unless out is nothing but a reason why.
func expectDropped(t testing.TB, out auth.Output) {
	t.Helper()
	if out.Dropped == nil || len(out.Packets) > 0 || out.Done || out.Err != nil {
		t.Errorf("got %+v, want it dropped", out)
	}
}

func samePacket(a, b ppp.Packet) bool {
	return a.Code == b.Code && a.ID == b.ID && bytes.Equal(a.Data, b.Data)
}

// expectRejected fails unless err is a refusal by protocol with text.
func expectRejected(t testing.TB, err error, protocol ppp.Protocol, text string) {
	t.Helper()
	var rejected *auth.RejectedError
	if !errors.Is(err, auth.ErrRejected) || !errors.As(err, &rejected) || rejected.Protocol != protocol || rejected.Text != text {
		t.Errorf("error %v, want %v's refusal with %q", err, protocol, text)
	}
}

// through gives back a client made from c's snapshot by way of JSON.
func through[C auth.Client](t testing.TB, c, fresh C) C {
	t.Helper()
	b, err := json.Marshal(c.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var v auth.Vars
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	fresh.Restore(v)
	if !reflect.DeepEqual(fresh.Snapshot(), c.Snapshot()) {
		t.Errorf("%+v became %+v", c.Snapshot(), fresh.Snapshot())
	}
	return fresh
}

// The request is pppd's, octet for octet, and its verdicts are understood.
func TestPAPAsInTheCaptures(t *testing.T) {
	t.Run("accepted", func(t *testing.T) {
		packets := captured(t, "pap.pcap", ppp.PAP)
		for i, login := range [][2]string{{user, secret}, {user6, secret6}, {user, secret}} {
			c := auth.NewPAPClient(login[0], login[1])
			if got := only(t, c.Start(0)); !samePacket(got, packets[2*i]) {
				t.Errorf("got  %x\nwant %x", got, packets[2*i])
			}
			if out := c.Receive(0, packets[2*i+1]); !out.Done || out.Text != "Login ok" || out.Err != nil {
				t.Errorf("got %+v", out)
			}
		}
	})
	t.Run("rejected", func(t *testing.T) {
		packets := captured(t, "wrong-password.pcap", ppp.PAP)
		c := auth.NewPAPClient(user, "wrong")
		if got := only(t, c.Start(0)); !samePacket(got, packets[0]) {
			t.Errorf("got  %x\nwant %x", got, packets[0])
		}
		out := c.Receive(0, packets[1])
		expectRejected(t, out.Err, ppp.PAP, "Login incorrect")
		if out.Done || c.Deadline() != 0 {
			t.Errorf("%+v, timer until %v", out, c.Deadline())
		}
	})
	t.Run("by the server", func(t *testing.T) {
		packets := captured(t, "pap.pcap", ppp.PAP)
		s := papServer()
		s.Start(0)
		out, name := s.Receive(0, packets[0])
		if got := only(t, out); name != user || !out.Done || !samePacket(got, packets[1]) {
			t.Errorf("%q: %x, want %x", name, got, packets[1])
		}
	})
}

func papServer() *auth.PAPServer {
	return auth.NewPAPServer(func(name, password string) auth.Verdict {
		if name == user && password == secret {
			return auth.Verdict{OK: true, Text: "Login ok"}
		}
		return auth.Verdict{Text: "Login incorrect"}
	})
}

func TestPAPEndsAgainstEachOther(t *testing.T) {
	for _, c := range []struct {
		name, password string
		ok             bool
	}{
		{user, secret, true}, {user, "", false}, {"", secret, false}, {user, secret + "\x00", false},
	} {
		client, server := auth.NewPAPClient(c.name, c.password), papServer()
		server.Start(0)
		out, name := server.Receive(0, only(t, client.Start(0)))
		verdict := client.Receive(0, only(t, out))
		if name != c.name || out.Done != c.ok || verdict.Done != c.ok {
			t.Errorf("%q, %q: name %q, server %v, client %v", c.name, c.password, name, out.Done, verdict.Done)
		}
		if !c.ok {
			expectRejected(t, out.Err, ppp.PAP, "Login incorrect")
			expectRejected(t, verdict.Err, ppp.PAP, "Login incorrect")
		}
	}
}

// RFC 1334 section 2.2.1: the identifier changes with each request.
func TestPAPRequestIsRepeatedUnderAnotherIdentifier(t *testing.T) {
	c := auth.NewPAPClient(user, secret)
	first := only(t, c.Start(0))
	var last auth.Output
	for i := range 9 {
		at := time.Duration(i+1) * 3 * time.Second
		if c.Deadline() != at {
			t.Fatalf("request %d at %v, want %v", i+2, c.Deadline(), at)
		}
		if out := c.Tick(at - 1); len(out.Packets) != 0 {
			t.Error("a request before its time")
		}
		p := only(t, c.Tick(at))
		if p.ID != first.ID+uint8(i)+1 || !bytes.Equal(p.Data, first.Data) {
			t.Errorf("request %d: %x", i+2, p)
		}
	}
	last = c.Tick(c.Deadline())
	if !errors.Is(last.Err, auth.ErrTimeout) || len(last.Packets) != 0 || c.Deadline() != 0 {
		t.Errorf("after ten requests: %+v, timer until %v", last, c.Deadline())
	}
}

func TestPAPVerdictsThatCountForNothing(t *testing.T) {
	for name, in := range map[string]string{
		"Ack with another identifier":     "02 02 0005 00",
		"Nak with another identifier":     "03 00 0005 00",
		"Ack with a message past its end": "02 01 0006 ff41",
		"Nak with a message past its end": "03 01 0006 0241",
		"Ack with a length of no message": "02 01 0005 05",
		"a request":                       "01 01 0006 0000",
		"code 9":                          "09 01 0004",
	} {
		t.Run(name, func(t *testing.T) {
			c := auth.NewPAPClient(user, secret)
			expectDropped(t, c.Receive(0, packet(t, "02 01 0005 00"))) // before any request
			c.Start(0)
			expectDropped(t, c.Receive(0, packet(t, in)))
			if out := c.Receive(0, packet(t, "02 01 0005 00")); !out.Done {
				t.Errorf("a good Ack after it: %+v", out)
			}
			expectDropped(t, c.Receive(0, packet(t, "02 01 0005 00"))) // a second Ack
			expectDropped(t, c.Receive(0, packet(t, "03 01 0005 00")))
		})
	}
}

func TestPAPVerdictWithoutAMessageLength(t *testing.T) {
	c := auth.NewPAPClient(user, secret)
	c.Start(0)
	if out := c.Receive(0, packet(t, "02 01 0004")); !out.Done || out.Text != "" {
		t.Errorf("got %+v", out)
	}
}

func TestPAPServerDropsWhatIsNoRequest(t *testing.T) {
	s := papServer()
	s.Start(0)
	for _, in := range []string{"02 01 0005 00", "01 01 0004", "01 01 0008 ff414141", "01 01 0006 0141", "01 01 0007 0141 02"} {
		out, name := s.Receive(0, packet(t, in))
		expectDropped(t, out)
		if name != "" {
			t.Errorf("%s: name %q", in, name)
		}
	}
}

func TestPAPServerRepeatsItsAnswerAndDecidesOnce(t *testing.T) {
	calls := 0
	s := auth.NewPAPServer(func(string, string) auth.Verdict { calls++; return auth.Verdict{OK: calls == 1} })
	s.Start(0)
	request := only(t, auth.NewPAPClient(user, secret).Start(0))
	first, _ := s.Receive(0, request)
	second, _ := s.Receive(0, request)
	if !first.Done || second.Done || calls != 1 || !samePacket(only(t, first), only(t, second)) {
		t.Errorf("%d decisions; %+v, then %+v", calls, first, second)
	}
}

func TestPAPServerGivesUp(t *testing.T) {
	s := papServer()
	s.Start(0)
	if out := s.Tick(s.Deadline() - 1); out.Err != nil {
		t.Errorf("too early: %v", out.Err)
	}
	if out := s.Tick(s.Deadline()); !errors.Is(out.Err, auth.ErrTimeout) || s.Deadline() != 0 {
		t.Errorf("got %+v, timer until %v", out, s.Deadline())
	}
}

// A login that timed out must not be let in because an earlier one was.
func TestPAPServerForgetsTheVerdictOfAnEarlierLogin(t *testing.T) {
	s := papServer()
	s.Start(0)
	s.Receive(0, only(t, auth.NewPAPClient(user, secret).Start(0)))
	s.Start(0)
	s.Tick(s.Deadline())
	out, _ := s.Receive(0, only(t, auth.NewPAPClient(user, "wrong").Start(0)))
	if p := out.Packets; len(p) > 0 && p[0].Code == 2 {
		t.Errorf("a wrong password is acknowledged: %+v", out)
	}
}

func TestPAPNamesAreCutAt255(t *testing.T) {
	p := only(t, auth.NewPAPClient(strings.Repeat("n", 300), strings.Repeat("p", 300)).Start(0))
	if len(p.Data) != 512 || p.Data[0] != 255 || p.Data[256] != 255 {
		t.Errorf("%d octets, want 2 times 256", len(p.Data))
	}
}

func TestPAPGoesOnFromItsSnapshot(t *testing.T) {
	c := auth.NewPAPClient(user, secret)
	fresh := func() *auth.PAPClient { return auth.NewPAPClient(user, secret) }
	c.Start(time.Hour)
	c = through(t, c, fresh())
	c.Tick(c.Deadline())
	c = through(t, c, fresh())
	if out := c.Receive(time.Hour, packet(t, "02 02 0005 00")); !out.Done {
		t.Errorf("got %+v", out)
	}
	c = through(t, c, fresh())
	if p := only(t, c.Start(0)); p.ID != 3 {
		t.Errorf("identifier %d after a restart, want 3", p.ID)
	}
}

func TestRejectedErrorQuotesThePeer(t *testing.T) {
	err := &auth.RejectedError{Protocol: ppp.CHAP, Text: "\x1b[2Jno"}
	if got := err.Error(); strings.Contains(got, "\x1b") || !strings.Contains(got, "CHAP") {
		t.Errorf("got %q", got)
	}
	if got := (&auth.RejectedError{Protocol: ppp.PAP}).Error(); got != "authentication rejected (PAP)" {
		t.Errorf("got %q", got)
	}
	if fmt.Sprint(auth.NewPAPClient("", "").Protocol(), papServer().Protocol()) != "PAP PAP" {
		t.Error("protocols")
	}
}
