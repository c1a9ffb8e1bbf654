package lab_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// metric expects bizf's default route to have a metric.
func (s *site) metric(want string) time.Duration {
	s.t.Helper()
	return s.eventually("the default route has metric "+want, func() error {
		if route := s.host.IP("route", "show", "default"); !strings.Contains(route, "metric "+want+" ") {
			return fmt.Errorf("it is %q", route)
		}
		return nil
	})
}

// The way to change a router over the link that it carries.
func TestConfigurationReturnsUnlessItIsConfirmed(t *testing.T) {
	s := newSite(t)
	s.fletsimOn(s.line, "br0")
	old := strings.ReplaceAll(configuration, "DIR", s.dir)
	next := s.path("next.yaml")
	s.writeFile(next, strings.Replace(old, "    default-route: true\n  bizf6:", "    default-route: true\n    metric: 50\n  bizf6:", 1))
	d := s.run()
	s.up(both...)
	id4, id6 := s.uplink("bizf").SessionID, s.uplink("bizf6").SessionID
	stays := func(when string) {
		t.Helper()
		if a, b := s.uplink("bizf").SessionID, s.uplink("bizf6").SessionID; a != id4 || b != id6 {
			t.Errorf("%s: sessions %d and %d, had %d and %d", when, a, b, id4, id6)
		}
	}
	file := func(want, when string) {
		t.Helper()
		if b, err := os.ReadFile(s.file); err != nil || string(b) != want {
			t.Errorf("%s: the configuration file is\n%s%v", when, b, err)
		}
	}
	text, _ := os.ReadFile(next)

	if r := s.must(0, "plan", next); r.stdout != "bizf: reconfiguration (metric)\n" {
		t.Errorf("plan: %q", r.stdout)
	}
	s.metric("100")

	r := s.must(0, "apply", next, "--confirm-within", "5s")
	t.Logf("apply: %s%s", r.stdout, r.stderr)
	s.metric("50")
	if r := s.must(0, "status"); !strings.Contains(r.stdout, "on trial") {
		t.Errorf("the status does not tell of the trial: %s", r.stdout)
	}
	file(old, "before it is confirmed")
	took := s.metric("100")
	t.Logf("the old one was back %v after apply", took.Round(10*time.Millisecond))
	stays("after it has returned")
	if r := s.must(0, "status"); strings.Contains(r.stdout, "on trial") {
		t.Errorf("the status tells of a trial that is over: %s", r.stdout)
	}
	s.must(2, "confirm")

	s.must(0, "apply", next, "--confirm-within", "3s")
	s.must(0, "confirm")
	file(string(text), "once it is confirmed")
	time.Sleep(3500 * time.Millisecond) // past the time in which it had to be
	s.metric("50")
	stays("once it is confirmed")

	// Back, for good; and with a kill in the middle of a trial.
	back := s.path("back.yaml")
	s.writeFile(back, old)
	s.must(0, "apply", back)
	s.metric("100")
	file(old, "after a plain apply")
	s.must(0, "apply", next, "--confirm-within", "1h")
	s.metric("50")
	d.end(unix.SIGKILL)
	file(old, "after a kill")
	s.run()
	s.up(both...)
	s.metric("100")

	// One that cuts the line off: it comes back by itself.
	s.writeFile(next, strings.Replace(old, "user@bizf.", "nobody@bizf.", 1))
	if r := s.must(0, "plan", next); r.stdout != "bizf: new login (username)\n" {
		t.Errorf("plan: %q", r.stdout)
	}
	id6 = s.uplink("bizf6").SessionID
	s.must(0, "apply", next, "--confirm-within", "3s")
	s.ping(behindAC)
	s.up(both...)
	if s.uplink("bizf6").SessionID != id6 {
		t.Error("bizf6, which it does not concern, has another session")
	}

	// A mistake changes nothing, and is told with its own file's name.
	s.writeFile(next, strings.Replace(old, "families: [ipv4]", "families: [ipv5]", 1))
	for _, verb := range []string{"plan", "apply"} {
		if r := s.must(2, verb, next); !strings.Contains(r.stderr, next+`: uplinks.bizf.families[0]: "ipv5" is not known`) {
			t.Errorf("%s: %s", verb, r.stderr)
		}
	}
	s.must(2, "apply", s.path("none.yaml"))
	s.must(2, "apply")
	file(old, "after mistakes")
	s.must(0, "stop")
	if r := s.must(0, "plan", back); r.stdout != "nothing changes\n" {
		t.Errorf("plan without a daemon: %q", r.stdout)
	}
	s.must(23, "apply", back)
}
