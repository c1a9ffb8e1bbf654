package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"pppoectl/dataplane"
	"pppoectl/netconf"
	"pppoectl/supervisor"
	"pppoectl/tun"
)

// kernel is a netconf.System that prints itself as text, the TUN devices, and
// the data paths.
type kernel struct {
	mu     sync.Mutex
	links  map[string]bool
	config []string
	noTUN  error
	noAddr error
	taken  string // a destination that another device has the default route for
	lineUp bool   // whoever did it
	noXDP  error  // why no programs can be had
	reset  func() // what attaching them does to the line
	paths  []*path

	routers   []*routers
	solicited int // times
}

func (k *kernel) set(add bool, format string, args ...any) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	i := slices.Index(k.config, text)
	switch {
	case add && i < 0:
		k.config = append(k.config, text)
	case !add && i >= 0:
		k.config = slices.Delete(k.config, i, i+1)
	}
	return nil
}

// reboot leaves nothing.
func (k *kernel) reboot() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.config = nil
}

// show is the whole system as text.
func (k *kernel) show() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	lines := slices.Clone(k.config)
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// refuseAddresses makes adding addresses impossible; nil makes it possible again.
func (k *kernel) refuseAddresses(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.noAddr = err
}

// occupy gives another device the default route to a destination.
func (k *kernel) occupy(destination string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.taken = destination
}

// refuse makes devices impossible; nil makes them possible again.
func (k *kernel) refuse(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.noTUN = err
}

func (k *kernel) refused() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.noTUN
}

// source is a random source for many goroutines.
type source struct {
	mu sync.Mutex
	rand.Source
}

func (s *source) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Source.Uint64()
}

func (k *kernel) AddDevice(name, owner string) error {
	if err := k.refused(); err != nil {
		return err
	}
	return k.set(true, "device %s of %s", name, owner)
}
func (k *kernel) DeleteDevice(name, owner string) error {
	return k.set(false, "device %s of %s", name, owner)
}
func (k *kernel) SetMTU(string, int) error { return nil }
func (k *kernel) SetUp(name string) error {
	if name == "eth1" {
		return k.set(true, "%s up", name)
	}
	return nil
}
func (k *kernel) IsUp(name string) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lineUp || slices.Contains(k.config, name+" up"), nil
}
func (k *kernel) SetDown(name string) error                { return k.set(false, "%s up", name) }
func (k *kernel) HasAddress(netconf.Address) (bool, error) { return false, nil }
func (k *kernel) AddAddress(a netconf.Address) error {
	k.mu.Lock()
	err := k.noAddr
	k.mu.Unlock()
	if err != nil {
		return err
	}
	old := a
	old.Deprecated = !a.Deprecated
	return errors.Join(k.DeleteAddress(old), k.set(true, "%s", addressLine(a)))
}

func addressLine(a netconf.Address) string {
	text := fmt.Sprintf("%s address %v", a.Device, a.Address)
	if a.Deprecated {
		text += " deprecated"
	}
	return text
}
func (k *kernel) DeleteAddress(a netconf.Address) error { return k.set(false, "%s", addressLine(a)) }
func (k *kernel) AddRoute(r netconf.Route) error {
	k.mu.Lock()
	taken := k.taken
	k.mu.Unlock()
	if r.Destination.String() == taken && r.Table == 0 {
		return &netconf.ConflictError{Route: r, Device: "eth0"}
	}
	return k.set(true, "%s", routeLine(r))
}

func routeLine(r netconf.Route) string {
	text := fmt.Sprintf("%s route %v metric %d", r.Device, r.Destination, r.Metric)
	if r.Device == "" {
		text = fmt.Sprintf("unreachable %v", r.Destination)
	}
	if r.Table != 0 {
		text += fmt.Sprintf(" table %d", r.Table)
	}
	return text
}
func (k *kernel) DeleteRoute(r netconf.Route) error { return k.set(false, "%s", routeLine(r)) }
func (k *kernel) AddRule(r netconf.Rule) error      { return k.set(true, "%v", r) }
func (k *kernel) DeleteRule(r netconf.Rule) error   { return k.set(false, "%v", r) }

// Settings are text as well, if they differ from 0.
func (k *kernel) Sysctl(key string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, line := range k.config {
		if v, ok := strings.CutPrefix(line, key+"="); ok {
			return v, nil
		}
	}
	return "0", nil
}

func (k *kernel) SetSysctl(key, value string) error {
	old, _ := k.Sysctl(key)
	return errors.Join(k.set(false, "%s=%s", key, old), k.set(value != "0", "%s=%s", key, value))
}

func (k *kernel) UnfitFeatures(string) (map[string]bool, error)  { return nil, nil }
func (k *kernel) SetFeatures(string, int, map[string]bool) error { return nil }

func (k *kernel) AttachPrograms(p netconf.Programs) error {
	k.mu.Lock()
	refused := k.noXDP
	k.mu.Unlock()
	if refused != nil {
		return refused
	}
	if k.reset != nil && !k.has("programs on "+p.Interface) {
		k.reset()
	}
	return k.set(true, "programs on %s", p.Interface)
}

func (k *kernel) DetachPrograms(p netconf.Programs) error {
	return k.set(false, "programs on %s", p.Interface)
}

func (k *kernel) attach(name string) (supervisor.Device, error) { return device{name: name}, nil }

type device struct {
	io.ReadWriteCloser
	name string
}

func (device) Close() error     { return nil }
func (device) Interrupt() error { return nil }
func (device) Resume() error    { return nil }

func (device) Batch() (*tun.Batch, error) { return nil, errors.ErrUnsupported }

func (k *kernel) newPath(s dataplane.Session, name string) *path {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := &path{session: s, device: name, failed: make(chan error, 1), open: true}
	k.paths = append(k.paths, p)
	return p
}

// passing returns which sessions' families may flow, as text.
func (k *kernel) passing() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var open []string
	for _, p := range k.paths {
		p.mu.Lock()
		if p.open && p.ipv4 {
			open = append(open, fmt.Sprintf("%d:ipv4", p.session.ID))
		}
		if p.open && p.ipv6 {
			open = append(open, fmt.Sprintf("%d:ipv6", p.session.ID))
		}
		p.mu.Unlock()
	}
	slices.Sort(open)
	return strings.Join(open, " ")
}

type path struct {
	session          dataplane.Session
	device           string
	failed           chan error
	mu               sync.Mutex
	open, ipv4, ipv6 bool
}

func (p *path) Pass(ipv4, ipv6 bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ipv4, p.ipv6 = ipv4, ipv6
}
func (p *path) Counters() dataplane.Counters { return dataplane.Counters{TxBytes: 10} }
func (p *path) Failed() <-chan error         { return p.failed }
func (p *path) Kind() string {
	if p.session.Programs != "" {
		return "ebpf"
	}
	return "fake"
}
func (p *path) Note() string               { return "" }
func (p *path) Reasons() map[string]uint64 { return nil }
func (p *path) Leave() error               { return p.Close() }
func (p *path) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = false
	return nil
}

func background() context.Context { return context.Background() }

func (k *kernel) Advertised() ([]string, error) { return nil, nil }

func (k *kernel) SetFirewall(f netconf.Firewall) error {
	k.DeleteFirewall(f.Table)
	return k.set(true, "%v %s", f, f.Prefixes)
}

func (k *kernel) DeleteFirewall(table string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.config = slices.DeleteFunc(k.config, func(line string) bool { return strings.Contains(line, "table inet "+table+" ") })
	return nil
}

func (k *kernel) HasFirewall(f netconf.Firewall) (bool, error) {
	return strings.Contains(k.show(), "table inet "+f.Table+" "), nil
}

func (k *kernel) has(line string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Contains(k.config, line)
}

func (k *kernel) HasRoute(r netconf.Route) (bool, error) { return k.has(routeLine(r)), nil }
func (k *kernel) HasRule(r netconf.Rule) (bool, error)   { return k.has(r.String()), nil }

func (k *kernel) ReadFile(path string) (string, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, line := range k.config {
		if content, ok := strings.CutPrefix(line, path+" holds "); ok {
			return content, true, nil
		}
	}
	return "", false, nil
}

func (k *kernel) WriteFile(path, content string) error {
	k.RemoveFile(path)
	return k.set(true, "%s holds %s", path, content)
}

func (k *kernel) RemoveFile(path string) error {
	old, _, _ := k.ReadFile(path)
	return k.set(false, "%s holds %s", path, old)
}

func (k *kernel) SetResolved(r netconf.Resolved) error { return k.set(true, "%v", r) }

func (k *kernel) RevertResolved(device string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.config = slices.DeleteFunc(k.config, func(line string) bool { return strings.HasPrefix(line, "resolvectl dns "+device+" ") })
	return nil
}
