package demo

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// listener opens a socket for ICMP, here or elsewhere.
type listener func(network, address string) (*icmp.PacketConn, error)

// ping sends an echo request each second until one is answered. It returns how
// long that answer took, and how many requests had none.
func ping(listen listener, to *net.IPAddr, patience time.Duration) (rtt time.Duration, lost int, err error) {
	network, local, protocol := "ip4:icmp", "0.0.0.0", 1
	var kind, reply icmp.Type = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	if to.IP.To4() == nil {
		network, local, protocol = "ip6:ipv6-icmp", "::", 58
		kind, reply = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	c, err := listen(network, local)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	const id = 0x7070
	buf := make([]byte, 1500)
	for end := time.Now().Add(patience); time.Now().Before(end); lost++ {
		m := icmp.Message{Type: kind, Body: &icmp.Echo{ID: id, Seq: lost, Data: []byte("pppoectl demo")}}
		b, err := m.Marshal(nil) // the kernel adds ICMPv6's checksum
		if err != nil {
			return 0, lost, err
		}
		begin := time.Now()
		if _, err := c.WriteTo(b, to); err != nil {
			return 0, lost, fmt.Errorf("ping %v: %w", to, err)
		}
		if err := c.SetReadDeadline(begin.Add(time.Second)); err != nil {
			return 0, lost, err
		}
		for {
			n, _, err := c.ReadFrom(buf)
			if err != nil {
				break
			}
			answer, err := icmp.ParseMessage(protocol, buf[:n])
			if err != nil || answer.Type != reply {
				continue
			}
			if e, ok := answer.Body.(*icmp.Echo); ok && e.ID == id && e.Seq == lost {
				return time.Since(begin), lost, nil
			}
		}
	}
	return 0, lost, fmt.Errorf("ping %v: no answer within %v", to, patience)
}
