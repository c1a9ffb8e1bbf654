package conformance

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// Options say who we are to the peer, and what it may do.
type Options struct {
	Peer     Role      // who is asked
	MAC      pppoe.MAC // ours
	Target   pppoe.MAC // the peer's; zero: whoever comes first
	Families []string  // ipv4, ipv6: the NCPs that are spoken
	// Delegation says that the peer does DHCPv6 prefix delegation on a session
	// with ipv6.
	Delegation bool

	Username, Password string // towards an AC: our login
	Auth               string // towards a client: pap or chap is demanded, unless a case needs the other
	Service            string // towards an AC: the Service-Name asked for

	// Towards a client: the two ends' addresses, and what is told besides.
	Address, PeerAddress netip.Addr
	DNS                  [2]netip.Addr
	Prefix               netip.Prefix

	Wait time.Duration // how long a client may let us wait for its PADI
	Rate int           // frames a second, at most
}

// Complete returns o with what is not said filled in.
func (o Options) Complete() Options {
	if len(o.Families) == 0 {
		o.Families = []string{"ipv4"}
	}
	if o.Auth == "" {
		o.Auth = "pap"
	}
	if !o.Address.IsValid() {
		o.Address, o.PeerAddress = netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.1")
	}
	if !o.DNS[0].IsValid() {
		o.DNS = [2]netip.Addr{netip.MustParseAddr("198.51.100.53"), netip.MustParseAddr("198.51.100.54")}
	}
	if !o.Prefix.IsValid() {
		o.Prefix = netip.MustParsePrefix("2001:db8:100::/56")
	}
	if o.Wait == 0 {
		o.Wait = time.Minute
	}
	if o.Rate == 0 {
		o.Rate = 1000
	}
	return o
}

// ourMTU is what we ask for as MRU: a Flets line's.
const ourMTU = 1454

// negotiation is what both have said of one control protocol.
type negotiation struct {
	theirs     ppp.Packet       // their last Configure-Request
	asked      bool             // there is one
	unanswered bool             // nobody has answered it
	agreed     bool             // we have acknowledged it
	ours       ppp.Packet       // our last Configure-Request
	accepted   bool             // they have acknowledged it
	lastID     uint8            // of our last packet
	said       map[uint8][]byte // the data of our packets by Identifier
	fresh      bool             // our Configure-Request has just gone out
	wish       []ppp.Option
	sendAt     time.Duration // when our request goes out again; 0: at once
	naks       int
	rejected   bool // the peer does not know the protocol
}

func (n *negotiation) open() bool { return n.agreed && n.accepted }

// conversation is what has been said in one trial, by whomever, and what
// follows from it.
type conversation struct {
	o    Options
	c    *Case
	rand *rand.Rand

	them     pppoe.MAC
	stranger pppoe.MAC
	session  uint16 // 0: none
	granted  uint16 // the id that we give away as an AC
	ended    bool

	solicited, requested bool // a client's PADI and PADR, which are not answered yet
	offered              bool // an AC's PADO came, or ours went out
	hostUniq             []byte
	service              []byte
	acName               string
	cookie, relay        []byte
	discoverAt           time.Duration

	talks       map[ppp.Protocol]*negotiation
	magic       uint32
	identifier  [8]byte
	nextID      uint8
	echo        *ppp.Packet // an Echo-Request that is not answered yet
	strange     *ppp.Packet // what came of a protocol that we do not speak
	strangeOf   ppp.Protocol
	demanded    ppp.Protocol // how the client has to authenticate; 0: not
	authed      bool
	login       *ppp.Packet // their PAP request or CHAP response, unanswered
	papID       uint8
	challenged  bool // as a client: there is a challenge to answer
	challenge   []byte
	challengeID uint8
	authAt      time.Duration
	pleaded     bool // we have asked an AC to demand another authentication
	badLogin    bool
	refusal     string // the words of a refusal: of discovery or of authentication
	wont        string // what the peer does not do, though the case needs it

	delegation

	talking   ppp.Protocol // that of the packet whose values are asked for,
	talkingID uint8        // and its Identifier
	last      []byte       // the information field of our last session frame
	seen      [][]byte
}

func newConversation(c *Case, o Options, r *rand.Rand) *conversation {
	v := &conversation{o: o, c: c, rand: r, talks: map[ppp.Protocol]*negotiation{}}
	v.them = o.Target
	v.stranger = pppoe.MAC{2, 0, 0x5e, 0, 0x53, byte(r.Uint32())}
	v.magic = r.Uint32() | 1
	binary.BigEndian.PutUint64(v.identifier[:], r.Uint64()|1)
	v.identifier[0] &^= 2 // not from an EUI-64
	v.granted = uint16(1 + r.UintN(0xfffe))
	v.nextID = 0x80
	v.serverID = append([]byte{0, 3, 0, 1}, o.MAC[:]...)
	if o.Peer == AC {
		v.hostUniq = binary.BigEndian.AppendUint64(nil, r.Uint64())
		v.service = []byte(o.Service)
		v.clientID = append([]byte{0, 3, 0, 1}, o.MAC[:]...)
		v.serverID, v.iaid = nil, []byte{0, 0, 0, 1}
	} else {
		v.acName = "ppptest"
		v.cookie = binary.BigEndian.AppendUint64(nil, r.Uint64())
	}
	return v
}

func (c *conversation) of(p ppp.Protocol) *negotiation {
	if c.talks[p] == nil {
		c.talks[p] = &negotiation{said: map[uint8][]byte{}}
	}
	return c.talks[p]
}

// ncp is a network control protocol and the family that it is for.
type ncp struct {
	protocol ppp.Protocol
	family   string
}

// ncps are the NCPs that are spoken.
func (c *conversation) ncps() []ncp {
	return slices.DeleteFunc([]ncp{{ppp.IPCP, "ipv4"}, {ppp.IPv6CP, "ipv6"}}, func(n ncp) bool { return !slices.Contains(c.o.Families, n.family) })
}

// speaks reports whether p is one of them.
func (c *conversation) speaks(p ppp.Protocol) bool {
	return slices.ContainsFunc(c.ncps(), func(n ncp) bool { return n.protocol == p })
}

// stage returns how far the session has come.
func (c *conversation) stage() Stage {
	switch {
	case c.session == 0 && c.offered && (c.requested || c.o.Peer == AC):
		return Offered
	case c.session == 0:
		return Start
	case !c.of(ppp.LCP).open():
		return Session
	case c.demanded != 0 && !c.authed:
		return Link
	}
	open := false
	for _, ncp := range c.ncps() {
		n := c.of(ncp.protocol)
		if !n.open() && !n.rejected {
			return Auth
		}
		open = open || n.open()
	}
	if !open {
		return Auth
	}
	if c.bound {
		return Delegated
	}
	return Up
}

// isStarted reports whether the peer is known, which Start asks for.
func (c *conversation) isStarted() bool {
	return c.o.Peer == AC || c.solicited || c.session != 0 || c.requested
}

// spoken reports whether the peer has begun the negotiation that follows a stage:
// what comes before, it may not hear.
func (c *conversation) spoken(s Stage) bool {
	if s == Session {
		return c.of(ppp.LCP).asked
	}
	for _, ncp := range c.ncps() {
		if n := c.of(ncp.protocol); s == Auth && !n.asked && !n.rejected {
			return false
		}
	}
	return true
}

// theirOption returns the value of an option of their last Configure-Request.
func (c *conversation) theirOption(n *negotiation, option uint8) ([]byte, bool) {
	options, _ := ppp.ParseOptions(n.theirs.Data)
	for _, o := range options {
		if o.Type == option {
			return o.Data, true
		}
	}
	return nil, false
}

func (c *conversation) ourAddress() netip.Addr {
	if c.o.Peer == Client {
		return c.o.PeerAddress
	}
	for _, w := range c.of(ppp.IPCP).wish {
		if a, ok := netip.AddrFromSlice(w.Data); ok && w.Type == 3 && a.Is4() {
			return a
		}
	}
	return netip.IPv4Unspecified()
}

func (c *conversation) theirAddress() netip.Addr {
	if c.o.Peer == Client {
		return c.o.Address
	}
	b, _ := c.theirOption(c.of(ppp.IPCP), 3)
	if a, ok := netip.AddrFromSlice(b); ok {
		return a
	}
	return netip.IPv4Unspecified()
}
