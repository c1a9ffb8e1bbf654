package session_test

import (
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// code returns the code of a discovery frame; 0xff of others.
func code(f pppoe.Frame) pppoe.Code {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil || f.EtherType != pppoe.EtherTypeDiscovery {
		return 0xff
	}
	return p.Code
}

// repeated makes a PADS for another session out of one.
func repeated(f pppoe.Frame, id uint16) pppoe.Frame {
	p, _ := pppoe.ParsePacket(f.Payload)
	p.SessionID = id
	f.Payload = p.AppendTo(nil)
	return f
}

func TestSecondPADSWithAnotherIDIsGivenBackOnce(t *testing.T) {
	l := newLine(t, nil)
	var pads pppoe.Frame
	l.filter = func(f pppoe.Frame) bool {
		if code(f) == pppoe.PADS {
			pads = f
		}
		return true
	}
	l.up()
	l.sent = nil
	a := l.feed(repeated(pads, 0x1234))
	if len(a) != 1 || code(a[0]) != pppoe.PADT || a[0].Dst != acMAC || a[0].Payload[2] != 0x12 || a[0].Payload[3] != 0x34 {
		t.Fatalf("answers %x, want one PADT for session 1234", a)
	}
	if a := l.feed(pads); len(a) != 0 {
		t.Errorf("our own PADS again is answered: %x", a)
	}
	other := repeated(pads, 0x4321)
	other.Src = otherMAC
	if a := l.feed(other); len(a) != 0 {
		t.Errorf("PADS of another AC is answered: %x", a)
	}
	for id := range 1000 {
		l.feed(repeated(pads, uint16(id+100)))
	}
	if n := l.sentCodes(pppoe.PADT); n > 4 {
		t.Errorf("%d PADTs for stray sessions", n)
	}
	if l.m.Phase() != session.Up || l.m.Info().SessionID != 1 {
		t.Errorf("phase %q, session %d", l.m.Phase(), l.m.Info().SessionID)
	}
}

func TestFirstConfigureRequestMayOvertakeThePADS(t *testing.T) {
	l := newLine(t, nil)
	var pads *pppoe.Frame
	l.filter = func(f pppoe.Frame) bool {
		if code(f) == pppoe.PADS && pads == nil {
			pads = &f
			return false
		}
		return true
	}
	begin := l.now
	l.command(session.Dial)
	l.run(0)
	if pads == nil || l.m.Phase() != session.Discovery {
		t.Fatalf("phase %q", l.m.Phase())
	}
	l.inject(*pads)
	l.run(0)
	if l.m.Phase() != session.Up || l.now != begin {
		t.Errorf("phase %q after %v, want up at once; %v", l.m.Phase(), l.now-begin, l.events)
	}
	if n := len(l.m.Snapshot().Session.Early); n != 0 || l.has(session.Dropped) {
		t.Errorf("%d frames are held still; %v", n, l.events)
	}
}

func TestFramesThatOvertakeThePADSAreFewAndOnlyTheACs(t *testing.T) {
	l := newLine(t, nil)
	l.filter = func(f pppoe.Frame) bool { return f.Src == hostMAC && code(f) != pppoe.PADR || code(f) == pppoe.PADO }
	l.command(session.Dial)
	l.run(0)
	foreign := l.fromAC(1, hexBytes(t, "c021 0501 0004"))
	foreign.Src = otherMAC
	l.ignores(foreign)
	dropped := l.count(session.Dropped)
	for range 100 {
		l.feed(l.fromAC(1, make([]byte, 1400)))
	}
	if n, lost := len(l.m.Snapshot().Session.Early), l.count(session.Dropped)-dropped; n != 4 || lost != 96 {
		t.Errorf("%d frames held, %d told as dropped", n, lost)
	}
}

// What one AC sent before it fell silent is not the next one's.
func TestFramesHeldOfOneACAreNotTakenForTheNextACs(t *testing.T) {
	l := newLine(t, nil)
	second := pppoe.MAC{0, 0x1e, 0x13, 0, 0, 0x0b}
	silent := func(f pppoe.Frame) bool { return f.Src == hostMAC && code(f) != pppoe.PADR || code(f) == pppoe.PADO }
	l.filter = silent
	l.command(session.Dial)
	l.run(0)
	l.feed(l.fromAC(1, hexBytes(t, "c021 0501 0009 6f6c6421 21"))) // a Terminate-Request
	for range 60 {                                                 // until the first AC is given up
		l.run(time.Second)
		if l.m.Snapshot().Discovery.Offer.AC == (pppoe.MAC{}) {
			break
		}
		l.filter = func(f pppoe.Frame) bool { return silent(f) && code(f) != pppoe.PADO }
	}
	if l.m.Snapshot().Discovery.Offer.AC != (pppoe.MAC{}) {
		t.Fatal("the AC is not given up")
	}
	b := *l.ac.Config()
	b.MAC, b.Name, b.Secret = second, "BAS-OSAKA", []byte("b")
	l.ac = concentrator.New(b, l.seed)
	l.filter = nil
	l.run(20 * time.Second)
	if l.has(session.Closed) {
		t.Errorf("session of %v ended by what %v had sent: %+v", second, acMAC, l.closed())
	}
	if l.m.Info().AC != second {
		t.Errorf("AC %v; %v", l.m.Info().AC, l.events)
	}
}

func TestLostPADSMeansPADRAgainThenPADIAgain(t *testing.T) {
	l := newLine(t, nil)
	lost := 0
	l.filter = func(f pppoe.Frame) bool {
		if code(f) == pppoe.PADS {
			lost++
			return false
		}
		return f.EtherType == pppoe.EtherTypeDiscovery
	}
	l.command(session.Dial)
	l.run(3 * time.Second)
	if lost < 2 || l.sentCodes(pppoe.PADI) != 1 {
		t.Fatalf("%d PADRs answered, %d PADIs after 3 s", lost, l.sentCodes(pppoe.PADI))
	}
	l.run(30 * time.Second)
	if l.sentCodes(pppoe.PADI) < 2 {
		t.Fatalf("%d PADIs although no PADS comes", l.sentCodes(pppoe.PADI))
	}
	l.filter = nil
	l.run(2 * time.Minute)
	if l.m.Phase() != session.Up {
		t.Errorf("phase %q when PADS arrive again; %v", l.m.Phase(), l.events)
	}
	if l.has(session.Closed) {
		t.Errorf("the attempt ended: %+v", l.closed())
	}
}

func TestPADSWithoutAUsableSessionIsAFailure(t *testing.T) {
	for _, id := range []uint16{0, 0xffff} {
		l := newLine(t, nil)
		l.filter = func(f pppoe.Frame) bool {
			if code(f) != pppoe.PADS {
				return f.EtherType == pppoe.EtherTypeDiscovery
			}
			g := repeated(f, id)
			l.do(session.Input{Frame: &g})
			return false
		}
		l.command(session.Dial)
		l.run(0)
		if e := l.closed(); e.Cause != cause.ACRefused || !strings.Contains(e.Text, "session id") {
			t.Errorf("%04x: %+v", id, e)
		}
		if l.sentPPP(ppp.LCP, ppp.ConfigureRequest) != 0 {
			t.Errorf("%04x: LCP was begun", id)
		}
	}
}

// CVE-2021-42054, seen from the other side: accel-ppp crashed when its client left
// just after its login.
func TestPADTRightAfterAuthenticationAThousandTimes(t *testing.T) {
	for _, login := range []lcp.Auth{lcp.AuthPAP, lcp.AuthCHAPMD5} {
		t.Run(login.String(), func(t *testing.T) {
			l := newLine(t, func(c *session.Config, ac *concentrator.Config) {
				both(c, ac)
				ac.Auth = []lcp.Auth{login}
			})
			l.filter = func(f pppoe.Frame) bool {
				p, err := pppoe.ParsePacket(f.Payload)
				if err != nil || f.Src != acMAC || !isPPP(f, login.Protocol) {
					return true
				}
				l.do(session.Input{Frame: &f})
				if l.has(session.Authenticated) && l.m.Phase() != session.Down {
					padt := pppoe.NewPADT(acMAC, hostMAC, p.SessionID, "")
					l.do(session.Input{Frame: &padt})
					l.ac.Forget()
				}
				return false
			}
			for i := range 1000 {
				l.events, l.sent = nil, nil
				l.command(session.Dial)
				l.run(0)
				if e := l.closed(); e.Cause != cause.PADT || l.count(session.Authenticated) != 1 || l.has(session.NetworkUp) {
					t.Fatalf("time %d: %+v; %v", i, e, l.events)
				}
				if l.m.Phase() != session.Down || l.next != 0 || l.sentCodes(pppoe.PADT) != 0 {
					t.Fatalf("time %d: phase %q, deadline %v, %d PADTs", i, l.m.Phase(), l.next, l.sentCodes(pppoe.PADT))
				}
			}
			l.filter = nil
			l.up()
		})
	}
}

func TestHostUniqAndServiceOfHostileOffersAreChecked(t *testing.T) {
	l := newLine(t, nil)
	l.cut = true
	l.command(session.Dial)
	l.queue, l.cut = nil, false
	host, _, _ := l.m.Address()
	offer := func(tags ...pppoe.Tag) pppoe.Frame {
		p := pppoe.Packet{Code: pppoe.PADO, Payload: pppoe.Tags(tags).AppendTo(nil)}
		return pppoe.Frame{Dst: hostMAC, Src: acMAC, EtherType: pppoe.EtherTypeDiscovery, Payload: p.AppendTo(nil)}
	}
	name, service := pppoe.Tag{Type: pppoe.ACName, Value: []byte("BAS")}, pppoe.Tag{Type: pppoe.ServiceName}
	uniq := func(b []byte) pppoe.Tag { return pppoe.Tag{Type: pppoe.HostUniq, Value: b} }
	for n, f := range map[string]pppoe.Frame{
		"no Host-Uniq":     offer(name, service),
		"empty":            offer(name, service, uniq(nil)),
		"prefix":           offer(name, service, uniq(host[:8])),
		"one octet more":   offer(name, service, uniq(append(append([]byte{}, host...), 0))),
		"twice, one wrong": offer(name, service, uniq(host), uniq(host[:8])),
		"no name":          offer(service, uniq(host)),
		"no service":       offer(name, uniq(host)),
		"error tag":        offer(name, service, uniq(host), pppoe.Tag{Type: pppoe.ACSystemError, Value: []byte("full")}),
		"giant cookie":     offer(name, service, uniq(host), pppoe.Tag{Type: pppoe.ACCookie, Value: make([]byte, 1471)}),
	} {
		t.Run(n, func(t *testing.T) {
			l.t = t
			l.ignores(f)
		})
	}
}
