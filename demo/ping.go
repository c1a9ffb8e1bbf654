package demo

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// ping sends one echo request and returns how long its answer took.
func ping(to *net.IPAddr, patience time.Duration) (time.Duration, error) {
	network, local, protocol := "ip4:icmp", "0.0.0.0", 1
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 0x7070, Seq: 1, Data: []byte("pppoectl demo")}}
	if to.IP.To4() == nil {
		network, local, protocol = "ip6:ipv6-icmp", "::", 58
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	c, err := icmp.ListenPacket(network, local)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	b, err := m.Marshal(nil) // the kernel adds ICMPv6's checksum
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := c.SetDeadline(begin.Add(patience)); err != nil {
		return 0, err
	}
	if _, err := c.WriteTo(b, to); err != nil {
		return 0, fmt.Errorf("ping %v: %w", to, err)
	}
	for buf := make([]byte, 1500); ; {
		n, _, err := c.ReadFrom(buf)
		if err != nil {
			return 0, fmt.Errorf("ping %v: %w", to, err)
		}
		answer, err := icmp.ParseMessage(protocol, buf[:n])
		if err != nil || answer.Type != ipv4.ICMPTypeEchoReply && answer.Type != ipv6.ICMPTypeEchoReply {
			continue
		}
		if e, ok := answer.Body.(*icmp.Echo); ok && e.ID == 0x7070 {
			return time.Since(begin), nil
		}
	}
}
