package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/net/bpf"

	"pppoectl/pppoe"
)

// Options are what is to be written.
type Options struct {
	Uplink  string
	Version string // of the program
	Data    bool   // IP, too
	Secrets bool   // passwords as they are
	Frames  uint64 // ends it; 0: no end
}

// comment is what a file of them says of itself.
func (o Options) comment() string {
	if o.Data {
		return fmt.Sprintf("uplink %s, control packets and data", o.Uplink)
	}
	return fmt.Sprintf("uplink %s, control packets", o.Uplink)
}

// View is what is known of the uplink at a time.
type View struct {
	Line, Device string    // interfaces
	Session      Session   // the present one
	Others       []Session // other uplinks' on any line
	// Carried says that Stripped is known: whether programs in the kernel take the headers
	// from received data.
	Carried, Stripped bool
}

// Look looks how things are now.
type Look func(context.Context) (View, error)

// Result is what came of a capture, in frames.
type Result struct {
	Frames uint64 // written
	Lost   uint64 // we were too slow for the line
}

// Capture is a capture of one uplink.
type Capture struct {
	options      Options
	view         View
	stripped     bool // until it is known: each packet is seen once either way
	mac          pppoe.MAC
	line, device *tap
	seen         chan tapped
	queue        queue
	file         *File
	result       Result
}

// Open begins to listen: from here on nothing is missed. There must be the line.
func Open(v View, o Options) (*Capture, error) {
	c := &Capture{
		options: o, stripped: true, seen: make(chan tapped, 1024),
		queue: queue{ours: map[Session]bool{{}: true}}, // discovery
	}
	if err := c.follow(v); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends it.
func (c *Capture) Close() {
	c.result.Lost += c.line.close() + c.device.close()
	c.line, c.device = nil, nil
}

// follow has the taps where they are to be.
func (c *Capture) follow(v View) error {
	c.view = v
	for _, s := range v.Others {
		c.queue.tell(s, false)
	}
	if v.Session != (Session{}) {
		c.queue.tell(v.Session, true)
	}
	if v.Carried {
		c.stripped = v.Stripped
	}
	data := v.Session.ID
	if !c.options.Data {
		data = 0
	}
	device := c.tap(&c.device, v.Device, data != 0 && c.stripped, deviceFilter())
	if err := c.tap(&c.line, v.Line, true, lineFilter(data, c.stripped)); err != nil {
		return err
	}
	if data != 0 && v.Carried && c.stripped {
		return device
	}
	return nil
}

// tap has a tap on the interface called name, or none.
func (c *Capture) tap(t **tap, name string, wanted bool, filter []bpf.Instruction) error {
	ifi, err := net.InterfaceByName(name)
	if old := *t; old != nil && (!wanted || err != nil || old.index != ifi.Index) {
		c.result.Lost += old.close()
		*t = nil
	}
	if !wanted {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	bare := t == &c.device
	if !bare {
		if len(ifi.HardwareAddr) != len(c.mac) {
			return fmt.Errorf("%s is no Ethernet interface", name)
		}
		c.mac = pppoe.MAC(ifi.HardwareAddr)
	}
	if *t != nil {
		return (*t).setFilter(filter)
	}
	if *t, err = openTap(*ifi, filter, bare); err != nil {
		*t = nil
		return fmt.Errorf("%s: %w", name, err)
	}
	(*t).read(bare, c.seen)
	return nil
}

// errEnough ends a capture that has as many frames as it was to have.
var errEnough = errors.New("enough")

// Run writes until ctx is done or there are enough frames, and closes. What is wrong with w
// ends it.
func (c *Capture) Run(ctx context.Context, w io.Writer, look Look) (Result, error) {
	defer c.Close()
	var err error
	if c.file, err = NewFile(w, c.view.Line, c.options.comment(), "pppoectl "+c.options.Version); err == nil {
		err = c.run(ctx, look)
	}
	c.Close()
	if errors.Is(err, errEnough) {
		err = nil
	}
	return c.result, err
}

func (c *Capture) run(ctx context.Context, look Look) error {
	ask, views := watch(ctx, look)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return c.last(ctx, look)
		case t := <-c.seen:
			c.take(t)
		case v := <-views:
			c.follow(v) // an interface that is away comes back
		case <-tick.C:
			if c.queue.undecided() || c.options.Data && c.view.Session != (Session{}) && !c.view.Carried {
				ask()
			}
			select {
			case v := <-views: // before a frame is given up for want of it
				c.follow(v)
			default:
			}
			if err := c.write(time.Now(), false); err != nil {
				return err
			}
		}
	}
}

// last writes what has been seen before the end.
func (c *Capture) last(ctx context.Context, look Look) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	defer cancel()
	if v, err := look(ctx); err == nil && v.Session != (Session{}) {
		c.queue.tell(v.Session, true)
	}
	for end := time.After(10 * beat); ; {
		select {
		case t := <-c.seen:
			c.take(t)
			continue
		case <-time.After(beat): // no more comes
		case <-end:
		}
		return c.write(time.Now(), true)
	}
}

// take queues what a tap has seen, as it goes over the wire.
func (c *Capture) take(t tapped) {
	frame := t.data
	if t.bare {
		if c.view.Session == (Session{}) {
			return
		}
		if frame = wrap(t.data, c.view.Session, c.mac); frame == nil {
			return
		}
		t.offload.start += headerLen
	}
	s, ok := sessionOf(frame, c.mac)
	if !ok {
		return
	}
	if !c.options.Secrets && s != (Session{}) {
		hideSecrets(frame)
	}
	for _, f := range t.offload.finish(frame) {
		c.queue.add(held{t.at, time.Now(), s, f})
	}
}

// write writes what is due.
func (c *Capture) write(now time.Time, end bool) error {
	for _, h := range c.queue.due(now, end) {
		if err := c.file.Write(h.at, h.frame); err != nil {
			return err
		}
		if c.result.Frames++; c.result.Frames == c.options.Frames {
			return errEnough
		}
	}
	return nil
}
