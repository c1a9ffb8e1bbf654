package lab_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/control"
)

func (s *site) sessionFiles() []string {
	s.t.Helper()
	files, err := filepath.Glob(s.path("state/sessions/*"))
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// released expects that both sessions were ended by the rules since a time.
func (s *site) released(wire *capture, since time.Time, orderly bool, sessions ...control.Uplink) {
	s.t.Helper()
	s.eventually("the sessions are released on the wire", func() error {
		for _, u := range sessions {
			padts := wire.find(since, func(f frame) bool { return f.is(padt) && f.session == u.SessionID && f.src != u.AC.MAC })
			asked := wire.find(since, func(f frame) bool {
				return f.control(protocolLCP, terminateRequest) && f.session == u.SessionID && f.src != u.AC.MAC
			})
			if len(padts) == 0 || orderly && len(asked) == 0 {
				return fmt.Errorf("%s, session %d: %d Terminate-Requests, %d PADTs of ours", u.Name, u.SessionID, len(asked), len(padts))
			}
		}
		return nil
	})
}

func TestSIGTERMDetaches(t *testing.T) {
	s := newSite(t)
	s.concentrator()
	wire := newCapture(t, s.line, "ac0")
	d := s.run()
	s.up(both...)
	was := map[string]control.Uplink{"bizf": s.uplink("bizf"), "bizf6": s.uplink("bizf6")}
	detached := time.Now()
	d.end(unix.SIGTERM)
	if n := len(s.sessionFiles()); n != 2 {
		t.Errorf("%d state files are left, want 2", n)
	}
	for _, name := range both {
		if got := s.host.IP("-o", "address", "show", "dev", name); !strings.Contains(got, "inet") {
			t.Errorf("%s has no address any more: %q", name, got)
		}
	}
	wire.none("PADT", detached, discovery(padt))
	wire.none("LCP Terminate-Request", detached, func(f frame) bool { return f.control(protocolLCP, terminateRequest) })

	again := time.Now()
	s.run()
	s.up(both...)
	t.Logf("both up %v after the next start", time.Since(again).Round(10*time.Millisecond))
	for name, u := range was {
		if now := s.uplink(name); now.SessionID != u.SessionID || now.Resumed != 1 {
			t.Errorf("%s: session %d, resumed %d times; it was %d", name, now.SessionID, now.Resumed, u.SessionID)
		}
	}
	wire.notDialled(detached)
	wire.none("PADT", detached, discovery(padt))
	s.ping(behindAC)
	s.must(0, "stop")
}

func TestReleaseLeavesTheSystemAsItWas(t *testing.T) {
	s := newSite(t)
	s.concentrator()
	wire := newCapture(t, s.line, "ac0")
	s.host.IP("route", "add", "192.0.2.0/24", "dev", "eth1")
	s.host.IP("route", "add", "default", "dev", "eth1", "metric", "500") // somebody else's
	for _, c := range []struct {
		name   string
		lineUp bool
		end    func(*daemon)
	}{
		{"SIGINT", true, func(d *daemon) { d.end(os.Interrupt) }},
		{"stop", true, func(d *daemon) { s.must(0, "stop"); d.wait() }},
		{"down", true, func(d *daemon) {
			for _, name := range both {
				r := s.must(0, "down", name)
				t.Logf("down %s: %v", name, r.took.Round(time.Millisecond))
			}
		}},
		{"stop with a line that was down", false, func(d *daemon) { s.must(0, "stop"); d.wait() }},
		{"down with a line that was down", false, func(d *daemon) {
			for _, name := range both {
				s.must(0, "down", name)
			}
		}},
		{"SIGKILL and clean", true, func(d *daemon) { d.end(unix.SIGKILL); t.Log(s.must(0, "clean").stdout) }},
		{"SIGKILL and clean with a line that was down", false, func(d *daemon) { d.end(unix.SIGKILL); s.must(0, "clean") }},
	} {
		if !c.lineUp {
			s.host.IP("link", "set", "eth1", "down")
		}
		before := s.settled()
		d := s.run(both...)
		s.up(both...)
		sessions := []control.Uplink{s.uplink("bizf"), s.uplink("bizf6")}
		if s.system() == before {
			t.Fatal("the sessions do not show in the system")
		}
		since := time.Now()
		c.end(d)
		t.Logf("%s: %v", c.name, time.Since(since).Round(time.Millisecond))
		s.restored(before, c.name)
		s.released(wire, since, !strings.HasPrefix(c.name, "SIGKILL"), sessions...)
		if files := s.sessionFiles(); len(files) > 0 {
			t.Errorf("%s: left %v", c.name, files)
		}
		select {
		case <-d.done:
		default: // down leaves it running
			d.end(unix.SIGINT)
		}
		s.restored(before, c.name+", and the daemon's end")
	}
	s.must(0, "clean", "--all")
}

func TestDownLastsOverARestart(t *testing.T) {
	s := newSite(t)
	s.concentrator()
	d := s.run()
	s.up(both...)
	s.must(0, "down", "bizf")
	if u := s.uplink("bizf"); u.State != control.Disabled {
		t.Errorf("after down: %s", u.State)
	}
	d.end(unix.SIGTERM)
	wire := newCapture(t, s.line, "ac0")
	begin := time.Now()
	d = s.run()
	s.up("bizf6")
	if u := s.uplink("bizf"); u.State != control.Disabled || u.Attempts != 0 {
		t.Errorf("after a restart: %s, %d attempts", u.State, u.Attempts)
	}
	if n := len(wire.find(begin, discovery(pads))); n != 0 || s.uplink("bizf6").Resumed != 1 {
		t.Errorf("%d sessions were opened; bizf6 goes on: %+v", n, s.uplink("bizf6"))
	}
	s.must(0, "up", "bizf")
	d.end(unix.SIGINT)
	s.run()
	s.up(both...) // up has ended down
	s.must(0, "stop")
}
