package line

import (
	"context"
	"fmt"
	"net"
	"sync"

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
	done     chan struct{}
	ended    chan struct{}
}

// Watch begins to follow the interfaces of this network namespace until ctx
// is done.
func Watch(ctx context.Context) (*Watcher, error) {
	w := &Watcher{
		links: map[string]Status{}, watchers: map[string]map[chan Status]struct{}{},
		done: make(chan struct{}), ended: make(chan struct{}),
	}
	updates := make(chan netlink.LinkUpdate, 64)
	err := netlink.LinkSubscribeWithOptions(updates, w.done, netlink.LinkSubscribeOptions{
		ErrorCallback: func(error) {}, // the channel is closed then, and opened anew below
		ListExisting:  true,
	})
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	if err := w.list(); err != nil {
		close(w.done)
		return nil, fmt.Errorf("netlink: %w", err)
	}
	go w.follow(ctx, updates)
	return w, nil
}

func (w *Watcher) follow(ctx context.Context, updates chan netlink.LinkUpdate) {
	defer close(w.ended)
	for {
		select {
		case <-ctx.Done():
			close(w.done)
			return
		case u, ok := <-updates:
			if !ok { // the kernel's queue overflowed: subscribe and look again
				updates = make(chan netlink.LinkUpdate, 64)
				if err := netlink.LinkSubscribe(updates, w.done); err != nil {
					return
				}
				w.list()
				continue
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

// list looks at all interfaces.
func (w *Watcher) list() error {
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	for _, l := range links {
		w.update(l.Attrs().Name, statusOf(l.Attrs()))
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
	w.links[name] = s
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
		delete(w.watchers[name], c)
	}
}
