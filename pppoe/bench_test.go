package pppoe_test

import (
	"testing"

	"pppoectl/lab/captures"
	"pppoectl/pppoe"
)

// captured is a discovery frame of a real AC, or of its host.
func captured(b *testing.B, code pppoe.Code) []byte {
	b.Helper()
	for _, raw := range captures.Read(b, "discovery.pcap") {
		f, err := pppoe.ParseFrame(raw)
		if err != nil || f.EtherType != pppoe.EtherTypeDiscovery {
			continue
		}
		if p, err := pppoe.ParsePacket(f.Payload); err == nil && p.Code == code {
			return raw
		}
	}
	b.Fatalf("no %v was captured", code)
	return nil
}

// data is a session frame with a full packet of 1454 octets.
func data() pppoe.Frame {
	p := pppoe.Packet{SessionID: 0x18fa, Payload: make([]byte, 2+1454)}
	return pppoe.Frame{Dst: pppoe.MAC{2, 0, 0, 0, 0, 1}, Src: pppoe.MAC{2, 0, 0, 0, 0, 2}, EtherType: pppoe.EtherTypeSession, Payload: p.AppendTo(nil)}
}

// A session frame is taken apart down to PPP.
func BenchmarkParseSessionFrame(b *testing.B) {
	raw := data().AppendTo(nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		f, err := pppoe.ParseFrame(raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := pppoe.ParsePacket(f.Payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendSessionFrame(b *testing.B) {
	f := data()
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	b.SetBytes(int64(14 + len(f.Payload)))
	for b.Loop() {
		buf = f.AppendTo(buf[:0])
	}
}

func BenchmarkAppendPacket(b *testing.B) {
	p := pppoe.Packet{SessionID: 0x18fa, Payload: make([]byte, 2+1454)}
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf = p.AppendTo(buf[:0])
	}
}

func BenchmarkParseTags(b *testing.B) {
	f, err := pppoe.ParseFrame(captured(b, pppoe.PADO))
	if err != nil {
		b.Fatal(err)
	}
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pppoe.ParseTags(p.Payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendTags(b *testing.B) {
	tags := pppoe.Tags{{Type: pppoe.ServiceName}, {Type: pppoe.HostUniq, Value: make([]byte, 8)}, {Type: pppoe.ACCookie, Value: make([]byte, 20)}}
	buf := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		buf = tags.AppendTo(buf[:0])
	}
}

// What comes from others is looked at whole before anything is made of it.
func BenchmarkParseOffer(b *testing.B) {
	f, err := pppoe.ParseFrame(captured(b, pppoe.PADO))
	if err != nil {
		b.Fatal(err)
	}
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		b.Fatal(err)
	}
	tags, err := pppoe.ParseTags(p.Payload)
	if err != nil {
		b.Fatal(err)
	}
	uniq, _ := tags.Get(pppoe.HostUniq)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pppoe.ParseOffer(f, uniq); err != nil {
			b.Fatal(err)
		}
	}
}
