package fastpath_test

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"pppoectl/fastpath"
	"pppoectl/labnet"
	"pppoectl/tun"
)

// line is a namespace with a veth, `line`, whose other end is in another one.
type line struct {
	t    *testing.T
	ns   *labnet.Namespace
	far  *labnet.Namespace
	pins string
}

func newLine(t *testing.T) *line {
	t.Helper()
	l := &line{t: t, ns: labnet.New(t), far: labnet.New(t), pins: filepath.Join(labnet.BPFFS(t), "pppoectl", "daemon", "line")}
	labnet.Veth(l.ns, "line", l.far, "far")
	l.ns.IP("link", "set", "line", "up")
	l.far.IP("link", "set", "far", "up")
	l.ns.Ready("line")
	return l
}

func (l *line) index(name string) (index int) {
	l.t.Helper()
	l.ns.Do(func() {
		ifi, err := net.InterfaceByName(name)
		if err != nil {
			l.t.Fatal(err)
		}
		index = ifi.Index
	})
	return index
}

func (l *line) attach(name string) (err error) {
	index := l.index(name)
	l.ns.Do(func() { err = fastpath.Attach(l.pins, name, index) })
	return err
}

func (l *line) detach() {
	l.t.Helper()
	index := l.index("line")
	l.ns.Do(func() {
		if err := fastpath.Detach(l.pins, index); err != nil {
			l.t.Error(err)
		}
	})
}

// withDevice calls f in the namespace, where tun0 has an index meanwhile.
func (l *line) withDevice(f func(index int)) {
	l.t.Helper()
	l.ns.Do(func() {
		d, err := tun.Make("tun0")
		if err != nil {
			l.t.Fatal(err)
		}
		defer d.Close()
		index, err := tun.Index("tun0")
		if err != nil {
			l.t.Fatal(err)
		}
		f(index)
	})
}

// state is all that attaching may change, as text.
func (l *line) state() string {
	var text strings.Builder
	l.ns.Do(func() {
		links, err := netlink.LinkList()
		if err != nil {
			l.t.Fatal(err)
		}
		for _, n := range links {
			a := n.Attrs()
			fmt.Fprintln(&text, a.Name, a.Alias, a.Xdp != nil && a.Xdp.Attached)
		}
		features, err := fastpath.Features("line")
		if err != nil {
			l.t.Fatal(err)
		}
		fmt.Fprintln(&text, features)
	})
	filepath.Walk(filepath.Dir(filepath.Dir(filepath.Dir(l.pins))), func(path string, _ os.FileInfo, _ error) error {
		fmt.Fprintln(&text, path)
		return nil
	})
	return text.String()
}

// xdpLink is the identity of the link at the line's XDP hook.
func (l *line) xdpLink() link.ID {
	l.t.Helper()
	id, _ := l.xdp()
	return id
}

func (l *line) xdp() (link.ID, ebpf.ProgramID) {
	l.t.Helper()
	x, err := link.LoadPinnedLink(filepath.Join(l.pins, "link-strip"), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	defer x.Close()
	info, err := x.Info()
	if err != nil || int(info.XDP().Ifindex) != l.index("line") {
		l.t.Fatalf("%+v, %v", info, err)
	}
	return info.ID, info.Program
}

// What is attached is adopted by the next start and leaves no trace in the end.
func TestProgramsAreAdoptedAndLeaveNoTrace(t *testing.T) {
	l := newLine(t)
	before := l.state()
	if err := l.attach("line"); err != nil {
		t.Fatal(err)
	}
	attached, first := l.state(), l.xdpLink()
	if attached == before {
		t.Fatal("nothing has changed")
	}
	if err := l.attach("line"); err != nil {
		t.Fatal(err)
	}
	if l.state() != attached || l.xdpLink() != first {
		t.Errorf("a second time, link %d was %d:\n%s\nwas\n%s", l.xdpLink(), first, l.state(), attached)
	}
	l.detach()
	if after := l.state(); after != before {
		t.Errorf("after:\n%s\nbefore:\n%s", after, before)
	}
	l.detach() // is no error
}

// Other programs take the place of those that are there, under the same links: no frame comes
// between.
func TestProgramsAreReplacedInPlace(t *testing.T) {
	l := newLine(t)
	if err := l.attach("line"); err != nil {
		t.Fatal(err)
	}
	defer l.detach()
	was, program := l.xdp()
	pair := fmt.Sprintf("pppoe%da", l.index("line"))
	l.ns.IP("link", "delete", pair) // programs know it by its index, so they are made anew
	if err := l.attach("line"); err != nil {
		t.Fatal(err)
	}
	if now, p := l.xdp(); now != was || p == program {
		t.Errorf("link %d was %d, program %d was %d", now, was, p, program)
	}
	l.ns.IP("link", "show", pair)
}

// An interface that is made again under its name is another one.
func TestProgramsFollowAnInterfaceThatIsMadeAgain(t *testing.T) {
	l := newLine(t)
	if err := l.attach("line"); err != nil {
		t.Fatal(err)
	}
	first := l.xdpLink()
	l.ns.IP("link", "delete", "line")
	labnet.Veth(l.ns, "line", l.far, "far")
	if err := l.attach("line"); err != nil {
		t.Fatal(err)
	}
	if l.xdpLink() == first {
		t.Error("the link of the interface that is gone is gone on with")
	}
	l.detach()
}

// A session stays in the kernel when who has begun it leaves, with the families that were
// open, until it is ended or forgotten.
func TestSessionStaysInTheKernel(t *testing.T) {
	l := newLine(t)
	if err := l.attach("line"); err != nil {
		t.Fatal(err)
	}
	defer l.detach()
	l.withDevice(func(index int) {
		open := func() bool {
			m, err := ebpf.LoadPinnedMap(filepath.Join(l.pins, "sessions"), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			var k [8]byte
			var v [16]byte
			return m.Iterate().Next(&k, &v) && v[12] == 3
		}
		begin := func() *fastpath.Session {
			s, err := fastpath.Begin(l.pins, fastpath.Parameters{ID: 0x18fa, AC: [6]byte{2, 1}, MAC: [6]byte{2, 2}, MTU: 1454, Device: index})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := begin()
		if open() {
			t.Error("a new session is open")
		}
		if err := s.Pass(true, true); err != nil || !open() {
			t.Errorf("it does not open: %v", err)
		}
		s.Leave()
		if s = begin(); !open() {
			t.Error("it is not gone on with")
		}
		if err := s.End(); err != nil || open() {
			t.Errorf("it does not end: %v", err)
		}
		s = begin()
		if err := s.Pass(true, true); err != nil || !open() {
			t.Errorf("it does not open: %v", err)
		}
		s.Leave()
		if err := fastpath.Forget(l.pins, index); err != nil || open() {
			t.Errorf("it is not forgotten: %v", err)
		}
		if err := begin().End(); err != nil {
			t.Error(err)
		}
	})
}

// Whoever was the last on an interface that is no more leaves the programs of the new one alone.
func TestDetachOfAnInterfaceThatIsGone(t *testing.T) {
	l := newLine(t)
	if err := l.attach("line"); err != nil {
		t.Fatal(err)
	}
	first, old := l.xdpLink(), l.index("line")
	l.ns.Do(func() {
		if err := fastpath.Detach(l.pins, old+1000); err != nil {
			t.Error(err)
		}
	})
	if l.xdpLink() != first {
		t.Error("they are not the same any more")
	}
	l.detach()
}

// A device has one session: what it had before is taken out with the next.
func TestDeviceHasOneSession(t *testing.T) {
	l := newLine(t)
	if err := l.attach("line"); err != nil {
		t.Fatal(err)
	}
	defer l.detach()
	l.withDevice(func(index int) {
		for id := range uint16(3) {
			last, err := fastpath.Begin(l.pins, fastpath.Parameters{ID: id + 1, AC: [6]byte{2, 1}, MAC: [6]byte{2, 2}, MTU: 1454, Device: index})
			if err != nil {
				t.Fatal(err)
			}
			last.Leave()
		}
		m, err := ebpf.LoadPinnedMap(filepath.Join(l.pins, "sessions"), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		var k [8]byte
		var v [16]byte
		var ids []byte
		for i := m.Iterate(); i.Next(&k, &v); {
			ids = append(ids, k[1])
		}
		if len(ids) != 1 || ids[0] != 3 {
			t.Errorf("sessions %v, want 3 alone", ids)
		}
	})
}

// Where programs cannot be, the reason is told and nothing is left.
func TestWhyThereAreNoPrograms(t *testing.T) {
	l := newLine(t)
	l.ns.IP("link", "add", "br0", "type", "bridge")
	before := l.state()
	for _, c := range []struct {
		name, device string
		prepare      func()
		want         string
	}{
		{"no BPF file system", "line", func() { l.pins = t.TempDir() }, "is on no BPF file system; mount -t bpf bpf /sys/fs/bpf"},
		{"a bridge", "br0", func() {}, "br0 has no native XDP"},
		{"another program", "line", func() { l.occupy() }, "another program's XDP is on line (other, id "},
	} {
		pins := l.pins
		c.prepare()
		if err := l.attach(c.device); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		l.pins = pins
		if after := strings.Replace(l.state(), "line  true", "line  false", 1); after != before {
			t.Errorf("%s: after:\n%s\nbefore:\n%s", c.name, after, before)
		}
	}
}

// occupy has another program at the line's XDP hook, until the test ends.
func (l *line) occupy() {
	index := l.index("line")
	l.ns.Do(func() {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "other", Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R0, 2), asm.Return(), // XDP_PASS
		}})
		if err != nil {
			l.t.Fatal(err)
		}
		x, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: index})
		if err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() {
			if err := errors.Join(x.Close(), p.Close()); err != nil {
				l.t.Error(err)
			}
		})
	})
}

func TestWantedFeaturesAreThoseThatDiffer(t *testing.T) {
	l := newLine(t)
	l.ns.Do(func() {
		want, err := fastpath.Wanted("line")
		if err != nil {
			t.Fatal(err)
		}
		if want["tx-tcp-segmentation"] || !want["rx-gro"] || len(want) < 3 {
			t.Errorf("of a new veth: %v", want)
		}
		back := maps.Clone(want)
		for f := range back {
			back[f] = !back[f]
		}
		before := l.state()
		if err := fastpath.SetFeatures("line", want); err != nil {
			t.Fatal(err)
		}
		if left, err := fastpath.Wanted("line"); err != nil || len(left) > 0 {
			t.Errorf("still wanted: %v, %v", left, err)
		}
		if err := fastpath.SetFeatures("line", back); err != nil {
			t.Fatal(err)
		}
		if after := l.state(); after != before {
			t.Errorf("after:\n%s\nbefore:\n%s", after, before)
		}
	})
}
