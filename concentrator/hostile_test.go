package concentrator_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"pppoectl/concentrator"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// corpus is what hosts say from PADI to PADT.
func corpus(t *testing.T, auth lcp.Auth) []pppoe.Frame {
	s := newSegment(t, func(c *concentrator.Config) { c.Auth, c.Echo = []lcp.Auth{auth}, 10*time.Second })
	var list []pppoe.Frame
	s.filter = func(f pppoe.Frame) bool {
		if f.Src[0] == 2 {
			list = append(list, f)
		}
		return true
	}
	h := s.host(userBoth).up()
	h.acquire()
	h.ask(toServer(dhcpv6.MessageTypeRenew, &duid, iapd(1, "2001:db8:200::/56")))
	h.send(ping(h.linkLocal(), addr("ff02::1"), "hello"))
	h.send(ip4("203.0.113.8", "198.51.100.1", 8))
	s.run(15 * time.Second)
	s.act(h.theSession().CloseNetwork(s.now, ppp.IPCP))
	h.hangup()
	return list
}

// mutate changes a few octets of a copy, cuts it, or makes it longer.
func mutate(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range r.IntN(4) {
		if len(b) == 0 {
			break
		}
		at := r.IntN(len(b))
		switch r.IntN(5) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] = byte(r.Uint32())
		case 2:
			b[at] = []byte{0, 1, 0x7f, 0xff}[r.IntN(4)]
		case 3:
			b = b[:at]
		default:
			b = append(b[:at:at], append(make([]byte, r.IntN(5)), b[at:]...)...)
		}
	}
	return b
}

// Whatever comes: no panic, no session without a PADR that carries the cookie, and
// nothing that is not a proper frame to a station that has asked.
func TestMutatedFrames(t *testing.T) {
	for i, auth := range []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5} {
		r := rand.New(rand.NewPCG(7, uint64(i)))
		frames := corpus(t, auth)
		s := newSegment(t, func(c *concentrator.Config) { c.Auth, c.Echo = []lcp.Auth{auth}, 10*time.Second })
		ac, padrs := s.acs[0], 0
		s.filter = func(f pppoe.Frame) bool {
			if f.Src == acMAC {
				checkFrame(t, f)
			} else if p, err := pppoe.ParsePacket(f.Payload); err == nil && f.EtherType == pppoe.EtherTypeDiscovery && p.Code == pppoe.PADR {
				padrs++
			}
			return true
		}
		h := s.host(userBoth)
		for n := range 20000 {
			if n%100 == 0 {
				h.abandon()
				h.do(session.Input{Command: session.Dial})
				s.run(5 * time.Second)
				h.heard, h.ip, h.events = nil, nil, nil
			}
			f := frames[r.IntN(len(frames))]
			f.Payload = bytes.Clone(f.Payload)
			if f.EtherType == pppoe.EtherTypeSession {
				binary.BigEndian.PutUint16(f.Payload[2:], h.m.Info().SessionID)
			}
			f.Payload = mutate(r, f.Payload)
			if r.IntN(20) == 0 {
				f.EtherType ^= 7 // one for the other
			}
			s.queue = append(s.queue, f)
			s.run(time.Duration(r.Int64N(int64(20 * time.Millisecond))))
			if s.acNext[0] != 0 && s.acNext[0] <= s.now {
				t.Fatalf("at %v the next deadline is %v", s.now, s.acNext[0])
			}
		}
		for _, p := range s.packets {
			if !concentrator.Destination(p).IsValid() {
				t.Fatalf("%x is no IP packet", p)
			}
		}
		begun, ended := len(s.happened(concentrator.SessionBegun)), len(s.happened(concentrator.SessionEnded))
		if begun > padrs || begun-ended != len(ac.Sessions()) || len(s.happened(concentrator.LoggedIn)) < 50 || len(s.packets) == 0 {
			t.Errorf("%v: %d PADRs, %d sessions begun, %d ended, %d living, %d logins, %d packets", auth, padrs, begun, ended,
				len(ac.Sessions()), len(s.happened(concentrator.LoggedIn)), len(s.packets))
		}
		// Once the wire is cut all of them go away.
		s.filter = func(pppoe.Frame) bool { return false }
		s.run(2 * time.Minute)
		if len(ac.Sessions()) != 0 || s.acNext[0] != 0 {
			t.Errorf("%d sessions are left", len(ac.Sessions()))
		}
	}
}

func checkFrame(t *testing.T, f pppoe.Frame) {
	t.Helper()
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || f.Src != acMAC || f.Dst[0] != 2 || len(f.Payload) != pppoe.HeaderLen+len(p.Payload) || len(f.Payload) > 1500 {
		t.Fatalf("%+v: %v", f, err)
	}
	if f.EtherType == pppoe.EtherTypeDiscovery {
		if _, err := pppoe.ParseTags(p.Payload); err != nil || p.Code != pppoe.PADO && p.Code != pppoe.PADS && p.Code != pppoe.PADT {
			t.Fatalf("%v: %v", p, err)
		}
		return
	}
	if p.Code != pppoe.SessionData || p.SessionID == 0 || p.SessionID == 0xffff {
		t.Fatalf("%v for session %d", p.Code, p.SessionID)
	}
}

// A mutated DHCPv6 message gets a proper answer or none, and never a prefix that
// is not the login's.
func TestMutatedDHCPv6(t *testing.T) {
	s := newSegment(t, nil)
	h := s.host(user6).up()
	r := rand.New(rand.NewPCG(11, 12))
	messages := []*dhcpv6.Message{
		message(dhcpv6.MessageTypeSolicit, &duid, rapid, iapd(1), &dhcpv6.OptIANA{}),
		toServer(dhcpv6.MessageTypeRequest, &otherDUID, iapd(1, delegated, "2001:db8:fff::/48"), iapd(2)),
		message(dhcpv6.MessageTypeRebind, &duid, iapd(1, delegated, "::/0")),
		toServer(dhcpv6.MessageTypeRelease, &duid, iapd(1, delegated)),
		message(dhcpv6.MessageTypeInformationRequest, nil),
	}
	answered := 0
	for range 5000 {
		h.ip = nil
		h.send(udp(h.linkLocal(), allAgents, 546, 547, mutate(r, messages[r.IntN(len(messages))].ToBytes())))
		for _, p := range h.ip {
			wellFormed(t, p)
			answered++
		}
		for _, p := range h.theSession().Routes() {
			if p != pfx(delegated) {
				t.Fatalf("routed: %v", p)
			}
		}
	}
	if answered < 1000 {
		t.Errorf("only %d answers", answered)
	}
	if h.acquire(); !h.routedAt("2001:db8:100::1") { // it still works
		t.Error("not routed")
	}
}

// CVE-2014-6382: Junos fell over a PAP request that another had made up.
func TestLoginWithLengthsThatOverrunIsDropped(t *testing.T) {
	for name, request := range map[string][]byte{
		"name past the end":     {1, 1, 0, 8, 0xff, 'A', 'A', 'A'},
		"password past the end": {1, 1, 0, 8, 1, 'A', 0xff, 'A'},
		"no password":           {1, 1, 0, 6, 1, 'A'},
		"no name":               {1, 1, 0, 4},
		"length over the frame": {1, 1, 0xff, 0xff, 1, 'A', 1, 'A'},
		"length of 3":           {1, 1, 0, 3, 1, 'A', 1, 'A'},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSegment(t, nil)
			h := s.host(user4)
			s.filter = func(f pppoe.Frame) bool { return !speaks(f, ppp.PAP) }
			h.do(session.Input{Command: session.Dial})
			s.run(0)
			s.filter = nil
			h.heard = nil
			h.ppp(ppp.PAP, request)
			s.run(0)
			if len(h.heard) != 0 || h.theSession().User != "" {
				t.Errorf("answered with %v, user %q", h.heard, h.theSession().User)
			}
			s.run(5 * time.Second)
			if h.m.Phase() != session.Up || h.theSession().User != user4 {
				t.Errorf("phase %q after the real login; %v", h.m.Phase(), h.events)
			}
		})
	}
}

// CVE-2021-42054: accel-ppp crashed when a client left between its login and IPCP.
func TestHostThatLeavesRightAfterItsLogin(t *testing.T) {
	for _, auth := range []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5} {
		t.Run(auth.String(), func(t *testing.T) {
			s := newSegment(t, func(c *concentrator.Config) { c.Auth = []lcp.Auth{auth} })
			s.subs.PerLogin = 1 // so that a login that is not given back is noticed
			h := s.host(userBoth)
			left := 0
			s.filter = func(f pppoe.Frame) bool {
				if f.Src != acMAC || !speaks(f, auth.Protocol) || len(s.happened(concentrator.LoggedIn)) <= left {
					return true
				}
				left++
				h.do(session.Input{Command: session.Abandon}) // says PADT
				return false
			}
			for range 1000 {
				h.do(session.Input{Command: session.Dial})
				s.run(0)
				if len(s.acs[0].Sessions()) != 0 || s.acNext[0] != 0 || s.acs[0].Routed(addr("203.0.113.8")) {
					t.Fatalf("time %d: %d sessions, deadline %v", left, len(s.acs[0].Sessions()), s.acNext[0])
				}
			}
			if left != 1000 {
				t.Errorf("left %d times", left)
			}
			s.filter = nil
			h.up()
		})
	}
}

// script is when a station dials and leaves.
type script struct{ begin, end time.Duration }

// replay runs stations at one concentrator and returns when each of them is sent
// a frame of the session stage.
func replay(t *testing.T, stations map[byte]script, until time.Duration) map[byte]string {
	ac := bareAC(nil)
	sent := map[byte]string{}
	ids := map[byte]uint16{}
	var next time.Duration
	take := func(now time.Duration, out concentrator.Output) {
		next = out.Deadline
		if next != 0 && next <= now {
			t.Fatalf("at %v the next deadline is %v", now, next)
		}
		for _, f := range out.Frames {
			if f.EtherType == pppoe.EtherTypeSession {
				sent[f.Dst[5]] += fmt.Sprintf(" %v", now)
			} else if p, _ := pppoe.ParsePacket(f.Payload); p.Code == pppoe.PADT {
				sent[f.Dst[5]] += fmt.Sprintf(" PADT %v", now)
			}
		}
	}
	for now := time.Millisecond; now < until; now += time.Millisecond {
		for next != 0 && next <= now { // as a driver does: at the deadline, not later
			take(next, ac.Step(next, nil))
		}
		for i := range byte(200) {
			s, ok := stations[i]
			station := pppoe.MAC{2, 0, 0, 0, 0, i}
			switch {
			case ok && s.begin == now:
				padr := discovery(acMAC, station, pppoe.PADR, 0, tag(pppoe.ServiceName, ""), cookie(t, ac, station))
				out := ac.Step(now, &padr)
				p, _ := pppoe.ParsePacket(out.Frames[0].Payload)
				ids[i] = p.SessionID
				take(now, out)
			case ok && s.end == now:
				padt := discovery(acMAC, station, pppoe.PADT, ids[i])
				take(now, ac.Step(now, &padt))
			}
		}
	}
	return sent
}

// What a session does, and when, does not depend on the others.
func TestSessionsKeepTheirTimes(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	const until = 10 * time.Second
	stations := map[byte]script{}
	for i := range byte(40) {
		begin := time.Duration(1+r.IntN(4000)) * time.Millisecond
		stations[i] = script{begin, begin + time.Duration(1+r.IntN(8000))*time.Millisecond}
	}
	together := replay(t, stations, until)
	for i, s := range stations {
		alone := replay(t, map[byte]script{i: s}, until)
		if alone[i] != together[i] || alone[i] == "" {
			t.Errorf("station %d: alone %s\ntogether %s", i, alone[i], together[i])
		}
	}
}

func TestThousandSessions(t *testing.T) {
	ac := bareAC(nil)
	const n, apart = 1000, 20 * time.Microsecond
	start := time.Hour
	station := func(i int) pppoe.MAC { return pppoe.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)} }
	var ids []uint16
	for i := range n {
		ids = append(ids, begin(t, ac, start+time.Duration(i)*apart, station(i)))
	}
	first := ac.Step(start+n*apart, nil).Deadline
	if first <= start+n*apart {
		t.Fatalf("the first deadline is %v", first)
	}
	for i := range n {
		due := first + time.Duration(i)*apart
		// A frame of one, just before another's time, is no tick of that one.
		echo := pppoe.Frame{Dst: acMAC, Src: station(n - 1), EtherType: pppoe.EtherTypeSession,
			Payload: pppoe.Packet{SessionID: ids[n-1], Payload: []byte{0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0}}.AppendTo(nil)}
		if out := ac.Step(due-1, &echo); len(out.Frames) != 0 || out.Deadline != due {
			t.Fatalf("%d: before its time: %d frames, deadline %v, want %v", i, len(out.Frames), out.Deadline, due)
		}
		if i%3 == 1 { // it leaves at the last moment
			padt := discovery(acMAC, station(i), pppoe.PADT, ids[i])
			if out := ac.Step(due-1, &padt); len(out.Frames) != 0 || i < n-1 && out.Deadline != due+apart {
				t.Fatalf("%d: leaving: %d frames, deadline %v", i, len(out.Frames), out.Deadline)
			}
			continue
		}
		if out := ac.Step(due, nil); len(out.Frames) != 1 || out.Frames[0].Dst != station(i) {
			t.Fatalf("%d: at its time: %v", i, out.Frames)
		}
	}
}
