package ppp_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pppoectl/ppp"
)

// The LCP Configure-Request of a real client (lab/captures/pap.pcap, frame 5).
const request = `
	c0 21                 # LCP
	01 01 00 0e           # Configure-Request 1, 14 octets
	01 04 05 ae           # MRU 1454
	05 06 bf 42 7e 80     # Magic-Number`

// hexFrame reads annotated hexadecimal.
func hexFrame(t testing.TB, s string) []byte {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		b.WriteString(line)
	}
	return unhex(t, b.String())
}

func TestFrameRoundTrip(t *testing.T) {
	frame := hexFrame(t, request)
	protocol, information, err := ppp.ParseFrame(frame)
	if err != nil || protocol != ppp.LCP {
		t.Fatalf("got %v, %v", protocol, err)
	}
	p, err := ppp.ParsePacket(information)
	if err != nil {
		t.Fatal(err)
	}
	if p.Code != ppp.ConfigureRequest || p.ID != 1 {
		t.Errorf("got %v %d", p.Code, p.ID)
	}
	options, err := ppp.ParseOptions(p.Data)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", options); got != "[{1 05ae} {5 bf427e80}]" {
		t.Errorf("options %s", got)
	}
	p.Data = ppp.AppendOptions(nil, options)
	if got := ppp.AppendFrame(nil, protocol, p.AppendTo(nil)); !bytes.Equal(got, frame) {
		t.Errorf("back: %x\nwas:  %x", got, frame)
	}
}

func TestPacketPaddingIsNotRead(t *testing.T) {
	frame := append(hexFrame(t, request), 5, 1, 0, 4) // a Terminate-Request past the end
	_, information, _ := ppp.ParseFrame(frame)
	p, err := ppp.ParsePacket(information)
	if err != nil || len(p.Data) != 10 {
		t.Errorf("%d octets of data, %v; want 10", len(p.Data), err)
	}
}

func TestEveryPrefixIsTruncated(t *testing.T) {
	frame := hexFrame(t, request)
	for n := range frame {
		protocol, information, err := ppp.ParseFrame(frame[:n])
		if (err == nil) != (n >= 2) || err != nil && protocol != 0 {
			t.Errorf("the first %d octets: %v, error %v; two octets are a protocol", n, protocol, err)
		}
		if err == nil {
			_, err = ppp.ParsePacket(information)
		}
		if !errors.Is(err, ppp.ErrTruncated) {
			t.Errorf("the first %d octets: error %v, want ErrTruncated", n, err)
		}
	}
}

func TestImpossiblePacketLengths(t *testing.T) {
	for _, in := range []string{"", "01", "01 01 00", "01 01 00 00", "01 01 00 03", "01 01 00 05", "01 01 00 ff 01"} {
		if p, err := ppp.ParsePacket(unhex(t, in)); !errors.Is(err, ppp.ErrTruncated) {
			t.Errorf("%s: %v, error %v, want ErrTruncated", in, p, err)
		}
	}
}

// CVE-2006-4304 among them.
func TestImpossibleOptionLengths(t *testing.T) {
	for _, c := range []struct{ name, in, where string }{
		{"past the end", "01 ff 05 ae 00 00 00 00", "option 1 at octet 0"},
		{"zero", "01 00 05 ae", "option 1 at octet 0"},
		{"one", "03 01", "option 3 at octet 0"},
		{"half a header", "01 04 05 ae 05", "octet 4"},
		{"second past the end", "01 04 05 ae 05 06 00", "option 5 at octet 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ppp.ParseOptions(unhex(t, c.in))
			if !errors.Is(err, ppp.ErrTruncated) {
				t.Fatalf("error %v, want ErrTruncated", err)
			}
			if !strings.Contains(err.Error(), c.where) {
				t.Errorf("%q does not name %s", err, c.where)
			}
		})
	}
}

func TestWhatDoesNotFitIsCut(t *testing.T) {
	o := ppp.Option{Type: 9, Data: make([]byte, 300)}.AppendTo(nil)
	if len(o) != 255 || o[1] != 255 {
		t.Errorf("option of %d octets that says %d, want 255", len(o), o[1])
	}
	b := ppp.Packet{Code: ppp.EchoRequest, Data: make([]byte, 70000)}.AppendTo(nil)
	if p, err := ppp.ParsePacket(b); err != nil || len(b) != 0xffff || len(p.Data) != 0xffff-ppp.HeaderLen {
		t.Errorf("packet of %d octets, %v; want 65535", len(b), err)
	}
}

// RFC 1661 section 2: the low octet is odd, the high octet even.
func TestProtocolNumbers(t *testing.T) {
	for _, c := range []struct {
		in    ppp.Protocol
		name  string
		valid bool
	}{
		{ppp.IPv4, "IPv4", true},
		{ppp.IPv6CP, "IPv6CP", true},
		{ppp.CHAP, "CHAP", true},
		{0x0000, "protocol 0x0000", false},
		{0x8056, "protocol 0x8056", false},
		{0x2145, "protocol 0x2145", false}, // CVE-2026-46306: 21 45, a one-octet protocol field
	} {
		if c.in.String() != c.name || c.in.Valid() != c.valid {
			t.Errorf("0x%04x: %v, valid %v; want %s, %v", uint16(c.in), c.in, c.in.Valid(), c.name, c.valid)
		}
	}
}

func TestCodeNames(t *testing.T) {
	for c, want := range map[ppp.Code]string{0: "code 0", 1: "Configure-Request", 13: "Time-Remaining", 14: "code 14", 255: "code 255"} {
		if got := c.String(); got != want {
			t.Errorf("Code(%d) = %q, want %q", uint8(c), got, want)
		}
	}
}

func TestJudge(t *testing.T) {
	// Options 1 are fine, 2 should be 22, 3 are not wanted.
	opinion := func(o ppp.Option) ppp.Verdict {
		switch o.Type {
		case 1:
			return ppp.Accept()
		case 2:
			return ppp.Nak([]byte{0x22})
		}
		return ppp.Reject()
	}
	missing := ppp.Option{Type: 4, Data: []byte{0x44}}
	for _, c := range []struct {
		name, in string
		nak      bool
		missing  []ppp.Option
		want     string
	}{
		{"nothing asked", "", true, nil, "Configure-Ack "},
		{"all fine", "010311", true, nil, "Configure-Ack 010311"},
		{"one to change", "010311 020311", true, nil, "Configure-Nak 020322"},
		{"one to change, too late for Naks", "010311 020311", false, nil, "Configure-Reject 020311"},
		{"Reject before Nak", "020311 030399 010311", true, nil, "Configure-Reject 030399"},
		{"rejected ones keep their order", "0302 010311 0903aa", true, nil, "Configure-Reject 03020903aa"},
		{"the second of a type", "010311 010311", true, nil, "Configure-Reject 010311"},
		{"one left out", "010311", true, []ppp.Option{missing}, "Configure-Nak 040344"},
		{"one left out, too late for Naks", "010311", false, []ppp.Option{missing}, "Configure-Ack 010311"},
		{"one left out beside a Reject", "0302", true, []ppp.Option{missing}, "Configure-Reject 0302"},
	} {
		t.Run(c.name, func(t *testing.T) {
			options, err := ppp.ParseOptions(unhex(t, c.in))
			if err != nil {
				t.Fatal(err)
			}
			code, answer := ppp.Judge(options, c.nak, opinion, c.missing...)
			if got := fmt.Sprintf("%v %x", code, ppp.AppendOptions(nil, answer)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
