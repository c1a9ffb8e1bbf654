package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/conformance"
	"pppoectl/pppoe"
)

// Why a run ends early.
var (
	errInterrupted = errors.New("interrupted")
	errTime        = errors.New("its time is over (--time)")
)

// names are what peers are called.
var names = map[conformance.Role]string{conformance.Client: "client", conformance.AC: "access concentrator"}

func (p *player) run(ctx context.Context) error {
	cases, err := p.cases(p.o.Peer)
	if err != nil {
		return err
	}
	ifi, err := suitable(p.iface, p.anyway)
	if err != nil {
		return err
	}
	p.o.MAC = pppoe.MAC(ifi.HardwareAddr)
	p.o = p.o.Complete()
	w, err := openWire(ifi)
	if err != nil {
		return err
	}
	defer w.close()
	out, err := p.outputs()
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := bounded(ctx, p.limit)
	defer cancel()
	fmt.Fprintf(os.Stderr, "cases for the %s at %s: %d, --seed %d\n", names[p.o.Peer], p.iface, len(cases), p.seed)
	p.report = beginReport(p, len(cases))
	if err = p.playAll(ctx, w, cases); err != nil {
		p.report.Ended = err.Error()
		err = fmt.Errorf("after %d of %d cases: %w", len(p.report.Results), len(cases), err)
	}
	p.report.Took = seconds(w.now())
	if err := errors.Join(p.report.write(out, p.format), out.Close()); err != nil {
		return fmt.Errorf("the report: %w", err)
	}
	if err == nil && p.report.failed() {
		return errFailed
	}
	return err
}

// outputs opens the report's file and makes the folder of captures: better now
// than when all has been played.
func (p *player) outputs() (io.WriteCloser, error) {
	if p.captures != "" {
		if err := os.MkdirAll(p.captures, 0o755); err != nil {
			return nil, fmt.Errorf("--captures: %w", err)
		}
	}
	if p.output == "" {
		return os.Stdout, nil
	}
	f, err := os.Create(p.output)
	if err != nil {
		return nil, fmt.Errorf("-o: %w", err)
	}
	return f, nil
}

// bounded returns a context that ends with a signal, or after a time, and has why
// as its cause. A second signal ends the program.
func bounded(ctx context.Context, limit time.Duration) (context.Context, func()) {
	ctx, over := context.WithTimeoutCause(ctx, limit, errTime)
	ctx, end := context.WithCancelCause(ctx)
	signalled, stop := signal.NotifyContext(context.WithoutCancel(ctx), unix.SIGINT, unix.SIGTERM)
	context.AfterFunc(signalled, func() { end(errInterrupted); stop() })
	return ctx, func() { stop(); over() }
}

func (p *player) playAll(ctx context.Context, w *wire, cases []conformance.Case) error {
	warned := false
	s := silence{player: p, wire: w}
	for _, c := range cases {
		if c.Hostile && !warned {
			warned = true
			p.warn(ctx)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r, failure, err := p.play(ctx, w, &c)
		for n := 0; n < p.again && err == nil && p.maybeLost(r); n++ {
			w.settle(ctx, p.between)
			first := r
			if r, failure, err = p.play(ctx, w, &c); r.Kind == conformance.Pass {
				r.Text = "when played again; before: " + first.Text
			}
		}
		if err := errors.Join(err, p.keep(w, r)); err != nil {
			return err
		}
		if err := s.after(r, failure); err != nil {
			return err
		}
		w.settle(ctx, p.between)
	}
	return nil
}

// maybeLost reports whether a case is to be played again: a line may lose a frame,
// and a peer that was there before may have been busy.
func (p *player) maybeLost(r conformance.Result) bool {
	return r.Kind == conformance.Fail || r.Kind == conformance.Unreached && len(r.Frames) > 0
}

// hostileWait is how long whoever sits at a terminal has to think again.
const hostileWait = 5 * time.Second

// warn says that hostile frames follow.
func (p *player) warn(ctx context.Context) {
	who := "whoever is there"
	if p.o.Target != (pppoe.MAC{}) {
		who = p.o.Target.String()
	}
	fmt.Fprintf(os.Stderr, "now come frames that no good peer sends, and that have made implementations crash, to %s at %s\n", who, p.iface)
	if p.yes || !terminal(os.Stderr) {
		return
	}
	fmt.Fprintf(os.Stderr, "in %v; Ctrl-C if you do not mean it (--no-hostile leaves them out)\n", hostileWait)
	select {
	case <-time.After(hostileWait):
	case <-ctx.Done():
	}
}

func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// trial begins a case. What is random in it depends on the seed and its name, so
// that it is the same when the case is played alone.
func (p *player) trial(c *conformance.Case) *conformance.Trial {
	h := fnv.New64()
	io.WriteString(h, c.Name)
	return conformance.New(c, p.o, rand.New(rand.NewPCG(p.seed, h.Sum64())))
}

// play plays one case, and returns what came of it, also if it was not played
// to its end. failure is of the command that has the peer dial.
func (p *player) play(ctx context.Context, w *wire, c *conformance.Case) (r conformance.Result, failure, err error) {
	t := p.trial(c)
	r = conformance.Result{Case: c, Kind: conformance.Unreached, Text: "not played"}
	if p.verbose {
		fmt.Fprintf(os.Stderr, "%s\n", c.Name)
	}
	start, err := begin(p.start, p.verbose)
	if err != nil {
		return r, nil, err
	}
	err = w.play(ctx, t, p.tell(w))
	failure = start.end()
	if stop, err := begin(p.stop, p.verbose); err != nil {
		return r, nil, err
	} else if err := stop.wait(stopWait); err != nil {
		fmt.Fprintf(os.Stderr, "--stop: %v\n", err)
	}
	p.meet(t)
	r = *t.Result()
	if state := w.state(); state != nil && r.Kind == conformance.Fail {
		r.Text = state.Error() + ": " + r.Text // a peer that has crashed may be why
		if state.fatal {
			r.Kind, err = conformance.Unreached, state
		}
	}
	return r, failure, err
}

// tell returns what prints frames, if they are to be.
func (p *player) tell(w *wire) func(sent bool, f pppoe.Frame) {
	if !p.verbose {
		return func(bool, pppoe.Frame) {}
	}
	return func(sent bool, f pppoe.Frame) {
		fmt.Fprintf(os.Stderr, "  %9.3f %s %s\n", w.now().Seconds(), map[bool]string{true: ">", false: "<"}[sent], conformance.Describe(f))
	}
}

// meet takes down who the peer is. From now on it is nobody else: hostile frames
// are for the station that was there first.
func (p *player) meet(t *conformance.Trial) {
	if mac := t.Peer(); p.o.Target == (pppoe.MAC{}) && mac.Unicast() {
		p.o.Target = mac
	}
	p.report.Peer = p.o.Target
	p.report.ACName = cmp.Or(t.ACName(), p.report.ACName)
}

// keep puts a result into the report, and its frames into a capture.
func (p *player) keep(w *wire, r conformance.Result) error {
	name, err := "", error(nil)
	if r.Kind == conformance.Fail && p.captures != "" {
		if name, err = p.capture(w, r); err != nil {
			err = fmt.Errorf("--captures: %w", err)
		}
	}
	p.report.add(r, name)
	if terminal(os.Stderr) || p.verbose {
		fmt.Fprintf(os.Stderr, "%s\n", r)
	}
	return err
}
