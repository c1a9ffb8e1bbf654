package pppoe_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"pppoectl/lab/captures"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// hexFrame reads annotated hexadecimal.
func hexFrame(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// parse reads a whole discovery frame.
func parse(t testing.TB, b []byte) (pppoe.Frame, pppoe.Packet, pppoe.Tags) {
	t.Helper()
	f, err := pppoe.ParseFrame(b)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := pppoe.ParseTags(p.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return f, p, tags
}

// tell writes tags in one line: text where it is text.
func tell(tags pppoe.Tags) string {
	var parts []string
	for _, tag := range tags {
		switch tag.Type {
		case pppoe.HostUniq, pppoe.ACCookie, pppoe.RelaySessionID, pppoe.PPPMaxPayload:
			parts = append(parts, fmt.Sprintf("%v %x", tag.Type, tag.Value))
		default:
			parts = append(parts, fmt.Sprintf("%v %q", tag.Type, tag.Value))
		}
	}
	return strings.Join(parts, ", ")
}

// The discovery of lab/captures/discovery.pcap, service-error.pcap and pap.pcap,
// by hand.
var golden = []struct {
	name, frame string
	code        pppoe.Code
	session     uint16
	tags        string
}{
	{"PADI with a Host-Uniq of ten octets", `
		ff ff ff ff ff ff  02 00 5e 10 00 0c  88 63  # to all, from the client
		11 09 00 00 00 12                            # PADI, session 0, 18 octets
		01 01 00 00                                  # Service-Name: any
		01 03 00 0a 00 ff 01 02 03 04 05 06 07 08    # Host-Uniq`,
		pppoe.PADI, 0, `Service-Name "", Host-Uniq 00ff0102030405060708`},
	{"PADO with two services and a cookie", `
		02 00 5e 10 00 0c  02 00 5e 10 00 0a  88 63  # to the client, from the AC
		11 07 00 00 00 44                            # PADO, session 0, 68 octets
		01 02 00 09 42 41 53 2d 54 4f 4b 59 4f       # AC-Name: BAS-TOKYO
		01 01 00 05 66 6c 65 74 73                   # Service-Name: flets
		01 01 00 04 62 75 6c 6b                      # Service-Name: bulk
		01 04 00 14 4a 1b 65 68 b7 19 2a 43 bb 28    # AC-Cookie
		            80 58 0c a2 a3 14 d2 02 00 00
		01 03 00 0a 00 ff 01 02 03 04 05 06 07 08    # Host-Uniq, ours`,
		pppoe.PADO, 0, `AC-Name "BAS-TOKYO", Service-Name "flets", Service-Name "bulk", ` +
			`AC-Cookie 4a1b6568b7192a43bb2880580ca2a314d2020000, Host-Uniq 00ff0102030405060708`},
	{"PADR for a service that the AC does not have", `
		02 00 5e 10 00 0a  02 00 5e 10 00 0c  88 63  # to the AC, from the client
		11 19 00 00 00 2a                            # PADR, session 0, 42 octets
		01 01 00 06 6e 6f 73 75 63 68                # Service-Name: nosuch
		01 03 00 04 00 00 00 01                      # Host-Uniq
		01 04 00 14 05 0e 45 f0 63 de 08 17 f0 27    # AC-Cookie
		            08 c5 f1 21 83 79 d4 02 00 00`,
		pppoe.PADR, 0, `Service-Name "nosuch", Host-Uniq 00000001, AC-Cookie 050e45f063de0817f02708c5f1218379d4020000`},
	{"PADS that refuses", `
		02 00 5e 10 00 0c  02 00 5e 10 00 0a  88 63  # to the client, from the AC
		11 65 00 00 00 36                            # PADS, session 0, 54 octets
		02 01 00 2a 52 50 2d 50 50 50 6f 45 3a 20    # Service-Name-Error:
		            53 65 72 76 65 72 3a 20 49 6e    # RP-PPPoE: Server: Invalid service name tag
		            76 61 6c 69 64 20 73 65 72 76
		            69 63 65 20 6e 61 6d 65 20 74 61 67
		01 03 00 04 00 00 00 01                      # Host-Uniq`,
		pppoe.PADS, 0, `Service-Name-Error "RP-PPPoE: Server: Invalid service name tag", Host-Uniq 00000001`},
	{"PADS", `
		02 00 5e 10 00 0c  02 00 5e 10 00 0a  88 63  # to the client, from the AC
		11 65 00 03 00 0b                            # PADS, session 3, 11 octets
		01 01 00 00                                  # Service-Name: any
		01 03 00 03 33 33 39                         # Host-Uniq`,
		pppoe.PADS, 3, `Service-Name "", Host-Uniq 333339`},
	{"PADT", `
		02 00 5e 10 00 0c  02 00 5e 10 00 0a  88 63  # to the client, from the AC
		11 a7 00 03 00 11                            # PADT, session 3, 17 octets
		02 03 00 0d 52 65 63 65 69 76 65 64 20 50 41 44 54  # Generic-Error: Received PADT`,
		pppoe.PADT, 3, `Generic-Error "Received PADT"`},
}

func TestGoldenFrames(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			b := hexFrame(t, g.frame)
			f, p, tags := parse(t, b)
			if p.Code != g.code || p.SessionID != g.session || f.EtherType != pppoe.EtherTypeDiscovery {
				t.Errorf("got %v for session %d, EtherType %04x; want %v for %d", p.Code, p.SessionID, f.EtherType, g.code, g.session)
			}
			if got := tell(tags); got != g.tags {
				t.Errorf("got  %s\nwant %s", got, g.tags)
			}
			p.Payload = tags.AppendTo(nil)
			f.Payload = p.AppendTo(nil)
			if got := f.AppendTo(nil); !bytes.Equal(got, b) {
				t.Errorf("back: %x\nwas:  %x", got, b)
			}
		})
	}
}

func TestGoldenFramesAreInTheCaptures(t *testing.T) {
	var all [][]byte
	for _, name := range []string{"discovery.pcap", "service-error.pcap", "pap.pcap"} {
		all = append(all, captures.Read(t, name)...)
	}
	for _, g := range golden {
		b := hexFrame(t, g.frame)
		found := false
		for _, frame := range all {
			found = found || bytes.Equal(frame, b)
		}
		if !found {
			t.Errorf("%s: in none of the captures", g.name)
		}
	}
}

// Every frame of every capture is read as gopacket reads it, and written back
// as it was.
func TestCapturesAsGopacketReadsThem(t *testing.T) {
	for name, want := range map[string]int{
		"pap.pcap": 98, "chap.pcap": 101, "wrong-password.pcap": 18, "chap-wrong-password.pcap": 19,
		"ac-killed-by-padt.pcap": 24, "ac-padt-only.pcap": 22, "service-error.pcap": 37, "discovery.pcap": 7,
	} {
		t.Run(name, func(t *testing.T) {
			frames := captures.Read(t, name)
			if len(frames) != want {
				t.Fatalf("%d frames, want %d", len(frames), want)
			}
			for i, b := range frames {
				crossCheck(t, i+1, b)
			}
		})
	}
}

func crossCheck(t *testing.T, n int, b []byte) {
	t.Helper()
	f, err := pppoe.ParseFrame(b)
	if err != nil {
		t.Fatalf("frame %d: %v", n, err)
	}
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		t.Fatalf("frame %d: %v", n, err)
	}
	theirs := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	eth := theirs.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	if f.Src.String() != eth.SrcMAC.String() || f.Dst.String() != eth.DstMAC.String() || f.EtherType != uint16(eth.EthernetType) {
		t.Errorf("frame %d: %v to %v, %04x; gopacket: %v", n, f.Src, f.Dst, f.EtherType, eth)
	}
	l, ok := theirs.Layer(layers.LayerTypePPPoE).(*layers.PPPoE)
	if !ok {
		t.Fatalf("frame %d: no PPPoE for gopacket", n)
	}
	if p.Code != pppoe.Code(l.Code) || p.SessionID != l.SessionId || len(p.Payload) != int(l.Length) {
		t.Errorf("frame %d: %v, session %d, %d octets; gopacket: %v", n, p.Code, p.SessionID, len(p.Payload), l)
	}
	if (p.Code == pppoe.SessionData) != (f.EtherType == pppoe.EtherTypeSession) {
		t.Errorf("frame %d: %v in EtherType %04x", n, p.Code, f.EtherType)
	}
	if p.Code == pppoe.SessionData {
		protocol, _, err := ppp.ParseFrame(p.Payload)
		if l, ok := theirs.Layer(layers.LayerTypePPP).(*layers.PPP); !ok || err != nil || uint16(protocol) != uint16(l.PPPType) {
			t.Errorf("frame %d: %v, error %v; gopacket: %v", n, protocol, err, l)
		}
	} else if tags, err := pppoe.ParseTags(p.Payload); err != nil || !bytes.Equal(tags.AppendTo(nil), p.Payload) {
		t.Errorf("frame %d: tags %v, error %v", n, tags, err)
	}
	f.Payload = p.AppendTo(nil)
	if got := f.AppendTo(nil); !bytes.Equal(got, b) {
		t.Errorf("frame %d back: %x\nwas: %x", n, got, b)
	}
}

func TestEveryPrefixIsTruncated(t *testing.T) {
	for _, g := range golden {
		b := hexFrame(t, g.frame)
		for n := range b {
			f, err := pppoe.ParseFrame(b[:n])
			if (err == nil) != (n >= 14) {
				t.Errorf("%s: the first %d octets as an Ethernet frame: error %v", g.name, n, err)
			}
			if err == nil {
				_, err = pppoe.ParsePacket(f.Payload)
			}
			if !errors.Is(err, pppoe.ErrTruncated) {
				t.Errorf("%s: the first %d octets: error %v, want ErrTruncated", g.name, n, err)
			}
		}
	}
}

func TestPaddingIsNotRead(t *testing.T) {
	b := append(hexFrame(t, golden[4].frame), make([]byte, 30)...)
	_, p, tags := parse(t, b)
	if len(p.Payload) != 11 || len(tags) != 2 {
		t.Errorf("%d octets, %d tags; want 11 and 2", len(p.Payload), len(tags))
	}
}

func TestOtherVersionsAndTypes(t *testing.T) {
	for _, first := range []string{"21", "12", "10", "01", "00"} {
		if _, err := pppoe.ParsePacket(hexFrame(t, first+"07 0000 0000")); !errors.Is(err, pppoe.ErrVersion) || !strings.Contains(err.Error(), "0x"+first) {
			t.Errorf("%s: error %v, want ErrVersion with these octets", first, err)
		}
	}
}

// CVE-2008-3584 is the first.
func TestBrokenTags(t *testing.T) {
	for _, c := range []struct{ name, in, offset string }{
		{"over the end", "0103 00ff 0001 0001", "octet 0"},
		{"over the end by one", "0101 0000 0103 0002 aa", "octet 4"},
		{"one octet left", "0101 0000 01", "octet 4"},
		{"two octets left", "0101 0000 0103", "octet 4"},
		{"three octets left", "0101 0000 0103 00", "octet 4"},
		{"three octets alone", "0101 00", "octet 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := pppoe.ParseTags(hexFrame(t, c.in))
			if !errors.Is(err, pppoe.ErrTruncated) || !strings.Contains(err.Error(), c.offset) {
				t.Errorf("error %v, want ErrTruncated at %s", err, c.offset)
			}
		})
	}
}

func TestTagsAfterEndOfListAreNotRead(t *testing.T) {
	tags, err := pppoe.ParseTags(hexFrame(t, "0101 0000  0000 0000  0103 00ff"))
	if err != nil || tell(tags) != `Service-Name ""` {
		t.Errorf("got %s, error %v", tell(tags), err)
	}
}

func TestNames(t *testing.T) {
	var names []string
	for _, c := range []pppoe.Code{0, 7, 9, 0x19, 0x65, 0xa7, 0xd3} {
		names = append(names, c.String())
	}
	for _, tag := range []pppoe.TagType{0, 0x101, 0x105, 0x110, 0x120, 0x201, 0x202, 0x203, 0x999} {
		names = append(names, tag.String())
	}
	const want = "session data, PADO, PADI, PADR, PADS, PADT, PPPoE code 0xd3, " +
		"End-Of-List, Service-Name, Vendor-Specific, Relay-Session-Id, PPP-Max-Payload, " +
		"Service-Name-Error, AC-System-Error, Generic-Error, tag 0x0999"
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMAC(t *testing.T) {
	m, err := pppoe.ParseMAC("00:1e:13:c2:69:c2")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(m)
	if err != nil || string(b) != `"00:1e:13:c2:69:c2"` {
		t.Errorf("JSON %s, %v", b, err)
	}
	var back pppoe.MAC
	if err := json.Unmarshal(b, &back); err != nil || back != m {
		t.Errorf("back %v, %v", back, err)
	}
	for _, bad := range []string{"", "00:1e:13:c2:69", "02:00:5e:10:00:00:00:01", "host"} {
		if _, err := pppoe.ParseMAC(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for text, want := range map[string]bool{
		"00:1e:13:c2:69:c2": true, "01:00:5e:00:00:01": false, "ff:ff:ff:ff:ff:ff": false, "00:00:00:00:00:00": false,
	} {
		if m, _ := pppoe.ParseMAC(text); m.Unicast() != want {
			t.Errorf("%s: Unicast() = %v, want %v", text, m.Unicast(), want)
		}
	}
}

func TestAddressesInTextAreWhole(t *testing.T) {
	var m pppoe.MAC
	if err := m.UnmarshalText([]byte("00:1e:13:c2:69")); err == nil {
		t.Errorf("five octets make %v", m)
	}
	if err := m.UnmarshalText([]byte("00:1e:13:c2:69:c2")); err != nil || m != (pppoe.MAC{0, 0x1e, 0x13, 0xc2, 0x69, 0xc2}) {
		t.Errorf("%v, %v", m, err)
	}
	if got := pppoe.Broadcast.String(); got != "ff:ff:ff:ff:ff:ff" {
		t.Errorf("broadcast is %s", got)
	}
}

func TestLengthThatIsTooLongIsNamedBesideTheRightOne(t *testing.T) {
	_, err := pppoe.ParsePacket(hexFrame(t, "11 09 0000 0009 0101"))
	if err == nil || !strings.Contains(err.Error(), "2 octets says length 9") {
		t.Errorf("error %v", err)
	}
}
