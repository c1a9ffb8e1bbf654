package lan_test

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mdlayher/ndp"
	"github.com/mdlayher/packet"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"pppoectl/labnet"
	"pppoectl/lan"
	"pppoectl/netconf"
)

// patience is how long a packet may take in a test.
const patience = 10 * time.Second

var routers = netip.MustParseAddr("ff02::2")

// neighbour is a host in a namespace of its own, and the cable to it.
type neighbour struct {
	*labnet.Namespace
	lan, device string // the ends of the cable: ours, and its own
}

// Devices have names that no other namespace knows: Go finds the number of a
// device by its name, and remembers it for all of the process.
var devices atomic.Uint32

// cable makes a link between the router and a host.
func cable(t *testing.T, router *labnet.Namespace, local string, addresses ...string) neighbour {
	t.Helper()
	n := devices.Add(1)
	h := neighbour{labnet.New(t), fmt.Sprintf("lan%d", n), fmt.Sprintf("host%d", n)}
	labnet.Veth(router, h.lan, h.Namespace, h.device)
	router.IP("link", "set", h.lan, "addrgenmode", "none", "up")
	h.IP("link", "set", h.device, "addrgenmode", "none", "up")
	router.Ready(h.lan)
	h.Ready(h.device)
	address(t, router, h.lan, local)
	for _, a := range addresses {
		address(t, h.Namespace, h.device, a)
	}
	return h
}

// address gives a device an address that can be used at once.
func address(t *testing.T, ns *labnet.Namespace, device, a string) {
	t.Helper()
	var err error
	ns.Do(func() {
		err = netconf.Linux{}.AddAddress(netconf.Address{Device: device, Address: netip.PrefixFrom(netip.MustParseAddr(a), 64)})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func device(t *testing.T, ns *labnet.Namespace, name string) (ifi *net.Interface) {
	t.Helper()
	var err error
	ns.Do(func() { ifi, err = net.InterfaceByName(name) })
	if err != nil {
		t.Fatal(err)
	}
	return ifi
}

func listen(t *testing.T, ns *labnet.Namespace, name string) (s *lan.Socket) {
	t.Helper()
	ifi := device(t, ns, name)
	var err error
	ns.Do(func() { s, err = lan.Listen(*ifi) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// conn opens a host's own socket.
func (h neighbour) conn(t *testing.T, local string) (c *ndp.Conn) {
	t.Helper()
	ifi := device(t, h.Namespace, h.device)
	var err error
	h.Do(func() { c, _, err = ndp.Listen(ifi, ndp.Addr(local)) })
	if err == nil {
		err = c.SetControlMessage(ipv6.FlagHopLimit, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// solicit sends a Router Solicitation; a hop limit that is not 255 tells that it
// has come through a router.
func solicit(t *testing.T, c *ndp.Conn, hops int) {
	t.Helper()
	if err := c.WriteTo(&ndp.RouterSolicitation{}, &ipv6.ControlMessage{HopLimit: hops}, routers); err != nil {
		t.Fatal(err)
	}
}

// expect waits for who asks next.
func expect(t *testing.T, s *lan.Socket, want string) {
	t.Helper()
	select {
	case got := <-s.Asked():
		if got.String() != want {
			t.Errorf("asked by %v, want %s", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("nobody asks, want %s", want)
	}
}

func TestSolicitationIsHeardAndAnswered(t *testing.T) {
	ns := labnet.New(t)
	h := cable(t, ns, "fe80::1", "fe80::a")
	s, c := listen(t, ns, h.lan), h.conn(t, "fe80::a")
	solicit(t, c, 255)
	expect(t, s, "fe80::a")
	for _, to := range []string{"fe80::a", "ff02::1"} {
		ra := &ndp.RouterAdvertisement{CurrentHopLimit: 64, RouterLifetime: 2700 * time.Second}
		if err := s.Send(lan.Message{To: netip.MustParseAddr(to), Advertisement: ra}); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		m, cm, from, err := c.ReadFrom()
		for ; err == nil && m.Type() != ipv6.ICMPTypeRouterAdvertisement; m, cm, from, err = c.ReadFrom() {
		}
		if err != nil {
			t.Fatalf("to %s: %v", to, err)
		}
		if got := m.(*ndp.RouterAdvertisement); cm.HopLimit != 255 || from.WithZone("").String() != "fe80::1" || got.RouterLifetime != ra.RouterLifetime {
			t.Errorf("to %s: from %v with hop limit %d: %+v", to, from, cm.HopLimit, got)
		}
	}
}

// A hop limit below 255 is the mark of a router on the way: somebody far away.
func TestForgedSolicitationIsIgnored(t *testing.T) {
	ns := labnet.New(t)
	h := cable(t, ns, "fe80::1", "fe80::a", "fe80::b")
	s := listen(t, ns, h.lan)
	forger := h.conn(t, "fe80::a")
	for _, hops := range []int{64, 254, 1} {
		solicit(t, forger, hops)
	}
	// What is no solicitation is none of its business either.
	if err := forger.WriteTo(&ndp.RouterAdvertisement{}, nil, routers); err != nil {
		t.Fatal(err)
	}
	solicit(t, h.conn(t, "fe80::b"), 255)
	expect(t, s, "fe80::b") // the first that is heard
}

// An option of length 0 has no end (CVE-2026-14258 is dhcpcd's).
func TestBrokenSolicitationIsIgnored(t *testing.T) {
	ns := labnet.New(t)
	h := cable(t, ns, "fe80::1", "fe80::a", "fe80::b")
	s := listen(t, ns, h.lan)
	broken := h.icmp(t, "fe80::a")
	for _, message := range [][]byte{
		{133, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 1}, // of length 0
		{133, 0, 0, 0, 0, 0, 0, 0, 1, 9, 2, 0, 0, 0, 0, 1}, // past the end
		{133, 0, 0, 0, 0, 0, 0, 0, 1},
		{133, 0, 0, 0, 0, 0},
		{133, 0, 0, 0},
	} {
		to := &net.IPAddr{IP: routers.AsSlice(), Zone: h.device}
		if _, err := broken.WriteTo(message, &ipv6.ControlMessage{HopLimit: 255}, to); err != nil {
			t.Fatal(err)
		}
	}
	solicit(t, h.conn(t, "fe80::b"), 255)
	expect(t, s, "fe80::b") // the first that is heard
}

// icmp opens a host's socket for what it makes itself.
func (h neighbour) icmp(t *testing.T, local string) *ipv6.PacketConn {
	t.Helper()
	var c net.PacketConn
	var err error
	h.Do(func() { c, err = net.ListenIP("ip6:ipv6-icmp", &net.IPAddr{IP: net.ParseIP(local), Zone: h.device}) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return ipv6.NewPacketConn(c)
}

func TestEachSocketHearsItsOwnInterfaceOnly(t *testing.T) {
	ns := labnet.New(t)
	one, two := cable(t, ns, "fe80::1", "fe80::a"), cable(t, ns, "fe80::1", "fe80::b")
	s0, s1 := listen(t, ns, one.lan), listen(t, ns, two.lan)
	a, b := one.conn(t, "fe80::a"), two.conn(t, "fe80::b")
	solicit(t, a, 255)
	expect(t, s0, "fe80::a")
	solicit(t, b, 255)
	expect(t, s1, "fe80::b")
	solicit(t, a, 255)
	expect(t, s0, "fe80::a") // and nothing of the other LAN's before it
}

// raw sends a Router Solicitation from the unspecified address, which no socket of
// a host's kernel would.
func (h neighbour) raw(t *testing.T, options ...ndp.Option) {
	t.Helper()
	ifi := device(t, h.Namespace, h.device)
	var c *packet.Conn
	var err error
	h.Do(func() { c, err = packet.Listen(ifi, packet.Raw, unix.ETH_P_IPV6, nil) })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body, err := ndp.MarshalMessageChecksum(&ndp.RouterSolicitation{Options: options}, netip.IPv6Unspecified(), routers)
	if err != nil {
		t.Fatal(err)
	}
	multicast := net.HardwareAddr{0x33, 0x33, 0, 0, 0, 2}
	frame := append(append(append([]byte{}, multicast...), ifi.HardwareAddr...), 0x86, 0xdd)
	frame = append(frame, 6<<4, 0, 0, 0, 0, byte(len(body)), 58, 255)
	frame = append(frame, make([]byte, 16)...)
	frame = append(append(frame, routers.AsSlice()...), body...)
	if _, err := c.WriteTo(frame, &packet.Addr{HardwareAddr: multicast}); err != nil {
		t.Fatal(err)
	}
}

// RFC 4861 section 6.1.1: a host without an address may ask, but not name an
// Ethernet address. Options that are not known are nothing to worry about.
func TestHostWithoutAnAddressMayAsk(t *testing.T) {
	ns := labnet.New(t)
	h := cable(t, ns, "fe80::1", "fe80::a")
	s := listen(t, ns, h.lan)
	h.raw(t, &ndp.LinkLayerAddress{Direction: ndp.Source, Addr: net.HardwareAddr{2, 0, 0, 0, 0, 9}})
	c := h.conn(t, "fe80::a")
	solicit(t, c, 255)
	expect(t, s, "fe80::a") // the first that is heard
	h.raw(t)
	expect(t, s, "::")
	h.raw(t, ndp.NewNonce()) // RFC 7527 has hosts without an address send one
	solicit(t, c, 255)
	expect(t, s, "::")
}

// receivers counts the goroutines that a socket has.
func receivers() int {
	b := make([]byte, 1<<20)
	return strings.Count(string(b[:runtime.Stack(b, true)]), "lan.(*Socket).receive(")
}

func TestClosedSocketLeavesNoGoroutine(t *testing.T) {
	ns := labnet.New(t)
	h := cable(t, ns, "fe80::1")
	before := receivers()
	for range 10 {
		s := listen(t, ns, h.lan)
		s.Close()
		s.Close() // a second time is no harm
		if err := s.Send(lan.Message{To: allNodes, Advertisement: &ndp.RouterAdvertisement{}}); err == nil {
			t.Error("a closed socket still sends")
		}
	}
	for end := time.Now().Add(patience); receivers() > before; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines are left", receivers()-before)
		}
	}
}

// Without a link-local address nothing can be advertised, and the error says where.
func TestInterfaceWithoutALinkLocalAddressIsAnError(t *testing.T) {
	ns := labnet.New(t)
	h := cable(t, ns, "2001:db8::1")
	ifi := device(t, ns, h.lan)
	var s *lan.Socket
	var err error
	ns.Do(func() { s, err = lan.Listen(*ifi) })
	if err == nil || !strings.Contains(err.Error(), h.lan) {
		t.Errorf("%v", err)
	}
	if s != nil {
		s.Close()
	}
}

// A bridge that is made anew, as `ip link del` and a restart of the network do, is
// another interface of the same name, and can be advertised on at once.
func TestInterfaceThatWasMadeAnewIsListenedOnAtOnce(t *testing.T) {
	ns := labnet.New(t)
	h := cable(t, ns, "fe80::1")
	listen(t, ns, h.lan).Close()
	ns.IP("link", "del", h.lan)
	labnet.Veth(ns, h.lan, h.Namespace, h.device)
	ns.IP("link", "set", h.lan, "addrgenmode", "none", "up")
	h.IP("link", "set", h.device, "addrgenmode", "none", "up")
	address(t, ns, h.lan, "fe80::1")
	listen(t, ns, h.lan)
}
