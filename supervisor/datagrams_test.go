package supervisor_test

import (
	"encoding/binary"
	"net/netip"

	"pppoectl/linklocal"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/supervisor"
)

// datagrams is a DHCPv6 client's socket whose packets go to the concentrator in
// frames of the session, as the data path would carry them.
type datagrams struct {
	wire     *wire
	kernel   *kernel
	device   string
	local    netip.Addr
	messages chan []byte
}

const (
	ipv6Header = 40
	udpHeader  = 8
)

func (x *wire) openDHCP(k *kernel, device string, local netip.Addr) (supervisor.Datagrams, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	d := &datagrams{x, k, device, local, make(chan []byte, 16)}
	x.clients[d] = true
	return d, nil
}

func (d *datagrams) Messages() <-chan []byte { return d.messages }

func (d *datagrams) Close() {
	d.wire.mu.Lock()
	defer d.wire.mu.Unlock()
	delete(d.wire.clients, d)
}

func (d *datagrams) Send(message []byte) error {
	session, ok := d.kernel.carrying(d.device)
	if !ok {
		return nil
	}
	b := make([]byte, ipv6Header+udpHeader, ipv6Header+udpHeader+len(message))
	b[0], b[6], b[7] = 6<<4, 17, 1
	binary.BigEndian.PutUint16(b[4:], uint16(udpHeader+len(message)))
	copy(b[8:], d.local.AsSlice())
	copy(b[24:], netip.MustParseAddr("ff02::1:2").AsSlice())
	binary.BigEndian.PutUint16(b[40:], 546)
	binary.BigEndian.PutUint16(b[42:], 547)
	binary.BigEndian.PutUint16(b[44:], uint16(udpHeader+len(message)))
	packet := pppoe.Packet{SessionID: session.ID, Payload: ppp.AppendFrame(nil, ppp.IPv6, append(b, message...))}
	x := d.wire
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.drop && x.status.Carrier {
		f := pppoe.Frame{Dst: session.AC, Src: session.MAC, EtherType: pppoe.EtherTypeSession, Payload: packet.AppendTo(nil)}
		x.deliver(x.peer.Step(x.now(), &f))
		x.kick()
	}
	return nil
}

// routers is a socket for router discovery whose advertisements a test makes.
type routers struct {
	found  chan linklocal.Router
	kernel *kernel
	closed bool
}

func (k *kernel) openRouters() *routers {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := &routers{found: make(chan linklocal.Router, 8), kernel: k}
	k.routers = append(k.routers, r)
	return r
}

func (r *routers) Found() <-chan linklocal.Router { return r.found }

func (r *routers) Solicit() error {
	r.kernel.mu.Lock()
	defer r.kernel.mu.Unlock()
	r.kernel.solicited++
	return nil
}

func (r *routers) Close() {
	r.kernel.mu.Lock()
	defer r.kernel.mu.Unlock()
	r.closed = true
}

// carrying returns the session whose data path a device is, if IPv6 may flow.
func (k *kernel) carrying(device string) (session struct {
	ID      uint16
	AC, MAC pppoe.MAC
}, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.paths {
		p.mu.Lock()
		if p.open && p.ipv6 && p.device == device {
			session.ID, session.AC, session.MAC, ok = p.session.ID, p.session.AC, p.session.MAC, true
		}
		p.mu.Unlock()
	}
	return session, ok
}

// data takes a frame with an IP packet, which no port of the line sees, and hands
// a DHCPv6 message in it to its client.
func (x *wire) data(f pppoe.Frame) bool {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || f.EtherType != pppoe.EtherTypeSession || len(p.Payload) < 2 || p.Payload[0] >= 0x80 {
		return false
	}
	ip := p.Payload[2:]
	if len(ip) < ipv6Header+udpHeader || ip[6] != 17 || x.drop {
		return true
	}
	for c := range x.clients {
		if c.local == netip.AddrFrom16([16]byte(ip[24:40])) {
			c.messages <- ip[ipv6Header+udpHeader:]
		}
	}
	return true
}
