package supervisor

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	mrand "math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/clock"
	"pppoectl/dataplane"
	"pppoectl/hooks"
	"pppoectl/lan"
	"pppoectl/line"
	"pppoectl/linklocal"
	"pppoectl/netconf"
	"pppoectl/pppoe"
	"pppoectl/tun"
)

// Port is an uplink's share of its line.
type Port interface {
	MAC() pppoe.MAC
	Interface() net.Interface
	Frames() <-chan pppoe.Frame
	SetAddress(line.Address)
	// ReleaseUnknown ends sessions of this station that nobody here knows, as long as
	// wanted says so.
	ReleaseUnknown(wanted func() bool)
	Send(pppoe.Frame) error
	// Superseded delivers when the AC has given the session's id to another one of ours.
	Superseded() <-chan struct{}
	Close()
}

// Device is an attached TUN device.
type Device interface {
	dataplane.Device
	Close() error
}

// Datagrams is a socket for DHCPv6 on one link.
type Datagrams interface {
	Messages() <-chan []byte
	Send(message []byte) error
	Close()
}

// Routers is a socket for router discovery on one link.
type Routers interface {
	Found() <-chan linklocal.Router
	Solicit() error
	Close()
}

// Advertisements is a socket for router advertisements on one LAN.
type Advertisements interface {
	Asked() <-chan netip.Addr // where Router Solicitations come from
	Send(lan.Message) error
	Close()
}

// Environment is the world as the supervisor sees it; tests bring their own.
type Environment struct {
	// Now is the time since boot, suspend included.
	Now func() time.Duration
	// Random feeds identifiers, challenges and jitter.
	Random mrand.Source
	// Follow returns the newest status of an interface, now and whenever it
	// changes, and a function that ends this.
	Follow func(name string) (<-chan line.Status, func())
	// Others reports whether another program has PPPoE sockets on the interface with an
	// index; nil: there are none.
	Others func(index int) bool
	// Open opens a line.
	Open func(net.Interface) (Port, error)
	// Attach attaches to a TUN device.
	Attach func(name string) (Device, error)
	// NewPath begins to carry a session's packets; see [dataplane.Open].
	NewPath func(dataplane.Kind, dataplane.Session, dataplane.Device) (path dataplane.Path, note string, err error)
	// ForgetSession has a line's programs, pinned in a directory, carry no session of a TUN
	// device any more.
	ForgetSession func(pins, device string) error
	// Carried counts what has gone through a TUN device since it was made; see [dataplane.Carried].
	Carried func(device, pins string) (dataplane.Counters, error)
	// OpenDHCP opens a DHCPv6 client's socket at a link-local address of a device.
	OpenDHCP func(device string, local netip.Addr) (Datagrams, error)
	// OpenRouters opens a socket for router discovery on a device.
	OpenRouters func(device string) (Routers, error)
	// OpenLAN opens a socket for router advertisements.
	OpenLAN func(net.Interface) (Advertisements, error)
	// Lost tells of what is taken away in the system, until ctx is done.
	Lost func(ctx context.Context) (<-chan netconf.Lost, error)
	// Jumps tells of sleep and of clocks that are set, until ctx is done.
	Jumps func(ctx context.Context) (<-chan clock.Jump, error)
	// NewHooks returns what runs the operator's programs in a directory for one uplink.
	NewHooks func(dir string, limit time.Duration, log *logrus.Entry) Hooks
	// System is what netconf changes.
	System netconf.System
}

// Real returns the environment of this network namespace.
func Real(w *line.Watcher) Environment {
	var ports line.Ports
	return Environment{
		Now:    clock.SinceBoot,
		Random: entropy{},
		Follow: w.Follow,
		Others: line.Others,
		Open: func(ifi net.Interface) (Port, error) {
			h, err := ports.Open(ifi)
			if err != nil {
				return nil, err
			}
			return handle{h}, nil
		},
		Attach: func(name string) (Device, error) {
			d, err := tun.Attach(name)
			if err != nil {
				return nil, err
			}
			return d, nil
		},
		NewPath:       dataplane.Open,
		ForgetSession: dataplane.Forget,
		Carried:       dataplane.Carried,
		OpenDHCP: func(device string, local netip.Addr) (Datagrams, error) {
			d, err := linklocal.OpenDHCP(device, local)
			if err != nil {
				return nil, err
			}
			return d, nil
		},
		OpenRouters: func(device string) (Routers, error) {
			r, err := linklocal.OpenRouters(device)
			if err != nil {
				return nil, err
			}
			return r, nil
		},
		OpenLAN: func(ifi net.Interface) (Advertisements, error) {
			s, err := lan.Listen(ifi)
			if err != nil {
				return nil, err
			}
			return s, nil
		},
		Lost:  netconf.WatchLost,
		Jumps: clock.Watch,
		NewHooks: func(dir string, limit time.Duration, log *logrus.Entry) Hooks {
			return hooks.NewQueue(dir, limit, log)
		},
		System: netconf.Linux{},
	}
}

type handle struct{ *line.Handle }

func (h handle) MAC() pppoe.MAC           { return h.Port().MAC }
func (h handle) Interface() net.Interface { return h.Port().Interface }

// entropy is the kernel's randomness as a source of math/rand.
type entropy struct{}

func (entropy) Uint64() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}
