package lcp_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pppoectl/lcp"
	"pppoectl/ppp"
)

const peerMagic = 0x36bb605a

// client is what a host asks for on a Flets line.
var client = lcp.Config{MRU: 1454, Allowed: []lcp.Auth{lcp.AuthCHAPMD5, lcp.AuthPAP}}

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

func newLink(cfg lcp.Config, interval time.Duration) *lcp.Link {
	return lcp.New(cfg, lcp.EchoConfig{Interval: interval}, rng(1))
}

// asking returns a link that has sent its first Configure-Request, at time 0, to
// a peer that was heard already.
func asking(t testing.TB, cfg lcp.Config) *lcp.Link {
	t.Helper()
	l := newLink(cfg, 0)
	if out := l.Up(0); len(out.Packets) != 1 || out.Packets[0].Code != ppp.ConfigureRequest {
		t.Fatalf("got %q to begin with", tell(out))
	}
	l.Receive(0, ppp.Packet{Code: ppp.TerminateAck})
	return l
}

// opened returns a link that opened at time now, with an echo interval.
func opened(t testing.TB, now, interval time.Duration) *lcp.Link {
	t.Helper()
	l := newLink(client, interval)
	own := l.Up(now).Packets[0]
	l.Receive(now, packet(t, "01 01 0012 0104 05d4 0304 c023 0506 36bb605a"))
	own.Code = ppp.ConfigureAck
	out := l.Receive(now, own)
	if !l.Opened() || tell(out) != "up" {
		t.Fatalf("state %v, %q; want it open", l.State(), tell(out))
	}
	return l
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// packet reads an LCP packet from hexadecimal.
func packet(t testing.TB, s string) ppp.Packet {
	t.Helper()
	p, err := ppp.ParsePacket(unhex(t, s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return p
}

// request makes a Configure-Request of the peer's with the given options.
func request(t testing.TB, id uint8, options string) ppp.Packet {
	t.Helper()
	return ppp.Packet{Code: ppp.ConfigureRequest, ID: id, Data: unhex(t, options)}
}

// echo makes an echo packet with magic number and data.
func echo(code ppp.Code, id uint8, magic uint32, data string) ppp.Packet {
	return ppp.Packet{Code: code, ID: id, Data: append(binary.BigEndian.AppendUint32(nil, magic), data...)}
}

// answer is the peer's good reply to the echo in out.
func answer(t testing.TB, out lcp.Output) ppp.Packet {
	t.Helper()
	if len(out.Packets) != 1 || out.Packets[0].Code != ppp.EchoRequest {
		t.Fatalf("got %q, want an Echo-Request", tell(out))
	}
	return echo(ppp.EchoReply, out.Packets[0].ID, peerMagic, "")
}

// tell writes what follows from an input in one line.
func tell(out lcp.Output) string {
	var parts []string
	for _, p := range out.Packets {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%v %d %x", p.Code, p.ID, p.Data)))
	}
	for _, c := range out.Changes {
		parts = append(parts, [...]string{"up", "down", "started", "finished"}[c])
	}
	return strings.Join(parts, ", ")
}

func expect(t testing.TB, out lcp.Output, want string) {
	t.Helper()
	if got := tell(out); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// expectDropped fails unless in is dropped by l and changes nothing.
func expectDropped(t testing.TB, l *lcp.Link, in ppp.Packet) {
	t.Helper()
	before := fmt.Sprintf("%+v", l.Snapshot())
	out := l.Receive(0, in)
	if out.Dropped == nil || tell(out) != "" || out.Err != nil {
		t.Errorf("%v: got %q, error %v, dropped %v; want it dropped", in.Code, tell(out), out.Err, out.Dropped)
	}
	if after := fmt.Sprintf("%+v", l.Snapshot()); after != before {
		t.Errorf("%v: %s\nbecame\n%s", in.Code, before, after)
	}
}
