package lab_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/control"
	"pppoectl/state"
)

func TestExitStatusWithoutAnAC(t *testing.T) {
	s := newSite(t)
	s.ownDaemon()
	r := s.must(20, "up", "bizf", "--wait", "3s")
	if r.took < 3*time.Second || r.took > 13*time.Second {
		t.Errorf("up --wait 3s took %v", r.took)
	}
	t.Logf("20: %s", strings.TrimSpace(tail(r.stderr, 2)))
	if u := s.uplink("bizf"); u.State != control.Discovery {
		t.Errorf("it is %s, want it to go on asking", u.State)
	}
	t.Logf("20: %s", strings.TrimSpace(s.must(20, "discover", "-i", "eth1", "--wait", "500ms").stderr))
	s.must(0, "stop")

	s.line.IP("link", "set", "l1", "down")
	s.ownDaemon()
	t.Logf("24: %s", strings.TrimSpace(tail(s.must(24, "up", "bizf", "--wait", "500ms").stderr, 2)))
	if u := s.uplink("bizf"); u.State != control.WaitingCarrier {
		t.Errorf("it is %s, want waiting-carrier", u.State)
	}
	s.must(24, "discover", "-i", "eth1", "--wait", "500ms")
	s.must(0, "stop")

	for _, args := range [][]string{{"status"}, {"down", "bizf"}, {"restart", "bizf"}, {"stop"}, {"reload"}, {"events", "-f"}} {
		r := s.must(23, args...)
		if !strings.Contains(r.stderr, "not running") {
			t.Errorf("%v: %q", args, r.stderr)
		}
	}
	if r := s.must(0, "events", "bizf", "--since", "1h"); !strings.Contains(r.stdout, "released by the operator") {
		t.Errorf("events without a daemon: %q", r.stdout)
	}
	if r := s.must(2, "events", "--since", "yesterday"); !strings.Contains(r.stderr, "2026-11-23") {
		t.Errorf("no example of a time: %q", r.stderr)
	}
}

func TestExitStatusOfMistakes(t *testing.T) {
	s := newSite(t)
	before := s.settled()
	for _, args := range [][]string{
		{"no-such-command"}, {"up"}, {"up", "bizf", "bizf6"}, {"up", "--no-such-flag", "bizf"}, {"up", "nobody"},
		{"discover"}, {"run", "nobody"}, {"-c", s.path("none.yaml"), "run"},
	} {
		r := s.must(2, args...)
		t.Logf("2: %s", strings.TrimSpace(r.stderr))
	}
	for old, change := range map[string]struct{ text, says string }{
		"families: [ipv4]":   {"families: [ipv5]", "uplinks.bizf.families[0]: "},
		"default-route":      {"default-rout", "default-rout: unknown key"},
		"DIR/bizf.secret":    {"DIR/none.secret", "uplinks.bizf.password-file: "},
		"families: [ipv6]":   {"families: [ipv6]\n    ifname: bizf", "uplinks.bizf6.ifname: "},
		"{level: debug}":     {"{level: loud}", "log.level: "},
		"DIR/run":            {"run", "run-dir: "},
		"password-file: DIR": {"prefix: {hint: nothing}\n    password-file: DIR", "uplinks.bizf6.prefix.hint: \"nothing\" is no prefix"},
	} {
		s.configure(strings.ReplaceAll(configuration, old, change.text))
		for _, args := range [][]string{{"check"}, {"run"}} {
			r := s.must(2, args...)
			if !strings.Contains(r.stderr, s.file+": ") || !strings.Contains(r.stderr, change.says) {
				t.Errorf("%v with %s: %q, want %q in it", args, change.text, r.stderr, change.says)
			}
		}
	}
	s.configure(configuration)
	if err := os.Chmod(s.path("bizf.secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := s.must(2, "run")
	t.Logf("2: %s", strings.TrimSpace(r.stderr))
	if _, err := os.Stat(s.path("state")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state directory was made: %v", err)
	}
	s.restored(before, "mistakes")
}

func TestEachValueOfAWrongTypeIsToldInALineOfItsOwn(t *testing.T) {
	s := newSite(t)
	s.configure(strings.ReplaceAll(configuration, "interface: eth1", "interface: [eth1]"))
	r := s.must(2, "check")
	for _, name := range both {
		if want := s.file + ": uplinks." + name + ".interface: "; !strings.Contains(r.stderr, want) {
			t.Errorf("%q, want %q in it", r.stderr, want)
		}
	}
	if strings.Contains(r.stderr, "none is configured") {
		t.Errorf("%q: there are uplinks", r.stderr)
	}
}

func TestExitStatusWithoutPrivileges(t *testing.T) {
	s := newSite(t)
	const nobody = 65534
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{s.file, s.path("bizf.secret"), s.path("bizf6.secret")} {
		if err := os.Chown(f, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range []string{"run", "up bizf", "clean", "discover -i eth1"} {
		r := s.exec("setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", program, "-c", s.file}, strings.Fields(args)...)...)
		if r.code != 3 || !strings.Contains(r.stderr, "CAP_NET_") {
			t.Errorf("%s as nobody: exit status %d, %q; want 3, and which capability", args, r.code, r.stderr)
		}
		t.Logf("%d: %s", r.code, strings.TrimSpace(r.stderr))
	}
	if r := s.exec("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "-c", s.file, "check"); r.code != 0 {
		t.Errorf("check as nobody: %d, %s", r.code, r.stderr)
	}
}

func TestExitStatusWhenTheACIsFull(t *testing.T) {
	s := newSite(t)
	s.boot(s.script("", "-N 20", "-N 1"))
	s.run()
	taken := ""
	s.eventually("one session", func() error {
		for _, name := range both {
			if isUp(s.uplink(name)) {
				taken = name
				return nil
			}
		}
		return errors.New("none")
	})
	other := both[0]
	if taken == other {
		other = both[1]
	}
	r := s.must(21, "up", other, "--wait", "20s")
	t.Logf("21 after %v: %s", r.took.Round(10*time.Millisecond), strings.TrimSpace(r.stderr))
	if u := s.uplink(other); u.LastError == nil || u.LastError.Code != "ac_refused" || u.NextTry == nil {
		t.Errorf("%s: %s, last error %+v, next try %v", other, u.State, u.LastError, u.NextTry)
	}
	if u := s.uplink(taken); u.State != control.Up {
		t.Errorf("%s is %s now", taken, u.State)
	}
	s.must(0, "stop")
}

func TestDiscoverAndEvents(t *testing.T) {
	s := newSite(t)
	s.concentrator()
	r := s.must(0, "discover", "-i", "eth1", "--wait", "5s")
	if !strings.Contains(r.stdout, "BAS-TOKYO") {
		t.Errorf("discover: %q", r.stdout)
	}
	t.Logf("\n%s", r.stdout)

	s.run()
	s.up(both...)
	follow := s.host.Command(program, "-c", s.file, "events", "-f", "--json", "bizf")
	out, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]int{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e state.Event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Uplink != "bizf" {
				t.Errorf("event %q: %v", lines.Text(), err)
			}
			mu.Lock()
			seen[e.Kind]++
			mu.Unlock()
		}
	}()
	times := func(kind string, n int) {
		t.Helper()
		s.eventually(kind, func() error {
			mu.Lock()
			defer mu.Unlock()
			if seen[kind] < n {
				return errors.New("not told yet")
			}
			return nil
		})
	}
	times("up", 1) // the past
	s.must(0, "restart", "bizf")
	times("down", 1)
	times("up", 2)
	follow.Process.Signal(unix.SIGINT)
	<-ended
	if err := follow.Wait(); err != nil {
		t.Errorf("events -f on SIGINT: %v", err)
	}
	plain := s.must(0, "events", "bizf6").stdout
	if !strings.Contains(plain, "bizf6 is up") || strings.Contains(plain, "bizf is up") {
		t.Errorf("events bizf6: %s", plain)
	}
	s.must(0, "stop")
}

func TestFollowedEventsEndInPlainWordsWithTheDaemon(t *testing.T) {
	s := newSite(t)
	s.run("bizf")
	s.await("bizf", "discovery", func(u control.Uplink) bool { return u.State == control.Discovery })
	follow := s.host.Command(program, "-c", s.file, "events", "-f")
	out, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	follow.Stderr = &stderr
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	defer follow.Process.Kill()
	lines := bufio.NewScanner(out)
	ended := make(chan struct{})
	first := make(chan struct{})
	go func() {
		defer close(ended)
		if lines.Scan() {
			close(first)
		}
		for lines.Scan() {
		}
		follow.Wait()
	}()
	s.must(20, "up", "bizf", "--wait", "100ms")
	s.eventually("no_offer is told", func() error {
		select {
		case <-first:
			return nil
		default:
			return errors.New("not yet")
		}
	})
	s.must(0, "stop")
	select {
	case <-ended:
		code := follow.ProcessState.ExitCode()
		t.Logf("%d: %s", code, strings.TrimSpace(stderr.String()))
		if strings.Contains(stderr.String(), "EOF") || code != 0 && code != 23 {
			t.Errorf("events -f when the daemon ends: %d, %q", code, stderr.String())
		}
	case <-time.After(patience):
		t.Error("events -f does not end with the daemon")
	}
}
