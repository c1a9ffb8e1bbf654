package supervisor_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/clock"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/dataplane"
	"pppoectl/lcp"
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
		NewPath: func(_ dataplane.Kind, s dataplane.Session, d dataplane.Device) (dataplane.Path, string, error) {
			return k.newPath(s, d.(device).name), "", nil
		},
		Carried: func(string, string) (dataplane.Counters, error) {
			return dataplane.Counters{}, errors.New("no such device")
		},
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
