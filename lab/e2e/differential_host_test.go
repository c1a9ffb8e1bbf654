package lab_test

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// ourHost is the other end that is a session of ours, with a clock of its own.
type ourHost struct {
	m    *session.Machine
	mac  pppoe.MAC
	now  time.Duration
	next time.Duration
	said []said
}

const differentialID = 1

func newOurHost() *ourHost {
	o := &ourHost{now: time.Hour, mac: pppoe.MAC{2, 0, 0, 0, 0, 1}}
	o.m = session.New(session.Config{
		MAC: o.mac, MTU: 1492, Username: "diff", Password: "diff", Auth: []lcp.Auth{lcp.AuthPAP},
		Families: []session.Family{session.IPv4}, Failures: 5, DeadAfter: time.Hour,
	}, rand.New(rand.NewPCG(1, 2)))
	o.step(session.Input{Command: session.Dial, Cause: cause.Released})
	return o
}

func (o *ourHost) step(in session.Input) {
	out := o.m.Step(o.now, in)
	o.next = out.Deadline
	for _, f := range out.Frames {
		if answer, ok := welcome(f, differentialAC, differentialID); ok {
			o.step(session.Input{Frame: &answer})
		} else if h, ok := hearing(f, differentialID); ok {
			o.said = append(o.said, h)
		}
	}
}

func (o *ourHost) say(protocol ppp.Protocol, p ppp.Packet) {
	f := sessionFrame(differentialAC, o.mac, differentialID, protocol, p)
	o.step(session.Input{Frame: &f})
}

func (o *ourHost) listen(d time.Duration, last func(said) bool) []said {
	return listening(&o.said, &o.now, &o.next, d, last, func() { o.step(session.Input{}) })
}

// welcome returns what a concentrator says to a PADI or PADR.
func welcome(f pppoe.Frame, ac pppoe.MAC, id uint16) (pppoe.Frame, bool) {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || f.EtherType != pppoe.EtherTypeDiscovery || p.Code != pppoe.PADI && p.Code != pppoe.PADR {
		return f, false
	}
	tags, _ := pppoe.ParseTags(p.Payload)
	answer := pppoe.Tags{{Type: pppoe.ServiceName}, {Type: pppoe.ACName, Value: []byte("script")}}
	if uniq, ok := tags.Get(pppoe.HostUniq); ok {
		answer = append(answer, pppoe.Tag{Type: pppoe.HostUniq, Value: bytes.Clone(uniq)})
	}
	q := pppoe.Packet{Code: pppoe.PADO, Payload: answer.AppendTo(nil)}
	if p.Code == pppoe.PADR {
		q.Code, q.SessionID = pppoe.PADS, id
	}
	return pppoe.Frame{Dst: f.Src, Src: ac, EtherType: pppoe.EtherTypeDiscovery, Payload: q.AppendTo(nil)}, true
}

// hosts is how many pppds dial.
const hosts = 14

// pppdHosts is a guest script: so many clients that dial again and again.
const pppdHosts = `
umask 077
echo 'diff * diff *' > /etc/ppp/pap-secrets; : > /etc/ppp/options
for i in $(seq $HOSTS); do
  while sleep 0.2; do
    pppd plugin rp-pppoe.so vec0 user diff noauth nodetach mtu 1492 mru 1492 noccp novj noipv6 pppoe-padi-timeout 1 pppoe-padi-attempts 3
  done >/dev/null 2>&1 &
done
echo READY; wait
`

// theirHost is the other end that is a pppd which has dialled.
type theirHost struct {
	d     *door
	mac   pppoe.MAC
	id    uint16
	heard chan pppoe.Frame
}

func (h *theirHost) say(protocol ppp.Protocol, p ppp.Packet) {
	h.d.c.send(sessionFrame(differentialAC, h.mac, h.id, protocol, p))
}

func (h *theirHost) listen(d time.Duration, last func(said) bool) []said {
	return hearFrames(h.heard, h.id, d, last)
}

func (h *theirHost) leave() {
	h.d.c.send(pppoe.NewPADT(differentialAC, h.mac, h.id, ""))
}

// door is where pppds come in: a concentrator that answers as many as are waited for.
type door struct {
	c        *crowd
	mu       sync.Mutex
	waiting  int
	sessions map[uint16]*theirHost
	last     uint16
	entered  chan *theirHost // no more than are waited for
}

func newDoor(t *testing.T, s *site) *door {
	d := &door{sessions: map[uint16]*theirHost{}, entered: make(chan *theirHost, hosts)}
	d.c = newCrowd(t, s, d.frame)
	return d
}

// frame takes a frame to the concentrator, or to all.
func (d *door) frame(f pppoe.Frame) {
	if f.Dst != differentialAC && f.Dst != pppoe.Broadcast {
		return
	}
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	answer, ok := welcome(f, differentialAC, d.last+1)
	switch {
	case ok && d.waiting == 0: // it asks again
	case ok && p.Code == pppoe.PADR:
		d.last++
		d.waiting--
		h := &theirHost{d: d, mac: f.Src, id: d.last, heard: make(chan pppoe.Frame, 1024)}
		d.sessions[h.id] = h
		d.c.send(answer)
		d.entered <- h
	case ok:
		d.c.send(answer)
	case d.sessions[p.SessionID] != nil:
		d.sessions[p.SessionID].heard <- f
	}
}

// join waits for the next pppd; nil if none dials.
func (d *door) join() *theirHost {
	d.mu.Lock()
	d.waiting++
	d.mu.Unlock()
	select {
	case h := <-d.entered:
		return h
	case <-time.After(20 * time.Second):
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case h := <-d.entered:
		return h
	default:
		d.waiting--
		return nil
	}
}
