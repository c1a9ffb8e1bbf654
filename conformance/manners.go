package conformance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// manners is what a good peer would say, as far as the case wants the session
// to come: it answers what nobody has answered yet, and asks what has to be
// asked.
type manners struct {
	*conversation
	ceiling Stage
	mutes   map[ppp.Protocol]bool
	out     []pppoe.Frame
}

// How long we wait for an answer to a discovery packet, and to a Configure-Request.
const (
	discoverRetry  = 2 * time.Second
	configureRetry = time.Second
)

// tick returns the frames that are due now.
func (m *manners) tick(now time.Duration) []pppoe.Frame {
	m.out = nil
	if m.ended {
		return nil
	}
	if m.session == 0 {
		m.discover(now)
		return m.out
	}
	if m.ceiling < Link {
		return m.out
	}
	m.negotiate(now, ppp.LCP)
	if !m.of(ppp.LCP).open() {
		return m.out
	}
	if m.echo != nil && !m.mutes[ppp.LCP] && len(m.echo.Data) >= 4 {
		m.control(ppp.LCP, uint8(ppp.EchoReply), m.echo.ID, binary.BigEndian.AppendUint32(nil, m.magic), m.echo.Data[4:])
	}
	if m.ceiling >= Auth {
		m.authenticate(now)
	}
	if m.ceiling >= Up && (m.demanded == 0 || m.authed) {
		for _, ncp := range m.ncps() {
			m.negotiate(now, ncp.protocol)
		}
		if s := m.strange; s != nil && !m.mutes[m.strangeOf] {
			m.control(ppp.LCP, uint8(ppp.ProtocolReject), m.id(), binary.BigEndian.AppendUint16(nil, uint16(m.strangeOf)), s.AppendTo(nil))
			m.strange = nil
		}
	}
	if m.ceiling >= Delegated && m.of(ppp.IPv6CP).open() {
		m.delegate(now)
	}
	return m.out
}

// deadline is the earliest time at which tick has something to ask again; zero:
// never.
func (m *manners) deadline() time.Duration {
	var all []time.Duration
	asks := func(p ppp.Protocol) {
		if n := m.of(p); !n.accepted && !n.rejected && !m.mutes[p] {
			all = append(all, n.sendAt)
		}
	}
	login := m.demanded != 0 && !m.authed
	switch {
	case m.ended:
	case m.session == 0:
		if m.o.Peer == AC && m.ceiling > Start {
			all = append(all, m.discoverAt)
		}
	case m.ceiling < Link:
	case !m.of(ppp.LCP).open():
		asks(ppp.LCP)
	case login:
		if m.ceiling >= Auth && !m.mutes[m.demanded] {
			all = append(all, m.authAt)
		}
	case m.ceiling >= Up:
		for _, ncp := range m.ncps() {
			asks(ncp.protocol)
		}
		if m.ceiling >= Delegated && !m.bound {
			all = append(all, m.dhcpAt)
		}
	}
	all = slices.DeleteFunc(all, func(d time.Duration) bool { return d == 0 })
	if len(all) == 0 {
		return 0
	}
	return slices.Min(all)
}

func (m *manners) id() uint8 { m.nextID++; return m.nextID }

func (m *manners) add(f pppoe.Frame) {
	m.said(f)
	m.out = append(m.out, f)
}

func (m *manners) ppp(protocol ppp.Protocol, information []byte) {
	p := pppoe.Packet{SessionID: m.session, Payload: ppp.AppendFrame(nil, protocol, information)}
	m.add(pppoe.Frame{Dst: m.them, Src: m.o.MAC, EtherType: pppoe.EtherTypeSession, Payload: p.AppendTo(nil)})
}

func (m *manners) control(protocol ppp.Protocol, code, id uint8, data ...[]byte) {
	p := ppp.Packet{Code: ppp.Code(code), ID: id, Data: bytes.Join(data, nil)}
	p.Data = p.Data[:min(len(p.Data), ourMTU-ppp.HeaderLen)]
	m.ppp(protocol, p.AppendTo(nil))
}

// discover is the discovery stage of whichever end we are (RFC 2516 section 5).
func (m *manners) discover(now time.Duration) {
	var code pppoe.Code
	switch {
	case m.ceiling == Start:
		return
	case m.o.Peer == Client && m.solicited:
		code = pppoe.PADO
	case m.o.Peer == Client && m.requested && m.ceiling >= Session:
		code = pppoe.PADS
	case m.o.Peer == AC && now >= m.discoverAt && !m.offered:
		code = pppoe.PADI
	case m.o.Peer == AC && now >= m.discoverAt && m.ceiling >= Session:
		code = pppoe.PADR
	default:
		return
	}
	m.discoverAt = now + discoverRetry
	f, err := m.build(&template{layer: discovery, code: code, fields: []field{{name: "usual"}}})
	if err == nil {
		m.add(f)
	}
}

// negotiate answers and asks in a control protocol (RFC 1661 section 5).
func (m *manners) negotiate(now time.Duration, p ppp.Protocol) {
	n := m.of(p)
	if m.mutes[p] || n.rejected {
		return
	}
	if n.wish == nil {
		n.wish = m.wishes(p)
	}
	if n.fresh { // it may be the case's
		n.fresh, n.sendAt = false, now+configureRetry
	}
	if !n.accepted && now >= n.sendAt {
		m.control(p, uint8(ppp.ConfigureRequest), m.id(), ppp.AppendOptions(nil, n.wish))
	}
	if n.unanswered {
		code, answer := m.judge(p, n)
		m.control(p, uint8(code), n.theirs.ID, answer)
	}
}

// wishes are the options that we ask for.
func (m *manners) wishes(p ppp.Protocol) []ppp.Option {
	switch p {
	case ppp.LCP:
		all := []ppp.Option{
			{Type: 1, Data: binary.BigEndian.AppendUint16(nil, ourMTU)},
			{Type: 5, Data: binary.BigEndian.AppendUint32(nil, m.magic)},
		}
		if m.o.Peer == Client {
			method, _ := m.value(method, m.method())
			all = append(all, ppp.Option{Type: 3, Data: method})
		}
		return all
	case ppp.IPCP:
		if m.o.Peer == AC {
			none := []byte{0, 0, 0, 0}
			return []ppp.Option{{Type: 3, Data: none}, {Type: 129, Data: none}, {Type: 131, Data: none}}
		}
		return []ppp.Option{{Type: 3, Data: m.o.PeerAddress.AsSlice()}}
	}
	return []ppp.Option{{Type: 1, Data: m.identifier[:]}}
}

// method is the authentication that the case needs, or else what we are told.
func (c *conversation) method() string {
	for _, w := range []string{"pap", "chap"} {
		if c.c.needs(w) {
			return w
		}
	}
	return c.o.Auth
}

// refused takes a Configure-Nak or -Reject of our request.
func (c *conversation) refused(p ppp.Protocol, n *negotiation, packet ppp.Packet) {
	options, err := ppp.ParseOptions(packet.Data)
	if err != nil {
		return
	}
	n.sendAt = 0
	for _, o := range options {
		i := slices.IndexFunc(n.wish, func(w ppp.Option) bool { return w.Type == o.Type })
		switch {
		case i < 0:
		case p == ppp.LCP && o.Type == 3:
			c.wont = "the peer does not authenticate by " + c.method()
		case packet.Code == ppp.ConfigureReject:
			n.wish = slices.Delete(slices.Clone(n.wish), i, i+1)
		default:
			n.wish = slices.Clone(n.wish)
			n.wish[i] = ppp.Option{Type: o.Type, Data: bytes.Clone(o.Data)}
		}
	}
}

// judge answers a Configure-Request: what no good peer asks for is rejected,
// what it cannot know is told.
func (m *manners) judge(p ppp.Protocol, n *negotiation) (ppp.Code, []byte) {
	options, err := ppp.ParseOptions(n.theirs.Data)
	if err != nil {
		return ppp.ConfigureReject, n.theirs.Data
	}
	var naked, rejected []byte
	for _, o := range options {
		want, known := m.opinion(p, o)
		switch {
		case !known:
			rejected = o.AppendTo(rejected)
		case want != nil && !bytes.Equal(want, o.Data):
			naked = ppp.Option{Type: o.Type, Data: want}.AppendTo(naked)
			m.pleaded = m.pleaded || p == ppp.LCP && o.Type == 3
		}
	}
	switch {
	case rejected != nil:
		return ppp.ConfigureReject, rejected
	case naked != nil:
		if n.naks++; n.naks > 5 {
			m.wont = fmt.Sprintf("the peer insists on what it asks for in %s", protocolName(p))
		}
		return ppp.ConfigureNak, naked
	}
	return ppp.ConfigureAck, n.theirs.Data
}

// opinion returns whether an option is one that we know, and the value that it
// is to have; nil: any.
func (m *manners) opinion(p ppp.Protocol, o ppp.Option) (want []byte, known bool) {
	client := m.o.Peer == Client
	switch {
	case p == ppp.LCP && o.Type == 1, p == ppp.LCP && o.Type == 5:
		return nil, true
	case p == ppp.LCP && o.Type == 3 && !client:
		if m.c.needs("pap") || m.c.needs("chap") {
			want, _ = m.value(method, m.method())
			return want, true
		}
		pap, chap := []byte{0xc0, 0x23}, []byte{0xc2, 0x23, 5}
		if bytes.Equal(o.Data, pap) || bytes.Equal(o.Data, chap) {
			return nil, true
		}
		return pap, true
	case p == ppp.IPCP && o.Type == 3 && client:
		return m.o.Address.AsSlice(), true
	case p == ppp.IPCP && o.Type == 3:
		return nil, true
	case p == ppp.IPCP && o.Type == 129 && client:
		return m.o.DNS[0].AsSlice(), true
	case p == ppp.IPCP && o.Type == 131 && client:
		return m.o.DNS[1].AsSlice(), true
	case p == ppp.IPv6CP && o.Type == 1:
		return nil, true
	}
	return nil, false
}
