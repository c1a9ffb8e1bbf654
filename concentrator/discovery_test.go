package concentrator_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pppoectl/concentrator"
	"pppoectl/pppoe"
)

var (
	stationA = pppoe.MAC{2, 0, 0, 0, 0, 0xa}
	stationB = pppoe.MAC{2, 0, 0, 0, 0, 0xb}
)

func bareAC(change func(*concentrator.Config)) *concentrator.AC {
	cfg := concentrator.Config{MAC: acMAC, Name: "BAS-TOKYO", Secret: []byte("cookie")}
	if change != nil {
		change(&cfg)
	}
	return concentrator.New(cfg, rand.New(rand.NewPCG(1, 1)))
}

func tag(t pppoe.TagType, value string) pppoe.Tag { return pppoe.Tag{Type: t, Value: []byte(value)} }

func discovery(dst, src pppoe.MAC, code pppoe.Code, id uint16, tags ...pppoe.Tag) pppoe.Frame {
	p := pppoe.Packet{Code: code, SessionID: id, Payload: pppoe.Tags(tags).AppendTo(nil)}
	return pppoe.Frame{Dst: dst, Src: src, EtherType: pppoe.EtherTypeDiscovery, Payload: p.AppendTo(nil)}
}

// answer is a discovery frame of the concentrator.
type answer struct {
	pppoe.Frame
	code pppoe.Code
	id   uint16
	tags pppoe.Tags
}

// answers gives a frame to the concentrator and returns the discovery frames
// that answer it.
func answers(t testing.TB, ac *concentrator.AC, now time.Duration, f pppoe.Frame) []answer {
	t.Helper()
	var list []answer
	for _, f := range ac.Step(now, &f).Frames {
		p, err := pppoe.ParsePacket(f.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if f.EtherType == pppoe.EtherTypeDiscovery {
			tags, err := pppoe.ParseTags(p.Payload)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, answer{f, p.Code, p.SessionID, tags})
		}
	}
	return list
}

// one expects exactly one answer of a code.
func one(t testing.TB, list []answer, code pppoe.Code) answer {
	t.Helper()
	if len(list) != 1 || list[0].code != code {
		t.Fatalf("answers %v, want one %v", list, code)
	}
	return list[0]
}

// cookie is what a station is given.
func cookie(t testing.TB, ac *concentrator.AC, station pppoe.MAC) pppoe.Tag {
	t.Helper()
	list := answers(t, ac, 0, discovery(pppoe.Broadcast, station, pppoe.PADI, 0, tag(pppoe.ServiceName, "")))
	value, ok := one(t, list[:1], pppoe.PADO).tags.Get(pppoe.ACCookie)
	if !ok || len(value) == 0 {
		t.Fatal("a PADO without AC-Cookie")
	}
	return pppoe.Tag{Type: pppoe.ACCookie, Value: value}
}

// begin makes a session for a station, by frames alone.
func begin(t testing.TB, ac *concentrator.AC, now time.Duration, station pppoe.MAC) uint16 {
	t.Helper()
	padr := discovery(acMAC, station, pppoe.PADR, 0, tag(pppoe.ServiceName, ""), cookie(t, ac, station))
	return one(t, answers(t, ac, now, padr), pppoe.PADS).id
}

func TestOfferEchoesWhatTheHostNeeds(t *testing.T) {
	ac := bareAC(nil)
	padi := discovery(pppoe.Broadcast, stationA, pppoe.PADI, 0,
		tag(pppoe.ServiceName, ""), tag(pppoe.HostUniq, "\x00uniq"), tag(pppoe.RelaySessionID, "relay"),
		tag(pppoe.PPPMaxPayload, "\x05\xdc"), tag(pppoe.VendorSpecific, "mine"))
	o := one(t, answers(t, ac, 0, padi), pppoe.PADO)
	if o.Dst != stationA || o.Src != acMAC || o.id != 0 {
		t.Errorf("PADO from %v to %v with session id %d", o.Src, o.Dst, o.id)
	}
	for _, c := range []struct {
		t    pppoe.TagType
		want string
	}{{pppoe.HostUniq, "\x00uniq"}, {pppoe.RelaySessionID, "relay"}, {pppoe.ACName, "BAS-TOKYO"}, {pppoe.ServiceName, ""}, {pppoe.PPPMaxPayload, "\x05\xdc"}} {
		if got := o.tags.Values(c.t); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%v: %q, want once %q", c.t, got, c.want)
		}
	}
	if got := o.tags.Values(pppoe.VendorSpecific); got != nil {
		t.Errorf("the host's own Vendor-Specific came back: %q", got)
	}
}

// RFC 4638 section 2: what does not fit into an Ethernet frame is not promised.
func TestOfferPromisesNoMaxPayloadThatEthernetLacks(t *testing.T) {
	for _, value := range []string{"\x05\xdd", "\xff\xff", "\x05", ""} {
		padi := discovery(pppoe.Broadcast, stationA, pppoe.PADI, 0, tag(pppoe.ServiceName, ""), tag(pppoe.PPPMaxPayload, value))
		if got := one(t, answers(t, bareAC(nil), 0, padi), pppoe.PADO).tags.Values(pppoe.PPPMaxPayload); got != nil {
			t.Errorf("%x came back as %x", value, got)
		}
	}
}

// RFC 2516 section 9.1.
func TestCookieBindsTheStation(t *testing.T) {
	ac := bareAC(nil)
	good, others := cookie(t, ac, stationA), cookie(t, ac, stationB)
	if bytes.Equal(good.Value, others.Value) {
		t.Fatal("two stations have the same cookie")
	}
	service := tag(pppoe.ServiceName, "")
	for name, tags := range map[string][]pppoe.Tag{
		"another station's": {service, others},
		"none":              {service},
		"empty":             {service, tag(pppoe.ACCookie, "")},
		"cut":               {service, {Type: pppoe.ACCookie, Value: good.Value[:8]}},
		"longer":            {service, {Type: pppoe.ACCookie, Value: append(slices.Clone(good.Value), 0)}},
	} {
		if list := answers(t, ac, 0, discovery(acMAC, stationA, pppoe.PADR, 0, tags...)); list != nil || len(ac.Sessions()) != 0 {
			t.Errorf("cookie %s: %v, %d sessions", name, list, len(ac.Sessions()))
		}
	}
	for bit := range 8 * len(good.Value) {
		changed := pppoe.Tag{Type: pppoe.ACCookie, Value: slices.Clone(good.Value)}
		changed.Value[bit/8] ^= 1 << (bit % 8)
		if list := answers(t, ac, 0, discovery(acMAC, stationA, pppoe.PADR, 0, service, changed)); list != nil || len(ac.Sessions()) != 0 {
			t.Errorf("bit %d of the cookie changed: %v, %d sessions", bit, list, len(ac.Sessions()))
		}
	}
	s := one(t, answers(t, ac, 0, discovery(acMAC, stationA, pppoe.PADR, 0, service, good, tag(pppoe.HostUniq, "u"), tag(pppoe.RelaySessionID, "r"))), pppoe.PADS)
	if s.id == 0 || s.Dst != stationA || fmt.Sprint(s.tags.Values(pppoe.HostUniq), s.tags.Values(pppoe.RelaySessionID)) != "[u] [r]" {
		t.Errorf("%+v", s)
	}
}

func TestCookieOfAnotherConcentratorIsNone(t *testing.T) {
	foreign := cookie(t, bareAC(func(c *concentrator.Config) { c.Secret = []byte("other") }), stationA)
	ac := bareAC(nil)
	if list := answers(t, ac, 0, discovery(acMAC, stationA, pppoe.PADR, 0, tag(pppoe.ServiceName, ""), foreign)); list != nil {
		t.Errorf("%v", list)
	}
}

func TestServices(t *testing.T) {
	ac := bareAC(func(c *concentrator.Config) { c.Services = []string{"flets", "bulk"} })
	service := func(name string) []pppoe.Tag { return []pppoe.Tag{tag(pppoe.ServiceName, name)} }
	for _, name := range []string{"", "flets", "bulk"} {
		o := one(t, answers(t, ac, 0, discovery(pppoe.Broadcast, stationA, pppoe.PADI, 0, service(name)...)), pppoe.PADO)
		if got := o.tags.Values(pppoe.ServiceName); !slices.Equal(got, []string{"flets", "bulk"}) {
			t.Errorf("PADI for %q: services %q", name, got)
		}
	}
	for _, tags := range [][]pppoe.Tag{service("nosuch"), service("flet"), nil} {
		if list := answers(t, ac, 0, discovery(pppoe.Broadcast, stationA, pppoe.PADI, 0, tags...)); list != nil {
			t.Errorf("PADI with %v: %v", tags, list)
		}
	}
	s := one(t, answers(t, ac, 0, discovery(acMAC, stationA, pppoe.PADR, 0, tag(pppoe.ServiceName, "nosuch"), cookie(t, ac, stationA), tag(pppoe.HostUniq, "u"))), pppoe.PADS)
	if got := s.tags.Values(pppoe.ServiceNameError); s.id != 0 || len(got) != 1 || s.tags.Values(pppoe.HostUniq)[0] != "u" {
		t.Errorf("PADS with id %d, tags %v", s.id, s.tags)
	}
	s = one(t, answers(t, ac, 0, discovery(acMAC, stationA, pppoe.PADR, 0, tag(pppoe.ServiceName, "bulk"), cookie(t, ac, stationA))), pppoe.PADS)
	if got := s.tags.Values(pppoe.ServiceName); s.id == 0 || !slices.Equal(got, []string{"bulk"}) {
		t.Errorf("PADS with id %d for %q", s.id, got)
	}
}

func TestEachAliasMakesAnOffer(t *testing.T) {
	ac := bareAC(func(c *concentrator.Config) { c.Aliases = []string{"BAS-OSAKA", "BAS-NAGOYA"} })
	var names []string
	for _, o := range answers(t, ac, 0, discovery(pppoe.Broadcast, stationA, pppoe.PADI, 0, tag(pppoe.ServiceName, ""))) {
		if o.code != pppoe.PADO {
			t.Errorf("%v", o.code)
		}
		names = append(names, o.tags.Values(pppoe.ACName)...)
	}
	if !slices.Equal(names, []string{"BAS-TOKYO", "BAS-OSAKA", "BAS-NAGOYA"}) {
		t.Errorf("names %q", names)
	}
}

func TestRefuseAnswersEveryRequest(t *testing.T) {
	ac := bareAC(nil)
	ac.Config().Refuse = "maintenance"
	padr := discovery(acMAC, stationA, pppoe.PADR, 0, tag(pppoe.ServiceName, ""), cookie(t, ac, stationA))
	out := ac.Step(0, &padr)
	if len(out.Events) != 1 || out.Events[0].Kind != concentrator.SessionRefused || out.Events[0].Text != "maintenance" || out.Events[0].Host != stationA {
		t.Errorf("events %v", out.Events)
	}
	s := one(t, answers(t, ac, 0, padr), pppoe.PADS)
	if got := s.tags.Values(pppoe.ACSystemError); s.id != 0 || !slices.Equal(got, []string{"maintenance"}) || len(ac.Sessions()) != 0 {
		t.Errorf("PADS with id %d, tags %v", s.id, s.tags)
	}
	ac.Config().Refuse = ""
	if s := one(t, answers(t, ac, 0, padr), pppoe.PADS); s.id == 0 {
		t.Error("still refused")
	}
}

func TestOnlyItsHostEndsASession(t *testing.T) {
	ac := bareAC(nil)
	id, other := begin(t, ac, 0, stationA), begin(t, ac, 0, stationB)
	for name, f := range map[string]pppoe.Frame{
		"another station":      discovery(acMAC, stationB, pppoe.PADT, id),
		"another id":           discovery(acMAC, stationA, pppoe.PADT, id+100),
		"another's id":         discovery(acMAC, stationA, pppoe.PADT, other),
		"another concentrator": discovery(stationB, stationA, pppoe.PADT, id),
		"no station":           discovery(acMAC, pppoe.Broadcast, pppoe.PADT, id),
	} {
		if out := ac.Step(0, &f); len(out.Frames) != 0 || len(ac.Sessions()) != 2 {
			t.Errorf("%s: %v, %d sessions", name, out.Frames, len(ac.Sessions()))
		}
	}
	f := discovery(acMAC, stationA, pppoe.PADT, id)
	out := ac.Step(0, &f)
	if len(ac.Sessions()) != 1 || len(out.Frames) != 0 { // a PADT is not answered
		t.Errorf("%d sessions, %v", len(ac.Sessions()), out.Frames)
	}
	if len(out.Events) != 1 || out.Events[0].Kind != concentrator.SessionEnded || out.Events[0].Session != id {
		t.Errorf("events %v", out.Events)
	}
}

func TestFramesThatAreNotForUs(t *testing.T) {
	ac := bareAC(nil)
	good := discovery(acMAC, stationA, pppoe.PADI, 0, tag(pppoe.ServiceName, ""))
	truncated, version := good, good
	truncated.Payload = good.Payload[:len(good.Payload)-1]
	version.Payload = append([]byte{0x21}, good.Payload[1:]...)
	broken := discovery(acMAC, stationA, pppoe.PADI, 0, tag(pppoe.ServiceName, ""))
	broken.Payload = pppoe.Packet{Code: pppoe.PADI, Payload: []byte{1, 1, 0, 9}}.AppendTo(nil)
	for name, f := range map[string]pppoe.Frame{
		"to another station":  discovery(stationB, stationA, pppoe.PADI, 0, tag(pppoe.ServiceName, "")),
		"from a group":        discovery(acMAC, pppoe.MAC{1, 0, 0x5e, 0, 0, 1}, pppoe.PADI, 0, tag(pppoe.ServiceName, "")),
		"truncated":           truncated,
		"of version 2":        version,
		"with a broken tag":   broken,
		"a PADO":              discovery(acMAC, stationA, pppoe.PADO, 0, tag(pppoe.ServiceName, "")),
		"data of no session":  {Dst: acMAC, Src: stationA, EtherType: pppoe.EtherTypeSession, Payload: []byte{0x11, 0, 0, 1, 0, 0}},
		"data of session 0":   {Dst: acMAC, Src: stationA, EtherType: pppoe.EtherTypeSession, Payload: []byte{0x11, 0, 0, 0, 0, 0}},
		"of another protocol": {Dst: acMAC, Src: stationA, EtherType: pppoe.EtherTypeDiscovery, Payload: nil},
	} {
		if out := ac.Step(0, &f); len(out.Frames) != 0 || len(out.Events) != 0 || len(ac.Sessions()) != 0 {
			t.Errorf("%s: %v", name, out)
		}
	}
	one(t, answers(t, ac, 0, good), pppoe.PADO)
}

// RFC 2516 section 5.4: 0xffff is reserved, and 0 no session's.
func TestSessionIDs(t *testing.T) {
	ac := bareAC(nil)
	living := begin(t, ac, 0, stationB)
	padr := discovery(acMAC, stationA, pppoe.PADR, 0, tag(pppoe.ServiceName, ""), cookie(t, ac, stationA))
	seen := map[uint16]int{}
	for range 2 * 0xffff {
		id := one(t, answers(t, ac, 0, padr), pppoe.PADS).id
		seen[id]++
		padt := discovery(acMAC, stationA, pppoe.PADT, id)
		ac.Step(0, &padt)
	}
	if seen[0] != 0 || seen[0xffff] != 0 || seen[living] != 0 || len(seen) != 0xfffd {
		t.Errorf("0: %d times, 0xffff: %d, the living one's: %d; %d ids", seen[0], seen[0xffff], seen[living], len(seen))
	}
}

func TestNoSessionIsLeft(t *testing.T) {
	if testing.Short() {
		t.Skip("65534 sessions")
	}
	ac := bareAC(nil)
	padr := discovery(acMAC, stationA, pppoe.PADR, 0, tag(pppoe.ServiceName, ""), cookie(t, ac, stationA))
	for range 0xfffe {
		if one(t, answers(t, ac, 0, padr), pppoe.PADS).id == 0 {
			t.Fatalf("refused after %d sessions", len(ac.Sessions()))
		}
	}
	s := one(t, answers(t, ac, 0, padr), pppoe.PADS)
	if s.id != 0 || len(s.tags.Values(pppoe.ACSystemError)) != 1 || len(ac.Sessions()) != 0xfffe {
		t.Errorf("%+v with %d sessions", s, len(ac.Sessions()))
	}
}

// What a host has echoed may fill its PADI, and the answer holds more than that: a
// PADO that Ethernet does not carry is not sent.
func TestOfferThatWouldNotFitIsNotSent(t *testing.T) {
	ac := bareAC(nil)
	for n := 1400; n <= 1482; n++ { // the largest that fits into a PADI
		uniq := string(bytes.Repeat([]byte{'u'}, n))
		list := answers(t, ac, 0, discovery(pppoe.Broadcast, stationA, pppoe.PADI, 0, tag(pppoe.ServiceName, ""), tag(pppoe.HostUniq, uniq)))
		if n > 1453 { // AC-Name, Service-Name, cookie and headers have 47 octets
			if list != nil {
				t.Fatalf("Host-Uniq of %d octets: a PADO of %d", n, len(list[0].Payload))
			}
			continue
		}
		if o := one(t, list, pppoe.PADO); len(o.Payload) > 1500 || o.tags.Values(pppoe.HostUniq)[0] != uniq {
			t.Fatalf("Host-Uniq of %d octets: a PADO of %d", n, len(o.Payload))
		}
	}
}

// A cookie is good for as many sessions as the line may have, and no more.
func TestFloodOfPADRsIsBoundedByTheLine(t *testing.T) {
	subs := concentrator.NewSubscribers(nil)
	subs.PerLine = 2
	ac := bareAC(func(c *concentrator.Config) { c.Subscribers = subs })
	padr := discovery(acMAC, stationA, pppoe.PADR, 0, tag(pppoe.ServiceName, ""), cookie(t, ac, stationA))
	confirmed := 0
	for range 10000 {
		s := one(t, answers(t, ac, 0, padr), pppoe.PADS)
		if s.id != 0 {
			confirmed++
		} else if len(s.tags.Values(pppoe.ACSystemError)) != 1 {
			t.Fatalf("PADS without a session or a reason: %v", s.tags)
		}
	}
	if confirmed != 2 || len(ac.Sessions()) != 2 {
		t.Errorf("%d confirmed, %d sessions; want 2", confirmed, len(ac.Sessions()))
	}
	begin(t, ac, 0, stationB) // another line has its own
}
