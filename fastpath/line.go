package fastpath

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
)

// Names of the links in a line's directory; of a TUN device's, its index follows. Programs
// stand beside them, by their names behind a prefix.
const (
	pinStrip    = "link-strip"
	pinHandOver = "link-hand_over"
	pinSegments = "link-encapsulate_segment"
	pinUpload   = "link-encapsulate-"
	pinProgram  = "program-"
)

// Attach has the programs on the interface of that name and index, pinned in dir, which is
// for this interface alone. What an earlier run has left there goes on without a gap, with
// this version's programs. Where they cannot be, nothing is left, and the error says why in
// words for the operator.
func Attach(dir, name string, index int) error {
	attaching.Lock()
	defer attaching.Unlock()
	if attached[dir] == index && complete(dir, index) { // by this process: nothing is newer
		return nil
	}
	if err := prepare(dir); err != nil {
		return err
	}
	had := complete(dir, index)
	if pinnedOn(filepath.Join(dir, pinStrip)) != index {
		if err := detach(dir, index); err != nil {
			return err
		}
		if err := free(name, index); err != nil {
			return err
		}
	}
	err := attach(dir, name, index)
	if errors.Is(err, ebpf.ErrMapIncompatible) { // another version's: its sessions are told anew
		if err := detach(dir, index); err != nil {
			return err
		}
		err = attach(dir, name, index)
	}
	if err != nil && had {
		return explain(err, name) // those that carry go on
	}
	if err != nil {
		return errors.Join(explain(err, name), detach(dir, index))
	}
	attached[dir] = index
	return nil
}

// attached is what this process has attached, for many sessions of a line ask for the same.
var (
	attaching sync.Mutex
	attached  = map[string]int{}
)

// complete reports whether all is there that carries sessions of the line.
func complete(dir string, index int) bool {
	if pinnedOn(filepath.Join(dir, pinStrip)) != index || pinnedOn(filepath.Join(dir, pinHandOver)) != index {
		return false
	}
	segments := filepath.Join(dir, pinSegments)
	if _, err := os.Stat(segments); err != nil {
		return true // there could be no pair
	}
	far := farOf(index)
	return far != 0 && pinnedOn(segments) == far
}

func attach(dir, name string, index int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	pair, err := ensurePair(dir, index)
	if err != nil {
		pair = pairOf{} // uneven super-packets go through user space
	}
	spec, err := loadPrograms()
	if err != nil {
		return err
	}
	if err := errors.Join(spec.Variables[programsVarLineIfindex].Set(uint32(index)),
		spec.Variables[programsVarSplitIfindex].Set(uint32(pair.near))); err != nil {
		return err
	}
	// Programs know the pair by its index, and maps by what they are.
	renew := pinnedOn(filepath.Join(dir, pinSegments)) != pair.far
	for name := range spec.Maps {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil && spec.Maps[name].Pinning == ebpf.PinByName {
			renew = true
		}
	}
	var o programsObjects
	if err := spec.LoadAndAssign(&o, &ebpf.CollectionOptions{Maps: ebpf.MapOptions{PinPath: dir}}); err != nil {
		return err
	}
	defer o.Close()
	for name, p := range map[string]**ebpf.Program{
		programsProgStrip: &o.Strip, programsProgHandOver: &o.HandOver,
		programsProgEncapsulate: &o.Encapsulate, programsProgEncapsulateSegment: &o.EncapsulateSegment,
	} {
		if err := keep(filepath.Join(dir, pinProgram+name), p, renew); err != nil {
			return err
		}
	}
	if pair.far != 0 {
		if err := ensureTCX(filepath.Join(dir, pinSegments), pair.far, o.EncapsulateSegment, ebpf.AttachTCXIngress); err != nil {
			return err
		}
	}
	if err := renewUploads(dir, o.Encapsulate); err != nil {
		return err
	}
	// What strip has stripped must not come into the machine by the line.
	if err := ensureTCX(filepath.Join(dir, pinHandOver), index, o.HandOver, ebpf.AttachTCXIngress); err != nil {
		return err
	}
	return ensureLink(filepath.Join(dir, pinStrip), index, o.Strip, func() (link.Link, error) {
		return link.AttachXDP(link.XDPOptions{Program: o.Strip, Interface: index, Flags: link.XDPDriverMode})
	})
}

// renewUploads has the TUN devices of sessions that go on use a program.
func renewUploads(dir string, program *ebpf.Program) error {
	pins, err := filepath.Glob(filepath.Join(dir, pinUpload+"*"))
	for _, pin := range pins {
		if device := pinnedOn(pin); device != 0 {
			err = errors.Join(err, ensureTCX(pin, device, program, ebpf.AttachTCXEgress))
		}
	}
	return err
}

// keep puts the program that is pinned in p's place if both are the same, else p in its.
func keep(pin string, p **ebpf.Program, renew bool) error {
	if old, err := ebpf.LoadPinnedProgram(pin, nil); err == nil && !renew && tagOf(old) == tagOf(*p) {
		(*p).Close()
		*p = old
		return nil
	} else if err == nil {
		old.Close()
	}
	if err := unpin(pin); err != nil {
		return err
	}
	return (*p).Pin(pin)
}

// tagOf returns what the kernel makes of a program's instructions; empty if it is not to
// be known.
func tagOf(p *ebpf.Program) string {
	info, err := p.Info()
	if err != nil {
		return ""
	}
	return info.Tag
}

// Detach takes the programs that are pinned in dir off, and all that belongs to them. It is
// no error if nothing is there.
func Detach(dir string, index int) error {
	attaching.Lock()
	defer attaching.Unlock()
	return detach(dir, index)
}

func detach(dir string, index int) error {
	delete(attached, dir)
	if err := removePair(dir, index); err != nil {
		return err
	}
	if now := pinnedOn(filepath.Join(dir, pinStrip)); now != 0 && now != index {
		return nil // the interface was made again, and has programs already
	}
	// The line first: see attach.
	failed := []error{unpin(filepath.Join(dir, pinStrip))}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		failed = append(failed, unpin(filepath.Join(dir, e.Name())))
	}
	return errors.Join(append(failed, err, removeEmpty(dir))...)
}

// unpin removes what is pinned at a path. A link ends with its last reference, which is
// not known to be ours, so it is taken off before.
func unpin(path string) error {
	if l, err := link.LoadPinnedLink(path, nil); err == nil {
		l.Detach() // an older kernel cannot, or its device is gone
		l.Close()
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// ensureTCX has a program at a device's tcx hook, before all others: one that takes a packet
// would else have it end here.
func ensureTCX(pin string, device int, program *ebpf.Program, hook ebpf.AttachType) error {
	return ensureLink(pin, device, program, func() (link.Link, error) {
		return link.AttachTCX(link.TCXOptions{Program: program, Interface: device, Attach: hook, Anchor: link.Head()})
	})
}

// ensureLink has a program at a device, by the link that is pinned or a new one.
func ensureLink(pin string, device int, program *ebpf.Program, attach func() (link.Link, error)) error {
	if pinnedOn(pin) == device {
		l, err := link.LoadPinnedLink(pin, nil)
		if err != nil {
			return err
		}
		defer l.Close()
		if has(l, program) {
			return nil
		}
		return l.Update(program)
	}
	if err := unpin(pin); err != nil {
		return err
	}
	l, err := attach()
	if err != nil {
		return err
	}
	if err := l.Pin(pin); err != nil {
		return errors.Join(err, l.Close())
	}
	return l.Close()
}

// has reports whether a link has that very program.
func has(l link.Link, program *ebpf.Program) bool {
	info, err := program.Info()
	if err != nil {
		return false
	}
	id, known := info.ID()
	now, err := l.Info()
	return err == nil && known && now.Program == id
}

// pinnedOn returns the index of the device that a pinned link is on; 0 if there is none.
func pinnedOn(pin string) int {
	l, err := link.LoadPinnedLink(pin, nil)
	if err != nil {
		return 0
	}
	defer l.Close()
	info, err := l.Info()
	if err != nil {
		return 0
	}
	if x := info.XDP(); x != nil {
		return int(x.Ifindex)
	}
	if t := info.TCX(); t != nil {
		return int(t.Ifindex)
	}
	return 0
}

// free says what program of somebody else's is at the line's XDP hook.
func free(name string, index int) error {
	l, err := netlink.LinkByIndex(index)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	x := l.Attrs().Xdp
	if x == nil || !x.Attached {
		return nil
	}
	what := fmt.Sprintf("id %d", x.ProgId)
	if p, err := ebpf.NewProgramFromID(ebpf.ProgramID(x.ProgId)); err == nil {
		if info, err := p.Info(); err == nil && info.Name != "" {
			what = fmt.Sprintf("%s, %s", info.Name, what)
		}
		p.Close()
	}
	return fmt.Errorf("another program's XDP is on %s (%s)", name, what)
}
