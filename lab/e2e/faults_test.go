package lab_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"pppoectl/cause"
	"pppoectl/netspace"
)

// Faults of docs/faults.md with real processes, a real cable and real packets: the
// times that the simulated clock gives are those of the world, but for the moment
// of the last echo and the machine's load.
func TestFaultsOnARealCable(t *testing.T) {
	const login = "user@bizf.example.jp"
	var mu sync.Mutex
	var table strings.Builder
	t.Cleanup(func() { t.Logf("what happens; nothing came through for; sessions begun; cause\n%s", &table) })
	for _, c := range []struct {
		name   string
		fault  []string
		watch  time.Duration
		atMost time.Duration // without a reply
		cause  cause.Code    // None: the session stays
	}{
		{"the session is forgotten", []string{"drop " + login}, 22 * time.Second, 19 * time.Second, cause.EchoLost},
		{"PADT", []string{"padt " + login}, 6 * time.Second, 4 * time.Second, cause.PADT},
		{"LCP Terminate-Request", []string{"terminate " + login}, 6 * time.Second, 4 * time.Second, cause.Terminated},
		{"silence for 8 s", []string{"silence 8s"}, 12 * time.Second, 10 * time.Second, cause.None},
		{"20 % of the frames are lost", []string{"lose 20%"}, 12 * time.Second, 3 * time.Second, cause.None},
		{"all frames come twice", []string{"duplicate 100%"}, 8 * time.Second, 3 * time.Second, cause.None},
		{"LCP begins anew", []string{"renegotiate " + login}, 4 * time.Second, 3 * time.Second, cause.None},
		{"another address, PADT", []string{"address " + login + " 203.0.113.99", "padt " + login}, 6 * time.Second, 4 * time.Second, cause.PADT},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			f := s.fletsimOn(s.line, "br0", "failures: 3", "failures: 60")
			s.run("bizf")
			s.up("bizf")
			before, sessions := s.uplink("bizf"), len(f.events("session", ""))
			gap := s.outage(c.watch, func() {
				for _, command := range c.fault {
					f.do(command)
				}
			})
			u := s.uplink("bizf")
			same := u.SessionID == before.SessionID && *u.AC == *before.AC
			if !isUp(u) || same != (c.cause == cause.None) {
				t.Errorf("%s; session %d at %v, was %d at %v", u.State, u.SessionID, u.AC, before.SessionID, before.AC)
			}
			code := cause.None
			if u.LastDrop != nil {
				code = u.LastDrop.Cause
			}
			if code != c.cause {
				t.Errorf("dropped by %v, want %v", code, c.cause)
			}
			if gap > c.atMost {
				t.Errorf("nothing came through for %v, want %v at most", gap, c.atMost)
			}
			begun := len(f.events("session", "")) - sessions
			if want := map[bool]int{true: 0, false: 1}[same]; begun != want {
				t.Errorf("%d sessions begun, want %d", begun, want)
			}
			if strings.HasPrefix(c.name, "another address") && u.IPv4.Local != "203.0.113.99" {
				t.Errorf("its address is %s", u.IPv4.Local)
			}
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(&table, "%-28s %8v %d %s\n", c.name, gap.Round(10*time.Millisecond), begun, code)
		})
	}
}

// outage does something and pings each 20 ms for a while. It returns the longest
// time without a reply.
func (s *site) outage(watch time.Duration, do func()) time.Duration {
	s.t.Helper()
	var c *icmp.PacketConn
	err := netspace.Do(netspace.Path(s.host.Name), func() (err error) {
		c, err = icmp.ListenPacket("ip4:icmp", "0.0.0.0")
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	s.ping(behindAC)
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 7, Data: []byte("outage")}}
	b, err := m.Marshal(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	do()
	to := &net.IPAddr{IP: net.ParseIP(behindAC)}
	last, longest := time.Now(), time.Duration(0)
	buf := make([]byte, 1500)
	for end := last.Add(watch); time.Now().Before(end); {
		c.WriteTo(b, to) // without a route it fails, and that is an outage, too
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		for {
			n, _, err := c.ReadFrom(buf)
			if err != nil {
				break
			}
			if r, err := icmp.ParseMessage(1, buf[:n]); err == nil && r.Type == ipv4.ICMPTypeEchoReply {
				longest = max(longest, time.Since(last))
				last = time.Now()
			}
		}
	}
	return max(longest, time.Since(last))
}
