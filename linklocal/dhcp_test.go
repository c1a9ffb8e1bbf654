package linklocal_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/labnet"
	"pppoectl/linklocal"
	"pppoectl/netconf"
)

// patience is how long a packet may take in a test.
const patience = 10 * time.Second

// link is a PPP link as a cable: the client at one end, servers at the other.
type link struct {
	t              *testing.T
	client, server *labnet.Namespace
}

func newLink(t *testing.T) *link {
	t.Helper()
	l := &link{t, labnet.New(t), labnet.New(t)}
	l.connect()
	return l
}

// connect makes the link.
func (l *link) connect() {
	l.t.Helper()
	labnet.Veth(l.client, "bizf6", l.server, "ppp0")
	l.client.IP("link", "set", "bizf6", "addrgenmode", "none", "up")
	l.server.IP("link", "set", "ppp0", "addrgenmode", "none", "up")
	l.client.Ready("bizf6")
	l.server.Ready("ppp0")
	for _, a := range []string{"fe80::1", "2001:db8::1"} {
		l.address(l.client, "bizf6", a)
	}
	for _, a := range []string{"fe80::2", "2001:db8::2"} {
		l.address(l.server, "ppp0", a)
	}
}

// address gives a device an address that can be used at once.
func (l *link) address(ns *labnet.Namespace, device, a string) {
	l.t.Helper()
	var err error
	ns.Do(func() {
		err = netconf.Linux{}.AddAddress(netconf.Address{Device: device, Address: netip.PrefixFrom(netip.MustParseAddr(a), 64)})
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// dial opens the client's socket.
func (l *link) dial() (*linklocal.DHCP, error) {
	l.t.Helper()
	var d *linklocal.DHCP
	var err error
	l.client.Do(func() { d, err = linklocal.OpenDHCP("bizf6", netip.MustParseAddr("fe80::1")) })
	if err == nil {
		l.t.Cleanup(d.Close)
	}
	return d, err
}

func (l *link) open() *linklocal.DHCP {
	l.t.Helper()
	d, err := l.dial()
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

// say sends something to the client from an address of the other end.
func (l *link) say(from, message string) {
	l.t.Helper()
	var err error
	l.server.Do(func() {
		local := &net.UDPAddr{IP: net.ParseIP(from), Port: 547, Zone: "ppp0"}
		if local.IP.IsGlobalUnicast() {
			local.Zone = ""
		}
		var c *net.UDPConn
		if c, err = net.ListenUDP("udp6", local); err != nil {
			return
		}
		defer c.Close()
		_, err = c.WriteTo([]byte(message), &net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 546, Zone: "ppp0"})
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// next is what the client receives next.
func (l *link) next(d *linklocal.DHCP) []byte {
	l.t.Helper()
	select {
	case m := <-d.Messages():
		return m
	case <-time.After(patience):
		l.t.Fatal("nothing is received")
		return nil
	}
}

// A PPP link has two ends, and the other one's address there is link-local. What
// comes from further away was sent by somebody else.
func TestOnlyServersOfTheLinkAreHeard(t *testing.T) {
	l := newLink(t)
	d := l.open()
	l.say("2001:db8::2", "from afar")
	l.say("fe80::2", "first")
	l.say("2001:db8::2", "from afar again")
	l.say("fe80::2", "second")
	for _, want := range []string{"first", "second"} {
		if got := string(l.next(d)); got != want {
			t.Errorf("received %q, want %q", got, want)
		}
	}
}

// Messages go to all servers of the link, from the client's port and link-local
// address (RFC 8415 section 14.1).
func TestMessagesReachAllServers(t *testing.T) {
	l := newLink(t)
	d := l.open()
	var c *net.UDPConn
	var err error
	l.server.Do(func() {
		var ifi *net.Interface
		if ifi, err = net.InterfaceByName("ppp0"); err == nil {
			c, err = net.ListenMulticastUDP("udp6", ifi, &net.UDPAddr{IP: net.ParseIP("ff02::1:2"), Port: 547})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := errors.Join(d.Send([]byte("solicit")), c.SetReadDeadline(time.Now().Add(patience))); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil || string(b[:n]) != "solicit" || from.Port() != 546 || from.Addr().WithZone("").String() != "fe80::1" {
		t.Errorf("%q from %v, %v", b[:n], from, err)
	}
}

// The commonest reason why there is no prefix: another client has the port.
func TestAnotherProgramOnThePortIsNamed(t *testing.T) {
	for _, local := range []string{"::", "fe80::1"} {
		t.Run(local, func(t *testing.T) {
			l := newLink(t)
			var c *net.UDPConn
			var err error
			l.client.Do(func() {
				a := &net.UDPAddr{IP: net.ParseIP(local), Port: 546}
				if a.IP.IsLinkLocalUnicast() {
					a.Zone = "bizf6"
				}
				c, err = net.ListenUDP("udp6", a)
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = l.dial()
			if !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), "another program has port 546 on bizf6; end its DHCPv6 client there") {
				t.Errorf("%v", err)
			}
			c.Close()
			l.open() // and now it is free
		})
	}
}

func TestAddressThatIsNotThereIsAnError(t *testing.T) {
	l := newLink(t)
	l.client.IP("addr", "del", "fe80::1/64", "dev", "bizf6")
	if _, err := l.dial(); err == nil || !strings.Contains(err.Error(), "DHCPv6") {
		t.Errorf("%v", err)
	}
}

// `down` deletes the device and `up` makes another one of the same name: DHCPv6 must
// work on it at once.
func TestDeviceThatWasMadeAnewIsOpenedAtOnce(t *testing.T) {
	l := newLink(t)
	l.open().Close()
	l.client.IP("link", "del", "bizf6")
	l.connect()
	l.open()
}

// What is too long is cut, and costs nobody else anything.
func TestLongMessagesAreCut(t *testing.T) {
	l := newLink(t)
	d := l.open()
	whole := bytes.Repeat([]byte("x"), 4096)
	for _, n := range []int{4096, 4097, 9000, 60000} {
		l.say("fe80::2", string(bytes.Repeat([]byte("x"), n)))
		if got := l.next(d); !bytes.Equal(got, whole) {
			t.Errorf("of %d octets %d came", n, len(got))
		}
		l.say("fe80::2", "next")
		if got := string(l.next(d)); got != "next" {
			t.Errorf("after %d octets: %q", n, got)
		}
	}
	l.say("fe80::2", "")
	if got := l.next(d); len(got) != 0 {
		t.Errorf("of nothing %q came", got)
	}
}

// receivers counts the goroutines that sockets have.
func receivers() int {
	b := make([]byte, 1<<20)
	return strings.Count(string(b[:runtime.Stack(b, true)]), "linklocal.(*DHCP).receive(")
}

// Whether somebody takes the messages or not: a closed socket leaves no goroutine,
// and gives the port free.
func TestClosedSocketLeavesNoGoroutine(t *testing.T) {
	l := newLink(t)
	before := receivers()
	for range 10 {
		d := l.open()
		for range 20 { // more than anybody takes
			l.say("fe80::2", "flood")
		}
		l.next(d)
		d.Close()
		d.Close() // a second time is no harm
		if err := d.Send([]byte("x")); err == nil {
			t.Error("a closed socket still sends")
		}
	}
	for end := time.Now().Add(patience); receivers() > before; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines are left", receivers()-before)
		}
	}
}
