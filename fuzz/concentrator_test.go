package fuzz_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pppoectl/concentrator"
	"pppoectl/fuzz"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// The language of FuzzConcentrator: an octet says what happens, and takes what it
// needs from the octets that follow, the first of which says which host it is.
const (
	opcSolicit   = iota // 1 octet: length n; n octets: tags of a PADI
	opcRequest          // likewise, of a PADR, behind the cookie
	opcDiscovery        // 2 octets: code, session id; 1 octet: length n; n octets: payload
	opcSession          // 1 octet: length n; n octets: payload of the host's session
	opcControl          // 1 octet each: protocol, code, identifier, length n; n octets: data
	opcAnswer           // the host answers all that it was asked, as it should
	opcAsk              // 1 octet: protocol; the host's Configure-Request
	opcLogin            // 1 octet: who; 1 octet: odd is the right password
	opcPacket           // 2 octets: source and destination; 1 octet: length n; n octets behind the header
	opcDHCP             // 1 octet: kind; 1 octet: length n; n octets: options behind client and server
	opcCarry            // 1 octet: destination; 1 octet: length, in multiples of 8; from the network behind
	opcTime             // 1 octet: how long
	opcOrder            // 1 octet: what is done to the host's session, or to all
	opcForeign          // 1 octet: even is a PADT; 1 octet: length n; n octets: payload of the next host\'s session
	opcCount
)

// Who may log in: as in the captures, with both families, and of a realm.
var customers = []struct{ user, password string }{
	{"user@bizf.example.jp", "secret4"}, {"user@bizf6.example.jp", "secret6"}, {"both@example.jp", "secret46"}, {"a@realm.example.jp", "secretr"}, {"nobody", "nothing"},
}

func subscribers() *concentrator.Subscribers {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	s := concentrator.NewSubscribers(map[string]concentrator.Login{
		customers[0].user: {Password: customers[0].password, IPv4: addr("203.0.113.7"), Block: prefix("198.51.100.8/29"), DNS: [2]netip.Addr{addr("198.51.100.53")}},
		customers[1].user: {Password: customers[1].password, IPv6: true, Prefix: prefix("2001:db8:100::/56"), DNS6: []netip.Addr{addr("2001:db8:ffff::53")}},
		customers[2].user: {Password: customers[2].password, IPv4: addr("203.0.113.8"), IPv6: true, Prefix: prefix("2001:db8:200::/56"), Length: 60},
	})
	s.Realms["realm.example.jp"] = concentrator.Realm{Password: customers[3].password, IPv4: prefix("203.0.113.64/29"), Prefixes: prefix("2001:db8:300::/40"), IPv6: true, Length: 56}
	s.PerLine, s.PerLogin = 2, 1
	return s
}

// exchange plays a sequence to a concentrator and checks what must always hold.
type exchange struct {
	t          *testing.T
	ac         *concentrator.AC
	subs       *concentrator.Subscribers
	hosts      [3]*customer
	now, next  time.Duration
	data       []byte
	stretching bool // of each frame of a host, two octets say which length is wrong by how much
	padrs      int  // PADRs, with a cookie or without
	logins     int  // frames in which a right password may have been
	admitted   int
	forgotten  bool // leases
	steps      int
}

// newExchange makes a concentrator; the first octet of data says how logins go.
func newExchange(t *testing.T, data []byte) *exchange {
	x := &exchange{t: t, subs: subscribers(), now: time.Hour, data: data}
	kind := x.octet()
	x.subs.Replace = kind&4 != 0
	auth := [][]lcp.Auth{{lcp.AuthPAP}, {lcp.AuthCHAPMD5}, {lcp.AuthCHAPMD5, lcp.AuthPAP}, {lcp.AuthPAP}}[kind&3]
	x.ac = concentrator.New(concentrator.Config{
		MAC: ac, Name: "BAS", Aliases: []string{"BAS2"}, Services: []string{"", "flets"}, Auth: auth, MRU: 1454, Echo: 10 * time.Second,
		Address: netip.MustParseAddr("203.0.113.1"), Secret: []byte("s"), Advertise: true, RouterLifetime: time.Hour, Subscribers: x.subs,
	}, rand.New(rand.NewPCG(1, 2)))
	for i := range x.hosts {
		x.hosts[i] = newCustomer(byte(i + 1))
	}
	return x
}

func (x *exchange) octet() byte {
	if len(x.data) == 0 {
		return 0
	}
	b := x.data[0]
	x.data = x.data[1:]
	return b
}

func (x *exchange) octets() []byte {
	n := min(int(x.octet()), len(x.data))
	b := x.data[:n]
	x.data = x.data[n:]
	return slices.Clone(b)
}

// send sends a packet of a host. Data that may take the express does.
func (x *exchange) send(h *customer, etherType uint16, q pppoe.Packet) {
	b := q.AppendTo(nil)
	if x.stretching {
		stretch(b, etherType == pppoe.EtherTypeDiscovery, x.octet(), x.octet())
	}
	if etherType == pppoe.EtherTypeDiscovery && len(b) > 1 && pppoe.Code(b[1]) == pppoe.PADR {
		x.padrs++
	}
	for _, c := range customers {
		if bytes.Contains(b, []byte(c.password)) {
			x.logins++
		}
	}
	f := pppoe.Frame{Dst: ac, Src: h.mac, EtherType: etherType, Payload: b}
	if p := x.ac.Forward(f); p != nil {
		x.forwarded(p, h)
		return
	}
	var out concentrator.Output
	if x.steps++; x.steps%16 == 0 { // to measure takes its time
		fuzz.Frugal(x.t, len(b), func() { out = x.ac.Step(x.now, &f) })
	} else {
		out = x.ac.Step(x.now, &f)
	}
	if len(out.Packets) > 0 {
		x.t.Fatalf("%x was none for the express", f.Payload)
	}
	x.take(out)
}

// take checks what follows from an input.
func (x *exchange) take(out concentrator.Output) {
	x.next = out.Deadline
	if x.next != 0 && x.next <= x.now {
		x.t.Fatalf("deadline %v at %v", x.next, x.now)
	}
	if most := 8 * (2 + len(x.ac.Sessions())); len(out.Frames) > most || len(out.Events) > most {
		x.t.Fatalf("%d frames, %d events of %d sessions", len(out.Frames), len(out.Events), len(x.ac.Sessions()))
	}
	for _, f := range out.Frames {
		x.frame(f)
	}
	for _, e := range out.Events {
		if e.Kind == concentrator.LoggedIn {
			if x.admitted++; x.admitted > x.logins {
				x.t.Fatalf("%d logins with %d right passwords", x.admitted, x.logins)
			}
		}
	}
	x.check()
}

// frame hands one of the concentrator's to its host.
func (x *exchange) frame(f pppoe.Frame) {
	q, err := pppoe.ParsePacket(f.Payload)
	to := slices.IndexFunc(x.hosts[:], func(h *customer) bool { return h.mac == f.Dst })
	if err != nil || f.Src != ac || to < 0 || len(f.Payload) > 1500 || len(q.AppendTo(nil)) != len(f.Payload) {
		x.t.Fatalf("%v to %v: %x, %v", f.Src, f.Dst, f.Payload, err)
	}
	x.hosts[to].hear(x.t, f.EtherType, q)
}

// forwarded checks a packet that goes on to the network behind.
func (x *exchange) forwarded(p []byte, h *customer) {
	for _, s := range x.ac.Sessions() {
		if s.Host == h.mac && slices.ContainsFunc(s.Routes(), func(r netip.Prefix) bool { return r.Contains(sourceOf(p)) }) {
			return
		}
	}
	x.t.Fatalf("from %v of %v went on", sourceOf(p), h.mac)
}

// check checks what the concentrator believes in.
func (x *exchange) check() {
	perLine, routes := map[pppoe.MAC]int{}, map[netip.Prefix]bool{}
	for id, s := range x.ac.Sessions() {
		if perLine[s.Host]++; s.ID != id || id == 0 || id == 0xffff || perLine[s.Host] > 2 {
			x.t.Fatalf("session %d of %v, its number %d", id, s.Host, perLine[s.Host])
		}
		for _, r := range s.Routes() {
			protocol := ppp.IPv6CP
			if r.Addr().Is4() {
				protocol = ppp.IPCP
			}
			if !s.Opened(protocol) || s.User == "" || !x.ac.Routed(r.Addr()) || routes[r] {
				x.t.Fatalf("session %d of %q has %v; open %v, twice %v", id, s.User, r, s.Opened(protocol), routes[r])
			}
			if !x.forgotten && r.Addr().Is6() && !slices.Contains(x.subs.Delegations(x.now, s.User), r) {
				x.t.Fatalf("session %d of %q has %v, which is not delegated", id, s.User, r)
			}
			routes[r] = true
		}
	}
	for _, a := range addressees {
		if x.ac.Routed(a) && !slices.ContainsFunc(slices.Collect(maps.Keys(routes)), func(r netip.Prefix) bool { return r.Contains(a) }) {
			x.t.Fatalf("%v goes to a session that has no such route", a)
		}
	}
	if len(x.ac.Sessions()) > x.padrs {
		x.t.Fatalf("%d sessions of %d PADRs", len(x.ac.Sessions()), x.padrs)
	}
}

func (x *exchange) step() {
	op, h := x.octet()%opcCount, x.hosts[int(x.octet())%len(x.hosts)]
	switch op {
	case opcSolicit:
		x.send(h, pppoe.EtherTypeDiscovery, pppoe.Packet{Code: pppoe.PADI, Payload: append([]byte{1, 1, 0, 0}, x.octets()...)})
	case opcRequest:
		cookie := pppoe.Tag{Type: pppoe.ACCookie, Value: h.cookie}.AppendTo([]byte{1, 1, 0, 0})
		x.send(h, pppoe.EtherTypeDiscovery, pppoe.Packet{Code: pppoe.PADR, Payload: append(cookie, x.octets()...)})
	case opcDiscovery:
		x.send(h, pppoe.EtherTypeDiscovery, pppoe.Packet{Code: pppoe.Code(x.octet()), SessionID: uint16(x.octet()), Payload: x.octets()})
	case opcSession:
		x.session(h, x.octets())
	case opcControl:
		protocol := protocols[int(x.octet())%len(protocols)]
		x.control(h, protocol, ppp.Packet{Code: ppp.Code(x.octet()), ID: x.octet(), Data: x.octets()})
	case opcAnswer:
		for _, a := range h.answers() {
			x.control(h, a.protocol, a.packet)
		}
	case opcAsk:
		if protocol := protocols[int(x.octet())%len(protocols)]; h.wish(protocol) != nil {
			x.control(h, protocol, ppp.Packet{Code: ppp.ConfigureRequest, ID: 1, Data: h.wish(protocol)})
		}
	case opcLogin:
		x.login(h, int(x.octet())%len(customers), x.octet()%2 == 1)
	case opcPacket:
		b := packetOf(h, x.octet(), x.octet(), x.octets())
		protocol := ppp.IPv4
		if b[0]>>4 == 6 {
			protocol = ppp.IPv6
		}
		x.session(h, ppp.AppendFrame(nil, protocol, b))
	case opcDHCP:
		x.session(h, ppp.AppendFrame(nil, ppp.IPv6, datagram(h.local.As16(), dhcpOf(h, x.octet(), x.octets()))))
	case opcCarry:
		x.carry(packetOf(h, 7, x.octet(), make([]byte, 8*int(x.octet()))))
	case opcTime:
		n := time.Duration(x.octet())
		end := x.now + n*n*n*time.Millisecond // up to 4.6 hours
		for calls := 0; x.next != 0 && x.next <= end; calls++ {
			if calls > 20000 {
				x.t.Fatal("the deadlines have no end")
			}
			x.now = x.next
			x.take(x.ac.Step(x.now, nil))
		}
		x.now = end
	case opcOrder:
		x.order(h, x.octet())
	case opcForeign:
		x.foreign(h, x.octet()%2 == 0, x.octets())
	}
}

// foreign is a frame that carries another host's session: nothing comes of it.
func (x *exchange) foreign(h *customer, padt bool, payload []byte) {
	victim := x.hosts[int(h.mac[5])%len(x.hosts)]
	f := pppoe.Frame{Dst: ac, Src: h.mac, EtherType: pppoe.EtherTypeSession}
	q := pppoe.Packet{SessionID: victim.id, Payload: payload}
	if padt {
		f.EtherType, q = pppoe.EtherTypeDiscovery, pppoe.Packet{Code: pppoe.PADT, SessionID: victim.id}
	}
	f.Payload = q.AppendTo(nil)
	s := x.ac.Sessions()[victim.id]
	if s == nil || s.Host != victim.mac {
		return
	}
	x.take(x.ac.Step(x.now, nil))
	was := s.Traffic
	forwarded, out := x.ac.Forward(f), x.ac.Step(x.now, &f)
	if forwarded != nil || len(out.Frames)+len(out.Packets)+len(out.Events) > 0 || x.ac.Sessions()[victim.id] != s || s.Traffic != was || out.Deadline != x.next {
		x.t.Fatalf("%x of %v, in a session of %v: %+v", f.Payload, h.mac, s.Host, out)
	}
}

func (x *exchange) session(h *customer, payload []byte) {
	x.send(h, pppoe.EtherTypeSession, pppoe.Packet{SessionID: h.id, Payload: payload})
}

func (x *exchange) control(h *customer, protocol ppp.Protocol, p ppp.Packet) {
	x.session(h, ppp.AppendFrame(nil, protocol, p.AppendTo(nil)))
}

// login is a request of PAP, and the response to the last challenge of CHAP.
func (x *exchange) login(h *customer, who int, right bool) {
	c := customers[who]
	if !right {
		c.password = "wrong"
	}
	x.control(h, ppp.PAP, ppp.Packet{Code: 1, ID: 1, Data: slices.Concat([]byte{byte(len(c.user))}, []byte(c.user), []byte{byte(len(c.password))}, []byte(c.password))})
	if h.challenge.Code == 1 {
		x.logins++ // what it says is a hash
		x.control(h, ppp.CHAP, h.response(c.user, c.password))
	}
}

// carry takes a packet from the network behind, by the express if that takes it.
func (x *exchange) carry(packet []byte) {
	frame := append(make([]byte, concentrator.HeadLen), packet...)
	if !x.ac.Deliver(frame) {
		x.take(x.ac.Carry(x.now, packet))
		return
	}
	f, err := pppoe.ParseFrame(frame)
	if err != nil || f.EtherType != pppoe.EtherTypeSession {
		x.t.Fatalf("%x: %v", frame, err)
	}
	x.frame(f)
}

// order does something to a host's session, or to all, or changes what logins get.
func (x *exchange) order(h *customer, what byte) {
	all := []func(){
		x.ac.Forget,
		func() { x.take(x.ac.Advertise(x.now)) },
		func() { x.subs.ForgetLeases(); x.forgotten = true },
		func() {
			x.subs.Change(customers[2].user, func(l *concentrator.Login) {
				l.IPv4, l.Prefix, l.Length = netip.MustParseAddr("203.0.113.9"), netip.MustParsePrefix("2001:db8:400::/62"), 64
			})
		},
		func() { x.subs.Refuse("", "busy", x.now+time.Minute) },
	}
	if n := int(what) % (len(all) + 8); n < len(all) {
		all[n]()
	} else if s := x.ac.Sessions()[h.id]; s != nil {
		orders := []func() []pppoe.Frame{
			func() []pppoe.Frame { return s.Terminate(x.now, "fuzz") },
			func() []pppoe.Frame { return s.Renegotiate(x.now) },
			func() []pppoe.Frame { return s.CloseNetwork(x.now, ppp.IPCP) },
			func() []pppoe.Frame { return s.CloseNetwork(x.now, ppp.IPv6CP) },
			func() []pppoe.Frame {
				return s.Send(ppp.LCP, ppp.Packet{Code: ppp.EchoRequest, ID: 9, Data: make([]byte, 4)})
			},
			func() []pppoe.Frame { return s.End(x.now, "fuzz") },
			func() []pppoe.Frame { s.Drop(); return nil },
			func() []pppoe.Frame { s.Mute(); return nil },
		}
		for _, f := range orders[n-len(all)]() {
			x.frame(f)
		}
	}
	x.take(x.ac.Step(x.now, nil))
}

func (x *exchange) play() {
	for steps := 0; len(x.data) > 0 && steps < 400; steps++ {
		x.step()
	}
	x.ac.Forget()
	x.take(x.ac.Step(x.now, nil))
	if x.next != 0 {
		x.t.Fatalf("deadline %v without a session", x.next)
	}
}

// FuzzConcentrator is the AC's side as a machine, with hosts that speak well and
// badly. Nobody gets in without a password, nothing is routed to whom it does not
// belong, and what is sent from an address goes on only if that is the host's.
func FuzzConcentrator(f *testing.F) {
	calls(f)
	f.Fuzz(func(t *testing.T, data []byte) { newExchange(t, data).play() })
}

// FuzzConcentratorLengths speaks the same language, in which each frame of a host
// has a length field that may be wrong.
func FuzzConcentratorLengths(f *testing.F) {
	calls(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		x := newExchange(t, data)
		x.stretching = true
		x.play()
	})
}

// up6 is a host's interface identifier.
func up6(n byte) ipv6cp.Identifier { return ipv6cp.Identifier{2, 0, 0, 0, 0, 0, 0, n} }
