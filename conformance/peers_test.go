package conformance

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"pppoectl/concentrator"
	"pppoectl/dhcpv6"
	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

var (
	ours   = pppoe.MAC{2, 0, 0, 0, 0, 1}
	theirs = pppoe.MAC{2, 0, 0, 0, 0, 2}
)

// machine is a peer in memory.
type machine interface {
	step(now time.Duration, f *pppoe.Frame) ([]pppoe.Frame, time.Duration)
}

// host is our client, which dials whenever it is down, and asks for a prefix
// whenever it has IPv6.
type host struct {
	m        *session.Machine
	pd       *dhcpv6.Client
	deadline time.Duration // of pd
}

func newHost(mtu int, families ...session.Family) *host {
	cfg := session.Config{
		MAC: theirs, MTU: mtu, Username: "user@bizf.example.jp", Password: "secret4",
		Auth: []lcp.Auth{lcp.AuthCHAPMD5, lcp.AuthPAP}, Families: families, IPCP: ipcp.Config{DNS: true},
		InterfaceID: ipv6cp.Identifier{2, 0, 0, 0, 0, 0, 0, 9},
		Echo:        lcp.EchoConfig{Interval: 10 * time.Second}, Failures: 5, DeadAfter: time.Minute,
	}
	if mtu > pppoe.MaxMTU {
		cfg.Discovery.MaxPayload = mtu
	}
	r := rand.New(rand.NewPCG(1, 2))
	return &host{m: session.New(cfg, r), pd: dhcpv6.New(dhcpv6.Config{DUID: dhcpv6.LinkLayerDUID(theirs[:]), IAID: 1}, r)}
}

func (h *host) step(now time.Duration, f *pppoe.Frame) ([]pppoe.Frame, time.Duration) {
	in := session.Input{Frame: f}
	if h.m.Phase() == session.Down {
		in = session.Input{Command: session.Dial}
	}
	out := h.m.Step(now, in)
	for _, e := range out.Events {
		switch {
		case e.Kind == session.NetworkUp && e.Family == session.IPv6:
			out.Frames = append(out.Frames, h.delegation(now, dhcpv6.Input{Command: dhcpv6.Start})...)
		case e.Kind == session.NetworkDown && e.Family == session.IPv6:
			h.delegation(now, dhcpv6.Input{Command: dhcpv6.Stop})
		}
	}
	if b, ok := datagramOf(f); ok && h.m.Info().IPv6 != nil {
		out.Frames = append(out.Frames, h.delegation(now, dhcpv6.Input{Message: b})...)
	} else if h.deadline != 0 && h.deadline <= now {
		out.Frames = append(out.Frames, h.delegation(now, dhcpv6.Input{})...)
	}
	next := out.Deadline
	if next == 0 {
		next = now + time.Second
	}
	if h.deadline != 0 {
		next = min(next, h.deadline)
	}
	return out.Frames, next
}

// delegation has the DHCPv6 client do something.
func (h *host) delegation(now time.Duration, in dhcpv6.Input) (frames []pppoe.Frame) {
	out := h.pd.Step(now, in)
	h.deadline = out.Deadline
	info := h.m.Info()
	for _, m := range out.Messages {
		b := ppp.AppendFrame(nil, ppp.IPv6, udp6(info.IPv6.Local, allServers, clientPort, serverPort, m))
		b = pppoe.Packet{SessionID: info.SessionID, Payload: b}.AppendTo(nil)
		frames = append(frames, pppoe.Frame{Dst: info.AC, Src: theirs, EtherType: pppoe.EtherTypeSession, Payload: b})
	}
	return frames
}

// datagramOf returns what the UDP datagram of a frame holds.
func datagramOf(f *pppoe.Frame) ([]byte, bool) {
	const headers = pppoe.HeaderLen + 2 + 40 + 8
	if f == nil || f.EtherType != pppoe.EtherTypeSession || len(f.Payload) < headers || f.Payload[7] != byte(ppp.IPv6) {
		return nil, false
	}
	return f.Payload[headers:], true
}

// server is our access concentrator.
type server struct{ ac *concentrator.AC }

func newServer(auth lcp.Auth) *server {
	login := concentrator.Login{
		Password: "secret4", IPv4: netip.MustParseAddr("203.0.113.7"), IPv6: true, Prefix: netip.MustParsePrefix("2001:db8:100::/56"),
		DNS:   [2]netip.Addr{netip.MustParseAddr("198.51.100.53"), netip.MustParseAddr("198.51.100.54")},
		Lease: concentrator.DefaultLease,
	}
	return &server{concentrator.New(concentrator.Config{
		MAC: theirs, Name: "BAS-TOKYO", Auth: []lcp.Auth{auth}, Secret: []byte("cookie"), Address: netip.MustParseAddr("203.0.113.1"),
		Subscribers: concentrator.NewSubscribers(map[string]concentrator.Login{"user@bizf.example.jp": login}),
	}, rand.New(rand.NewPCG(1, 2)))}
}

func (s *server) step(now time.Duration, f *pppoe.Frame) ([]pppoe.Frame, time.Duration) {
	out := s.ac.Step(now, f)
	return out.Frames, out.Deadline
}
