package dataplane_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"pppoectl/dataplane"
	"pppoectl/pppoe"
	"pppoectl/rawsocket"
)

// ipv4 returns an IPv4 packet from the near end to the far one.
func ipv4(protocol byte, payload []byte) []byte {
	p := make([]byte, 20, 20+len(payload))
	p[0], p[8], p[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(p[2:], uint16(20+len(payload)))
	copy(p[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	sum := uint32(0)
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(p[10:], ^uint16(sum))
	return append(p, payload...)
}

// udp returns a packet of UDP with a payload, without a checksum.
func udp(payload []byte) []byte {
	u := binary.BigEndian.AppendUint16([]byte{0, 9, 0x27, 0x0f}, uint16(8+len(payload)))
	return ipv4(unix.IPPROTO_UDP, append(append(u, 0, 0), payload...))
}

// syn returns a TCP SYN with options, and 8 octets of payload.
func syn(options ...byte) []byte {
	tcp := make([]byte, 20+len(options)+8)
	tcp[1], tcp[3], tcp[12], tcp[13] = 9, 9, byte(20+len(options))/4<<4, 2
	copy(tcp[20:], options)
	return ipv4(unix.IPPROTO_TCP, tcp)
}

// frame returns the frame with a packet of the session that goes to e.
func (e *end) frame(packet []byte) []byte {
	f := make([]byte, 22, 22+len(packet))
	copy(f, e.s.MAC[:])
	copy(f[6:], e.s.AC[:])
	binary.BigEndian.PutUint16(f[12:], pppoe.EtherTypeSession)
	f[14] = 0x11
	binary.BigEndian.PutUint16(f[16:], e.s.ID)
	binary.BigEndian.PutUint16(f[18:], uint16(2+len(packet)))
	binary.BigEndian.PutUint16(f[20:], 0x21)
	return append(f, packet...)
}

// raw is a packet socket for all that goes through an interface.
func (e *end) raw(name string) *packet.Conn {
	e.t.Helper()
	var c *packet.Conn
	e.ns.Do(func() {
		ifi := e.line()
		if name != "line" {
			ifi = e.interfaceCalled(name)
		}
		var err error
		if c, err = rawsocket.Listen(ifi, unix.ETH_P_ALL, []bpf.Instruction{bpf.RetConstant{Val: 1 << 16}}, 16<<20); err != nil {
			e.t.Fatal(err)
		}
	})
	e.t.Cleanup(func() { c.Close() })
	return c
}

// send sends frames to the other end, each many times, as fast as that goes.
func (e *end) send(c *packet.Conn, frames map[string][]byte, times int) {
	e.t.Helper()
	for range times {
		for name, f := range frames {
			if _, err := c.WriteTo(f, &packet.Addr{HardwareAddr: f[:6]}); err != nil && times == 1 {
				e.t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// came returns the IPv4 packets of UDP or TCP from the near end: as many as are awaited, and those that come
// until none does for a while.
func came(c *packet.Conn, awaited int) [][]byte {
	var list [][]byte
	b := make([]byte, 1<<16)
	for {
		wait := 300 * time.Millisecond
		if len(list) < awaited {
			wait = 10 * time.Second // for a busy machine
		}
		c.SetReadDeadline(time.Now().Add(wait))
		n, _, err := c.ReadFrom(b)
		if err != nil {
			return list
		}
		if n >= 28 && b[0]>>4 == 4 && b[15] == 1 && (b[9] == unix.IPPROTO_UDP || b[9] == unix.IPPROTO_TCP) {
			list = append(list, append([]byte(nil), b[:n]...))
		}
	}
}

// hostile are frames of which none may reach e's device, by why.
func (e *end) hostile() (counted, ignored map[string][]byte) {
	whole := func(change func(f []byte)) []byte {
		f := e.frame(udp(make([]byte, 100)))
		change(f)
		return f
	}
	length := func(n uint16) []byte { return whole(func(f []byte) { binary.BigEndian.PutUint16(f[18:], n) }) }
	total := func(n uint16) []byte { return whole(func(f []byte) { binary.BigEndian.PutUint16(f[24:], n) }) }
	counted = map[string][]byte{
		"LEN beyond the frame":     length(131),
		"LEN far beyond":           length(65535),
		"LEN 0":                    length(0),
		"LEN 1":                    length(1),
		"LEN without a header":     length(21),
		"LEN shorter than IP says": length(129),
		"IP longer than LEN":       total(129),
		"IP shorter than a header": total(19),
		"IPv6 as IPv4":             whole(func(f []byte) { f[22] = 0x65 }),
		"IPv4 as IPv6":             whole(func(f []byte) { f[21] = 0x57 }),
		"IPv4 of four words":       whole(func(f []byte) { f[22] = 0x44 }),
		"IP cut short":             whole(func([]byte) {})[:60],
	}
	ignored = map[string][]byte{
		"other id":       whole(func(f []byte) { f[17]++ }),
		"other AC":       whole(func(f []byte) { f[11]++ }),
		"other station":  whole(func(f []byte) { f[5]++ }),
		"version 2":      whole(func(f []byte) { f[14] = 0x21 }),
		"a code":         whole(func(f []byte) { f[15] = 0xa7 }),
		"other protocol": whole(func(f []byte) { f[21] = 0x2b }),
		"LCP":            whole(func(f []byte) { f[20], f[21] = 0xc0, 0x21 }),
		"discovery":      whole(func(f []byte) { f[13] = 0x63 }),
		"no PPPoE":       whole(func(f []byte) { f[12], f[13] = 0x08, 0x00 })[:40],

		"a protocol of one octet, CVE-2026-46306": whole(func(f []byte) { copy(f[21:], f[22:]); f[20] = 0x21 }),
	}
	for n := range 8 {
		ignored[fmt.Sprintf("a header of %d octets, CVE-2024-27016", n)] = whole(func([]byte) {})[:14+n]
	}
	return counted, ignored
}

// Nothing reaches the device that is not the session's, is cut short or lies; what
// would have been the session's is counted.
func TestHostileFramesDoNotReachTheDevice(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			a, b := newPair(t, dataplane.Portable, kind)
			line, device := a.raw("line"), b.raw("tun0")
			counted, ignored := b.hostile()
			before := b.path.Counters()
			a.send(line, counted, 1)
			a.send(line, ignored, 1)
			if list := came(device, 0); len(list) > 0 {
				t.Errorf("%d packets came: %x", len(list), list)
			}
			dropped := func() int { return int(b.path.Counters().RxDropped - before.RxDropped) }
			allCounted := func(n int) {
				t.Helper()
				eventually(t, func() error {
					if dropped() < n {
						return fmt.Errorf("%d dropped, want %d: %v", dropped(), n, b.path.Reasons())
					}
					return nil
				})
			}
			allCounted(len(counted))
			// A flood of all of it, and the path carries on.
			const times = 5000
			a.send(line, counted, times)
			a.send(line, ignored, times)
			if list := came(device, 0); len(list) > 0 {
				t.Errorf("%d packets came of a flood: %x", len(list), list[0])
			}
			if kind == dataplane.EBPF { // no socket's queue may be full
				allCounted(times * len(counted))
			}
			t.Logf("%d frames, %d counted as dropped: %v", times*(len(counted)+len(ignored)), dropped(), b.path.Reasons())
			a.ns.Run("ping", "-n", "-c3", "-i0.1", "-W20", "10.0.0.2")
		})
	}
}

// CVE-2001-0026: rp-pppoe never came to the end of TCP options of which one had length 0.
// Whatever path looks for the MSS: what it does not understand comes through as it is.
func TestOddTCPComesThroughUnchanged(t *testing.T) {
	changed := func(change func(p []byte)) []byte {
		p := syn(2, 4, 5, 0xb4)
		change(p)
		return p
	}
	odd := map[string][]byte{
		"MSS of length 0":              syn(2, 0, 5, 0xb4),
		"an option of length 0 before": syn(8, 0, 2, 4, 5, 0xb4, 1, 1),
		"an option of length 1 before": syn(3, 1, 2, 4, 5, 0xb4, 1, 1),
		"MSS of length 3":              syn(2, 3, 0xff, 1),
		"MSS of length 5":              syn(2, 5, 0xff, 0xff, 1, 1, 1, 1),
		"an option over the end":       syn(8, 10, 1, 2),
		"MSS over the end":             syn(1, 1, 2, 4),
		"a kind without a length":      syn(1, 1, 1, 2),
		"MSS behind End-Of-List":       syn(0, 1, 1, 1, 2, 4, 5, 0xb4),
		"no option":                    syn(),
		"no SYN":                       changed(func(p []byte) { p[33] = 0x10 }),
		"data offset 0":                changed(func(p []byte) { p[32] = 0 }),
		"data offset 4":                changed(func(p []byte) { p[32] = 0x40 }),
		"data offset past the end":     changed(func(p []byte) { p[32] = 0xf0 }),
		"the first fragment":           changed(func(p []byte) { p[6] = 0x20 }),
		"a later fragment":             changed(func(p []byte) { p[7] = 1 }),
	}
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			a, b := newPair(t, dataplane.Portable, kind)
			line, device := a.raw("line"), b.raw("tun0")
			a.send(line, map[string][]byte{"SYN": b.frame(syn(2, 4, 5, 0xb4))}, 1)
			if list := came(device, 1); len(list) != 1 || binary.BigEndian.Uint16(list[0][42:]) != mtu-40 {
				t.Fatalf("%x: want one SYN, whose MSS is lowered", list)
			}
			for name, p := range odd {
				a.send(line, map[string][]byte{name: b.frame(p)}, 1)
			}
			list := came(device, len(odd))
			for name, p := range odd {
				if !slices.ContainsFunc(list, func(q []byte) bool { return bytes.Equal(p, q) }) {
					t.Errorf("%s: %x did not come as it is", name, p)
				}
			}
			if len(list) != len(odd) {
				t.Errorf("%d packets came, want %d", len(list), len(odd))
			}
		})
	}
}

// What is odd but right comes through: padding, fragments, options, and a frame of each length.
func TestOddFramesComeThrough(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			a, b := newPair(t, dataplane.Portable, kind)
			line, device := a.raw("line"), b.raw("tun0")
			first, options := udp(make([]byte, 1400)), udp(make([]byte, 8))
			first[6] |= 0x20 // more fragments
			options = append(options[:20:20], append([]byte{1, 1, 1, 1}, options[20:]...)...)
			options[0] = 0x46
			binary.BigEndian.PutUint16(options[2:], uint16(len(options)))
			frames := map[string][]byte{
				"padded to Ethernet's least": append(b.frame(udp([]byte{1})), make([]byte, 9)...),
				"padded far":                 append(b.frame(udp([]byte{1, 2, 3})), make([]byte, 500)...),
				"a fragment":                 b.frame(first),
				"with options":               b.frame(options),
				"larger than our MRU":        b.frame(udp(make([]byte, 1492-28))), // RFC 1661 section 6.1: 1500 octets are always received
			}
			for n := range 60 {
				frames[fmt.Sprint(n, " octets of payload")] = b.frame(udp(make([]byte, n*24)))
			}
			a.send(line, frames, 1)
			list := came(device, len(frames))
			if len(list) != len(frames) {
				t.Errorf("%d packets came, want %d: %v", len(list), len(frames), b.path.Reasons())
			}
			for _, p := range list {
				if total := int(binary.BigEndian.Uint16(p[2:])); total != len(p) {
					t.Errorf("%d octets came of a packet of %d", len(p), total)
				}
			}
		})
	}
}

// A frame with a VLAN tag is of another line, whatever its session.
func TestTaggedFramesAreNotTheSessions(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			a, b := newPair(t, dataplane.Portable, kind)
			line, device := a.raw("line"), b.raw("tun0")
			frames := map[string][]byte{"a frame": b.frame(udp(make([]byte, 100)))}
			a.send(line, frames, 1)
			if list := came(device, 1); len(list) != 1 {
				t.Fatalf("without a tag, %d packets came", len(list))
			}
			a.tag(100)
			a.send(line, frames, 10)
			if list := came(device, 0); len(list) > 0 {
				t.Errorf("%d packets came", len(list))
			}
		})
	}
}

// tag has all that leaves by the line carry a VLAN tag, as the line's network card is told it.
func (e *end) tag(vlan int32) {
	e.t.Helper()
	e.ns.Do(func() {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R2, 0x0081), asm.Mov.Imm(asm.R3, vlan), asm.FnSkbVlanPush.Call(), // EtherType 0x8100, network byte order
			asm.Mov.Imm(asm.R0, -1), asm.Return(), // TCX_NEXT
		}})
		if err != nil {
			e.t.Fatal(err)
		}
		l, err := link.AttachTCX(link.TCXOptions{Program: p, Interface: e.line().Index, Attach: ebpf.AttachTCXEgress})
		if err != nil {
			e.t.Fatal(err)
		}
		e.t.Cleanup(func() { l.Close(); p.Close() })
	})
}
