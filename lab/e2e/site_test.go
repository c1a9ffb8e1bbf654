package lab_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/control"
	"pppoectl/labnet"
	"pppoectl/state"
)

// configuration is that of both logins of lab/flets-ac.guest; DIR is the site's
// directory.
const configuration = `
run-dir: DIR/run
state-dir: DIR/state
bpf-dir: DIR/bpf/pppoectl
log: {level: debug}
uplinks:
  bizf:
    interface: eth1
    username: user@bizf.example.jp
    password-file: DIR/bizf.secret
    families: [ipv4]
    default-route: true
  bizf6:
    interface: eth1
    username: user@bizf6.example.jp
    password-file: DIR/bizf6.secret
    families: [ipv6]
    default-route: true
`

// site is a router and its line, each a namespace of its own:
//
//	host: eth1 ---- l1 :line: br0 : ac0 ---- the guest's vec0
type site struct {
	t          *testing.T
	line, host *labnet.Namespace
	dir        string
	file       string // the configuration
	client     *control.Client
}

// newSite makes a site with the cable plugged in and nobody at its other end.
func newSite(t *testing.T) *site {
	t.Helper()
	supported(t)
	t.Parallel()
	dir, err := os.MkdirTemp("", "lab-") // short: a socket's path may have 107 octets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	labnet.MountBPF(t, filepath.Join(dir, "bpf"))
	s := &site{t: t, dir: dir, file: filepath.Join(dir, "pppoectl.yaml"), client: control.NewClient(filepath.Join(dir, "run"))}
	t.Cleanup(s.examineLogs)
	s.line, s.host = labnet.New(t), labnet.New(t)
	s.line.NoIPv6()
	s.line.Tap("ac0")
	s.line.Bridge("br0", "ac0")
	s.plug()
	s.host.IP("link", "set", "eth1", "up")
	s.configure(configuration)
	s.secret("bizf", "secret4")
	s.secret("bizf6", "secret6")
	return s
}

// plug makes the host's cable; its end at the host is down.
func (s *site) plug() {
	s.t.Helper()
	labnet.Veth(s.host, "eth1", s.line, "l1")
	s.line.Join("br0", "l1")
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) configure(text string) {
	s.t.Helper()
	s.writeFile(s.file, strings.ReplaceAll(text, "DIR", s.dir))
}

func (s *site) secret(uplink, password string) {
	s.t.Helper()
	s.writeFile(s.path(uplink+".secret"), password+"\n")
}

func (s *site) writeFile(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// examineLogs fails the test if the daemon has found a data race, and shows the
// logs if the test has failed.
func (s *site) examineLogs() {
	for _, name := range []string{"daemon.log", "run/pppoectl.log"} {
		b, err := os.ReadFile(s.path(name))
		if err != nil {
			continue
		}
		if bytes.Contains(b, []byte("DATA RACE")) {
			s.t.Errorf("%s: a data race", name)
		}
		if s.t.Failed() {
			s.t.Logf("%s:\n%s", name, tail(string(b), 120))
		}
	}
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// result is what a command did.
type result struct {
	stdout, stderr string
	code           int
	took           time.Duration
}

// patience bounds each command, and each wait for what must come. How long it takes to come
// is the affair of a machine that has other things to do; what was promised to somebody has a
// bound of its own: see within.
const patience = 90 * time.Second

// exec runs a command of the host.
func (s *site) exec(name string, args ...string) result {
	s.t.Helper()
	r, err := s.try(name, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// try is exec for other goroutines than the test's.
func (s *site) try(name string, args ...string) (result, error) {
	cmd := s.host.Command(name, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	stuck := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	r := result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), time.Since(begin)}
	if !stuck.Stop() {
		return r, fmt.Errorf("%s %s: no end within %v; it said %q, %q", filepath.Base(name), strings.Join(args, " "), patience, r.stdout, r.stderr)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return r, err
	}
	return r, nil
}

// pppoectl runs the command line in the host.
func (s *site) pppoectl(args ...string) result {
	s.t.Helper()
	return s.exec(program, append([]string{"-c", s.file}, args...)...)
}

// must runs the command line and expects exit status code.
func (s *site) must(code int, args ...string) result {
	s.t.Helper()
	r := s.pppoectl(args...)
	if r.code != code {
		s.t.Fatalf("pppoectl %s: exit status %d, want %d: %s%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	return r
}

// ownDaemon starts a daemon where `up` would start the system's service instead
// of one of its own.
func (s *site) ownDaemon() {
	s.t.Helper()
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		s.t.Log("systemd runs: `up` is not tried without a daemon")
		s.run("bizf")
	}
}

// daemon is a daemon in the foreground.
type daemon struct {
	s    *site
	cmd  *exec.Cmd
	done chan struct{}
}

// run starts a daemon for the uplinks called names, and waits until it answers.
func (s *site) run(names ...string) *daemon {
	s.t.Helper()
	return s.start(names...).answers()
}

// start starts a daemon.
func (s *site) start(names ...string) *daemon {
	s.t.Helper()
	return s.launch(s.host.Command(program, s.daemonArgs(names...)...))
}

// daemonArgs are the arguments of a daemon for the uplinks called names.
func (s *site) daemonArgs(names ...string) []string {
	return append([]string{"-c", s.file, "run"}, names...)
}

// launch starts a daemon by a command, which ends with the test at the latest.
func (s *site) launch(cmd *exec.Cmd) *daemon {
	s.t.Helper()
	log, err := os.OpenFile(s.path("daemon.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	d := &daemon{s: s, cmd: cmd, done: make(chan struct{})}
	d.cmd.Stderr = log
	if err := d.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		d.cmd.Wait()
		close(d.done)
	}()
	s.t.Cleanup(func() {
		d.cmd.Process.Kill()
		<-d.done
	})
	return d
}

// answers waits until the daemon does.
func (d *daemon) answers() *daemon {
	d.s.t.Helper()
	d.s.eventually("the daemon answers", func() error {
		_, err := d.s.client.Status(d.s.t.Context())
		return err
	})
	return d
}

// end sends a signal and waits until the daemon has ended.
func (d *daemon) end(sig os.Signal) {
	d.s.t.Helper()
	d.cmd.Process.Signal(sig)
	d.wait()
	if sig != unix.SIGKILL && d.cmd.ProcessState.ExitCode() != 0 {
		d.s.t.Errorf("the daemon ended with %v on %v", d.cmd.ProcessState, sig)
	}
}

func (d *daemon) wait() {
	d.s.t.Helper()
	select {
	case <-d.done:
	case <-time.After(patience):
		d.s.t.Fatal("the daemon does not end")
	}
}

// eventually waits until f returns nil, and returns how long that took.
func (s *site) eventually(what string, f func() error) time.Duration {
	s.t.Helper()
	return s.within(patience, what, f)
}

// within is eventually for what has to come in less time than bound, or may take longer than others.
func (s *site) within(bound time.Duration, what string, f func() error) time.Duration {
	s.t.Helper()
	begin := time.Now()
	for {
		err := f()
		took := time.Since(begin)
		if err == nil {
			return took
		}
		if took > bound {
			s.t.Fatalf("not within %v: %s: %v\n%s", bound, what, err, s.story())
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

// await waits until the uplink is as ok wants it.
func (s *site) await(name, what string, ok func(control.Uplink) bool) control.Uplink {
	s.t.Helper()
	return s.awaitWithin(patience, name, what, ok)
}

// awaitWithin is to await what within is to eventually.
func (s *site) awaitWithin(bound time.Duration, name, what string, ok func(control.Uplink) bool) control.Uplink {
	s.t.Helper()
	var u control.Uplink
	s.within(bound, name+": "+what, func() error {
		var err error
		if u, err = s.client.Uplink(s.t.Context(), name); err != nil {
			return err
		}
		if !ok(u) {
			return fmt.Errorf("it is %s", u.State)
		}
		return nil
	})
	return u
}

func isUp(u control.Uplink) bool { return u.State == control.Up }

// up waits until the uplinks are up.
func (s *site) up(names ...string) {
	s.t.Helper()
	for _, n := range names {
		s.await(n, "up", isUp)
	}
}

// uplink returns the present status.
func (s *site) uplink(name string) control.Uplink {
	s.t.Helper()
	u, err := s.client.Uplink(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// events returns the history of an uplink since a time.
func (s *site) events(name string, since time.Time) []state.Event {
	var list []state.Event
	s.client.Events(context.Background(), name, time.Time{}, false, func(e state.Event) error {
		if e.Time.After(since) {
			list = append(list, e)
		}
		return nil
	})
	return list
}

// event returns the first event of a kind since a time.
func (s *site) event(name, kind string, since time.Time) (state.Event, bool) {
	for _, e := range s.events(name, since) {
		if e.Kind == kind {
			return e, true
		}
	}
	return state.Event{}, false
}

// story is what a failed test shows: status and history.
func (s *site) story() string {
	var b strings.Builder
	status, err := s.client.Status(context.Background())
	if err != nil {
		fmt.Fprintln(&b, err)
	}
	text, _ := json.MarshalIndent(status, "", " ")
	fmt.Fprintf(&b, "%s\n", text)
	for _, e := range s.events("", time.Time{}) {
		fmt.Fprintf(&b, "%s %s %s %s %s\n", e.Time.Format("05.000"), e.Uplink, e.Kind, e.Cause, e.Message)
	}
	return b.String()
}

// system is all that pppoectl may change in the host.
func (s *site) system() string {
	s.t.Helper()
	var b strings.Builder
	for _, args := range []string{
		"-o link", "-o address", "route show table all", "-6 route show table all", "rule", "-6 rule", "neighbour show nud permanent",
	} {
		fmt.Fprintf(&b, "ip %s\n%s", args, s.host.IP(strings.Fields(args)...))
	}
	features, err := s.host.Command("ethtool", "-k", "eth1").CombinedOutput()
	fmt.Fprintf(&b, "ethtool -k eth1: %v\n%s", err, features)
	filepath.WalkDir(s.path("bpf"), func(path string, _ os.DirEntry, _ error) error {
		fmt.Fprintln(&b, path)
		return nil
	})
	return b.String()
}

// settled returns the system's state once the kernel has done what it does with
// a new interface: a line that carries has got its own address, and nobody else has that.
func (s *site) settled() string {
	s.t.Helper()
	var state string
	s.eventually("the kernel is done with the line", func() error {
		before := state
		address, link := s.host.IP("-o", "address", "show", "dev", "eth1", "scope", "link"), s.host.IP("-o", "link", "show", "eth1")
		state = s.system()
		switch {
		case strings.Contains(link, "LOWER_UP") && address == "":
			return errors.New("eth1 has no address")
		case strings.Contains(state, "tentative"):
			return errors.New("duplicates are still looked for")
		case state != before:
			return errors.New("it still changes")
		}
		return nil
	})
	return state
}

// restored expects the system to be as it was.
func (s *site) restored(before, after string) {
	s.t.Helper()
	s.eventually("the system is as it was before "+after, sameAs(before, s.system))
}

// sameAs asks whether a state is as it was before: the kernel's own clearing up is not over at once.
func sameAs(before string, state func() string) func() error {
	return func() error {
		if now := state(); now != before {
			return fmt.Errorf("it has changed:\n%s", changes(before, now))
		}
		return nil
	}
}

// changes are the lines in which two texts differ.
func changes(before, now string) string {
	a, b := strings.Split(before, "\n"), strings.Split(now, "\n")
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return "- " + strings.Join(a, "\n- ") + "\n+ " + strings.Join(b, "\n+ ")
}

// ping pings once a try until an answer comes, and returns how long that took.
func (s *site) ping(args ...string) time.Duration {
	s.t.Helper()
	return s.eventually("ping "+strings.Join(args, " "), func() error {
		if r := s.exec("ping", append([]string{"-n", "-c1", "-W1"}, args...)...); r.code != 0 {
			return errors.New(r.stdout + r.stderr)
		}
		return nil
	})
}

// behindAC is an address behind the access concentrator.
const behindAC = "198.51.100.1"
