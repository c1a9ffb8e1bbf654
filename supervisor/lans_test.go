package supervisor_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mdlayher/ndp"

	"pppoectl/concentrator"
	"pppoectl/configs"
	"pppoectl/lan"
	"pppoectl/line"
	"pppoectl/netconf"
	"pppoectl/state"
	"pppoectl/supervisor"
)

// lans are the interfaces of LANs, the sockets on them, and what was said there.
type lans struct {
	w  *world
	mu sync.Mutex

	status  map[string]line.Status
	follows map[string]map[chan line.Status]bool
	sockets map[*lanSocket]bool
	told    []announced
	refused map[string]error // addresses of a device
	failing map[string]error // settings
	native  []string         // interfaces that live on router advertisements
}

// announced is what was said on a LAN.
type announced struct {
	at   time.Duration
	name string
	to   netip.Addr
	ra   *ndp.RouterAdvertisement
}

type lanSocket struct {
	lans  *lans
	ifi   net.Interface
	asked chan netip.Addr
}

// inLAN runs f in a world with uplinks that have LANs, on interfaces that are up.
func inLAN(t *testing.T, uplinks []configs.Uplink, f func(w *world, l *lans)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		w.cfg.Uplinks = uplinks
		l := newLANs(w)
		defer w.end()
		f(w, l)
	})
}

func newLANs(w *world) *lans {
	l := &lans{
		w: w, status: map[string]line.Status{}, follows: map[string]map[chan line.Status]bool{}, sockets: map[*lanSocket]bool{},
		refused: map[string]error{}, failing: map[string]error{},
	}
	for i, name := range []string{"eth0", "eth2"} {
		l.status[name] = line.Status{Exists: true, Up: true, Carrier: true, Interface: net.Interface{
			Index: 10 + i, Name: name, MTU: 1500, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 1, byte(i)},
		}}
	}
	w.env.Follow = func(name string) (<-chan line.Status, func()) {
		if _, ours := l.status[name]; !ours {
			return w.follow(name)
		}
		return l.follow(name)
	}
	w.env.OpenLAN = l.open
	w.env.System = lanKernel{w.kernel, l}
	return l
}

func (l *lans) follow(name string) (<-chan line.Status, func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := make(chan line.Status, 16)
	c <- l.status[name]
	if l.follows[name] == nil {
		l.follows[name] = map[chan line.Status]bool{}
	}
	l.follows[name][c] = true
	return c, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.follows[name], c)
	}
}

// link changes an interface. One that is set down or deleted loses its addresses,
// as in Linux.
func (l *lans) link(name string, f func(*line.Status)) {
	l.mu.Lock()
	old, s := l.status[name], l.status[name]
	f(&s)
	l.status[name] = s
	l.mu.Unlock()
	if !s.Up || s.Interface.Index != old.Interface.Index {
		l.w.kernel.flush(name)
	}
	l.mu.Lock()
	for c := range l.follows[name] {
		c <- s
	}
	l.mu.Unlock()
	synctest.Wait()
}

func (l *lans) open(ifi net.Interface) (supervisor.Advertisements, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.status[ifi.Name]; !s.Up || s.Interface.Index != ifi.Index {
		return nil, fmt.Errorf("no link-local address on %s", ifi.Name)
	}
	s := &lanSocket{l, ifi, make(chan netip.Addr, 16)}
	l.sockets[s] = true
	return s, nil
}

func (s *lanSocket) Asked() <-chan netip.Addr { return s.asked }

func (s *lanSocket) Send(m lan.Message) error {
	l := s.lans
	l.mu.Lock()
	defer l.mu.Unlock()
	if v := l.status[s.ifi.Name]; !v.Up || v.Interface.Index != s.ifi.Index || !l.sockets[s] {
		return errors.New("network is down")
	}
	l.told = append(l.told, announced{l.w.env.Now(), s.ifi.Name, m.To, m.Advertisement})
	return nil
}

func (s *lanSocket) Close() {
	s.lans.mu.Lock()
	defer s.lans.mu.Unlock()
	delete(s.lans.sockets, s)
}

// ask sends a Router Solicitation.
func (l *lans) ask(name, from string) {
	l.mu.Lock()
	for s := range l.sockets {
		if s.ifi.Name == name {
			s.asked <- netip.MustParseAddr(from)
		}
	}
	l.mu.Unlock()
	synctest.Wait()
}

// on returns what was said on a LAN from a time on.
func (l *lans) on(name string, from time.Duration) []announced {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []announced
	for _, m := range l.told {
		if m.name == name && m.at >= from {
			list = append(list, m)
		}
	}
	return list
}

// says compares the newest words on a LAN with text.
func (l *lans) says(name, want string) {
	l.w.t.Helper()
	all := l.on(name, 0)
	if len(all) == 0 {
		l.w.t.Fatalf("nothing was said on %s", name)
	}
	if got := all[len(all)-1].String(); got != want {
		l.w.t.Errorf("on %s: %q, want %q", name, got, want)
	}
}

// String tells of the router and of the prefixes, shortly.
func (m announced) String() string {
	words := []string{fmt.Sprintf("router %.0f", m.ra.RouterLifetime.Seconds())}
	for _, o := range m.ra.Options {
		if i, ok := o.(*ndp.PrefixInformation); ok {
			words = append(words, fmt.Sprintf("%v %.0f/%.0f", i.Prefix, i.PreferredLifetime.Seconds(), i.ValidLifetime.Seconds()))
		}
	}
	return strings.Join(words, ", ")
}

// lanKernel is the kernel with what LANs need of it besides.
type lanKernel struct {
	*kernel
	lans *lans
}

func (k lanKernel) AddAddress(a netconf.Address) error {
	k.lans.mu.Lock()
	err := k.lans.refused[a.Device]
	if s, ours := k.lans.status[a.Device]; ours && !s.Exists {
		err = fmt.Errorf("no device %s", a.Device)
	}
	k.lans.mu.Unlock()
	if err != nil {
		return err
	}
	return k.kernel.AddAddress(a)
}

func (k lanKernel) Sysctl(key string) (string, error) {
	k.lans.mu.Lock()
	err := k.lans.failing[key]
	k.lans.mu.Unlock()
	if err != nil {
		return "", err
	}
	return k.kernel.Sysctl(key)
}

func (k lanKernel) SetSysctl(key, value string) error {
	k.lans.mu.Lock()
	err := k.lans.failing[key]
	k.lans.mu.Unlock()
	if err != nil {
		return err
	}
	return k.kernel.SetSysctl(key, value)
}

func (k lanKernel) Advertised() ([]string, error) {
	k.lans.mu.Lock()
	defer k.lans.mu.Unlock()
	return slices.Clone(k.lans.native), nil
}

// refuse makes a device refuse addresses; nil makes it take them again.
func (l *lans) refuse(device string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused[device] = err
}

// fail makes a setting impossible to read and to write; nil makes it possible.
func (l *lans) fail(key string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing[key] = err
}

// flush takes the addresses of a device away.
func (k *kernel) flush(device string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.config = slices.DeleteFunc(k.config, func(line string) bool { return strings.HasPrefix(line, device+" address ") })
}

// forgetLease takes the lease from the disk, as one that has run out.
func (w *world) forgetLease() error {
	s, err := state.Open(w.dir, "boot")
	if err != nil {
		return err
	}
	return errors.Join(s.RemoveLease("bizf6"), s.Close())
}

// loginPrefix has the concentrator delegate a prefix to a login.
func (w *world) loginPrefix(user, prefix string) {
	w.login(user, func(l *concentrator.Login) { l.Prefix = netip.MustParsePrefix(prefix) })
}
