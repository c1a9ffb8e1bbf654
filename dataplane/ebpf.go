package dataplane

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"pppoectl/fastpath"
	"pppoectl/tun"
)

// ErrNoPrograms is matched when the line has no programs that could carry a session.
var ErrNoPrograms = errors.New("no programs on the line")

// inKernel is the path by programs in the kernel. A path in user space stands beside it, for
// what they do not take.
type inKernel struct {
	beside  Path
	session *fastpath.Session
	base    fastpath.Traffic // what the TUN device had carried before

	without string // why there is no faster path beside
	queue   *queueWatch

	mu     sync.Mutex
	last   fastpath.Traffic // what was last read of the kernel
	upload string           // why that goes another way; empty if it does not
	closed bool
}

// NewEBPF returns the path in the kernel of a session whose line has programs, see
// [fastpath.Attach]. A session that they carry already goes on without a gap.
func NewEBPF(s Session, device Device) (Path, error) {
	if s.Programs == "" {
		return nil, ErrNoPrograms
	}
	ifi, err := net.InterfaceByName(s.Device)
	if err != nil {
		return nil, fmt.Errorf("TUN device %s: %w", s.Device, err)
	}
	beside, note, err := openBeside(s, device)
	if err != nil {
		return nil, err
	}
	kernel, err := fastpath.Begin(s.Programs, fastpath.Parameters{ID: s.ID, AC: s.AC, MAC: s.MAC, MTU: s.MTU, Device: ifi.Index})
	if err != nil {
		return nil, errors.Join(err, beside.Close())
	}
	p := &inKernel{beside: beside, session: kernel, without: note}
	p.base, _ = kernel.Traffic()
	if p.queue, err = watchQueue(ifi.Index, p.queueChanged); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// queueChanged respects a queueing discipline of the user's on the TUN device, which packets
// that the kernel's programs send never see.
func (p *inKernel) queueChanged(users string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	err := p.session.SlowUpload(users != "")
	switch {
	case err != nil:
		p.upload = fmt.Sprintf("upload: %v", err)
	case users != "":
		p.upload = fmt.Sprintf("upload by %s, for the sake of the %s queue on the device", p.beside.Kind(), users)
	default:
		p.upload = ""
	}
}

func (p *inKernel) Kind() string { return string(EBPF) }

func (p *inKernel) Note() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return join(p.upload, p.without)
}

func (p *inKernel) Failed() <-chan error { return p.beside.Failed() }

func (p *inKernel) Pass(ipv4, ipv6 bool) {
	p.beside.Pass(ipv4, ipv6)
	p.session.Pass(ipv4, ipv6) // it fails only if somebody has taken the session out
}

// traffic is what the kernel has carried for this path.
func (p *inKernel) traffic() fastpath.Traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		if t, err := p.session.Traffic(); err == nil {
			p.last = t.Sub(p.base)
		}
	}
	return p.last
}

func (p *inKernel) Counters() Counters { return p.beside.Counters().Add(counted(p.traffic())) }

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
	if ifi, err := net.InterfaceByName(device); err == nil && pins != "" {
		if t, err := fastpath.Carried(pins, ifi.Index); err == nil {
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
	if !p.closed {
		reasons["line_other_sessions"], _ = p.session.Strangers()
	}
	p.mu.Unlock()
	for r, n := range p.beside.Reasons() {
		reasons[r] += n
	}
	return reasons
}

func (p *inKernel) Close() error { return p.end(p.session.End, p.beside.Close) }

func (p *inKernel) Leave() error {
	return p.end(func() error { p.session.Leave(); return nil }, p.beside.Leave)
}

// Forget has programs that are pinned in a directory carry no session of a TUN device any
// more: one of an earlier run that is not gone on with.
func Forget(pins, device string) error {
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return nil // gone, and so nothing reaches it
	}
	return fastpath.Forget(pins, ifi.Index)
}

func (p *inKernel) end(kernel, beside func() error) error {
	p.queue.end()
	p.traffic()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	return errors.Join(kernel(), beside())
}
