package supervisor_test

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pppoectl/concentrator"
	"pppoectl/lcp"
	"pppoectl/line"
	"pppoectl/pppoe"
	"pppoectl/supervisor"
)

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

// loseFrames has the line lose all frames from now on, or none any more.
func (x *wire) loseFrames(all bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drop = all
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
	x.changeLink(f)
	synctest.Wait()
}

func (x *wire) changeLink(f func(*line.Status)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f(&x.status)
	for c := range x.follows {
		c <- x.status
	}
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
	wanted func() bool
}

func (p *port) MAC() pppoe.MAC              { return pppoe.MAC(p.ifi.HardwareAddr) }
func (p *port) Interface() net.Interface    { return p.ifi }
func (p *port) Frames() <-chan pppoe.Frame  { return p.frames }
func (p *port) SetAddress(line.Address)     {}
func (p *port) Superseded() <-chan struct{} { return nil }

func (p *port) ReleaseUnknown(wanted func() bool) {
	p.wire.mu.Lock()
	defer p.wire.mu.Unlock()
	p.wanted = wanted
}

// strangers has frames of sessions that nobody here knows come for a while: whoever reads the
// port asks for each of them whether it is to be answered.
func (x *wire) strangers(while time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for p := range x.ports {
		go func() {
			for range while / time.Millisecond {
				p.wanted()
				time.Sleep(time.Millisecond)
			}
		}()
	}
}

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
