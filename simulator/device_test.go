package simulator

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"pppoectl/concentrator"
	"pppoectl/labnet"
	"pppoectl/tun"
)

// datagram returns a buffer with an IPv4 packet behind what a frame has before it: UDP from
// 10.9.0.2 port 9 to 10.9.0.1 port 9.
func datagram(text string) []byte {
	p := []byte{0x45, 0, 0, byte(28 + len(text)), 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 9, 0, 2, 10, 9, 0, 1}
	var sum uint32
	for i := 0; i < len(p); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	binary.BigEndian.PutUint16(p[10:], ^uint16(sum+sum>>16))
	p = append(p, 0, 9, 0, 9, 0, byte(8+len(text)), 0, 0) // no checksum, which IPv4 allows
	return append(make([]byte, concentrator.HeadLen), append(p, text...)...)
}

// Both kinds of device carry the same, whatever stands before the packets.
func TestDevicesCarryPackets(t *testing.T) {
	for name, open := range map[string]func(string) (device, error){
		"many": open,
		"single": func(name string) (device, error) {
			d, err := tun.Make(name)
			return single{d}, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := labnet.New(t)
			var d device
			var err error
			n.Do(func() { d, err = open("t0") })
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			n.IP("address", "add", "10.9.0.1/24", "dev", "t0")
			n.IP("link", "set", "t0", "up")
			var c net.PacketConn
			n.Do(func() { c, err = net.ListenPacket("udp4", "10.9.0.1:9") })
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))

			const count = 5
			var packets [][]byte
			for i := range count {
				p := datagram(fmt.Sprint("packet ", i))
				for j := range concentrator.HeadLen {
					p[j] = 0xff
				}
				packets = append(packets, p)
			}
			if err := d.Write(packets, concentrator.HeadLen); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 100)
			for i := range count {
				n, from, err := c.ReadFrom(buf)
				if err != nil || string(buf[:n]) != fmt.Sprint("packet ", i) || from.String() != "10.9.0.2:9" {
					t.Fatalf("%d: %q from %v, %v", i, buf[:n], from, err)
				}
				if _, err := c.WriteTo(buf[:n], from); err != nil {
					t.Fatal(err)
				}
			}
			buffers, sizes := make([][]byte, d.Size()), make([]int, d.Size())
			for i := range buffers {
				buffers[i] = make([]byte, concentrator.HeadLen+2048)
			}
			for got := 0; got < count; {
				n, err := d.Read(buffers, sizes, concentrator.HeadLen)
				if err != nil {
					t.Fatal(err)
				}
				for i := range n {
					p := buffers[i][concentrator.HeadLen:][:sizes[i]]
					if len(p) > 28 && p[0] == 0x45 && p[9] == 17 { // else it is IPv6's of a new device
						if string(p[28:]) != fmt.Sprint("packet ", got) {
							t.Errorf("%d: %q", got, p[28:])
						}
						got++
					}
				}
			}
		})
	}
}
