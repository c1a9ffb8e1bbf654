package dataplane

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"pppoectl/fastpath"
	"pppoectl/tun"
)

// ErrNoPrograms is matched when the line has no programs that could carry a session.
var ErrNoPrograms = errors.New("no programs on the line")

// inKernel is the path by programs in the kernel. A path in user space stands beside it, for
// what they do not take: a small one, as long as that is next to nothing.
type inKernel struct {
	parameters Session
	device     Device
	session    *fastpath.Session
	base       fastpath.Traffic // what the TUN device had carried before
	queue      *queueWatch
	failed     chan error

	mu         sync.Mutex
	beside     Path
	left       chan struct{} // closed when another takes its place
	before     Counters      // of those that were there before it
	ipv4, ipv6 bool
	last       fastpath.Traffic // what was last read of the kernel
	users      string           // the user's queue on the device; empty: none
	noRoom     bool             // the line's driver has none for what strip notes
	closed     bool
}

// NewEBPF returns the path in the kernel of a session whose line has programs, see
// [fastpath.Attach]. A session that they carry already goes on without a gap.
func NewEBPF(s Session, device Device) (Path, error) {
	if s.Programs == "" {
		return nil, ErrNoPrograms
	}
	index, err := tun.Index(s.Device)
	if err != nil {
		return nil, err
	}
	p := &inKernel{parameters: s, device: device, failed: make(chan error, 1)}
	if err := p.standBeside(NewPortable); err != nil {
		return nil, err
	}
	p.session, err = fastpath.Begin(s.Programs, fastpath.Parameters{ID: s.ID, AC: s.AC, MAC: s.MAC, MTU: s.MTU, Device: index})
	if err != nil {
		return nil, errors.Join(err, p.endBeside())
	}
	p.base, _ = p.session.Traffic()
	if p.queue, err = watchQueue(index, p.queueChanged); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// standBeside has a path in user space take the place of the one that is there.
func (p *inKernel) standBeside(open func(Session, Device) (Path, error)) error {
	p.endBeside()
	path, err := open(p.parameters, p.device)
	if err != nil {
		return err
	}
	path.Pass(p.ipv4, p.ipv6)
	left := make(chan struct{})
	p.beside, p.left = path, left
	go func() {
		select {
		case err := <-path.Failed():
			p.fail(err)
		case <-left:
		}
	}()
	return nil
}

// endBeside ends the path that is there, if there is one.
func (p *inKernel) endBeside() error {
	if p.beside == nil {
		return nil
	}
	close(p.left)
	err := p.beside.Close()
	p.before = p.before.Add(p.beside.Counters())
	p.beside = nil
	return err
}

func (p *inKernel) fail(err error) {
	select {
	case p.failed <- err:
	default:
	}
}

// queueChanged respects a queueing discipline of the user's on the TUN device, which packets
// that the kernel's programs send never see.
func (p *inKernel) queueChanged(users string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || users == p.users {
		return
	}
	p.users = users
	p.goRound()
}

// goRound has the kind of path beside that what goes round needs.
func (p *inKernel) goRound() {
	open := NewPortable
	if p.users != "" || p.noRoom {
		open = openBeside
	}
	if err := errors.Join(p.standBeside(open), p.session.SlowUpload(p.users != "")); err != nil {
		p.fail(err)
	}
}

func (p *inKernel) Kind() string { return string(EBPF) }

func (p *inKernel) Note() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.beside == nil {
		return ""
	}
	var notes []string
	if p.users != "" {
		notes = append(notes, fmt.Sprintf("upload by %s, for the sake of the %s queue on the device", p.beside.Kind(), p.users))
	}
	if p.noRoom {
		notes = append(notes, fmt.Sprintf("download by %s, for the line's driver has no XDP metadata", p.beside.Kind()))
	}
	return strings.Join(notes, "; ")
}

func (p *inKernel) Failed() <-chan error { return p.failed }

func (p *inKernel) Pass(ipv4, ipv6 bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ipv4, p.ipv6 = ipv4, ipv6
	if p.beside != nil {
		p.beside.Pass(ipv4, ipv6)
	}
	p.session.Pass(ipv4, ipv6) // it fails only if somebody has taken the session out
}

// enoughToTell is how many packets show that a driver has no metadata.
const enoughToTell = 100

// traffic is what the kernel has carried for this path.
func (p *inKernel) traffic() fastpath.Traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		if t, err := p.session.Traffic(); err == nil {
			p.last = t.Sub(p.base)
		}
		// Without room for a note strip lets all pass as it is.
		if !p.noRoom && p.last.RxPackets == 0 && p.last.RxSlow > enoughToTell {
			p.noRoom = true
			p.goRound()
		}
	}
	return p.last
}

func (p *inKernel) Counters() Counters {
	kernel := counted(p.traffic())
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := p.before.Add(kernel)
	if p.beside != nil {
		sum = sum.Add(p.beside.Counters())
	}
	return sum
}

func counted(t fastpath.Traffic) Counters {
	return Counters{
		RxPackets: t.RxPackets, RxBytes: t.RxBytes, RxDropped: t.RxClosed + t.RxLength,
		TxPackets: t.TxPackets, TxBytes: t.TxBytes, TxDropped: t.TxClosed + t.TxMTU + t.TxFailed,
	}
}

// Carried counts what has gone through a TUN device since it was made: by whoever had it
// open, and by programs that are pinned in a directory. Drops are not among it.
func Carried(device, pins string) (Counters, error) {
	c, err := tun.Count(device)
	if err != nil {
		return Counters{}, err
	}
	all := Counters{RxPackets: c.ReceivedPackets, RxBytes: c.ReceivedBytes, TxPackets: c.SentPackets, TxBytes: c.SentBytes}
	if pins == "" {
		return all, nil
	}
	if index, err := tun.Index(device); err == nil {
		if t, err := fastpath.Carried(pins, index); err == nil {
			kernel := counted(t)
			kernel.RxDropped, kernel.TxDropped = 0, 0
			all = all.Add(kernel)
		}
	}
	return all, nil
}

func (p *inKernel) Reasons() map[string]uint64 {
	t := p.traffic()
	reasons := map[string]uint64{
		"rx_closed": t.RxClosed, "rx_length": t.RxLength, "rx_user_space": t.RxSlow,
		"tx_closed": t.TxClosed, "tx_mtu": t.TxMTU, "tx_failed": t.TxFailed, "tx_user_space": t.TxSlow, "tx_split": t.TxSplit,
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		reasons["line_other_sessions"], _ = p.session.Strangers()
	}
	if p.beside != nil {
		for r, n := range p.beside.Reasons() {
			reasons[r] += n
		}
	}
	return reasons
}

func (p *inKernel) Close() error { return p.end(p.session.End) }

func (p *inKernel) Leave() error {
	return p.end(func() error { p.session.Leave(); return nil })
}

func (p *inKernel) end(kernel func() error) error {
	p.queue.end()
	p.traffic()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return errors.Join(kernel(), p.endBeside())
}

// Forget has programs that are pinned in a directory carry no session of a TUN device any
// more: one of an earlier run that is not gone on with.
func Forget(pins, device string) error {
	index, err := tun.Index(device)
	if err != nil {
		return nil // gone, and so nothing reaches it
	}
	return fastpath.Forget(pins, index)
}
