package pppoe_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"pppoectl/pppoe"
)

func TestPADSOpensTheSession(t *testing.T) {
	d := requesting(t, pppoe.Want{})
	out := d.Receive(time.Second, pads(d, acA, 0x18fa))
	if len(out.Frames) != 0 || out.Refused != nil || out.Dropped != nil {
		t.Errorf("got %+v, want nothing", out)
	}
	offer, session := d.Peer()
	if d.Stage() != pppoe.Confirmed || offer.AC != acA || offer.Name != "BAS-TOKYO" || session != 0x18fa {
		t.Errorf("stage %d, offer %+v, session %04x", d.Stage(), offer, session)
	}
	if d.Deadline() != 0 || d.Snapshot().Sent != 0 {
		t.Errorf("timer runs until %v", d.Deadline())
	}
}

func TestPADSWithoutAServiceNameIsTaken(t *testing.T) {
	d := requesting(t, pppoe.Want{})
	d.Receive(0, answer(pppoe.PADS, acA, 1, pppoe.Tags{{Type: pppoe.HostUniq, Value: d.HostUniq()}}.AppendTo(nil)))
	if d.Stage() != pppoe.Confirmed {
		t.Errorf("stage %d, want Confirmed", d.Stage())
	}
}

// Whoever wants any service is content with the one that is confirmed.
func TestPADSWithAnyServiceNameIsTaken(t *testing.T) {
	d := requesting(t, pppoe.Want{})
	tags := pppoe.Tags{{Type: pppoe.HostUniq, Value: d.HostUniq()}, tag(pppoe.ServiceName, "flets")}
	d.Receive(0, answer(pppoe.PADS, acA, 1, tags.AppendTo(nil)))
	if d.Stage() != pppoe.Confirmed {
		t.Errorf("stage %d, want Confirmed", d.Stage())
	}
}

func TestPADSThatAreIgnored(t *testing.T) {
	ours := pppoe.Tag{Type: pppoe.HostUniq, Value: requesting(t, pppoe.Want{}).HostUniq()}
	service := tag(pppoe.ServiceName, "")
	tags := func(tags ...pppoe.Tag) []byte { return pppoe.Tags(tags).AppendTo(nil) }
	for _, c := range []struct {
		name string
		f    pppoe.Frame
	}{
		{"from another AC", answer(pppoe.PADS, acB, 1, tags(ours, service))},
		{"an error from another AC", answer(pppoe.PADS, acB, 0, tags(ours, tag(pppoe.GenericError, "")))},
		{"without Host-Uniq", answer(pppoe.PADS, acA, 1, tags(service))},
		{"with another Host-Uniq", answer(pppoe.PADS, acA, 1, tags(tag(pppoe.HostUniq, "theirs"), service))},
		{"an error with another Host-Uniq", answer(pppoe.PADS, acA, 0, tags(tag(pppoe.HostUniq, "theirs"), tag(pppoe.GenericError, "")))},
		{"with a tag over the end", answer(pppoe.PADS, acA, 1, append(tags(ours, service), 1, 1, 0, 9))},
		{"with stray octets", answer(pppoe.PADS, acA, 1, append(tags(ours, service), 1))},
		{"of another version", pppoe.Frame{Dst: host, Src: acA, Payload: []byte{0x21, 0x65, 0, 1, 0, 0}}},
		{"a second PADO", answer(pppoe.PADO, acA, 0, tags(ours, good[0], good[1]))},
		{"a second PADO, for a session", answer(pppoe.PADO, acA, 5, tags(ours, good[0], good[1]))},
		{"a PADT", answer(pppoe.PADT, acA, 0, nil)},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := requesting(t, pppoe.Want{})
			expectIgnored(t, d, c.f)
			d.Receive(0, pads(d, acA, 1))
			if d.Stage() != pppoe.Confirmed {
				t.Error("a good PADS after it was not taken")
			}
		})
	}
	t.Run("for a service that we did not ask for", func(t *testing.T) {
		d := discovery(t, pppoe.Want{ServiceName: "flets"})
		d.Receive(0, pado(d, acA, tag(pppoe.ACName, "A"), tag(pppoe.ServiceName, "flets")))
		expectIgnored(t, d, answer(pppoe.PADS, acA, 1, tags(ours, tag(pppoe.ServiceName, "bulk"))))
		d.Receive(0, answer(pppoe.PADS, acA, 1, tags(ours, tag(pppoe.ServiceName, "flets"))))
		if d.Stage() != pppoe.Confirmed {
			t.Error("the right one after it was not taken")
		}
	})
}

func TestPADSWithAnErrorTagRefuses(t *testing.T) {
	for _, e := range []pppoe.TagType{pppoe.ServiceNameError, pppoe.ACSystemError, pppoe.GenericError} {
		d := requesting(t, pppoe.Want{})
		out := d.Receive(0, pads(d, acA, 0, tag(e, "No client slots available")))
		var refused *pppoe.RefusedError
		if !errors.As(out.Refused, &refused) || refused.Tag != e || refused.Text != "No client slots available" {
			t.Errorf("refused for %v", out.Refused)
		}
		if d.Stage() != pppoe.Idle || d.Deadline() != 0 {
			t.Errorf("stage %d, timer until %v; want Idle", d.Stage(), d.Deadline())
		}
	}
}

func TestPADSWithoutAUsableSessionFails(t *testing.T) {
	for _, id := range []uint16{0, 0xffff} {
		d := requesting(t, pppoe.Want{})
		if out := d.Receive(0, pads(d, acA, id)); !errors.Is(out.Refused, pppoe.ErrBadSession) {
			t.Errorf("id %04x: refused for %v, want ErrBadSession", id, out.Refused)
		}
		if d.Stage() != pppoe.Idle {
			t.Errorf("id %04x: stage %d, want Idle", id, d.Stage())
		}
	}
}

// A repeated PADR may have opened a second session: it is given back.
func TestSecondPADSIsGivenBack(t *testing.T) {
	confirmed := func() *pppoe.Discovery {
		d := requesting(t, pppoe.Want{})
		d.Receive(0, pads(d, acA, 1))
		return d
	}
	d := confirmed()
	out := d.Receive(0, pads(d, acA, 2))
	if out.Dropped == nil || len(out.Frames) != 1 {
		t.Fatalf("%d frames, dropped %v; want a PADT and a reason", len(out.Frames), out.Dropped)
	}
	if got, want := out.Frames[0].AppendTo(nil), hexFrame(t, `
		02 00 5e 10 00 0a  02 00 5e 10 00 0c  88 63
		11 a7 00 02 00 00  # PADT, session 2`); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	if _, session := d.Peer(); session != 1 {
		t.Errorf("session %d, want 1", session)
	}
	n := 0
	for range 100 {
		n += len(d.Receive(0, pads(d, acA, 3)).Frames)
	}
	if n != 3 { // one of four was sent above
		t.Errorf("%d PADTs for a hundred PADSs, want 3", n)
	}
	for name, f := range map[string]pppoe.Frame{
		"the same again":  pads(d, acA, 1),
		"of another AC":   pads(d, acB, 2),
		"of no session":   pads(d, acA, 0),
		"for others":      answer(pppoe.PADS, acA, 2, nil),
		"broken":          answer(pppoe.PADS, acA, 2, []byte{1}),
		"a PADO, in fact": pado(d, acA, good...),
	} {
		t.Run(name, func(t *testing.T) { expectIgnored(t, confirmed(), f) })
	}
}

func TestRetransmissionDoublesUpToAMinute(t *testing.T) {
	jitter := false
	for seed := range uint64(20) {
		d := pppoe.NewDiscovery(host, pppoe.Want{}, rand.New(rand.NewPCG(seed, 0)))
		d.Start(time.Hour)
		uniq := bytes.Clone(d.HostUniq())
		now := time.Hour
		for i := range 12 {
			wait := d.Deadline() - now
			least := min(time.Second<<i, time.Minute)
			if wait < least || wait >= least+least/4 {
				t.Errorf("wait %d is %v, want %v and less than a quarter more", i, wait, least)
			}
			jitter = jitter || wait > least+least/5
			if d.Solicited() != i+1 {
				t.Errorf("%d PADIs unanswered, want %d", d.Solicited(), i+1)
			}
			if out := d.Tick(d.Deadline() - 1); len(out.Frames) != 0 {
				t.Error("a PADI before its time")
			}
			now = d.Deadline()
			code, tags := only(t, d.Tick(now).Frames)
			if got, _ := tags.Get(pppoe.HostUniq); code != pppoe.PADI || !bytes.Equal(got, uniq) {
				t.Errorf("%v with Host-Uniq %x, want a PADI with %x", code, got, uniq)
			}
		}
	}
	if !jitter {
		t.Error("no wait was longer by a fifth than its least")
	}
}

func TestFourPADRsThenAPADIAgain(t *testing.T) {
	d := requesting(t, pppoe.Want{})
	now := time.Duration(0)
	var got string
	for i := range 6 {
		if i < 4 {
			if wait := d.Deadline() - now; wait < time.Second<<i || wait >= time.Second<<i*5/4 {
				t.Errorf("wait %d is %v", i, wait)
			}
		}
		now = d.Deadline()
		code, _ := only(t, d.Tick(now).Frames)
		got += code.String() + " "
		if code == pppoe.PADI && d.Solicited() != i-2 {
			t.Errorf("%d PADIs unanswered, want %d", d.Solicited(), i-2)
		}
	}
	if want := "PADR PADR PADR PADI PADI PADI "; got != want {
		t.Errorf("after the first PADR: %s, want %s", got, want)
	}
	if o, _ := d.Peer(); o.AC != (pppoe.MAC{}) || d.Stage() != pppoe.Soliciting {
		t.Errorf("stage %d, AC %v; want the offer forgotten", d.Stage(), o.AC)
	}
}

func TestStoppedDiscoveryIsDeaf(t *testing.T) {
	d := requesting(t, pppoe.Want{})
	f := pads(d, acA, 1)
	d.Stop()
	if d.HostUniq() != nil || d.Solicited() != 0 || len(d.Tick(time.Hour).Frames) != 0 {
		t.Error("something is left")
	}
	expectIgnored(t, d, f)
	noHostUniq := pppoe.Tags{tag(pppoe.HostUniq, "")}.AppendTo(nil)
	expectIgnored(t, d, answer(pppoe.PADS, pppoe.MAC{}, 1, noHostUniq)) // its own values, by now
}

func TestCeasedDiscoveryStillTakesThePADS(t *testing.T) {
	d := requesting(t, pppoe.Want{})
	d.Cease()
	if len(d.Tick(time.Hour).Frames) != 0 {
		t.Error("it repeats its PADR")
	}
	d.Receive(time.Hour, pads(d, acA, 7))
	if _, session := d.Peer(); session != 7 {
		t.Errorf("session %d, want 7", session)
	}
	d.Forget()
	if _, session := d.Peer(); session != 0 {
		t.Errorf("session %d, want it forgotten", session)
	}
}

func TestHostUniqIsNewAtEachStart(t *testing.T) {
	d := discovery(t, pppoe.Want{})
	first := bytes.Clone(d.HostUniq())
	d.Start(0)
	if bytes.Equal(first, d.HostUniq()) || len(first) < 8 {
		t.Errorf("%x, then %x", first, d.HostUniq())
	}
}

// RFC 4638.
func TestPPPMaxPayload(t *testing.T) {
	t.Run("is announced in PADI and PADR", func(t *testing.T) {
		want := pppoe.Want{MaxPayload: 1500}
		_, padi := only(t, discovery(t, want).Start(0).Frames)
		d := discovery(t, want)
		_, padr := only(t, d.Receive(0, pado(d, acA, good...)).Frames)
		for _, tags := range []pppoe.Tags{padi, padr} {
			if v, ok := tags.Get(pppoe.PPPMaxPayload); !ok || fmt.Sprintf("%x", v) != "05dc" {
				t.Errorf("got %s", tell(tags))
			}
		}
	})
	t.Run("is not announced up to 1492", func(t *testing.T) {
		for _, n := range []int{0, 1454, 1492} {
			_, tags := only(t, discovery(t, pppoe.Want{MaxPayload: n}).Start(0).Frames)
			if _, ok := tags.Get(pppoe.PPPMaxPayload); ok {
				t.Errorf("%d: got %s", n, tell(tags))
			}
		}
	})
	for _, c := range []struct {
		name  string
		asked int
		pads  string // value of the tag in the PADS
		want  int
	}{
		{"agreed", 1500, "\x05\xdc", 1500},
		{"less than asked", 1500, "\x05\xd8", 1496},
		{"more than asked", 1500, "\xff\xff", 1500},
		{"not asked, by default", 0, "\x05\xdc", 0},
		{"not asked, small MRU", 1454, "\x05\xdc", 0},
		{"not asked, the largest MRU without", 1492, "\x05\xdc", 0},
		{"of one octet", 1500, "\x05", 0},
		{"of three octets", 1500, "\x05\xdc\x00", 0},
		{"zero", 1500, "\x00\x00", 0},
		{"1491", 1500, "\x05\xd3", 0},
		{"1492", 1500, "\x05\xd4", 0},
		{"1493", 1493, "\x05\xd5", 1493},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := discovery(t, pppoe.Want{MaxPayload: c.asked})
			offered := tag(pppoe.PPPMaxPayload, c.pads)
			d.Receive(0, pado(d, acA, append(pppoe.Tags{offered}, good...)...))
			d.Receive(0, pads(d, acA, 1, offered))
			if o, _ := d.Peer(); d.Stage() != pppoe.Confirmed || o.MaxPayload != c.want {
				t.Errorf("stage %d, MaxPayload %d, want %d", d.Stage(), o.MaxPayload, c.want)
			}
		})
	}
	t.Run("in the PADO alone does not count", func(t *testing.T) {
		d := discovery(t, pppoe.Want{MaxPayload: 1500})
		d.Receive(0, pado(d, acA, append(pppoe.Tags{tag(pppoe.PPPMaxPayload, "\x05\xdc")}, good...)...))
		d.Receive(0, pads(d, acA, 1))
		if o, _ := d.Peer(); o.MaxPayload != 0 {
			t.Errorf("MaxPayload %d, want 0", o.MaxPayload)
		}
	})
}

// A discovery goes on from its snapshot as if nothing had been.
func TestSnapshotAndRestoreAtEachStep(t *testing.T) {
	d := discovery(t, pppoe.Want{MaxPayload: 1500})
	check := func(step string) {
		t.Helper()
		var v pppoe.DiscoveryVars
		b, err := json.Marshal(d.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		e := pppoe.NewDiscovery(host, pppoe.Want{MaxPayload: 1500}, rand.New(rand.NewPCG(9, 9)))
		e.Restore(v)
		if !reflect.DeepEqual(d.Snapshot(), e.Snapshot()) {
			t.Errorf("%s: %+v became %+v", step, d.Snapshot(), e.Snapshot())
		}
		d = e
	}
	check("PADI sent")
	d.Tick(d.Deadline())
	check("PADI repeated")
	offer := append(pppoe.Tags{tag(pppoe.ACCookie, ""), tag(pppoe.RelaySessionID, "\xff\x00")}, good...)
	d.Receive(d.Deadline(), pado(d, acA, offer...))
	check("PADR sent")
	_, tags := only(t, d.Tick(d.Deadline()).Frames)
	if got, want := tell(tags[3:]), "AC-Cookie , Relay-Session-Id ff00"; got != want {
		t.Errorf("PADR repeated with %s, want %s", got, want)
	}
	d.Receive(d.Deadline(), pads(d, acA, 0x18fa))
	check("confirmed")
	if o, session := d.Peer(); o.AC != acA || session != 0x18fa {
		t.Errorf("AC %v, session %04x", o.AC, session)
	}
}

func TestSnapshotSharesNothing(t *testing.T) {
	d := discovery(t, pppoe.Want{})
	uniq := bytes.Clone(d.HostUniq())
	v := d.Snapshot()
	v.HostUniq[0] ^= 0xff
	if !bytes.Equal(d.HostUniq(), uniq) {
		t.Error("the discovery changes with its snapshot")
	}
	d.Restore(v)
	v.HostUniq[0] ^= 0xff
	if bytes.Equal(d.HostUniq(), uniq) {
		t.Error("the discovery changes with what it was restored from")
	}
}

// What is wanted from now on counts for offers that come from now on.
func TestConfiguredAnewADiscoveryTakesAnotherAC(t *testing.T) {
	d := discovery(t, pppoe.Want{ACName: "BAS-OSAKA"})
	expectIgnored(t, d, pado(d, acA, good...))
	d.Configure(pppoe.Want{ACName: "BAS-TOKYO"})
	d.Receive(0, pado(d, acA, good...))
	if o, _ := d.Peer(); d.Stage() != pppoe.Requesting || o.AC != acA {
		t.Errorf("stage %d, AC %v", d.Stage(), o.AC)
	}
}

// A service that has been given another name meanwhile may leave no room for what the AC wants echoed.
func TestPADRThatDoesNotFitAnyMoreMeansAPADIAgain(t *testing.T) {
	d := discovery(t, pppoe.Want{})
	service := strings.Repeat("s", 100)
	d.Receive(0, pado(d, acA, append(pppoe.Tags{tag(pppoe.ACCookie, strings.Repeat("c", 1440))}, good...)...))
	d.Configure(pppoe.Want{ServiceName: service})
	now := d.Deadline()
	out := d.Tick(now)
	code, tags := only(t, out.Frames)
	if v, _ := tags.Get(pppoe.ServiceName); code != pppoe.PADI || string(v) != service || !errors.Is(out.Dropped, pppoe.ErrNoOffer) {
		t.Errorf("%v for %q, dropped %v; want a PADI", code, v, out.Dropped)
	}
	if d.Stage() != pppoe.Soliciting || d.Deadline() < now+time.Second {
		t.Errorf("stage %d, the next in %v", d.Stage(), d.Deadline()-now)
	}
}

// A PADS that comes when we have gone back to PADIs has opened a session that nobody wants.
func TestPADSThatComesTooLateIsGivenBack(t *testing.T) {
	d := requesting(t, pppoe.Want{})
	for d.Stage() == pppoe.Requesting {
		d.Tick(d.Deadline())
	}
	if code, _ := only(t, d.Receive(d.Deadline(), pads(d, acA, 7)).Frames); code != pppoe.PADT {
		t.Errorf("%v, want a PADT", code)
	}
	expectIgnored(t, d, pads(d, acB, 7)) // not asked
	if d.Stage() != pppoe.Soliciting {
		t.Errorf("stage %d", d.Stage())
	}
}
