package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/clock"
	"pppoectl/concentrator"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/dataplane"
	"pppoectl/lcp"
	"pppoectl/line"
	"pppoectl/netconf"
	"pppoectl/pppoe"
	"pppoectl/session"
	"pppoectl/state"
	"pppoectl/supervisor"
)

// world is a supervisor in a synctest bubble, on a line with a concentrator.
// Nothing of it is real but the state directory.
type world struct {
	t     *testing.T
	sup   *supervisor.Supervisor
	store *state.Store
	dir   string
	boot  string
	slept *atomic.Int64
	jumps chan clock.Jump
	env   supervisor.Environment
	cfg   *configs.Config
	*kernel
	*wire
}

const hour = time.Hour

var (
	hostMAC = pppoe.MAC{2, 0, 0, 0, 0, 1}
	acMAC   = pppoe.MAC{0, 0x1e, 0x13, 0xc2, 0x69, 0xc2}
)

// inWorld runs f in a world whose configuration has bizf and bizf6.
func inWorld(t *testing.T, f func(w *world)) { inWorldOf(t, configuration().Uplinks, f) }

// inWorldOf runs f in a world with the given uplinks.
func inWorldOf(t *testing.T, uplinks []configs.Uplink, f func(w *world), before ...func(w *world)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		w.cfg.Uplinks = uplinks
		for _, b := range before {
			b(w)
		}
		w.start()
		defer w.end()
		f(w)
	})
}

func newWorld(t *testing.T, dir string) *world {
	epoch := time.Now()
	var slept atomic.Int64
	now := func() time.Duration { return time.Since(epoch) + hour + time.Duration(slept.Load()) }
	k := &kernel{links: map[string]bool{}, lineUp: true}
	x := newWire(t, now)
	w := &world{t: t, dir: dir, boot: "boot", kernel: k, wire: x, cfg: configuration()}
	w.slept, w.jumps = &slept, make(chan clock.Jump)
	w.env = supervisor.Environment{
		Jumps: func(context.Context) (<-chan clock.Jump, error) { return w.jumps, nil },
		Now:   now, Random: &source{Source: rand.NewPCG(7, 8)}, Follow: x.follow, Open: x.open, System: k,
		Attach: func(name string) (supervisor.Device, error) { return k.attach(name) },
		NewPath: func(s dataplane.Session, d dataplane.Device) (dataplane.Path, error) {
			return k.newPath(s, d.(device).name), nil
		},
		Carried:     func(string) (dataplane.Counters, error) { return dataplane.Counters{}, errors.New("no such device") },
		OpenRouters: func(string) (supervisor.Routers, error) { return k.openRouters(), nil },
		OpenDHCP:    func(name string, local netip.Addr) (supervisor.Datagrams, error) { return x.openDHCP(k, name, local) },
	}
	return w
}

func configuration() *configs.Config {
	uplink := func(name, password string, f session.Family) configs.Uplink {
		return configs.Uplink{
			Name: name, Enabled: true, Interface: "eth1", Ifname: name, Username: "user@" + name + ".example.jp",
			Password: configs.Secret(password), Auth: []lcp.Auth{lcp.AuthCHAPMD5, lcp.AuthPAP},
			Families: []session.Family{f}, MTU: 1454, RequestDNS: true, DefaultRoute: true, Metric: 100,
			Identifier:   configs.Identifier{Kind: configs.RandomIdentifier},
			EchoInterval: 10 * time.Second, EchoFailures: 5, DeadAfter: time.Minute,
		}
	}
	return &configs.Config{File: "test.yaml", Uplinks: []configs.Uplink{
		uplink("bizf", "secret4", session.IPv4), uplink("bizf6", "secret6", session.IPv6),
	}}
}

func (w *world) start(names ...string) {
	w.t.Helper()
	var err error
	if w.store, err = state.Open(w.dir, w.boot); err != nil {
		w.t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	if w.sup, err = supervisor.New("test", w.cfg, w.env, w.store, logrus.NewEntry(log), w.boot); err != nil {
		w.t.Fatal(err)
	}
	w.sup.Start(names)
	synctest.Wait()
}

// detach ends the supervisor as SIGTERM does.
func (w *world) detach() {
	w.sup.Detach()
	w.store.Close()
	w.sup = nil
}

func (w *world) end() {
	if w.sup != nil {
		w.detach()
	}
	w.wire.close()
}

// sleep has the whole machine sleep, and wake up: no timer runs meanwhile.
func (w *world) sleep(d time.Duration) {
	w.slept.Add(int64(d))
	w.jumps <- clock.Jump{Slept: d}
	synctest.Wait()
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	time.Sleep(d) // the bubble's time
	synctest.Wait()
}

func (w *world) uplink(name string) control.Uplink {
	w.t.Helper()
	u, err := w.sup.Uplink(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func (w *world) expect(name, state string) {
	w.t.Helper()
	if u := w.uplink(name); u.State != state {
		w.t.Fatalf("%s is %s, want %s; last error %+v", name, u.State, state, u.LastError)
	}
}

func (w *world) events(name string) []state.Event {
	w.t.Helper()
	all, _, end, err := w.sup.Events(name)
	if err != nil {
		w.t.Fatal(err)
	}
	end()
	return all
}

// wire is the line: an interface, a concentrator at its other end, and frames
// between them.
type wire struct {
	now func() time.Duration

	mu      sync.Mutex
	ac      *concentrator.AC
	peer    peer // what answers: ac, unless a test puts a whole line there
	ports   map[*port]bool
	status  line.Status
	follows map[chan line.Status]bool
	sent    []pppoe.Frame // by the host
	wake    chan struct{}
	done    chan struct{}
	drop    bool // frames of both sides
	dead    bool // the host's process is
	last    int  // its frames until it dies; 0: it does not
	died    func()

	clients map[*datagrams]bool // of DHCPv6
}

func newWire(t *testing.T, now func() time.Duration) *wire {
	x := &wire{
		now: now, ports: map[*port]bool{}, clients: map[*datagrams]bool{}, follows: map[chan line.Status]bool{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		status: line.Status{Exists: true, Up: true, Carrier: true, Interface: net.Interface{Index: 2, Name: "eth1", HardwareAddr: hostMAC[:]}},
	}
	x.ac = concentrator.New(concentrator.Config{
		MAC: acMAC, Name: "BAS-TOKYO", Auth: []lcp.Auth{lcp.AuthPAP}, Secret: []byte("cookie"),
		Address: netip.MustParseAddr("203.0.113.1"),
		Subscribers: concentrator.NewSubscribers(map[string]concentrator.Login{
			"user@bizf.example.jp": {Password: "secret4", IPv4: netip.MustParseAddr("203.0.113.7"), DNS: [2]netip.Addr{netip.MustParseAddr("198.51.100.53")}},
			"user@bizf6.example.jp": {
				Password: "secret6", IPv6: true, Prefix: netip.MustParsePrefix("2001:db8:100::/56"),
				DNS6: []netip.Addr{netip.MustParseAddr("2001:db8:ffff::53")},
			},
			"user@both.example.jp": {Password: "secret", IPv4: netip.MustParseAddr("203.0.113.8"), IPv6: true},
		}),
	}, rand.New(rand.NewPCG(5, 6)))
	x.peer = x.ac
	go x.run()
	return x
}

// peer is the other end of the line.
type peer interface {
	Step(now time.Duration, f *pppoe.Frame) concentrator.Output
}

func (x *wire) close() { close(x.done) }

// run is the concentrator's clock.
func (x *wire) run() {
	timer := time.NewTimer(hour)
	for {
		select {
		case <-x.done:
			return
		case <-x.wake:
		case <-timer.C:
		}
		x.mu.Lock()
		next := x.deliver(x.peer.Step(x.now(), nil))
		x.mu.Unlock()
		if next != 0 {
			timer.Reset(max(next-x.now(), 0))
		}
	}
}

// deliver hands frames to the host's ports.
func (x *wire) deliver(out concentrator.Output) time.Duration {
	for _, f := range out.Frames {
		if x.data(f) {
			continue
		}
		for p := range x.ports {
			if !x.drop && !x.dead && x.status.Carrier {
				p.frames <- f
			}
		}
	}
	return out.Deadline
}

// do changes the concentrator; frames that it returns are sent to the host.
func (x *wire) do(f func(ac *concentrator.AC, now time.Duration) []pppoe.Frame) {
	x.mu.Lock()
	x.deliver(concentrator.Output{Frames: f(x.ac, x.now())})
	x.mu.Unlock()
	x.kick()
	synctest.Wait()
}

func (x *wire) kick() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

func (x *wire) follow(string) (<-chan line.Status, func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := make(chan line.Status, 16)
	c <- x.status
	x.follows[c] = true
	return c, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.follows, c)
	}
}

// link changes the interface.
func (x *wire) link(f func(*line.Status)) {
	x.mu.Lock()
	f(&x.status)
	for c := range x.follows {
		c <- x.status
	}
	x.mu.Unlock()
	synctest.Wait()
}

func (x *wire) open(ifi net.Interface) (supervisor.Port, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := &port{wire: x, ifi: ifi, frames: make(chan pppoe.Frame, 1024)}
	x.ports[p] = true
	return p, nil
}

// count counts the host's discovery frames with a code.
func (x *wire) count(code pppoe.Code) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for _, f := range x.sent {
		if p, err := pppoe.ParsePacket(f.Payload); err == nil && f.EtherType == pppoe.EtherTypeDiscovery && p.Code == code {
			n++
		}
	}
	return n
}

func (x *wire) sessions() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.ac.Sessions())
}

type port struct {
	wire   *wire
	ifi    net.Interface
	frames chan pppoe.Frame
}

func (p *port) MAC() pppoe.MAC             { return pppoe.MAC(p.ifi.HardwareAddr) }
func (p *port) Interface() net.Interface   { return p.ifi }
func (p *port) Frames() <-chan pppoe.Frame { return p.frames }
func (p *port) SetAddress(line.Address)    {}
func (p *port) ReleaseUnknown(func() bool) {}
func (p *port) Close() {
	p.wire.mu.Lock()
	defer p.wire.mu.Unlock()
	delete(p.wire.ports, p)
}

func (p *port) Send(f pppoe.Frame) error {
	x := p.wire
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.dead {
		return nil
	}
	if !x.status.Carrier {
		return errors.New("no carrier")
	}
	if x.last > 0 {
		if x.last--; x.last == 0 {
			x.dead = true
			x.died()
			return nil
		}
	}
	x.sent = append(x.sent, f)
	if !x.drop {
		x.deliver(x.peer.Step(x.now(), &f))
	}
	x.kick()
	return nil
}

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

func (k *kernel) attach(name string) (supervisor.Device, error) { return device{name: name}, nil }

type device struct {
	io.ReadWriteCloser
	name string
}

func (device) Close() error     { return nil }
func (device) Interrupt() error { return nil }
func (device) Resume() error    { return nil }

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
func (p *path) Kind() string                 { return "fake" }
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
