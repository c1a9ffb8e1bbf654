package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"pppoectl/conformance"
	"pppoectl/pppoe"
	"pppoectl/rawsocket"
)

// maxFrame is the largest frame that we receive, in octets.
const maxFrame = 2048

// everything admits both EtherTypes of PPPoE, but not what we send ourselves, nor
// frames with a VLAN tag, which belong to that VLAN's device.
var everything = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 1, SkipTrue: 6},
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 4},
	bpf.LoadExtension{Num: bpf.ExtProto},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(pppoe.EtherTypeDiscovery), SkipTrue: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(pppoe.EtherTypeSession), SkipTrue: 1},
	bpf.RetConstant{Val: maxFrame},
	bpf.RetConstant{Val: 0},
}

// wire is an interface, and what comes from it.
type wire struct {
	ifi *net.Interface
	// socket is one for both EtherTypes: two would lose the order of a PADS and the
	// Configure-Request behind it.
	socket  *packet.Conn
	frames  chan pppoe.Frame
	lost    chan error // why nothing goes over it any more
	began   time.Time
	done    chan struct{} // closed when the reader is to end
	readers sync.WaitGroup
}

// openWire opens the socket of an interface.
func openWire(ifi *net.Interface) (*wire, error) {
	c, err := rawsocket.Listen(*ifi, unix.ETH_P_ALL, everything, 4<<20)
	if errors.Is(err, os.ErrPermission) {
		return nil, privilegeError{fmt.Errorf("a packet socket needs CAP_NET_RAW: %w; run it as root", err)}
	}
	if err != nil {
		return nil, err
	}
	w := &wire{ifi: ifi, socket: c, frames: make(chan pppoe.Frame, 4096), lost: make(chan error, 1), began: time.Now(), done: make(chan struct{})}
	w.readers.Go(w.read)
	return w, nil
}

func (w *wire) close() {
	close(w.done)
	w.socket.Close()
	w.readers.Wait()
}

// wireError says that the interface is gone or down, or that it has no carrier.
type wireError struct {
	text  string
	fatal bool // it does not come back by itself
}

func (e *wireError) Error() string { return e.text }

// state says what is wrong with the interface; nil if it works.
func (w *wire) state() *wireError {
	ifi, err := net.InterfaceByIndex(w.ifi.Index)
	switch {
	case err != nil:
		return &wireError{w.ifi.Name + " is gone", true}
	case ifi.Flags&net.FlagUp == 0:
		return &wireError{w.ifi.Name + " was set down", true}
	case ifi.Flags&net.FlagRunning == 0:
		return &wireError{w.ifi.Name + " has no carrier", false}
	}
	return nil
}

// broken returns why the interface is of no use any more; nil if it may be.
func (w *wire) broken() error {
	if e := w.state(); e != nil && e.fatal {
		return e
	}
	return nil
}

// readPause is how long a reader rests after an error.
const readPause = 50 * time.Millisecond

// read takes frames in until the socket is closed. What nobody takes is dropped,
// as a network card would.
func (w *wire) read() {
	buf := make([]byte, maxFrame)
	for {
		n, _, err := w.socket.ReadFrom(buf)
		if err != nil {
			select {
			case <-w.done:
				return
			case <-time.After(readPause):
			}
			if err := w.broken(); err != nil {
				select {
				case w.lost <- err:
				default:
				}
			}
			continue
		}
		f, err := pppoe.ParseFrame(buf[:n])
		if err != nil {
			continue
		}
		f.Payload = append([]byte{}, f.Payload...)
		select {
		case w.frames <- f:
		default:
		}
	}
}

// now is the time since we began.
func (w *wire) now() time.Duration { return time.Since(w.began) }

// send sends frames. One that the interface does not take, because its queue is
// full or because it is too long for it, is lost on the line as others are.
func (w *wire) send(frames []pppoe.Frame) error {
	for _, f := range frames {
		_, err := w.socket.WriteTo(f.AppendTo(nil), &packet.Addr{HardwareAddr: f.Dst[:]})
		if err == nil || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EMSGSIZE) {
			continue
		}
		if why := w.broken(); why != nil {
			return why
		}
		return fmt.Errorf("sending: %w", err)
	}
	return nil
}

// settle waits a moment for what is still under way, and drops it.
func (w *wire) settle(ctx context.Context, d time.Duration) {
	end := time.After(d)
	for {
		select {
		case <-w.frames:
		case <-end:
			return
		case <-ctx.Done():
			return
		}
	}
}

// play plays a trial until it has a result. When ctx ends, or the interface does,
// the session is ended and the trial abandoned; the error says why.
func (w *wire) play(ctx context.Context, t *conformance.Trial, tell func(sent bool, f pppoe.Frame)) error {
	say := func(out []pppoe.Frame) error {
		for _, f := range out {
			tell(true, f)
		}
		return w.send(out)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var in *pppoe.Frame
	for {
		err := context.Cause(ctx)
		if err == nil {
			if in != nil {
				tell(false, *in)
			}
			out, next := t.Step(w.now(), in)
			err = say(out)
			if err == nil && t.Result() != nil {
				return nil
			}
			timer.Reset(max(0, next-w.now()))
		}
		if err == nil {
			in, err = w.next(ctx, timer.C)
		}
		if err != nil {
			// The first error is what the run ends with; a session cannot be ended on an interface that is gone.
			_ = say(t.Abandon(w.now(), err.Error()))
			return err
		}
	}
}

// next returns the next frame; nil when the time has come.
func (w *wire) next(ctx context.Context, due <-chan time.Time) (*pppoe.Frame, error) {
	select {
	case f := <-w.frames:
		return &f, nil
	case <-due:
		return nil, nil
	case err := <-w.lost:
		return nil, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
