package dataplane_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"pppoectl/dataplane"
	"pppoectl/fastpath"
	"pppoectl/labnet"
	"pppoectl/pppoe"
	"pppoectl/rawsocket"
	"pppoectl/tun"
)

const mtu = 1454

// end is one end of a session: a namespace, its TUN device and a path.
type end struct {
	t      *testing.T
	ns     *labnet.Namespace
	device *tun.Device
	path   dataplane.Path
	s      dataplane.Session
	pins   string
}

// newPair makes two namespaces with a line between them, and the two ends of a session.
func newPair(t *testing.T, near, far dataplane.Kind) (a, b *end) {
	t.Helper()
	labnet.Supported(t)
	a, b = &end{t: t, ns: labnet.New(t)}, &end{t: t, ns: labnet.New(t)}
	labnet.Veth(a.ns, "line", b.ns, "line")
	pins := labnet.BPFFS(t)
	for i, e := range []*end{a, b} {
		e.pins = filepath.Join(pins, fmt.Sprint("end", i), "line")
		e.ns.Run("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
		e.ns.IP("link", "set", "line", "up")
	}
	a.begin(near, b, "10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2")
	b.begin(far, a, "10.0.0.2", "10.0.0.1", "fd00::2", "fd00::1")
	eventually(t, func() error { // what is sent before the kernel sees the line's carrier is lost
		out, err := a.ns.Command("ping", "-n", "-c1", "-W1", "10.0.0.2").CombinedOutput()
		if err != nil {
			return fmt.Errorf("no answer from the other end: %w: %s", err, out)
		}
		return nil
	})
	return a, b
}

// eventually waits until f returns nil.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// begin makes the device and opens the path.
func (e *end) begin(kind dataplane.Kind, peer *end, local4, peer4, local6, peer6 string) {
	e.t.Helper()
	e.s = dataplane.Session{Interface: e.line(), MAC: pppoe.MAC(e.line().HardwareAddr), AC: pppoe.MAC(peer.line().HardwareAddr), ID: 0x18fa, MTU: mtu, Device: "tun0"}
	e.ns.Do(func() {
		var err error
		if e.device, err = tun.Make("tun0"); err != nil {
			e.t.Fatal(err)
		}
	})
	e.t.Cleanup(func() { e.device.Close() })
	e.open(kind)
	e.t.Cleanup(func() { e.path.Close() })
	e.ns.IP("link", "set", "tun0", "mtu", fmt.Sprint(mtu), "up")
	e.ns.IP("address", "add", local4+"/32", "peer", peer4, "dev", "tun0")
	e.ns.IP("-6", "address", "add", local6+"/128", "peer", peer6, "dev", "tun0", "nodad")
}

func (e *end) line() net.Interface { return e.interfaceCalled("line") }

func (e *end) interfaceCalled(name string) (ifi net.Interface) {
	e.t.Helper()
	e.ns.Do(func() {
		i, err := net.InterfaceByName(name)
		if err != nil {
			e.t.Fatal(err)
		}
		ifi = *i
	})
	return ifi
}

func (e *end) open(kind dataplane.Kind) {
	e.t.Helper()
	e.ns.Do(func() {
		if kind == dataplane.EBPF && e.s.Programs == "" {
			e.attach()
		}
		p, note, err := dataplane.Open(kind, e.s, e.device)
		if err != nil {
			e.t.Fatalf("%s: %v", kind, err)
		}
		if kind != dataplane.Auto && p.Kind() != string(kind) || note != "" {
			e.t.Fatalf("wanted %s, got %s (%s)", kind, p.Kind(), note)
		}
		e.path = p
	})
	e.path.Pass(true, true)
}

// attach has programs on the line.
func (e *end) attach() {
	e.t.Helper()
	features, err := fastpath.Wanted("line")
	if err != nil {
		e.t.Fatal(err)
	}
	if err := fastpath.SetFeatures("line", features); err != nil {
		e.t.Fatal(err)
	}
	if err := fastpath.Attach(e.pins, "line", e.line().Index); err != nil {
		e.t.Fatal(err)
	}
	e.s.Programs = e.pins
	e.t.Cleanup(func() {
		e.ns.Do(func() {
			if err := fastpath.Detach(e.pins, e.s.Interface.Index); err != nil {
				e.t.Error(err)
			}
		})
	})
}

// change goes on with another path.
func (e *end) change(kind dataplane.Kind) {
	e.t.Helper()
	if err := e.path.Close(); err != nil {
		e.t.Error(err)
	}
	e.open(kind)
}

// transfer sends octets from one end to the other by TCP, and returns a channel of how
// that went.
func transfer(from, to *end, address string, size int) <-chan error {
	var l net.Listener
	to.ns.Do(func() {
		var err error
		if l, err = net.Listen("tcp", net.JoinHostPort(address, "0")); err != nil {
			to.t.Fatal(err)
		}
	})
	var c net.Conn
	from.ns.Do(func() {
		var err error
		if c, err = net.DialTimeout("tcp", l.Addr().String(), 10*time.Second); err != nil {
			from.t.Fatal(err)
		}
	})
	done := make(chan error, 1)
	text := make([]byte, size)
	for i := range text {
		text[i] = byte(i * 7 >> (i % 5))
	}
	go func() {
		c.SetDeadline(time.Now().Add(time.Minute))
		c.Write(text)
		c.Close()
	}()
	go func() {
		defer l.Close()
		c, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		got, err := io.ReadAll(c)
		if err == nil && sha256.Sum256(got) != sha256.Sum256(text) {
			err = fmt.Errorf("%d octets came, %d were sent, and they are not the same", len(got), size)
		}
		done <- err
	}()
	return done
}

var kinds = []dataplane.Kind{dataplane.Portable, dataplane.Offload, dataplane.EBPF}

// Whatever path is at either end, both families flow in both directions, bulk and small.
func TestPathsCarryBothFamilies(t *testing.T) {
	for _, near := range kinds {
		for _, far := range kinds {
			t.Run(fmt.Sprint(near, " to ", far), func(t *testing.T) {
				a, b := newPair(t, near, far)
				for _, address := range []string{"10.0.0.2", "fd00::2"} {
					if err := <-transfer(a, b, address, 3<<20); err != nil {
						t.Errorf("to %s: %v", address, err)
					}
				}
				for _, address := range []string{"10.0.0.1", "fd00::1"} {
					if err := <-transfer(b, a, address, 3<<20); err != nil {
						t.Errorf("to %s: %v", address, err)
					}
				}
				for _, args := range []string{"-s 1426 10.0.0.2", "-s 1406 fd00::2", "-s 0 10.0.0.2"} {
					a.ns.Run("ping", append([]string{"-n", "-c3", "-i0.01", "-W20", "-M", "do"}, strings.Fields(args)...)...)
				}
				for _, e := range []*end{a, b} {
					c := e.path.Counters()
					if c.RxPackets < 100 || c.TxPackets < 100 || c.RxBytes < 6<<20 || c.TxBytes < 6<<20 {
						t.Errorf("counted %+v", c)
					}
				}
				for _, way := range [][2]*end{{a, b}, {b, a}} {
					// A packet is counted as sent after it was, and so may have come before.
					eventually(t, func() error {
						came, sent := way[1].path.Counters().RxPackets, way[0].path.Counters().TxPackets
						if came > sent {
							return fmt.Errorf("%d came, %d were sent", came, sent)
						}
						return nil
					})
				}
			})
		}
	}
}

// A connection does not notice that the path is changed under it.
func TestConnectionOutlivesAChangeOfPath(t *testing.T) {
	a, b := newPair(t, dataplane.Offload, dataplane.Auto)
	if b.path.Kind() != string(dataplane.Offload) {
		t.Errorf("auto is %s", b.path.Kind())
	}
	up, down := transfer(a, b, "10.0.0.2", 40<<20), transfer(b, a, "fd00::1", 40<<20)
	for i := range 20 {
		a.change(kinds[i%3])
	}
	for name, c := range map[string]<-chan error{"up": up, "down": down} {
		if err := <-c; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// capture takes frames off the near end's line until f has ended.
func (e *end) capture(f func()) [][]byte {
	e.t.Helper()
	var c *packet.Conn
	e.ns.Do(func() {
		var err error
		if c, err = rawsocket.Listen(e.line(), pppoe.EtherTypeSession, []bpf.Instruction{bpf.RetConstant{Val: 1 << 16}}, 16<<20); err != nil {
			e.t.Fatal(err)
		}
	})
	var frames [][]byte
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			b := make([]byte, 1<<16)
			n, _, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			frames = append(frames, b[:n])
		}
	}()
	f()
	c.SetReadDeadline(time.Now().Add(time.Second)) // for what waits in the socket
	<-done
	c.Close()
	return frames
}

// What is on the line is what RFC 2516 says: a length that is true, and nothing over the MTU.
func TestFramesOnTheLineAreRight(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			a, b := newPair(t, kind, dataplane.Offload)
			frames := b.capture(func() {
				for _, address := range []string{"10.0.0.2", "fd00::2"} {
					if err := <-transfer(a, b, address, 1<<20); err != nil {
						t.Error(err)
					}
				}
			})
			syns := 0
			for _, f := range frames {
				p, err := pppoe.ParseFrame(f)
				if err != nil {
					t.Fatal(err)
				}
				length := int(binary.BigEndian.Uint16(f[18:]))
				packet := f[22:]
				var total int
				switch {
				case bytes.Equal(f[20:22], []byte{0, 0x21}):
					total = int(binary.BigEndian.Uint16(packet[2:]))
				case bytes.Equal(f[20:22], []byte{0, 0x57}):
					total = 40 + int(binary.BigEndian.Uint16(packet[4:]))
				default:
					t.Fatalf("%x", f[:22])
				}
				if length != total+2 || total != len(packet) || total > mtu || p.Src != a.s.MAC || p.Dst != a.s.AC {
					t.Fatalf("LEN %d, IP says %d, there are %d: %x", length, total, len(packet), f[:60])
				}
				at := map[byte]int{4: 20, 6: 40}[packet[0]>>4]
				tcp := map[byte]byte{4: packet[9], 6: packet[6]}[packet[0]>>4] == unix.IPPROTO_TCP // the kernel may look for routers, too
				if tcp && packet[at+13]&2 != 0 && packet[at+20] == 2 {
					syns++
					if got := int(binary.BigEndian.Uint16(packet[at+22:])); got != mtu-at-20 {
						t.Errorf("MSS %d", got)
					}
				}
			}
			if len(frames) < 1000 || syns < 2 {
				t.Errorf("%d frames, %d SYNs", len(frames), syns)
			}
		})
	}
}

// An end that is closed, or whose device is gone, says so once and waits for nobody.
func TestPathThatLosesItsDeviceSaysSo(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			a, _ := newPair(t, kind, kind)
			a.ns.IP("link", "delete", "tun0")
			select {
			case err := <-a.path.Failed():
				if err == nil || errors.Is(err, io.EOF) {
					t.Errorf("failed with %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Error("it does not notice")
			}
		})
	}
}

// No family passes that is not open.
func TestGateOfEachPath(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			a, b := newPair(t, kind, kind)
			a.ns.Run("ping", "-n", "-c1", "-W20", "fd00::2")
			a.path.Pass(true, false)
			if out, err := a.ns.Command("ping", "-n", "-c1", "-W1", "fd00::2").CombinedOutput(); err == nil {
				t.Errorf("IPv6 passes upwards: %s", out)
			}
			a.path.Pass(true, true)
			b.path.Pass(true, false)
			if out, err := a.ns.Command("ping", "-n", "-c1", "-W1", "fd00::2").CombinedOutput(); err == nil {
				t.Errorf("IPv6 passes downwards: %s", out)
			}
			a.ns.Run("ping", "-n", "-c1", "-W20", "10.0.0.2")
			if c := b.path.Counters(); c.RxDropped == 0 {
				t.Errorf("not counted: %+v", c)
			}
		})
	}
}
