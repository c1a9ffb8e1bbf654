package line

import (
	"slices"
	"time"

	"github.com/mdlayher/packet"

	"pppoectl/pppoe"
)

// A PADT names a session by a number, which an AC that was started again may be giving to
// another of our sessions at this moment. So a PADT waits while a PADR of another handle is out
// to its AC, and is left unsent if the number is a new session's by then. It goes before the PADR of
// the handle that it is from, whose session may be given the same number again.
const (
	goodbyeWait  = time.Second // an AC that takes longer for a PADS holds nobody up
	mostGoodbyes = 1024
)

// goodbye is a PADT that waits.
type goodbye struct {
	from  *Handle
	frame pppoe.Frame
	to    peer
	until time.Time
}

// mayEnd reports whether h sends f now: what is no PADT always, and a PADT if neither its
// session is another handle's, nor may be in a moment. In that case it waits.
func (h *Handle) mayEnd(f pppoe.Frame, now time.Time) bool {
	p := h.port
	if f.EtherType != pppoe.EtherTypeDiscovery || f.Src != p.MAC {
		return true
	}
	q, err := pppoe.ParsePacket(f.Payload)
	if err != nil || q.Code != pppoe.PADT {
		return true
	}
	at := peer{f.Dst, q.SessionID}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.another(h, at):
		return false
	case p.waits(h, at) && len(p.goodbyes) < mostGoodbyes:
		p.goodbyes = append(p.goodbyes, goodbye{h, f, at, now.Add(goodbyeWait)})
		return false
	}
	return true
}

// waits reports whether a PADT of h waits: another's PADR is out to the AC, and its own is not about to be.
func (p *Port) waits(h *Handle, to peer) bool {
	dials := peer{ac: to.ac}
	_, itself := p.byPeer[dials][h]
	return !itself && p.another(h, dials)
}

// another reports whether a handle other than h has a session, or with number 0 a PADR out to an AC.
func (p *Port) another(h *Handle, at peer) bool {
	for owner := range p.byPeer[at] {
		if owner != h {
			return true
		}
	}
	return false
}

// sayGoodbye sends the PADTs that need not wait any more. They are out when it returns.
func (p *Port) sayGoodbye() {
	p.saying.Lock()
	defer p.saying.Unlock()
	for _, f := range p.due(time.Now()) {
		p.write(p.discovery, f) // as lost as on the line, if that fails
	}
}

// due takes out the PADTs that wait no more, and returns those that are to be sent.
func (p *Port) due(now time.Time) []pppoe.Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []pppoe.Frame
	p.goodbyes = slices.DeleteFunc(p.goodbyes, func(g goodbye) bool {
		switch {
		case len(p.byPeer[g.to]) > 0: // a new session, be it its own
		case p.waits(g.from, g.to) && now.Before(g.until):
			return false
		default:
			list = append(list, g.frame)
		}
		return true
	})
	return list
}

// write sends a frame by one of the port's sockets.
func (p *Port) write(c *packet.Conn, f pppoe.Frame) error {
	if err := c.SetWriteDeadline(time.Now().Add(sendWait)); err != nil {
		return err
	}
	_, err := c.WriteTo(f.AppendTo(nil), &packet.Addr{HardwareAddr: f.Dst[:]})
	return err
}
