package pppoe_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"

	"pppoectl/pppoe"
)

var (
	host  = pppoe.MAC{2, 0, 0x5e, 0x10, 0, 0x0c}
	acA   = pppoe.MAC{2, 0, 0x5e, 0x10, 0, 0x0a}
	acB   = pppoe.MAC{2, 0, 0x5e, 0x10, 0, 0x0b}
	group = pppoe.MAC{1, 0, 0x5e, 0, 0, 1}
)

// discovery returns one that has sent its first PADI, at time 0.
func discovery(t testing.TB, want pppoe.Want) *pppoe.Discovery {
	t.Helper()
	d := pppoe.NewDiscovery(host, want, rand.New(rand.NewPCG(1, 2)))
	out := d.Start(0)
	if code, _ := only(t, out.Frames); code != pppoe.PADI || d.Stage() != pppoe.Soliciting {
		t.Fatalf("%v in stage %d to begin with", code, d.Stage())
	}
	return d
}

// requesting returns a discovery that has sent its first PADR, to acA.
func requesting(t testing.TB, want pppoe.Want) *pppoe.Discovery {
	t.Helper()
	d := discovery(t, want)
	out := d.Receive(0, pado(d, acA, good...))
	if code, _ := only(t, out.Frames); code != pppoe.PADR || d.Stage() != pppoe.Requesting {
		t.Fatalf("%v in stage %d, want a PADR", code, d.Stage())
	}
	return d
}

// only returns code and tags of the one frame in frames.
func only(t testing.TB, frames []pppoe.Frame) (pppoe.Code, pppoe.Tags) {
	t.Helper()
	if len(frames) != 1 {
		t.Fatalf("%d frames, want 1", len(frames))
	}
	_, p, tags := parse(t, frames[0].AppendTo(nil))
	return p.Code, tags
}

func tag(t pppoe.TagType, value string) pppoe.Tag { return pppoe.Tag{Type: t, Value: []byte(value)} }

// good are the tags of an offer, but for the Host-Uniq.
var good = pppoe.Tags{tag(pppoe.ACName, "BAS-TOKYO"), tag(pppoe.ServiceName, "")}

// answer makes a frame from src to us; payload is its tags on the wire.
func answer(code pppoe.Code, src pppoe.MAC, session uint16, payload []byte) pppoe.Frame {
	p := pppoe.Packet{Code: code, SessionID: session, Payload: payload}
	return pppoe.Frame{Dst: host, Src: src, EtherType: pppoe.EtherTypeDiscovery, Payload: p.AppendTo(nil)}
}

// pado makes a PADO with our Host-Uniq before the given tags.
func pado(d *pppoe.Discovery, src pppoe.MAC, tags ...pppoe.Tag) pppoe.Frame {
	return answer(pppoe.PADO, src, 0, append(pppoe.Tags{{Type: pppoe.HostUniq, Value: d.HostUniq()}}, tags...).AppendTo(nil))
}

// pads makes a PADS with our Host-Uniq and an empty Service-Name before the given tags.
func pads(d *pppoe.Discovery, src pppoe.MAC, session uint16, tags ...pppoe.Tag) pppoe.Frame {
	all := pppoe.Tags{{Type: pppoe.HostUniq, Value: d.HostUniq()}, {Type: pppoe.ServiceName}}
	return answer(pppoe.PADS, src, session, append(all, tags...).AppendTo(nil))
}

// expectIgnored fails unless f is dropped and everything stays as it was.
func expectIgnored(t testing.TB, d *pppoe.Discovery, f pppoe.Frame) error {
	t.Helper()
	before := fmt.Sprintf("%+v", d.Snapshot())
	out := d.Receive(time.Millisecond, f)
	if out.Dropped == nil || out.Refused != nil || len(out.Frames) > 0 {
		t.Errorf("%d frames, refused %v, dropped %v; want it ignored", len(out.Frames), out.Refused, out.Dropped)
	}
	if after := fmt.Sprintf("%+v", d.Snapshot()); after != before {
		t.Errorf("%s\nbecame\n%s", before, after)
	}
	return out.Dropped
}

func TestFramesThatAreNoOffer(t *testing.T) {
	ours := discovery(t, pppoe.Want{}).HostUniq() // the same in each discovery below
	uniq := func(v []byte) pppoe.Tag { return pppoe.Tag{Type: pppoe.HostUniq, Value: v} }
	with := func(tags ...pppoe.Tag) []byte { return append(pppoe.Tags(tags), good...).AppendTo(nil) }
	raw := func(hex string) pppoe.Frame {
		return pppoe.Frame{Dst: host, Src: acA, EtherType: pppoe.EtherTypeDiscovery, Payload: hexFrame(t, hex)}
	}
	dead := raw("11 07 0000 0500" + strings.Repeat("00", 40))
	echoed := answer(pppoe.PADO, acA, 0, with(uniq(ours)))
	echoed.Src = host
	for _, c := range []struct {
		name string
		f    pppoe.Frame
		want error // matched by the reason, if not nil
	}{
		{"no PPPoE header", raw("11 07 00"), pppoe.ErrTruncated},
		{"version 2", raw("21 07 0000 0000"), pppoe.ErrVersion},
		{"type 2", raw("12 07 0000 0000"), pppoe.ErrVersion},
		{"length over the frame", dead, pppoe.ErrTruncated},
		{"no tags", answer(pppoe.PADO, acA, 0, nil), pppoe.ErrNoOffer},
		{"tag over the end", raw("11 07 0000 0008 0103 00ff 0001 0001"), pppoe.ErrTruncated},
		{"three stray octets", raw("11 07 0000 0003 0101 00"), pppoe.ErrTruncated},
		{"good, but for stray octets behind", answer(pppoe.PADO, acA, 0, append(with(uniq(ours)), 1)), pppoe.ErrTruncated},
		{"good tags past End-Of-List", answer(pppoe.PADO, acA, 0, with(uniq(ours), tag(pppoe.EndOfList, ""))), pppoe.ErrNoOffer},
		{"no Host-Uniq", answer(pppoe.PADO, acA, 0, with()), pppoe.ErrNoOffer},
		{"empty Host-Uniq", answer(pppoe.PADO, acA, 0, with(uniq(nil))), pppoe.ErrNoOffer},
		{"prefix of our Host-Uniq", answer(pppoe.PADO, acA, 0, with(uniq(ours[:11]))), pppoe.ErrNoOffer},
		{"our Host-Uniq and an octet", answer(pppoe.PADO, acA, 0, with(uniq(append(bytes.Clone(ours), 0)))), pppoe.ErrNoOffer},
		{"our Host-Uniq, then another", answer(pppoe.PADO, acA, 0, with(uniq(ours), uniq([]byte{1}))), pppoe.ErrNoOffer},
		{"another Host-Uniq, then ours", answer(pppoe.PADO, acA, 0, with(uniq([]byte{1}), uniq(ours))), pppoe.ErrNoOffer},
		{"no AC-Name", answer(pppoe.PADO, acA, 0, pppoe.Tags{uniq(ours), good[1]}.AppendTo(nil)), pppoe.ErrNoOffer},
		{"empty AC-Name", answer(pppoe.PADO, acA, 0, pppoe.Tags{uniq(ours), good[1], tag(pppoe.ACName, "")}.AppendTo(nil)), pppoe.ErrNoOffer},
		{"no Service-Name", answer(pppoe.PADO, acA, 0, pppoe.Tags{uniq(ours), good[0]}.AppendTo(nil)), pppoe.ErrNoOffer},
		{"from a group", answer(pppoe.PADO, group, 0, with(uniq(ours))), pppoe.ErrNoOffer},
		{"from everybody", answer(pppoe.PADO, pppoe.Broadcast, 0, with(uniq(ours))), pppoe.ErrNoOffer},
		{"from our own address", echoed, pppoe.ErrNoOffer},
		{"for a session", answer(pppoe.PADO, acA, 5, with(uniq(ours))), pppoe.ErrNoOffer},
		{"PADI", answer(pppoe.PADI, acA, 0, with(uniq(ours))), nil},
		{"PADR", answer(pppoe.PADR, acA, 0, with(uniq(ours))), nil},
		{"PADS before any PADR", answer(pppoe.PADS, acA, 5, with(uniq(ours))), nil},
		{"PADM", answer(0xd3, acA, 0, with(uniq(ours))), nil},
		{"PADN", answer(0xd4, acA, 0, with(uniq(ours))), nil},
		{"code ff", answer(0xff, acA, 0, with(uniq(ours))), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := discovery(t, pppoe.Want{})
			if err := expectIgnored(t, d, c.f); c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("dropped for %v, want %v", err, c.want)
			}
			d.Receive(0, pado(d, acA, good...))
			if d.Stage() != pppoe.Requesting {
				t.Error("a good PADO after it was not taken")
			}
		})
	}
}

func TestPADOWithAnErrorTagRefusesThatAC(t *testing.T) {
	for _, e := range []pppoe.TagType{pppoe.ServiceNameError, pppoe.ACSystemError, pppoe.GenericError} {
		for _, text := range []string{"", "go away", "\x1b[2J\xff"} {
			d := discovery(t, pppoe.Want{})
			err := expectIgnored(t, d, pado(d, acA, append(pppoe.Tags{tag(e, text)}, good...)...))
			var refused *pppoe.RefusedError
			if !errors.As(err, &refused) || refused.Tag != e || refused.Text != text {
				t.Errorf("%v %q: dropped for %v", e, text, err)
			}
			want := e.String()
			if text != "" {
				want += fmt.Sprintf(": %q", text)
			}
			if err.Error() != want || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%q, want %q", err, want)
			}
		}
	}
}

// pppd keeps the cookie, the relay id and what matched of an offer that it
// did not take.
func TestOfOneOfferNothingGetsIntoAnother(t *testing.T) {
	fromA := pppoe.Tags{
		tag(pppoe.ACCookie, "cookie of A"), tag(pppoe.RelaySessionID, "relay of A"),
		tag(pppoe.PPPMaxPayload, "\x05\xdc"),
	}
	t.Run("a wrong name with a cookie, then a right one without", func(t *testing.T) {
		d := discovery(t, pppoe.Want{ACName: "B", MaxPayload: 1500})
		expectIgnored(t, d, pado(d, acA, append(fromA, tag(pppoe.ACName, "A"), tag(pppoe.ServiceName, ""))...))
		out := d.Receive(0, pado(d, acB, tag(pppoe.ACName, "B"), tag(pppoe.ServiceName, "")))
		_, tags := only(t, out.Frames)
		want := fmt.Sprintf(`Service-Name "", Host-Uniq %x, PPP-Max-Payload 05dc`, d.HostUniq())
		if got := tell(tags); got != want || out.Frames[0].Dst != acB {
			t.Errorf("PADR to %v: %s, want to %v: %s", out.Frames[0].Dst, got, acB, want)
		}
		if o, _ := d.Peer(); o.MaxPayload != 0 || o.Cookie != nil || o.Relay != nil {
			t.Errorf("B's offer is %+v", o)
		}
	})
	t.Run("an error with the right name, then one without names", func(t *testing.T) {
		d := discovery(t, pppoe.Want{})
		expectIgnored(t, d, pado(d, acA, append(fromA, tag(pppoe.ACName, "A"), tag(pppoe.ServiceName, ""), tag(pppoe.GenericError, ""))...))
		expectIgnored(t, d, pado(d, acB))
	})
	t.Run("an AC that did not answer, then another", func(t *testing.T) {
		d := discovery(t, pppoe.Want{})
		d.Receive(0, pado(d, acA, append(fromA, good...)...))
		for d.Stage() == pppoe.Requesting {
			d.Tick(d.Deadline())
		}
		out := d.Receive(d.Deadline(), pado(d, acB, good...))
		if _, tags := only(t, out.Frames); len(tags) != 2 {
			t.Errorf("PADR with %s, want Service-Name and Host-Uniq", tell(tags))
		}
	})
}

func TestChoiceOfTheAC(t *testing.T) {
	offer := pppoe.Tags{tag(pppoe.ACName, "bas1"), tag(pppoe.ServiceName, "flets"), tag(pppoe.ServiceName, "bulk")}
	for _, c := range []struct {
		name  string
		want  pppoe.Want
		taken bool
	}{
		{"any", pppoe.Want{}, true},
		{"by name", pppoe.Want{ACName: "bas1"}, true},
		{"by another name", pppoe.Want{ACName: "bas2"}, false},
		{"by a name in capitals", pppoe.Want{ACName: "BAS1"}, false},
		{"by address", pppoe.Want{AC: acA}, true},
		{"by another address", pppoe.Want{AC: acB}, false},
		{"by the second service", pppoe.Want{ServiceName: "bulk"}, true},
		{"by a service not offered", pppoe.Want{ServiceName: "nosuch"}, false},
		{"by a service's beginning", pppoe.Want{ServiceName: "fle"}, false},
		{"by all", pppoe.Want{ServiceName: "flets", ACName: "bas1", AC: acA}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := discovery(t, c.want)
			f := pado(d, acA, offer...)
			if !c.taken {
				if err := expectIgnored(t, d, f); !errors.Is(err, pppoe.ErrNoOffer) {
					t.Errorf("dropped for %v, want ErrNoOffer", err)
				}
				return
			}
			_, tags := only(t, d.Receive(0, f).Frames)
			if s, _ := tags.Get(pppoe.ServiceName); string(s) != c.want.ServiceName {
				t.Errorf("PADR for service %q, want %q", s, c.want.ServiceName)
			}
		})
	}
}

// Names may be of any octets, and as long as a frame; no word of ours holds them as they are.
func TestOddNamesAreQuoted(t *testing.T) {
	for what, odd := range map[string]string{
		"long": strings.Repeat("n", 1300), "not UTF-8": "\xff\xfe", "control characters": "a\x00\r\nb", "escapes": "\x1b]0;x\a\x1b[2J\u202e",
	} {
		t.Run(what, func(t *testing.T) {
			offer := pppoe.Tags{tag(pppoe.ACName, odd), tag(pppoe.ServiceName, odd[:len(odd)/8]), tag(pppoe.ServiceName, "")}
			d := discovery(t, pppoe.Want{})
			d.Receive(0, pado(d, acA, offer...))
			if o, _ := d.Peer(); o.Name != odd || len(o.Services) != 2 || o.Services[0] != odd[:len(odd)/8] {
				t.Errorf("offer %+v, want the names as they came", o)
			}
			for _, want := range []pppoe.Want{{ACName: "B"}, {ServiceName: "nosuch"}, {AC: acB}} {
				d := discovery(t, want)
				err := expectIgnored(t, d, pado(d, acA, offer...))
				if strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("%+v: %q", want, err.Error())
				}
			}
			d = requesting(t, pppoe.Want{ServiceName: ""})
			d.Configure(pppoe.Want{ServiceName: "flets"})
			err := expectIgnored(t, d, answer(pppoe.PADS, acA, 1, pppoe.Tags{{Type: pppoe.HostUniq, Value: d.HostUniq()}, tag(pppoe.ServiceName, odd)}.AppendTo(nil)))
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("PADS: %q", err.Error())
			}
		})
	}
}

func TestCookieAndRelayIDAreEchoed(t *testing.T) {
	for _, c := range []struct{ cookie, relay int }{
		{-1, -1}, {0, -1}, {1, -1}, {1024, -1}, {1400, -1}, {-1, 0}, {-1, 12}, {-1, 1400}, {1024, 400}, {1466, 0},
	} {
		t.Run(fmt.Sprintf("of %d and %d octets", c.cookie, c.relay), func(t *testing.T) {
			d := discovery(t, pppoe.Want{})
			var extra pppoe.Tags
			if c.cookie >= 0 {
				extra = append(extra, tag(pppoe.ACCookie, strings.Repeat("\x00\xffk", c.cookie)[:c.cookie]))
			}
			if c.relay >= 0 {
				extra = append(extra, tag(pppoe.RelaySessionID, strings.Repeat("\xfe\x00r", c.relay)[:c.relay]))
			}
			out := d.Receive(0, pado(d, acA, append(extra, good...)...))
			_, tags := only(t, out.Frames)
			if got, want := tell(tags[2:]), tell(extra); got != want {
				t.Errorf("PADR with %s, want %s", got, want)
			}
			if n := len(out.Frames[0].Payload); n > 1500 {
				t.Errorf("PADR of %d octets", n)
			}
		})
	}
}

func TestACThatWantsTooMuchEchoedIsNotChosen(t *testing.T) {
	for _, c := range []struct{ cookie, relay int }{{1467, 0}, {1480, 0}, {1400, 1400}, {0, 1490}} { // 1466 would fit
		d := discovery(t, pppoe.Want{})
		huge := pppoe.Tags{
			tag(pppoe.ACCookie, strings.Repeat("c", c.cookie)),
			tag(pppoe.RelaySessionID, strings.Repeat("r", c.relay)),
		}
		if err := expectIgnored(t, d, pado(d, acA, append(huge, good...)...)); !errors.Is(err, pppoe.ErrNoOffer) {
			t.Errorf("%+v: dropped for %v, want ErrNoOffer", c, err)
		}
	}
}

func TestOfferDoesNotAliasTheFrame(t *testing.T) {
	d := discovery(t, pppoe.Want{})
	f := pado(d, acA, append(pppoe.Tags{tag(pppoe.ACCookie, "cookie")}, good...)...)
	d.Receive(0, f)
	for i := range f.Payload {
		f.Payload[i] = 0xee
	}
	_, tags := only(t, d.Tick(d.Deadline()).Frames)
	if cookie, _ := tags.Get(pppoe.ACCookie); string(cookie) != "cookie" {
		t.Errorf("repeated PADR with cookie %q", cookie)
	}
}

// Who looks at all that answers a PADI, as pppoectl discover does, asks ParseOffer alone.
func TestOnlyAPADOIsAnOffer(t *testing.T) {
	d := discovery(t, pppoe.Want{})
	if _, err := pppoe.ParseOffer(pado(d, acA, good...), d.HostUniq()); err != nil {
		t.Fatal(err)
	}
	tags := append(pppoe.Tags{{Type: pppoe.HostUniq, Value: d.HostUniq()}}, good...).AppendTo(nil)
	for _, code := range []pppoe.Code{pppoe.PADI, pppoe.PADR, pppoe.PADS, pppoe.PADT, pppoe.SessionData} {
		if _, err := pppoe.ParseOffer(answer(code, acA, 0, tags), d.HostUniq()); !errors.Is(err, pppoe.ErrNoOffer) {
			t.Errorf("%v: error %v, want ErrNoOffer", code, err)
		}
	}
	if _, err := pppoe.ParseOffer(pppoe.Frame{Dst: host, Src: acA, Payload: []byte{0x11}}, d.HostUniq()); !errors.Is(err, pppoe.ErrTruncated) {
		t.Errorf("error %v, want ErrTruncated", err)
	}
}

// RFC 2516 section 5: a PADI goes to all stations, a PADR to the AC that was chosen.
func TestEthernetHeadersOfDiscovery(t *testing.T) {
	d := discovery(t, pppoe.Want{})
	padi := d.Start(0).Frames[0].AppendTo(nil)
	padr := d.Receive(0, pado(d, acA, good...)).Frames[0].AppendTo(nil)
	for want, b := range map[string][]byte{
		"ff ff ff ff ff ff  02 00 5e 10 00 0c  88 63": padi,
		"02 00 5e 10 00 0a  02 00 5e 10 00 0c  88 63": padr,
	} {
		if !bytes.HasPrefix(b, hexFrame(t, want)) {
			t.Errorf("got %x, want %s", b[:14], want)
		}
	}
}
