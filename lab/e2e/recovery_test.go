package lab_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/cause"
	"pppoectl/control"
)

var both = []string{"bizf", "bizf6"}

func TestSessionsComeBackAfterTheACDied(t *testing.T) {
	s := newSite(t)
	ac := s.concentrator()
	s.run()
	s.up(both...)
	killed := time.Now()
	ac.kill()
	s.concentrator()
	ready := time.Now()
	const within = 18 * time.Second // the echo interval of 10 s, and 8 s
	for _, name := range both {
		s.awaitWithin(within-time.Since(ready), name, "back by itself", func(u control.Uplink) bool {
			if address := s.host.IP("-o", "address", "show", "dev", name); !strings.Contains(address, "inet") {
				t.Errorf("%s has no address meanwhile: %q", name, address)
			}
			return u.State == control.Up && u.LastDrop != nil
		})
		t.Logf("%s: up %v after the AC was ready", name, time.Since(ready).Round(10*time.Millisecond))
		u := s.uplink(name)
		if u.LastDrop.Cause != cause.EchoLost || u.LastDrop.Text == "" || u.LastDrop.At.Before(killed) {
			t.Errorf("%s: last drop %+v, want echo_lost", name, u.LastDrop)
		}
		e, ok := s.event(name, "dropped", killed)
		if !ok || e.Cause != cause.EchoLost {
			t.Errorf("%s: event %+v, want dropped for echo_lost", name, e)
		}
		t.Logf("%s: %s", name, e.Message)
	}
	s.ping(behindAC)
	s.must(0, "stop")
}

func TestSessionsSurviveAPulledCable(t *testing.T) {
	for _, c := range []struct {
		name      string
		pull, put func(*site)
	}{
		{
			"carrier lost", func(s *site) { s.line.IP("link", "set", "l1", "down") },
			func(s *site) { s.line.IP("link", "set", "l1", "up") },
		},
		{
			"set down", func(s *site) { s.host.IP("link", "set", "eth1", "down") },
			func(s *site) { s.host.IP("link", "set", "eth1", "up") },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.concentrator()
			s.run()
			s.up(both...)
			was4, was6 := s.uplink("bizf"), s.uplink("bizf6")
			wire := newCapture(t, s.line, "ac0")
			pulled := time.Now()
			c.pull(s)
			for _, name := range both {
				s.awaitWithin(8*time.Second, name, "suspect for the carrier, not for an echo", func(u control.Uplink) bool { return u.State == control.Suspect })
			}
			time.Sleep(20*time.Second - time.Since(pulled)) // the outage itself
			c.put(s)
			back := time.Now()
			s.ping(behindAC)
			s.ping(was6.IPv6.Peer + "%bizf6")
			took := time.Since(back)
			t.Logf("both pinged %v after the cable was back", took.Round(time.Millisecond))
			if took > 8*time.Second {
				t.Error("that is not at once")
			}
			s.up(both...)
			for _, was := range []control.Uplink{was4, was6} {
				now := s.uplink(was.Name)
				if now.SessionID != was.SessionID || now.LastDrop != nil {
					t.Errorf("%s: session %d, was %d; last drop %+v", was.Name, now.SessionID, was.SessionID, now.LastDrop)
				}
			}
			wire.notDialled(pulled)
			wire.none("PADT", pulled, discovery(padt))
			s.must(0, "stop")
		})
	}
}

func TestSessionThatTheACEndsIsDialledAnew(t *testing.T) {
	s := newSite(t)
	s.boot(s.script(fmt.Sprintf(
		`(until [[ -e %s ]]; do sleep 0.1; done; kill -9 $(cat /run/ppp0.pid /var/run/ppp0.pid 2>/dev/null | head -1)) &`,
		s.path("kill")), "", ""))
	wire := newCapture(t, s.line, "ac0")
	s.run("bizf")
	s.up("bizf")
	was := s.uplink("bizf")
	began := time.Now()
	if err := os.WriteFile(s.path("kill"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var padtAt time.Time
	s.eventually("PADT of the AC", func() error {
		f := wire.find(began, discovery(padt))
		if len(f) == 0 {
			return fmt.Errorf("none")
		}
		padtAt = f[0].at
		if f[0].src != was.AC.MAC || f[0].session != was.SessionID {
			t.Errorf("%v, want it from %s for %d", f[0], was.AC.MAC, was.SessionID)
		}
		return nil
	})
	u := s.await("bizf", "another session", func(u control.Uplink) bool {
		return u.State == control.Up && u.SessionID != was.SessionID
	})
	t.Logf("up %v after the PADT", time.Since(padtAt).Round(time.Millisecond))
	if u.LastDrop == nil || u.LastDrop.Cause != cause.PADT {
		t.Errorf("last drop %+v, want padt", u.LastDrop)
	}
	if e, ok := s.event("bizf", "dropped", began); !ok || e.Cause != cause.PADT {
		t.Errorf("event %+v, want dropped for padt", e)
	}
	wire.none("our PADT for a session that the AC has ended", padtAt, func(f frame) bool {
		return f.is(padt) && f.src != was.AC.MAC && f.session == was.SessionID
	})
	s.ping(behindAC)
}

func TestSessionSurvivesTheDeviceDeletedByHand(t *testing.T) {
	s := newSite(t)
	s.concentrator()
	s.run("bizf")
	s.up("bizf")
	was := s.uplink("bizf")
	began := time.Now()
	s.host.IP("link", "delete", "bizf")
	s.eventually("the device is back", func() error {
		if r := s.exec("ip", "link", "show", "bizf"); r.code != 0 {
			return errors.New(r.stderr)
		}
		return nil
	})
	took := s.ping(behindAC)
	t.Logf("ping after %v", took.Round(time.Millisecond))
	s.up("bizf")
	if now := s.uplink("bizf"); now.SessionID != was.SessionID {
		t.Errorf("session %d, was %d", now.SessionID, was.SessionID)
	}
	if e, ok := s.event("bizf", "data_path", began); !ok || e.Cause != cause.DeviceFailed {
		t.Errorf("event %+v, want data_path for device_failed", e)
	}
	if got := s.host.IP("route", "show", "default"); !strings.Contains(got, "dev bizf") {
		t.Errorf("default route: %q", got)
	}
	s.must(0, "stop")
}

func TestLineRemovedAndMadeAgain(t *testing.T) {
	for _, c := range []struct {
		name               string
		sameMAC, setUp, up bool // the new one's address; whether it is set up by hand; whether the old one was
	}{
		{"another address", false, true, true},
		{"the same address", true, true, true},
		{"left down as the old one was found", false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			if !c.up {
				s.host.IP("link", "set", "eth1", "down")
			}
			s.concentrator()
			s.run("bizf")
			s.up("bizf")
			was := s.uplink("bizf")
			mac := strings.Fields(s.host.IP("-br", "link", "show", "eth1"))[2]
			wire := newCapture(t, s.line, "ac0")
			began := time.Now()
			s.host.IP("link", "delete", "eth1")
			s.await("bizf", "not up", func(u control.Uplink) bool { return u.State != control.Up })
			if c.sameMAC { // a moment after it has come: two seconds are too late
				s.host.Run("sh", "-c", "printf 'link add eth1 type veth peer name l1 netns "+s.line.Name+"\nlink set eth1 address "+mac+"\n' | ip -batch -")
				s.line.Join("br0", "l1")
			} else {
				s.plug()
			}
			if c.setUp {
				s.host.IP("link", "set", "eth1", "up")
			}
			s.up("bizf")
			s.ping(behindAC)
			t.Logf("ping %v after it was removed", time.Since(began).Round(time.Millisecond))
			now := s.uplink("bizf")
			if kept := now.SessionID == was.SessionID && len(wire.find(began, discovery(padr))) == 0; kept != c.sameMAC {
				t.Errorf("session %d, was %d, kept: %t", now.SessionID, was.SessionID, kept)
			}
			s.must(0, "stop")
		})
	}
}

func TestWrongPasswordIsTriedOnceAndTold(t *testing.T) {
	s := newSite(t)
	s.secret("bizf", "wrong")
	s.concentrator("AUTH=require-pap")
	wire := newCapture(t, s.line, "ac0")
	s.run("bizf")
	r := s.must(19, "up", "bizf")
	t.Logf("after %v: %s", r.took.Round(10*time.Millisecond), strings.TrimSpace(tail(r.stderr, 2)))
	for _, want := range []string{"Login incorrect", "next try in "} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("%q, want %q in it", r.stderr, want)
		}
	}
	u := s.uplink("bizf")
	if u.State != control.Holdoff || u.LastError == nil || u.LastError.Code != cause.AuthRejected || u.LastError.Text != "Login incorrect" || u.NextTry == nil {
		t.Errorf("%s, last error %+v, next try %v", u.State, u.LastError, u.NextTry)
	}
	var rejected []frame
	s.eventually("a PAP Authenticate-Nak on the line", func() error {
		rejected = wire.find(time.Time{}, func(f frame) bool { return f.control(protocolPAP, 3) })
		if len(rejected) == 0 {
			return errors.New("none")
		}
		return nil
	})
	again := discovery(padi)
	s.eventually("a second attempt", func() error {
		if len(wire.find(rejected[0].at, again)) == 0 {
			return fmt.Errorf("none")
		}
		return nil
	})
	if after := wire.find(rejected[0].at, again)[0].at.Sub(rejected[0].at); after < 4*time.Second {
		t.Errorf("the second attempt came %v after the rejection", after)
	}
	requests := wire.find(time.Time{}, func(f frame) bool { return f.control(protocolPAP, 1) && f.at.Before(rejected[0].at.Add(4*time.Second)) })
	if len(requests) != 1 {
		t.Errorf("%d PAP requests in the first seconds, want 1", len(requests))
	}
	s.must(0, "stop")
}

func TestStormOfOrdersLeavesNothingStuck(t *testing.T) {
	s := newSite(t)
	s.concentrator()
	d := s.run()
	s.up(both...)
	orders := []string{"up", "down", "restart", "up", "restart", "down", "up", "restart", "down", "up"}
	failed := make(chan error, len(orders))
	begin := time.Now()
	for i, verb := range orders {
		go func() {
			r, err := s.try(program, "-c", s.file, verb, both[i%2])
			if err == nil && r.took > 35*time.Second {
				err = fmt.Errorf("%s %s took %v: %s", verb, both[i%2], r.took, r.stderr)
			}
			failed <- err
		}()
	}
	for range orders {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	t.Logf("all ended after %v", time.Since(begin).Round(10*time.Millisecond))
	for _, name := range both {
		s.must(0, "up", name)
	}
	s.ping(behindAC)
	d.end(unix.SIGINT)
}

func TestDownEndsThoughUpComesBetween(t *testing.T) {
	s := newSite(t)
	ac := s.concentrator()
	s.run("bizf")
	s.up("bizf")
	ac.kill() // so that terminating takes its time
	ended := make(chan error, 1)
	go func() {
		r, err := s.try(program, "-c", s.file, "down", "bizf")
		if err == nil {
			t.Logf("down: %d after %v: %s", r.code, r.took.Round(10*time.Millisecond), strings.TrimSpace(r.stderr))
		}
		ended <- err
	}()
	s.await("bizf", "terminating", func(u control.Uplink) bool { return u.State == control.Terminating })
	s.pppoectl("up", "bizf", "--wait", "1s")
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Errorf("down does not end: the uplink is %s", s.uplink("bizf").State)
	}
}
