package fuzz_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pppoectl/fuzz"
	"pppoectl/ipv6cp"
	"pppoectl/lab/captures"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

var recordings = []string{
	"pap.pcap", "chap.pcap", "wrong-password.pcap", "chap-wrong-password.pcap", "ac-killed-by-padt.pcap",
	"ac-padt-only.pcap", "service-error.pcap", "discovery.pcap",
}

// recorded calls seed with every frame of the captures, each kind once.
func recorded(f *testing.F, seed func(frame []byte)) {
	f.Helper()
	seen := map[string]bool{}
	for _, name := range recordings {
		for _, frame := range captures.Read(f, name) {
			kind := string(frame[12:min(len(frame), 26)]) // EtherType, PPPoE header, protocol, code
			if !seen[kind] {
				seen[kind] = true
				seed(frame)
			}
		}
	}
	if len(seen) < 20 {
		f.Fatalf("only %d kinds of frames in the captures", len(seen))
	}
}

// perFrame calls each with every frame of one capture.
func perFrame(f *testing.F, name string, each func(frame []byte)) {
	f.Helper()
	for _, frame := range captures.Read(f, name) {
		each(frame)
	}
}

func FuzzPPPPacket(f *testing.F) {
	recorded(f, func(frame []byte) {
		if len(frame) > 22 {
			f.Add(frame[22:])
		}
	})
	f.Add([]byte{5, 1, 0, 0})
	f.Add([]byte{5, 1, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		var p ppp.Packet
		var err error
		fuzz.Frugal(t, len(b), func() {
			if p, err = ppp.ParsePacket(b); err == nil {
				ppp.ParseOptions(p.Data)
			}
		})
		if !bytes.Equal(b, was) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			if !errors.Is(err, ppp.ErrTruncated) {
				t.Fatalf("error %v", err)
			}
			return
		}
		wire := p.AppendTo(nil)
		if !bytes.HasPrefix(b, wire) {
			t.Fatalf("%x is not the begin of %x", wire, b)
		}
		options, err := ppp.ParseOptions(p.Data)
		if err != nil {
			if !errors.Is(err, ppp.ErrTruncated) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if back := ppp.AppendOptions(nil, options); !bytes.Equal(back, p.Data) {
			t.Fatalf("options %x came back as %x", p.Data, back)
		}
	})
}

func FuzzPPPFrame(f *testing.F) {
	recorded(f, func(frame []byte) {
		if len(frame) > 20 {
			f.Add(frame[20:])
		}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		protocol, information, err := ppp.ParseFrame(b)
		if (err != nil) != (len(b) < 2) {
			t.Fatalf("%d octets: %v", len(b), err)
		}
		if err == nil && !bytes.Equal(ppp.AppendFrame(nil, protocol, information), b) {
			t.Fatalf("%x does not come back", b)
		}
	})
}

func FuzzPPPoEFrame(f *testing.F) {
	recorded(f, func(frame []byte) { f.Add(frame) })
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		frame, err := pppoe.ParseFrame(b)
		if err != nil {
			if !errors.Is(err, pppoe.ErrTruncated) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if !bytes.Equal(frame.AppendTo(nil), b) {
			t.Fatalf("frame %x does not come back", b)
		}
		p, err := pppoe.ParsePacket(frame.Payload)
		if err != nil {
			if !errors.Is(err, pppoe.ErrTruncated) && !errors.Is(err, pppoe.ErrVersion) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if !bytes.HasPrefix(frame.Payload, p.AppendTo(nil)) {
			t.Fatalf("packet %x does not come back", frame.Payload)
		}
		tags(t, p.Payload)
		fuzz.Frugal(t, len(b), func() { pppoe.ParseOffer(frame, []byte("host")) })
		if _, err := pppoe.ParseOffer(frame, []byte("host")); err == nil && p.Code != pppoe.PADO {
			t.Fatalf("%v is an offer", p.Code)
		}
		if !bytes.Equal(b, was) {
			t.Fatal("the input was changed")
		}
	})
}

// tags checks that tags come back up to End-Of-List.
func tags(t *testing.T, payload []byte) {
	tags, err := pppoe.ParseTags(payload)
	if err != nil {
		if !errors.Is(err, pppoe.ErrTruncated) || tags != nil {
			t.Fatalf("%v, error %v", tags, err)
		}
		return
	}
	back := tags.AppendTo(nil)
	rest, ok := bytes.CutPrefix(payload, back)
	if !ok || len(rest) > 0 && !bytes.HasPrefix(rest, []byte{0, 0}) {
		t.Fatalf("tags %x came back as %x", payload, back)
	}
	if refused := tags.Error(); refused != nil && refused.Error() == "" {
		t.Fatal("a refusal without words")
	}
	for _, tag := range tags {
		if value, ok := tags.Get(tag.Type); !ok || !slices.Contains(tags.Values(tag.Type), string(value)) {
			t.Fatalf("%v is lost", tag.Type)
		}
	}
}

// FuzzTags reads a discovery payload, without all that stands before it.
func FuzzTags(f *testing.F) {
	recorded(f, func(frame []byte) {
		if len(frame) > 20 && frame[13] == 0x63 {
			f.Add(frame[20:])
		}
	})
	f.Add([]byte{1, 1, 0xff, 0xff})
	f.Add([]byte{1, 3, 0, 0, 0, 0, 0, 9, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		fuzz.Frugal(t, len(b), func() { pppoe.ParseTags(b) })
		tags(t, b)
		if !bytes.Equal(b, was) {
			t.Fatal("the input was changed")
		}
	})
}

// FuzzAddressText reads addresses as people write them: what is taken comes back
// as it is printed.
func FuzzAddressText(f *testing.F) {
	for _, s := range []string{"02:00:5e:10:00:0a", "02-00-5e-10-00-0a", "0200.5e10.000a", "0102:0304:0506:0708", "fe80::1", "::1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := pppoe.ParseMAC(s); err == nil {
			if again, err := pppoe.ParseMAC(m.String()); err != nil || again != m {
				t.Errorf("%q is %v, and that %v, %v", s, m, again, err)
			}
		}
		if id, err := ipv6cp.Parse(s); err == nil {
			if again, err := ipv6cp.Parse(id.String()); err != nil || again != id || id == (ipv6cp.Identifier{}) {
				t.Errorf("%q is %v, and that %v, %v", s, id, again, err)
			}
		}
	})
}
