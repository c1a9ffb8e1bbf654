package line

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mdlayher/packet"

	"pppoectl/pppoe"
	"pppoectl/rawsocket"
)

// queueLen is how many frames a handle holds that its owner has not taken yet;
// more are dropped and counted.
const queueLen = 64

// Port is one Ethernet interface, shared by all sessions on it. It is safe for
// concurrent use.
type Port struct {
	Interface net.Interface
	MAC       pppoe.MAC

	discovery *packet.Conn
	session   *packet.Conn
	readers   sync.WaitGroup
	done      chan struct{} // closed when the readers are to end

	mu      sync.Mutex
	handles map[*Handle]struct{}
	byUniq  index[string]
	byPeer  index[peer]

	goodbyes []goodbye
	saying   sync.Mutex // held while they are sent

	dropped   atomic.Uint64
	strangers strangers
}

// receiveBuffer is how much a socket holds while we are busy, in octets: the
// answers to a thousand sessions that begin at the same moment. A PADS that is lost
// is a session that stays at the AC.
const receiveBuffer = 4 << 20

// openPort opens the two sockets of interface ifi.
func openPort(ifi net.Interface) (*Port, error) {
	if len(ifi.HardwareAddr) != 6 {
		return nil, fmt.Errorf("%s is no Ethernet interface", ifi.Name)
	}
	p := &Port{
		Interface: ifi, MAC: pppoe.MAC(ifi.HardwareAddr), done: make(chan struct{}),
		handles: map[*Handle]struct{}{}, byUniq: index[string]{}, byPeer: index[peer]{},
	}
	p.strangers.since = time.Now()
	var err error
	if p.discovery, err = rawsocket.Listen(ifi, pppoe.EtherTypeDiscovery, discoveryFilter(), receiveBuffer); err != nil {
		return nil, err
	}
	if p.session, err = rawsocket.Listen(ifi, pppoe.EtherTypeSession, controlFilter(), receiveBuffer); err != nil {
		p.discovery.Close()
		return nil, err
	}
	p.readers.Add(2)
	go p.read(p.discovery)
	go p.read(p.session)
	return p, nil
}

// close closes the sockets and waits for their readers.
func (p *Port) close() {
	close(p.done)
	p.discovery.Close()
	p.session.Close()
	p.readers.Wait()
}

// readPause is how long a reader rests after an error.
const readPause = 100 * time.Millisecond

// sendWait is how long a frame may wait for the interface.
const sendWait = time.Second

// read delivers frames until the socket is closed. An interface that goes down
// makes one read fail; the socket works again once it is up.
func (p *Port) read(c *packet.Conn) {
	defer p.readers.Done()
	buf := make([]byte, maxFrame)
	for {
		n, _, err := c.ReadFrom(buf)
		if err != nil {
			select {
			case <-p.done:
				return
			case <-time.After(readPause): // a socket that always fails must not spin
			}
			continue
		}
		if f, err := pppoe.ParseFrame(buf[:n]); err == nil && f.Dst == p.MAC {
			p.deliver(f)
		}
	}
}

// deliver hands a copy of f to the handles that it is for. What is for nobody is not
// copied: there may be much of it.
func (p *Port) deliver(f pppoe.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, handles := range p.addressees(f) {
		for h := range handles {
			if n++; n == 1 {
				f.Payload = append([]byte{}, f.Payload...)
			}
			select {
			case h.frames <- f:
			default:
				p.dropped.Add(1)
			}
		}
	}
	if n > 0 {
		return
	}
	p.dropped.Add(1)
	if who, ok := p.strangers.answers(f, time.Now()); ok {
		p.release(who)
	}
}

// addressees returns who f is for. Answers of discovery go by Host-Uniq, all else
// by AC and session id. Before a session has its id, it gets what its AC sends.
func (p *Port) addressees(f pppoe.Frame) [2]map[*Handle]struct{} {
	var both [2]map[*Handle]struct{}
	q, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		return both
	}
	switch {
	case f.EtherType == pppoe.EtherTypeSession || q.Code == pppoe.PADT:
		both[0] = p.byPeer[peer{f.Src, q.SessionID}]
		if q.Code == pppoe.SessionData && q.SessionID != 0 {
			both[1] = p.byPeer[peer{f.Src, 0}]
		}
	case q.Code == pppoe.PADO || q.Code == pppoe.PADS:
		if tags, err := pppoe.ParseTags(q.Payload); err == nil {
			uniq, _ := tags.Get(pppoe.HostUniq)
			both[0] = p.byUniq[string(uniq)]
		}
	}
	return both
}

// index finds handles by a part of their address.
type index[K comparable] map[K]map[*Handle]struct{}

func (x index[K]) add(key K, h *Handle) {
	if x[key] == nil {
		x[key] = map[*Handle]struct{}{}
	}
	x[key][h] = struct{}{}
}

func (x index[K]) remove(key K, h *Handle) {
	delete(x[key], h)
	if len(x[key]) == 0 {
		delete(x, key)
	}
}

// peer is the other end of a session.
type peer struct {
	ac      pppoe.MAC
	session uint16
}

// enter makes h found by its address, which is a.
func (p *Port) enter(h *Handle, a Address) {
	h.address = a
	if a.HostUniq != "" {
		p.byUniq.add(a.HostUniq, h)
	}
	select { // it was about another session
	case <-h.superseded:
	default:
	}
	if a.AC == (pppoe.MAC{}) {
		return
	}
	at := peer{a.AC, a.Session}
	if a.Session != 0 {
		p.supersede(at)
	}
	p.byPeer.add(at, h)
}

// supersede takes a session's frames from whoever had them: an AC that gives its id away
// again has lost the earlier one.
func (p *Port) supersede(at peer) {
	for old := range p.byPeer[at] {
		p.byPeer.remove(at, old)
		select {
		case old.superseded <- struct{}{}:
		default:
		}
	}
}

// leave makes h not be found any more.
func (p *Port) leave(h *Handle) {
	p.byUniq.remove(h.address.HostUniq, h)
	p.byPeer.remove(peer{h.address.AC, h.address.Session}, h)
}

// Dropped returns how many frames nobody has taken.
func (p *Port) Dropped() uint64 { return p.dropped.Load() }

// Address is what frames for one user of a port carry.
type Address struct {
	HostUniq string    // of discovery; empty: none
	AC       pppoe.MAC // zero: none yet
	Session  uint16    // zero: none yet
}

// Handle is one user's share of a port.
type Handle struct {
	port    *Port
	ports   *Ports
	address Address
	frames  chan pppoe.Frame

	superseded chan struct{}
}

// Superseded delivers once the AC has given the handle's session id to another handle.
func (h *Handle) Superseded() <-chan struct{} { return h.superseded }

// Frames delivers the frames for the handle's address. It is never closed.
func (h *Handle) Frames() <-chan pppoe.Frame { return h.frames }

// Port returns the handle's port.
func (h *Handle) Port() *Port { return h.port }

// SetAddress says which frames are for the handle from now on.
func (h *Handle) SetAddress(a Address) {
	h.port.mu.Lock()
	same := h.address == a
	if !same {
		h.port.leave(h)
		h.port.enter(h, a)
	}
	h.port.mu.Unlock()
	if !same {
		h.port.sayGoodbye()
	}
}

// Send sends a frame. It does not block for long: a packet socket's queue is
// the interface's. A PADT may be sent up to a second later, or not at all.
func (h *Handle) Send(f pppoe.Frame) error {
	if !h.mayEnd(f, time.Now()) {
		time.AfterFunc(goodbyeWait, h.port.sayGoodbye) // if it waits
		return nil
	}
	c := h.port.session
	if f.EtherType == pppoe.EtherTypeDiscovery {
		c = h.port.discovery
	}
	return h.port.write(c, f)
}

// Close gives the handle back; the last one closes the port.
func (h *Handle) Close() { h.ports.release(h) }

// Ports opens each interface once, however many sessions use it. Its zero value
// is ready.
type Ports struct {
	mu   sync.Mutex
	open map[int]*Port // by interface index
}

// Open returns a handle on the interface ifi.
func (ps *Ports) Open(ifi net.Interface) (*Handle, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.open[ifi.Index]
	if p == nil || p.MAC.String() != ifi.HardwareAddr.String() {
		var err error
		if p, err = openPort(ifi); err != nil {
			return nil, err
		}
		if ps.open == nil {
			ps.open = map[int]*Port{}
		}
		ps.open[ifi.Index] = p
	}
	h := &Handle{port: p, ports: ps, frames: make(chan pppoe.Frame, queueLen), superseded: make(chan struct{}, 1)}
	p.mu.Lock()
	p.handles[h] = struct{}{}
	p.mu.Unlock()
	return h, nil
}

func (ps *Ports) release(h *Handle) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := h.port
	p.mu.Lock()
	_, held := p.handles[h]
	delete(p.handles, h)
	p.leave(h)
	last := held && len(p.handles) == 0
	p.mu.Unlock()
	p.sayGoodbye()
	if last {
		if ps.open[p.Interface.Index] == p {
			delete(ps.open, p.Interface.Index)
		}
		p.close()
	}
}
