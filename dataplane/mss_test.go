package dataplane

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"pppoectl/ppp"
)

// segment makes a TCP packet of the given family whose options are exactly the
// given octets, with right checksums.
func segment(t testing.TB, family ppp.Protocol, syn bool, options, payload []byte) []byte {
	t.Helper()
	if len(options)%4 != 0 {
		t.Fatalf("%d octets of options", len(options))
	}
	tcp := &layers.TCP{SrcPort: 40000, DstPort: 443, Seq: 1, SYN: syn, ACK: !syn, Window: 64240}
	var ip gopacket.SerializableLayer
	if family == ppp.IPv4 {
		l := &layers.IPv4{Version: 4, TTL: 64, Id: 7, Protocol: layers.IPProtocolTCP, SrcIP: net.IP{203, 0, 113, 7}, DstIP: net.IP{198, 51, 100, 1}}
		if err := tcp.SetNetworkLayerForChecksum(l); err != nil {
			t.Fatal(err)
		}
		ip = l
	} else {
		l := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: net.ParseIP("2001:db8::7"), DstIP: net.ParseIP("2001:db8::1")}
		if err := tcp.SetNetworkLayerForChecksum(l); err != nil {
			t.Fatal(err)
		}
		ip = l
	}
	buf := gopacket.NewSerializeBuffer()
	// The options go in as payload first, for gopacket would put them in order.
	body := append(bytes.Clone(options), payload...)
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, tcp, gopacket.Payload(body)); err != nil {
		t.Fatal(err)
	}
	b := bytes.Clone(buf.Bytes())
	at := tcpAt(b)
	b[at+12] = byte((20 + len(options)) / 4 << 4)
	fixChecksum(b)
	return b
}

func tcpAt(b []byte) int {
	if b[0]>>4 == 6 {
		return ipv6Len
	}
	return int(b[0]&15) * 4
}

// checksum is that of RFC 9293 section 3.1, computed the slow way; 0 means that
// the one in the packet is right.
func checksum(b []byte) uint16 {
	at := tcpAt(b)
	addresses := b[12:20]
	if b[0]>>4 == 6 {
		addresses = b[8:40]
	}
	sum := uint32(protocolTCP) + uint32(len(b)-at)
	for _, part := range [][]byte{addresses, b[at:]} {
		for i, c := range part {
			sum += uint32(c) << (8 * (1 - i%2))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func fixChecksum(b []byte) {
	at := tcpAt(b)
	b[at+16], b[at+17] = 0, 0
	binary.BigEndian.PutUint16(b[at+16:], checksum(b))
}

// goodChecksum has gopacket compute the checksum anew and compares.
func goodChecksum(t *testing.T, b []byte) {
	t.Helper()
	if c := checksum(b); c != 0 {
		t.Errorf("checksum is off by %04x", c)
	}
	first := gopacket.LayerType(layers.LayerTypeIPv4)
	if b[0]>>4 == 6 {
		first = layers.LayerTypeIPv6
	}
	p := gopacket.NewPacket(b, first, gopacket.Default)
	tcp, ok := p.TransportLayer().(*layers.TCP)
	if !ok {
		t.Fatalf("no TCP: %v", p)
	}
	if err := tcp.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
		t.Fatal(err)
	}
	want, got := tcp.Checksum, uint16(0)
	if c, err := tcp.ComputeChecksum(); err != nil {
		t.Fatal(err)
	} else {
		got = c
	}
	if got != want && got != 0 { // over the checksum itself the sum is 0
		t.Errorf("gopacket computes %04x, the packet says %04x", got, want)
	}
}

var families = []ppp.Protocol{ppp.IPv4, ppp.IPv6}

func TestMSS(t *testing.T) {
	for _, c := range []struct {
		family ppp.Protocol
		mtu    int
		want   int
	}{
		{ppp.IPv4, 1454, 1414}, {ppp.IPv6, 1454, 1394}, {ppp.IPv4, 1492, 1452}, {ppp.IPv4, 68, 28}, {ppp.IPv6, 1280, 1220},
		{ppp.IPv4, 67, 0}, {ppp.IPv6, 1279, 0}, {ppp.IPv4, 0, 0}, {ppp.IPv4, -1, 0},
	} {
		got, err := MSS(c.family, c.mtu)
		if got != c.want || errors.Is(err, ErrMTU) != (c.want == 0) {
			t.Errorf("%v, MTU %d: %d, %v, want %d", c.family, c.mtu, got, err, c.want)
		}
	}
}

func TestMSSIsLoweredToTheLinks(t *testing.T) {
	for _, family := range families {
		for _, syn := range []string{"SYN", "SYN ACK"} {
			for _, mss := range []uint16{1, 1393, 1394, 1395, 1413, 1414, 1415, 1460, 8960, 0xffff, 0} {
				t.Run(fmt.Sprint(family, syn, mss), func(t *testing.T) {
					b := segment(t, family, true, []byte{2, 4, byte(mss >> 8), byte(mss)}, nil)
					if syn != "SYN" {
						b[tcpAt(b)+13] |= 0x10
						fixChecksum(b)
					}
					want, _ := MSS(family, 1454)
					changed := ClampMSS(b, 1454)
					got := binary.BigEndian.Uint16(b[tcpAt(b)+22:])
					if changed != (int(mss) > want) || int(got) != min(int(mss), want) {
						t.Errorf("changed %v, MSS %d", changed, got)
					}
					goodChecksum(t, b)
					if ClampMSS(b, 1454) {
						t.Error("lowered twice")
					}
				})
			}
		}
	}
}

func TestMSSBehindOtherOptions(t *testing.T) {
	for name, options := range map[string][]byte{
		"first":          {2, 4, 5, 0xb4, 1, 3, 3, 7},
		"behind a NOP":   {1, 2, 4, 5, 0xb4, 0, 0, 0}, // at an odd offset
		"behind NOPs":    {1, 1, 1, 2, 4, 5, 0xb4, 0},
		"behind SACK":    {4, 2, 2, 4, 5, 0xb4, 1, 1},
		"behind scale":   {3, 3, 7, 2, 4, 5, 0xb4, 0}, // odd
		"at the end":     {8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 2, 4, 5, 0xb4},
		"unknown before": {254, 3, 0xff, 2, 4, 5, 0xb4, 0}, // odd
		"as Linux sends": {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7},
		"forty octets":   append(bytes.Repeat([]byte{1}, 36), 2, 4, 5, 0xb4),
		"odd, at end":    append(bytes.Repeat([]byte{1}, 35), 2, 4, 5, 0xb4, 0),
	} {
		for _, family := range families {
			for _, payload := range []string{"", "x", "odd"} {
				t.Run(fmt.Sprint(name, " ", family, " ", len(payload)), func(t *testing.T) {
					b := segment(t, family, true, options, []byte(payload))
					before := bytes.Clone(b)
					if !ClampMSS(b, 1454) {
						t.Fatal("not lowered")
					}
					goodChecksum(t, b)
					want, _ := MSS(family, 1454)
					at := tcpAt(b) + 20 + bytes.Index(options, []byte{2, 4, 5, 0xb4}) + 2
					binary.BigEndian.PutUint16(before[at:], uint16(want))
					copy(before[tcpAt(b)+16:], b[tcpAt(b)+16:][:2])
					if !bytes.Equal(b, before) {
						t.Errorf("more was changed:\n%x\n%x", b, before)
					}
				})
			}
		}
	}
}

func TestOnlyTheFirstMSSCounts(t *testing.T) {
	b := segment(t, ppp.IPv4, true, []byte{2, 4, 1, 0, 2, 4, 5, 0xb4}, nil)
	if ClampMSS(b, 1454) {
		t.Errorf("%x", b)
	}
}

// CVE-2001-0026 and its relatives: the walk ends, the packet passes as it
// is.
func TestWhatPassesUnchanged(t *testing.T) {
	big := []byte{2, 4, 5, 0xb4}
	with := func(options ...byte) []byte { return segment(t, ppp.IPv4, true, options, []byte("payload")) }
	changed := func(b []byte, change func(b []byte)) []byte { change(b); return b }
	for name, b := range map[string][]byte{
		"empty":                                  {},
		"one octet":                              {0x45},
		"no SYN":                                 segment(t, ppp.IPv4, false, big, nil),
		"no SYN, IPv6":                           segment(t, ppp.IPv6, false, big, nil),
		"no options":                             with(),
		"option of length 0":                     with(2, 0, 5, 0xb4),
		"option of length 0, other kind":         with(8, 0, 2, 4, 5, 0xb4, 1, 1),
		"option of length 1":                     with(3, 1, 2, 4, 5, 0xb4, 1, 1),
		"MSS of length 3":                        with(2, 3, 0xff, 1),
		"MSS of length 5":                        with(2, 5, 0xff, 0xff, 1, 1, 1, 1),
		"option over the end":                    with(8, 10, 1, 2),
		"MSS over the end of options":            with(1, 1, 2, 4),
		"kind without a length":                  with(1, 1, 1, 2),
		"behind End-Of-List":                     with(0, 1, 1, 1, 2, 4, 5, 0xb4),
		"UDP":                                    changed(with(big...), func(b []byte) { b[9] = 17 }),
		"version 5":                              changed(with(big...), func(b []byte) { b[0] = 0x55 }),
		"IHL 15 past the end":                    changed(with(big...), func(b []byte) { b[0] = 0x4f })[:44],
		"IHL 15 in 42 octets":                    changed(with(big...), func(b []byte) { b[0] = 0x4f })[:42],
		"IHL 4":                                  changed(with(big...), func(b []byte) { b[0] = 0x44 }),
		"IHL 0":                                  changed(with(big...), func(b []byte) { b[0] = 0x40 }),
		"data offset 15 past the end":            changed(with(big...), func(b []byte) { b[32] = 0xf0 })[:44],
		"data offset 4":                          changed(with(big...), func(b []byte) { b[32] = 0x40 }),
		"data offset 0":                          changed(with(big...), func(b []byte) { b[32] = 0 }),
		"later fragment":                         changed(with(big...), func(b []byte) { b[7] = 1 }),
		"first fragment":                         changed(with(big...), func(b []byte) { b[6] = 0x20 }),
		"cut inside TCP":                         with(big...)[:39],
		"cut inside the option":                  with(big...)[:43],
		"IPv6, another header first":             changed(segment(t, ppp.IPv6, true, big, nil), func(b []byte) { b[6] = 0 }),
		"IPv6, a fragment":                       changed(segment(t, ppp.IPv6, true, big, nil), func(b []byte) { b[6] = 44 }),
		"IPv6, cut inside TCP":                   segment(t, ppp.IPv6, true, big, nil)[:59],
		"IPv6, cut inside the header":            segment(t, ppp.IPv6, true, big, nil)[:39],
		"IPv6, data offset over the end":         changed(segment(t, ppp.IPv6, true, big, nil), func(b []byte) { b[52] = 0xf0 }),
		"IPv4 in a header of IPv6, 20 octets":    with(big...)[:20],
		"IPv4, a header alone, protocol of TCP ": changed(with(big...), func(b []byte) { b[0] = 0x4a })[:40],
	} {
		t.Run(name, func(t *testing.T) {
			before := bytes.Clone(b)
			if ClampMSS(b, 1454) || !bytes.Equal(b, before) {
				t.Errorf("changed:\n%x\n%x", before, b)
			}
		})
	}
}

func TestTooNarrowLinkChangesNothing(t *testing.T) {
	for _, family := range families {
		b := segment(t, family, true, []byte{2, 4, 5, 0xb4}, nil)
		before := bytes.Clone(b)
		for _, mtu := range []int{-1, 0, 40, 67} {
			if ClampMSS(b, mtu) || !bytes.Equal(b, before) {
				t.Errorf("%v, MTU %d: changed", family, mtu)
			}
		}
	}
}

// Whatever the checksum was: the correction keeps right ones right and wrong
// ones wrong by the same amount, also about 0 and ffff.
func TestChecksumOfEveryValue(t *testing.T) {
	for old := uint32(0); old <= 0xffff; old += 7 {
		for _, options := range [][]byte{{2, 4, 0, 0}, {1, 2, 4, 0, 0, 1, 1, 1}} {
			at := bytes.Index(options, []byte{2, 4}) + 2
			binary.BigEndian.PutUint16(options[at:], 0x0600+uint16(old>>4))
			b := segment(t, ppp.IPv4, true, options, nil)
			if ClampMSS(b, 576) && checksum(b) != 0 {
				t.Fatalf("MSS %d: checksum off by %04x", 0x0600+old>>4, checksum(b))
			}
		}
	}
}
