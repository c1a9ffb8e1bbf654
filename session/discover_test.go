package session_test

import (
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/ppp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// requesting dials until a PADR is out, whose PADS does not come.
func (l *line) requesting() {
	l.filter = func(f pppoe.Frame) bool { return code(f) != pppoe.PADS && f.EtherType == pppoe.EtherTypeDiscovery }
	l.command(session.Dial)
	l.run(0)
	if n := l.sentCodes(pppoe.PADR); n != 1 || l.m.Phase() != session.Discovery {
		l.t.Fatalf("%d PADRs, phase %q", n, l.m.Phase())
	}
}

func TestPADTForNoSessionWhileAPADRIsOutIsIgnored(t *testing.T) {
	l := newLine(t, nil)
	l.requesting()
	l.ignores(pppoe.NewPADT(acMAC, hostMAC, 0, ""))
}

// What an AC believes in is on disk before it hears a word of LCP: the event is told in the step
// whose frames come after it.
func TestSessionIsToldBeforeTheFirstWordOfLCP(t *testing.T) {
	l := newLine(t, nil)
	var told bool
	l.check = func() {
		told = told || l.has(session.Opened)
		if n := l.sentPPP(ppp.LCP, ppp.ConfigureRequest); (n > 0) != told {
			t.Errorf("session told of: %v, with %d Configure-Requests out", told, n)
		}
	}
	l.up()
	if l.events[0].Kind != session.Opened || l.count(session.Opened) != 1 {
		t.Errorf("%s", l.kinds())
	}
	if n := len(l.m.Snapshot().Session.Early); n != 0 {
		t.Errorf("%d frames are held still", n)
	}
}

func TestPADSThatDoesNotComeIsAwaitedForASecondAfterTheHangup(t *testing.T) {
	for _, after := range []time.Duration{0, 900 * time.Millisecond} { // the PADR would be repeated meanwhile
		l := newLine(t, nil)
		l.requesting()
		l.run(after)
		l.command(session.Hangup)
		l.run(999 * time.Millisecond)
		if l.m.Phase() != session.Terminating || l.has(session.Closed) {
			t.Errorf("phase %q; %s", l.m.Phase(), l.kinds())
		}
		l.run(time.Millisecond)
		if e := l.closed(); e.Cause != cause.Released || l.m.Phase() != session.Down || l.sentCodes(pppoe.PADR) != 1 {
			t.Errorf("%+v, phase %q, %d PADRs", e, l.m.Phase(), l.sentCodes(pppoe.PADR))
		}
	}
}

// Frames that say nothing of the session that may be opened end nothing.
func TestOnlyThePADSEndsTheWaitAfterAHangup(t *testing.T) {
	l := newLine(t, nil)
	var pado, pads pppoe.Frame
	l.filter = func(f pppoe.Frame) bool {
		switch code(f) {
		case pppoe.PADO:
			pado = f
		case pppoe.PADS:
			pads = f
			return false
		}
		return f.EtherType == pppoe.EtherTypeDiscovery
	}
	l.command(session.Dial)
	l.run(0)
	l.command(session.Hangup)
	l.ignores(pado)
	l.ignores(l.fromAC(1, hexBytes(t, "c021 0101 0004"))) // its LCP, early
	answers := l.feed(pads)
	if len(answers) != 1 || code(answers[0]) != pppoe.PADT || l.m.Phase() != session.Down {
		t.Errorf("answers %x, phase %q", answers, l.m.Phase())
	}
}

// RFC 4638 section 4: only an AC that says so in PADO and PADS takes more than 1492 octets.
func TestMRUOver1492OnlyWithTheACsConsent(t *testing.T) {
	for _, c := range []struct {
		mtu  int
		pads bool // has the tag
		want int
	}{{1500, true, 1500}, {1500, false, 1492}, {1454, true, 1454}} {
		l := newLine(t, func(cfg *session.Config, ac *concentrator.Config) {
			cfg.MTU, cfg.Discovery.MaxPayload, ac.MRU = c.mtu, 1500, 1500
		})
		l.filter = func(f pppoe.Frame) bool {
			p, _ := pppoe.ParsePacket(f.Payload)
			if code(f) != pppoe.PADS || c.pads {
				return true
			}
			tags, _ := pppoe.ParseTags(p.Payload)
			var kept pppoe.Tags
			for _, tag := range tags {
				if tag.Type != pppoe.PPPMaxPayload {
					kept = append(kept, tag)
				}
			}
			p.Payload = kept.AppendTo(nil)
			l.do(session.Input{Frame: &pppoe.Frame{Dst: f.Dst, Src: f.Src, EtherType: f.EtherType, Payload: p.AppendTo(nil)}})
			return false
		}
		l.up()
		if i := l.m.Info(); i.MTU != c.want || l.m.Snapshot().Link.Link.MRU != c.want {
			t.Errorf("MTU %d, tag in the PADS: %v: MTU %d, MRU %d; want %d", c.mtu, c.pads, i.MTU, l.m.Snapshot().Link.Link.MRU, c.want)
		}
	}
}

// What a first AC has sent takes no room from the second.
func TestFramesOfTheNextACAreHeldWhateverTheFirstHasSent(t *testing.T) {
	l := newLine(t, nil)
	l.requesting()
	for range 4 {
		l.feed(l.fromAC(1, hexBytes(t, "c021 0101 0004")))
	}
	l.cut = true
	l.run(20 * time.Second) // four PADRs, and a PADI
	if l.m.Snapshot().Discovery.Stage != pppoe.Soliciting {
		t.Fatalf("%+v", l.m.Snapshot().Discovery)
	}
	l.cut = false
	other := *l.ac.Config()
	other.MAC = otherMAC
	l.ac = concentrator.New(other, l.seed)
	l.run(time.Minute)
	if l.m.Snapshot().Discovery.Offer.AC != otherMAC {
		t.Fatalf("%+v", l.m.Snapshot().Discovery)
	}
	before := l.m.Snapshot()
	f := l.fromAC(1, hexBytes(t, "c021 0101 0004"))
	f.Src = otherMAC
	for range 2 {
		l.feed(f)
		if held := before.Session.Early; len(held) != 4 || held[0].AC != acMAC {
			t.Errorf("the snapshot changes with the session: %+v", held)
		}
		if held := l.m.Snapshot().Session.Early; len(held) != 1 || held[0].AC != otherMAC {
			t.Errorf("held: %+v", held)
		}
		l.m.Restore(before)
	}
}
