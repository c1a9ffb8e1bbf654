package lab_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/mdlayher/packet"

	"pppoectl/concentrator"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/rawsocket"
)

// ourAC is the other end that is a concentrator of ours, with a clock of its own.
type ourAC struct {
	ac   *concentrator.AC
	now  time.Duration
	next time.Duration
	mac  pppoe.MAC
	id   uint16
	said []said
}

var differentialAC = pppoe.MAC{2, 0, 0x5e, 0x10, 0, 1}

func newOurAC() *ourAC {
	o := &ourAC{now: time.Hour, mac: pppoe.MAC{2, 0, 0, 0, 0, 1}}
	o.ac = concentrator.New(concentrator.Config{
		MAC: differentialAC, Name: "ours", Auth: []lcp.Auth{lcp.AuthPAP}, Secret: []byte("cookie"), Address: netip.MustParseAddr("203.0.113.1"),
		Subscribers: concentrator.NewSubscribers(map[string]concentrator.Login{
			"diff": {Password: "diff", IPv4: netip.MustParseAddr("203.0.113.2")},
		}),
	}, rand.New(rand.NewPCG(1, 2)))
	uniq := pppoe.Tag{Type: pppoe.HostUniq, Value: []byte("diff")}
	o.take(discoveryFrame(o.mac, pppoe.Broadcast, pppoe.PADI, pppoe.Tags{{Type: pppoe.ServiceName}, uniq}))
	return o
}

func (o *ourAC) take(f pppoe.Frame) { o.follow(o.ac.Step(o.now, &f)) }

func (o *ourAC) follow(out concentrator.Output) {
	o.next = out.Deadline
	for _, f := range out.Frames {
		if padr, ok := confirmation(f, o.mac); ok {
			o.take(padr)
			continue
		}
		if id, ok := confirmed(f); ok {
			o.id = id
			continue
		}
		if h, ok := hearing(f, o.id); ok {
			o.said = append(o.said, h)
		}
	}
}

func (o *ourAC) say(protocol ppp.Protocol, p ppp.Packet) {
	o.take(sessionFrame(o.mac, differentialAC, o.id, protocol, p))
}

func (o *ourAC) listen(d time.Duration, last func(said) bool) []said {
	return listening(&o.said, &o.now, &o.next, d, last, func() { o.follow(o.ac.Step(o.now, nil)) })
}

// listening lets time pass for a machine of ours until it says what is waited for.
func listening(all *[]said, now, next *time.Duration, d time.Duration, last func(said) bool, tick func()) []said {
	var list []said
	for end := *now + d; ; {
		for len(*all) > 0 {
			h := (*all)[0]
			*all = (*all)[1:]
			if list = append(list, h); last(h) {
				return list
			}
		}
		if *next == 0 || *next > end {
			*now = end
			return list
		}
		*now = max(*now, *next)
		tick()
	}
}

func discoveryFrame(from, to pppoe.MAC, code pppoe.Code, tags pppoe.Tags) pppoe.Frame {
	p := pppoe.Packet{Code: code, Payload: tags.AppendTo(nil)}
	return pppoe.Frame{Dst: to, Src: from, EtherType: pppoe.EtherTypeDiscovery, Payload: p.AppendTo(nil)}
}

func sessionFrame(from, to pppoe.MAC, id uint16, protocol ppp.Protocol, p ppp.Packet) pppoe.Frame {
	b := pppoe.Packet{SessionID: id, Payload: ppp.AppendFrame(nil, protocol, p.AppendTo(nil))}
	return pppoe.Frame{Dst: to, Src: from, EtherType: pppoe.EtherTypeSession, Payload: b.AppendTo(nil)}
}

// confirmation returns the PADR that answers a PADO.
func confirmation(f pppoe.Frame, from pppoe.MAC) (pppoe.Frame, bool) {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || f.EtherType != pppoe.EtherTypeDiscovery || p.Code != pppoe.PADO {
		return f, false
	}
	tags, _ := pppoe.ParseTags(p.Payload)
	answer := pppoe.Tags{{Type: pppoe.ServiceName}}
	for _, t := range tags {
		if t.Type == pppoe.ACCookie || t.Type == pppoe.HostUniq {
			answer = append(answer, pppoe.Tag{Type: t.Type, Value: bytes.Clone(t.Value)})
		}
	}
	return discoveryFrame(from, f.Src, pppoe.PADR, answer), true
}

// confirmed returns the session id of a PADS.
func confirmed(f pppoe.Frame) (uint16, bool) {
	p, err := pppoe.ParsePacket(f.Payload)
	return p.SessionID, err == nil && f.EtherType == pppoe.EtherTypeDiscovery && p.Code == pppoe.PADS
}

// hearing returns what a frame of the session says.
func hearing(f pppoe.Frame, id uint16) (said, bool) {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || p.SessionID != id {
		return said{}, false
	}
	if f.EtherType == pppoe.EtherTypeDiscovery {
		return said{}, p.Code == pppoe.PADT
	}
	protocol, information, err := ppp.ParseFrame(p.Payload)
	if err != nil {
		return said{}, false
	}
	c, err := ppp.ParsePacket(information)
	c.Data = bytes.Clone(c.Data)
	return said{protocol, c}, err == nil
}

// crowd is many stations on one interface of the host's, each with an address of its own.
type crowd struct {
	conns [2]*packet.Conn // discovery, session
	mu    sync.Mutex
	last  uint16 // station
	heard map[pppoe.MAC]chan pppoe.Frame
	other func(pppoe.Frame) // takes what is for no station
}

func newCrowd(t *testing.T, s *site, other func(pppoe.Frame)) *crowd {
	c := &crowd{heard: map[pppoe.MAC]chan pppoe.Frame{}, other: other}
	var err error
	s.host.Do(func() {
		var ifi *net.Interface
		if ifi, err = net.InterfaceByName("eth1"); err != nil {
			return
		}
		for i, etherType := range []uint16{pppoe.EtherTypeDiscovery, pppoe.EtherTypeSession} {
			if c.conns[i], err = rawsocket.Listen(*ifi, etherType, nil, 1<<20); err != nil {
				return
			}
			if err = c.conns[i].SetPromiscuous(true); err != nil {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, conn := range c.conns {
		wg.Go(func() { c.read(conn) })
	}
	t.Cleanup(func() {
		c.conns[0].Close()
		c.conns[1].Close()
		wg.Wait()
	})
	return c
}

func (c *crowd) read(conn *packet.Conn) {
	b := make([]byte, 2048)
	for {
		n, _, err := conn.ReadFrom(b)
		if err != nil {
			return
		}
		f, err := pppoe.ParseFrame(bytes.Clone(b[:n]))
		if err != nil {
			continue
		}
		c.mu.Lock()
		to := c.heard[f.Dst]
		c.mu.Unlock()
		if to != nil {
			to <- f
		} else if c.other != nil {
			c.other(f)
		}
	}
}

func (c *crowd) send(f pppoe.Frame) {
	conn := c.conns[map[bool]int{true: 1}[f.EtherType == pppoe.EtherTypeSession]]
	conn.WriteTo(f.AppendTo(nil), &packet.Addr{HardwareAddr: f.Dst[:]})
}

// theirAC is the other end that is pppd behind pppoe-server.
type theirAC struct {
	c     *crowd
	mac   pppoe.MAC
	heard chan pppoe.Frame
	ac    pppoe.MAC
	id    uint16
}

// join opens a session for a station of its own; nil if the server does not answer.
func (c *crowd) join() *theirAC {
	a := &theirAC{c: c, mac: pppoe.MAC{2, 0, 0, 1}, heard: make(chan pppoe.Frame, 1024)}
	c.mu.Lock()
	c.last++
	binary.BigEndian.PutUint16(a.mac[4:], c.last)
	c.heard[a.mac] = a.heard
	c.mu.Unlock()
	for range 5 {
		c.send(discoveryFrame(a.mac, pppoe.Broadcast, pppoe.PADI, pppoe.Tags{{Type: pppoe.ServiceName}}))
		for end := time.After(2 * time.Second); a.id == 0; {
			select {
			case f := <-a.heard:
				if padr, ok := confirmation(f, a.mac); ok {
					c.send(padr)
				} else if id, ok := confirmed(f); ok {
					a.ac, a.id = f.Src, id
				}
				continue
			case <-end:
			}
			break
		}
		if a.id != 0 {
			return a
		}
	}
	return nil
}

func (a *theirAC) say(protocol ppp.Protocol, p ppp.Packet) {
	a.c.send(sessionFrame(a.mac, a.ac, a.id, protocol, p))
}

func (a *theirAC) listen(d time.Duration, last func(said) bool) []said {
	return hearFrames(a.heard, a.id, d, last)
}

// hearFrames returns what frames of a session say until what is waited for has come.
func hearFrames(frames chan pppoe.Frame, id uint16, d time.Duration, last func(said) bool) []said {
	var list []said
	for end := time.After(d); ; {
		select {
		case f := <-frames:
			if h, ok := hearing(f, id); ok {
				if list = append(list, h); last(h) {
					return list
				}
			}
		case <-end:
			return list
		}
	}
}

func (a *theirAC) leave() {
	a.c.send(pppoe.NewPADT(a.mac, a.ac, a.id, ""))
}

// pppdAC is a guest script: pppoe-server and pppd with PAP and IPv4, for many sessions.
const pppdAC = `
umask 077
echo 'diff * diff *' > /etc/ppp/pap-secrets; : > /etc/ppp/options
cat > /etc/ppp/ac-options <<X
require-pap
auth
mtu 1492
mru 1492
noccp
novj
noipv6
X
pppoe-server -I vec0 -C BAS -L 203.0.113.1 -R 203.0.113.2 -N 240 -O /etc/ppp/ac-options -F &
sleep 1; echo READY; wait
`
