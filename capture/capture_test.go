package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"pppoectl/lab/captures"
	"pppoectl/labnet"
	"pppoectl/pppoe"
	"pppoectl/rawsocket"
	"pppoectl/tun"
)

// wire is a line between two namespaces, and a TUN device beside our end.
type wire struct {
	t        *testing.T
	ns, peer *labnet.Namespace
	mac, ac  pppoe.MAC
	device   *tun.Device

	mu    sync.Mutex
	view  View
	looks int
}

func newWire(t *testing.T) *wire {
	t.Helper()
	labnet.Supported(t)
	t.Parallel()
	w := &wire{t: t, ns: labnet.New(t), peer: labnet.New(t)}
	w.ns.NoIPv6()
	w.peer.NoIPv6()
	labnet.Veth(w.ns, "eth1", w.peer, "eth1")
	for _, n := range []*labnet.Namespace{w.ns, w.peer} {
		n.IP("link", "set", "eth1", "up")
	}
	w.ns.Ready("eth1")
	w.peer.Ready("eth1")
	w.mac, w.ac = address(t, w.ns), address(t, w.peer)
	w.ns.Do(func() {
		var err error
		if w.device, err = tun.Make("ppp7"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.device.Close() })
	})
	w.ns.IP("link", "set", "ppp7", "up")
	w.view = View{Line: "eth1", Device: "ppp7"}
	return w
}

// address is the Ethernet address of an end of the line.
func address(t *testing.T, n *labnet.Namespace) (mac pppoe.MAC) {
	n.Do(func() {
		ifi, err := net.InterfaceByName("eth1")
		if err != nil {
			t.Fatal(err)
		}
		mac = pppoe.MAC(ifi.HardwareAddr)
	})
	return mac
}

func (w *wire) look(context.Context) (View, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	return w.view, nil
}

// looked waits until the capture does what the present view says: it takes a view once it has
// followed the one before, and what is seen third is later than both.
func (w *wire) looked() {
	w.t.Helper()
	looks := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.looks
	}
	third := looks() + 3
	await(w.t, "a third look", func() bool { return looks() >= third })
}

// await waits as long as a busy machine takes.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("there is not %s", what)
		}
	}
}

// output is where a capture goes.
type output struct {
	mu sync.Mutex
	bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Buffer.Write(b)
}

func (o *output) has(text string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Contains(o.Bytes(), []byte(text))
}

func (w *wire) now(v View) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.view = v
}

// send sends frames from either end.
func (w *wire) send(n *labnet.Namespace, frames ...[]byte) {
	w.t.Helper()
	n.Do(func() {
		ifi, err := net.InterfaceByName("eth1")
		if err != nil {
			w.t.Fatal(err)
		}
		c, err := rawsocket.Listen(*ifi, pppoe.EtherTypeDiscovery, []bpf.Instruction{reject}, 1)
		if err != nil {
			w.t.Fatal(err)
		}
		defer c.Close()
		for _, f := range frames {
			if _, err := c.WriteTo(f, &packet.Addr{HardwareAddr: f[:6]}); err != nil {
				w.t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // for an order
		}
	})
}

// receive has the TUN device receive a packet.
func (w *wire) receive(packets ...[]byte) {
	w.t.Helper()
	for _, p := range packets {
		if _, err := w.device.Write(append(make([]byte, tun.HeaderLen), p...)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// captured expects that frames with these names, which is what stands behind the headers, and no
// others are captured while f runs, and until they are there.
func (w *wire) captured(o Options, f func(), want ...string) {
	w.t.Helper()
	var c *Capture
	w.ns.Do(func() {
		v, _ := w.look(w.t.Context())
		var err error
		if c, err = Open(v, o); err != nil {
			w.t.Fatal(err)
		}
	})
	ctx, cancel := context.WithCancel(w.t.Context())
	var out output
	var r Result
	done := make(chan error, 1)
	go func() {
		var err error
		w.ns.Do(func() { r, err = c.Run(ctx, &out, w.look) })
		done <- err
	}()
	f()
	for _, name := range want {
		await(w.t, name, func() bool { return out.has(name) })
	}
	cancel()
	if err := <-done; err != nil {
		w.t.Error(err)
	}
	var names []string
	for _, f := range captures.ReadNg(w.t, &out.Buffer) {
		if age := time.Since(f.At); age < 0 || age > time.Minute {
			w.t.Errorf("a frame is %v old", age)
		}
		names = append(names, string(bytes.TrimRight(f.Data[headerLen+20:], "\x00")))
	}
	if r.Frames != uint64(len(names)) || r.Lost != 0 {
		w.t.Errorf("%+v, there are %d frames", r, len(names))
	}
	if !slices.Equal(names, want) {
		w.t.Errorf("%+v: %q, want %q", o, names, want)
	}
}

// frame is a session frame with a name behind 20 octets.
func frame(dst, src pppoe.MAC, id, protocol uint16, name string) []byte {
	ppp := binary.BigEndian.AppendUint16(nil, protocol)
	ppp = append(append(ppp, make([]byte, 20)...), name...)
	b := pppoe.Packet{SessionID: id, Payload: ppp}.AppendTo(nil)
	return pppoe.Frame{Dst: dst, Src: src, EtherType: pppoe.EtherTypeSession, Payload: b}.AppendTo(nil)
}

func padi(dst, src pppoe.MAC, name string) []byte {
	b := pppoe.Packet{Code: pppoe.PADI, Payload: append(make([]byte, headerLen), name...)}.AppendTo(nil)
	return pppoe.Frame{Dst: dst, Src: src, EtherType: pppoe.EtherTypeDiscovery, Payload: b}.AppendTo(nil)
}

// tagged puts a frame into a VLAN.
func tagged(f []byte) []byte {
	return append(append(append([]byte{}, f[:12]...), 0x81, 0, 0, 5), f[12:]...)
}

// IPv4 packets with a name behind the header.
func ipNamed(name string) []byte {
	p := append(make([]byte, 20), name...)
	p[0], p[3], p[8], p[9] = 0x45, byte(len(p)), 64, 253
	copy(p[12:], []byte{192, 0, 2, 1, 192, 0, 2, 2})
	binary.BigEndian.PutUint16(p[10:], fold(sum(p[:20], 0)))
	return p
}

func TestOnlyFramesOfTheUplinkAreWritten(t *testing.T) {
	w := newWire(t)
	session, others := Session{w.ac, 7}, Session{w.ac, 8}
	v := View{Line: "eth1", Device: "ppp7", Session: session, Others: []Session{others}, Carried: true}
	w.now(v)
	everything := func() {
		w.send(w.ns,
			padi(pppoe.Broadcast, w.mac, "PADI"),
			frame(w.ac, w.mac, 7, 0xc021, "LCP out"),
			frame(w.ac, w.mac, 7, 0x0021, "IP out"),
			frame(w.ac, w.mac, 8, 0xc021, "-other LCP out"),
			frame(w.ac, w.mac, 8, 0x0021, "-other IP out"),
			tagged(frame(w.ac, w.mac, 7, 0xc021, "-VLAN")),
			tagged(padi(pppoe.Broadcast, w.mac, "-VLAN")),
		)
		other := pppoe.MAC{2, 9, 9, 9, 9, 9}
		w.send(w.peer,
			padi(w.mac, w.ac, "PADO"),
			padi(other, w.ac, "-of another host"),
			frame(w.mac, w.ac, 7, 0xc021, "LCP in"),
			frame(w.mac, w.ac, 7, 0x0057, "IP in"),
			frame(other, w.ac, 7, 0xc021, "-of another host"),
			frame(w.mac, other, 7, 0xc021, "-another AC"),
			frame(w.mac, w.ac, 8, 0x8021, "-other IPCP in"),
			pppoe.Frame{Dst: w.mac, Src: w.ac, EtherType: 0x0800, Payload: append(make([]byte, 30), "-IPoE"...)}.AppendTo(nil),
			tagged(frame(w.mac, w.ac, 7, 0xc021, "-VLAN")),
			frame(w.mac, w.ac, 7, 0x8021, "IPCP in"),
		)
		w.receive(ipNamed("IP in, stripped"))
		time.Sleep(patience + settle) // after which what is nobody's here is given up
	}
	w.captured(Options{}, everything, "PADI", "LCP out", "PADO", "LCP in", "IPCP in")
	w.captured(Options{Data: true}, everything, "PADI", "LCP out", "IP out", "PADO", "LCP in", "IP in", "IPCP in")
	v.Stripped = true
	w.now(v)
	w.captured(Options{Data: true}, everything, "PADI", "LCP out", "IP out", "PADO", "LCP in", "IPCP in", "IP in, stripped")
}

// A session that is dialled anew is known too late for its first frames, which wait.
func TestNextSessionIsFollowed(t *testing.T) {
	w := newWire(t)
	v := View{Line: "eth1", Device: "ppp7", Session: Session{w.ac, 7}, Carried: true, Stripped: true}
	w.now(v)
	w.captured(Options{Data: true}, func() {
		w.send(w.peer, frame(w.mac, w.ac, 7, 0xc021, "old LCP"))
		w.send(w.ns, padi(w.ac, w.mac, "PADR"), frame(w.ac, w.mac, 9, 0xc021, "new LCP"))
		time.Sleep(patience / 10) // of the daemon's disk
		v.Session, v.Carried, v.Stripped = Session{w.ac, 9}, false, false
		w.now(v)
		w.looked()
		w.receive(ipNamed("new IP")) // still by the same path, as far as is known
		w.send(w.ns, frame(w.ac, w.mac, 9, 0x0021, "new IP out"))
		w.send(w.ns, frame(w.ac, w.mac, 7, 0x0021, "-old IP out"))
		w.send(w.ns, frame(w.ac, w.mac, 7, 0xc021, "old LCP out"))
		v.Carried = true // by another path
		w.now(v)
		w.looked()
		w.receive(ipNamed("-twice"))
		w.send(w.peer, frame(w.mac, w.ac, 9, 0x0021, "new IP in"))
	}, "old LCP", "PADR", "new LCP", "new IP", "new IP out", "old LCP out", "new IP in")
}

// Interfaces that go and come again are listened on again.
func TestInterfacesComeAgain(t *testing.T) {
	w := newWire(t)
	w.now(View{Line: "eth1", Device: "ppp7", Session: Session{w.ac, 7}, Carried: true, Stripped: true})
	w.captured(Options{Data: true}, func() {
		w.send(w.ns, frame(w.ac, w.mac, 7, 0xc021, "before"))
		w.ns.IP("link", "delete", "eth1")
		w.device.Close()
		w.looked()
		labnet.Veth(w.ns, "eth1", w.peer, "eth1")
		w.ns.IP("link", "set", "eth1", "up")
		w.peer.IP("link", "set", "eth1", "up")
		w.ns.Ready("eth1")
		w.ns.Do(func() {
			var err error
			if w.device, err = tun.Make("ppp7"); err != nil {
				t.Error(err)
			}
		})
		w.ns.IP("link", "set", "ppp7", "up")
		w.looked()
		w.send(w.ns, frame(w.ac, address(t, w.ns), 7, 0xc021, "after")) // the address is another one
		w.receive(ipNamed("on the device"))
	}, "before", "after", "on the device")
}

func TestCountAndDisk(t *testing.T) {
	w := newWire(t)
	w.now(View{Line: "eth1", Device: "ppp7", Session: Session{w.ac, 7}, Carried: true})
	w.captured(Options{Frames: 2}, func() {
		w.send(w.ns, frame(w.ac, w.mac, 7, 0xc021, "first"), frame(w.ac, w.mac, 7, 0xc021, "second"), frame(w.ac, w.mac, 7, 0xc021, "third"))
	}, "first", "second")
	w.ns.Do(func() {
		v, _ := w.look(t.Context())
		c, err := Open(v, Options{})
		if err != nil {
			t.Fatal(err)
		}
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		if _, err := c.Run(t.Context(), full, w.look); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("a full disk: %v", err)
		}
		v.Line = "lo"
		if _, err := Open(v, Options{}); err == nil {
			t.Error("lo is no line")
		}
	})
}
