package line

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Status is what is known of an interface.
type Status struct {
	Exists    bool
	Up        bool // set up by the administrator
	Carrier   bool // and with a carrier: frames can go out
	Interface net.Interface
}

// Watcher follows all interfaces by netlink. It is safe for concurrent use.
type Watcher struct {
	mu       sync.Mutex
	links    map[string]Status
	watchers map[string]map[chan Status]struct{}
	done     chan struct{} // closed to end the present subscription
}

// Watch begins to follow the interfaces of this network namespace until ctx
// is done.
func Watch(ctx context.Context) (*Watcher, error) {
	w := &Watcher{links: map[string]Status{}, watchers: map[string]map[chan Status]struct{}{}}
	updates, err := w.subscribe()
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	go w.follow(ctx, updates)
	return w, nil
}

// subscribe asks for what changes from now on, and then looks at what there is.
func (w *Watcher) subscribe() (chan netlink.LinkUpdate, error) {
	w.done = make(chan struct{})
	updates := make(chan netlink.LinkUpdate, 64)
	err := netlink.LinkSubscribeWithOptions(updates, w.done, netlink.LinkSubscribeOptions{
		ErrorCallback: func(error) {}, // the channel is closed then, and follow opens another
	})
	if err == nil {
		err = w.list()
	}
	if err != nil {
		close(w.done)
	}
	return updates, err
}

func (w *Watcher) follow(ctx context.Context, updates chan netlink.LinkUpdate) {
	for {
		select {
		case <-ctx.Done():
			close(w.done)
			return
		case u, ok := <-updates:
			if !ok { // the kernel's queue overflowed: subscribe and look again
				if updates = w.again(ctx); updates == nil {
					return
				}
				continue
			}
			if u.IfInfomsg.Family == unix.AF_BRIDGE {
				continue // tells of the bridge that it belongs to, or has left
			}
			s := statusOf(u.Link.Attrs())
			s.Exists = u.Header.Type != unix.RTM_DELLINK
			if !s.Exists {
				s.Up, s.Carrier = false, false
			}
			w.update(u.Link.Attrs().Name, s)
		}
	}
}

// again subscribes anew, as often as it takes. It returns nil when ctx is done.
func (w *Watcher) again(ctx context.Context) chan netlink.LinkUpdate {
	close(w.done)
	for {
		updates, err := w.subscribe()
		if err == nil {
			return updates
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// list looks at all interfaces; those that are not there any more are gone.
func (w *Watcher) list() error {
	var links []netlink.Link
	var err error
	for range 5 {
		if links, err = netlink.LinkList(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, l := range links {
		there[l.Attrs().Name] = true
		w.update(l.Attrs().Name, statusOf(l.Attrs()))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.links {
		if !there[name] {
			w.set(name, Status{})
		}
	}
	return nil
}

func statusOf(a *netlink.LinkAttrs) Status {
	up := a.RawFlags&unix.IFF_UP != 0
	return Status{
		Exists: true, Up: up, Carrier: up && a.RawFlags&unix.IFF_LOWER_UP != 0,
		Interface: net.Interface{
			Index: a.Index, MTU: a.MTU, Name: a.Name, HardwareAddr: a.HardwareAddr, Flags: a.Flags,
		},
	}
}

func (w *Watcher) update(name string, s Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.Exists {
		for old, o := range w.links { // renamed: the old name is gone
			if old != name && o.Exists && o.Interface.Index == s.Interface.Index {
				w.set(old, Status{})
			}
		}
	} else if w.links[name].Interface.Index != s.Interface.Index {
		return // an older interface of that name
	}
	w.set(name, s)
}

func (w *Watcher) set(name string, s Status) {
	old := w.links[name]
	if s.Exists {
		w.links[name] = s
	} else {
		delete(w.links, name)
	}
	if old.Exists == s.Exists && old.Carrier == s.Carrier && old.Up == s.Up &&
		old.Interface.Index == s.Interface.Index && old.Interface.HardwareAddr.String() == s.Interface.HardwareAddr.String() {
		return
	}
	for c := range w.watchers[name] {
		deliver(c, s)
	}
}

// deliver replaces what the channel holds: only the newest status counts.
func deliver(c chan Status, s Status) {
	for {
		select {
		case c <- s:
			return
		default:
		}
		select {
		case <-c:
		default:
		}
	}
}

// Follow returns a channel that holds the newest status of the interface called
// name, beginning with the present one, and a function that ends this.
func (w *Watcher) Follow(name string) (<-chan Status, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := make(chan Status, 1)
	if w.watchers[name] == nil {
		w.watchers[name] = map[chan Status]struct{}{}
	}
	w.watchers[name][c] = struct{}{}
	c <- w.links[name]
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if delete(w.watchers[name], c); len(w.watchers[name]) == 0 {
			delete(w.watchers, name)
		}
	}
}
