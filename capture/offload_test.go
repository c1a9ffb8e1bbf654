package capture

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"pppoectl/pppoe"
)

var (
	ourMAC = pppoe.MAC{2, 0, 0, 0, 0, 1}
	acMAC  = pppoe.MAC{2, 0, 0, 0, 0, 2}
	ours   = Session{acMAC, 0x1234}
)

// ipPacket makes an IP packet with payload of TCP or UDP.
func ipPacket(t testing.TB, v6, udp bool, payload []byte) []byte {
	t.Helper()
	ip4 := &layers.IPv4{Version: 4, TTL: 64, Id: 0xffff, Flags: layers.IPv4DontFragment, SrcIP: net.IP{198, 51, 100, 1}, DstIP: net.IP{203, 0, 113, 7}, Protocol: layers.IPProtocolTCP}
	ip6 := &layers.IPv6{Version: 6, HopLimit: 64, SrcIP: net.ParseIP("2001:db8::1"), DstIP: net.ParseIP("2001:db8::2"), NextHeader: layers.IPProtocolTCP}
	tcp := &layers.TCP{SrcPort: 80, DstPort: 4000, Seq: 0xfffffff0, ACK: true, PSH: true, FIN: true, CWR: true, Window: 512, Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindNop}}}
	datagram := &layers.UDP{SrcPort: 9999, DstPort: 4000}
	var network interface {
		gopacket.NetworkLayer
		gopacket.SerializableLayer
	} = ip4
	if v6 {
		network = ip6
	}
	var transport gopacket.SerializableLayer = tcp
	if udp {
		ip4.Protocol, ip6.NextHeader, transport = layers.IPProtocolUDP, layers.IPProtocolUDP, datagram
	}
	tcp.SetNetworkLayerForChecksum(network)
	datagram.SetNetworkLayerForChecksum(network)
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, network, transport, gopacket.Payload(payload)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// decoded checks a frame's lengths and checksums, and returns what is in it.
func decoded(t *testing.T, frame []byte) gopacket.Packet {
	t.Helper()
	if n := int(binary.BigEndian.Uint16(frame[18:])); n != len(frame)-20 {
		t.Errorf("PPPoE length %d in a frame of %d octets", n, len(frame))
	}
	p := gopacket.NewPacket(frame, layers.LinkTypeEthernet, gopacket.Default)
	if e := p.ErrorLayer(); e != nil {
		t.Fatalf("% x: %v", frame[:min(len(frame), 80)], e.Error())
	}
	// A checksum is right if all of it comes to nothing.
	ip := frame[headerLen:]
	n, protocol, addresses := 20, ip[9], ip[12:20]
	if ip[0]>>4 == 6 {
		n, protocol, addresses = 40, ip[6], ip[8:40]
	} else if s := fold(sum(ip[:20], 0)); s != 0 {
		t.Errorf("IPv4 header checksum: %04x is left", s)
	}
	if s := fold(sum(ip[n:], sum(addresses, uint32(protocol)+uint32(len(ip)-n)))); s != 0 {
		t.Errorf("checksum: %04x is left", s)
	}
	return p
}

func TestSuperPacketIsCutAsItWasOnTheWire(t *testing.T) {
	payload := make([]byte, 3*1400+7)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	for name, c := range map[string]struct {
		v6, udp bool
		kind    byte
	}{
		"TCP, IPv4": {kind: unix.VIRTIO_NET_HDR_GSO_TCPV4 | unix.VIRTIO_NET_HDR_GSO_ECN},
		"TCP, IPv6": {v6: true, kind: unix.VIRTIO_NET_HDR_GSO_TCPV6},
		"UDP, IPv4": {udp: true, kind: unix.VIRTIO_NET_HDR_GSO_UDP_L4},
		"UDP, IPv6": {v6: true, udp: true, kind: unix.VIRTIO_NET_HDR_GSO_UDP_L4},
	} {
		t.Run(name, func(t *testing.T) {
			header := make([]byte, vnetLen)
			header[0], header[1] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM, c.kind
			binary.NativeEndian.PutUint16(header[4:], 1400)
			frames := parseOffload(header).finish(wrap(ipPacket(t, c.v6, c.udp, payload), ours, ourMAC))
			if len(frames) != 4 {
				t.Fatalf("%d frames", len(frames))
			}
			var all []byte
			for i, f := range frames {
				p := decoded(t, f)
				if ip, ok := p.NetworkLayer().(*layers.IPv4); ok && ip.Id != 0xffff+uint16(i) {
					t.Errorf("frame %d: identification %04x", i, ip.Id)
				}
				if tcp, ok := p.TransportLayer().(*layers.TCP); ok {
					if want := uint32(0xfffffff0) + uint32(i*1400); tcp.Seq != want {
						t.Errorf("frame %d: sequence number %x, want %x", i, tcp.Seq, want)
					}
					if tcp.FIN != (i == 3) || tcp.PSH != (i == 3) || tcp.CWR != (i == 0) || !tcp.ACK {
						t.Errorf("frame %d: flags %+v", i, tcp)
					}
				}
				all = append(all, p.ApplicationLayer().Payload()...)
			}
			if !bytes.Equal(all, payload) {
				t.Error("the payload is another one")
			}
		})
	}
}

// What the kernel has left of a checksum to the network card is the sum of the pseudo header.
func TestChecksumIsCompleted(t *testing.T) {
	want := wrap(ipPacket(t, false, false, []byte("an odd one.")), ours, ourMAC)
	f := bytes.Clone(want)
	transport := f[headerLen+20:]
	partial := ^fold(sum(f[headerLen+12:headerLen+20], protocolTCP+uint32(len(transport))))
	binary.BigEndian.PutUint16(transport[tcpChecksum:], partial)
	got := offload{checksum: true, start: headerLen + 20, offset: tcpChecksum}.finish(f)
	if len(got) != 1 || !bytes.Equal(got[0], want) {
		t.Errorf("% x,\nwant % x", got, want)
	}
	decoded(t, got[0])
}

// What cannot be cut, or makes no sense, stays as it is.
func TestWhatCannotBeCutStaysWhole(t *testing.T) {
	tcp := wrap(ipPacket(t, false, false, make([]byte, 3000)), ours, ourMAC)
	tunnel := bytes.Clone(tcp)
	tunnel[headerLen+9] = 47 // GRE
	short := bytes.Clone(tcp)
	short[headerLen+20+12] = 0 // no TCP header
	for name, c := range map[string]struct {
		o     offload
		frame []byte
	}{
		"a tunnel's":      {offload{kind: unix.VIRTIO_NET_HDR_GSO_TCPV4, size: 1400}, tunnel},
		"unknown kind":    {offload{kind: 77, size: 1400}, tcp},
		"no segment size": {offload{kind: unix.VIRTIO_NET_HDR_GSO_TCPV4}, tcp},
		"no TCP header":   {offload{kind: unix.VIRTIO_NET_HDR_GSO_TCPV4, size: 1400}, short},
		"cut off":         {offload{kind: unix.VIRTIO_NET_HDR_GSO_TCPV6, size: 1}, tcp[:headerLen+40]},
		"very short":      {offload{kind: unix.VIRTIO_NET_HDR_GSO_TCPV6, size: 1}, tcp[:headerLen+1]},
		"checksum beyond": {offload{checksum: true, start: 60000, offset: 16}, tcp},
	} {
		want := bytes.Clone(c.frame)
		if got := c.o.finish(c.frame); len(got) != 1 || !bytes.Equal(got[0], want) {
			t.Errorf("%s: %d frames", name, len(got))
		}
	}
}

// A header of fewer than five words has no place for what a segment needs.
func TestPacketWithAnImpossibleHeaderStaysWhole(t *testing.T) {
	whole := wrap(ipPacket(t, false, true, make([]byte, 200)), ours, ourMAC)
	whole[headerLen] = 0x40
	was := bytes.Clone(whole)
	o := offload{kind: unix.VIRTIO_NET_HDR_GSO_UDP_L4, size: 100}
	if list := o.finish(whole); len(list) != 1 || !bytes.Equal(list[0], was) {
		t.Errorf("%x became %x", was, list)
	}
}

// Whatever comes makes nothing but frames.
func TestOffloadsOfNonsense(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		whole := wrap(ipPacket(t, v6, false, make([]byte, 60)), ours, ourMAC)
		for i := range 200_000 {
			f := bytes.Clone(whole[:len(whole)-rand.IntN(len(whole))])
			header := make([]byte, vnetLen)
			header[0], header[1] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM, byte(rand.IntN(7))
			for j := 4; j < vnetLen; j += 2 {
				binary.NativeEndian.PutUint16(header[j:], uint16(rand.IntN(140)))
			}
			for range rand.IntN(6) {
				f[rand.IntN(len(f))] = byte(rand.Uint32())
			}
			hideSecrets(f)
			sessionOf(f, ourMAC)
			if n := len(parseOffload(header).finish(f)); n == 0 {
				t.Fatalf("%d: nothing is left", i)
			}
		}
	}
}

func TestWrap(t *testing.T) {
	for _, b := range [][]byte{nil, {0x50}, {0}} {
		if f := wrap(b, ours, ourMAC); f != nil {
			t.Errorf("% x became % x", b, f)
		}
	}
	f := wrap(ipPacket(t, true, true, []byte("x")), ours, ourMAC)
	p := decoded(t, f)
	e, s := p.Layer(layers.LayerTypePPPoE).(*layers.PPPoE), p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	if e.SessionId != ours.ID || e.Code != layers.PPPoECodeSession || !bytes.Equal(s.SrcMAC, acMAC[:]) || !bytes.Equal(s.DstMAC, ourMAC[:]) {
		t.Errorf("%+v, %+v", s, e)
	}
	if got, ok := sessionOf(f, ourMAC); !ok || got != ours {
		t.Errorf("of session %v, %v", got, ok)
	}
}

// The two forms of zero, as the kernel writes them: a header's sum may come to 0, UDP's not.
func TestChecksumsOfZero(t *testing.T) {
	if fold(0xffff) != 0 || fold(0x1fffe) != 0 || some(fold(0xffff)) != 0xffff || some(0x1234) != 0x1234 {
		t.Errorf("%04x %04x %04x", fold(0xffff), fold(0x1fffe), some(fold(0xffff)))
	}
}
