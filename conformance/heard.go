package conformance

import (
	"bytes"
	"encoding/binary"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// from reports whether a frame is the peer's, and of this conversation.
func (c *conversation) from(f pppoe.Frame) bool {
	if f.Src == c.o.MAC || f.Dst != c.o.MAC && f.Dst != pppoe.Broadcast {
		return false
	}
	return c.them == pppoe.MAC{} || f.Src == c.them
}

// ours reports whether a frame of the peer's is not of some other session.
func (c *conversation) ours(f pppoe.Frame) bool {
	p, err := pppoe.ParsePacket(f.Payload)
	return err != nil || f.EtherType == pppoe.EtherTypeDiscovery || c.session == 0 || p.SessionID == c.session
}

// heard takes in a frame of the peer's.
func (c *conversation) heard(f pppoe.Frame) {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		return
	}
	if len(c.seen) < 64 {
		c.seen = append(c.seen, bytes.Clone(f.Payload))
	}
	if f.EtherType == pppoe.EtherTypeDiscovery {
		c.heardDiscovery(f, p)
		return
	}
	if protocol, b, err := ppp.ParseFrame(p.Payload); err == nil && c.session != 0 && p.SessionID == c.session {
		c.heardPPP(protocol, b)
	}
}

func (c *conversation) heardDiscovery(f pppoe.Frame, p pppoe.Packet) {
	tags, err := pppoe.ParseTags(p.Payload)
	if err != nil {
		return
	}
	uniq, _ := tags.Get(pppoe.HostUniq)
	client := c.o.Peer == Client
	switch p.Code {
	case pppoe.PADI:
		if client && c.session != 0 && !c.of(ppp.LCP).asked {
			c.session = 0 // it has not taken our PADS
		}
		if client && c.session == 0 {
			c.them, c.solicited, c.requested, c.hostUniq = f.Src, true, false, bytes.Clone(uniq)
			name, _ := tags.Get(pppoe.ServiceName)
			c.service = bytes.Clone(name)
		}
	case pppoe.PADR:
		if client && c.session == 0 && bytes.Equal(uniq, c.hostUniq) {
			c.requested = true
		}
	case pppoe.PADO:
		if client || c.session != 0 || !bytes.Equal(uniq, c.hostUniq) {
			return
		}
		if !c.offered {
			c.them, c.offered, c.discoverAt = f.Src, true, 0
			c.cookie, _ = tags.Get(pppoe.ACCookie)
			c.relay, _ = tags.Get(pppoe.RelaySessionID)
			name, _ := tags.Get(pppoe.ACName)
			c.cookie, c.relay, c.acName = bytes.Clone(c.cookie), bytes.Clone(c.relay), string(name)
		}
	case pppoe.PADS:
		if client || !bytes.Equal(uniq, c.hostUniq) {
			return
		}
		if err := tags.Error(); err != nil {
			c.refusal = err.Error()
		} else if c.session == 0 {
			c.session = p.SessionID
		}
	case pppoe.PADT:
		if p.SessionID == c.session {
			c.ended = true
			if c.pleaded && !c.authed {
				c.unheeded()
			}
		}
	}
}

func (c *conversation) heardPPP(protocol ppp.Protocol, b []byte) {
	if protocol == ppp.IPv6 {
		c.heardDHCP(b)
		return
	}
	p, err := ppp.ParsePacket(b)
	if err != nil {
		return
	}
	p.Data = bytes.Clone(p.Data)
	switch protocol {
	case ppp.PAP, ppp.CHAP:
		c.heardAuth(protocol, p)
		return
	case ppp.LCP, ppp.IPCP, ppp.IPv6CP:
	default:
		c.strange, c.strangeOf = &p, protocol
		return
	}
	if !c.speaks(protocol) && protocol != ppp.LCP {
		c.strange, c.strangeOf = &p, protocol
		return
	}
	n := c.of(protocol)
	switch p.Code {
	case ppp.ConfigureRequest:
		if c.pleaded && protocol == ppp.LCP && !c.c.needs(methodNames[methodOf(p)]) {
			c.unheeded()
		}
		if n.open() {
			c.down(protocol)
		}
		n.theirs, n.asked, n.unanswered, n.agreed = p, true, true, false
	case ppp.ConfigureAck:
		if p.ID == n.ours.ID && bytes.Equal(p.Data, n.ours.Data) {
			n.accepted = true
		}
	case ppp.ConfigureNak, ppp.ConfigureReject:
		if p.ID == n.ours.ID && !n.accepted {
			c.refused(protocol, n, p)
		}
	case ppp.TerminateRequest:
		if c.pleaded && !c.authed {
			c.unheeded()
		}
		c.down(protocol)
		*n = negotiation{lastID: n.lastID, said: n.said, rejected: n.rejected}
	case ppp.EchoRequest:
		if protocol == ppp.LCP {
			c.echo = &p
		}
	case ppp.ProtocolReject:
		if protocol == ppp.LCP && len(p.Data) >= 2 {
			c.of(ppp.Protocol(binary.BigEndian.Uint16(p.Data))).rejected = true
		}
	}
}

// methodNames are the words for an authentication that a case may need.
var methodNames = map[ppp.Protocol]string{ppp.PAP: "pap", ppp.CHAP: "chap"}

// unheeded says that an AC would not demand the authentication that the case is
// about.
func (c *conversation) unheeded() { c.wont = "the peer does not demand " + c.method() }

// down forgets what stands on a protocol that is negotiated anew.
func (c *conversation) down(protocol ppp.Protocol) {
	n := c.of(protocol)
	n.accepted, n.agreed, n.sendAt = false, false, 0
	if protocol != ppp.LCP {
		return
	}
	c.authed, c.login, c.challenged = false, nil, false
	for _, ncp := range c.ncps() {
		n := c.of(ncp.protocol)
		c.talks[ncp.protocol] = &negotiation{said: n.said, rejected: n.rejected}
	}
}

// methodOf returns how whoever sends a Configure-Request of LCP wants the other
// to authenticate; 0: not.
func methodOf(request ppp.Packet) ppp.Protocol {
	options, _ := ppp.ParseOptions(request.Data)
	for _, o := range options {
		if o.Type == 3 && len(o.Data) >= 2 {
			return ppp.Protocol(binary.BigEndian.Uint16(o.Data))
		}
	}
	return 0
}

// said takes in a frame of ours.
func (c *conversation) said(f pppoe.Frame) {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || f.Src != c.o.MAC || f.Dst != c.them {
		return
	}
	if f.EtherType == pppoe.EtherTypeDiscovery {
		switch {
		case p.Code == pppoe.PADO && c.o.Peer == Client:
			c.offered, c.solicited = true, false
		case p.Code == pppoe.PADS && c.o.Peer == Client:
			c.requested = false
			if c.session == 0 {
				c.session = p.SessionID
			}
		}
		return
	}
	protocol, b, err := ppp.ParseFrame(p.Payload)
	if err != nil || p.SessionID != c.session {
		return
	}
	packet, err := ppp.ParsePacket(b)
	if err != nil {
		return
	}
	n := c.of(protocol)
	n.lastID, n.said[packet.ID] = packet.ID, packet.Data
	switch {
	case protocol == ppp.PAP || protocol == ppp.CHAP:
		c.saidAuth(protocol, packet)
	case packet.Code == ppp.ConfigureRequest:
		if protocol == ppp.LCP && n.open() {
			c.down(protocol)
		}
		n.ours, n.accepted, n.fresh = packet, false, true
		if protocol == ppp.LCP && c.o.Peer == Client {
			c.demanded = methodOf(packet)
		}
	case packet.Code >= ppp.ConfigureAck && packet.Code <= ppp.ConfigureReject:
		if packet.ID == n.theirs.ID {
			n.unanswered = false
			n.agreed = packet.Code == ppp.ConfigureAck
		}
		if protocol == ppp.LCP && n.agreed && c.o.Peer == AC {
			c.demanded = methodOf(n.theirs)
		}
	case packet.Code == ppp.EchoReply:
		c.echo = nil
	}
}
