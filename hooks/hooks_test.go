package hooks_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/hooks"
)

// journal is a log that remembers.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Levels() []logrus.Level { return logrus.AllLevels }
func (j *journal) Fire(e *logrus.Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	hook, _ := e.Data["hook"].(string)
	j.lines = append(j.lines, fmt.Sprintf("%s %s: %s", e.Level, filepath.Base(hook), e.Message))
	return nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n")
}

// place is a directory of hooks.
type place struct {
	t   *testing.T
	dir string
	log *journal
}

func newPlace(t *testing.T) *place {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: hooks belong to it")
	}
	dir, err := os.MkdirTemp("/run", "hooks-test-") // nobody else can write above it
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &place{t, dir, &journal{}}
}

func (p *place) script(name, text string, mode os.FileMode) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), mode); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// run has calls run, waits for their end, and returns the log.
func (p *place) run(limit time.Duration, calls ...hooks.Call) string {
	return p.meanwhile(limit, func() {}, calls...)
}

// meanwhile is run, with something to do once all calls are told and before they are waited for.
func (p *place) meanwhile(limit time.Duration, do func(), calls ...hooks.Call) string {
	log := logrus.New()
	log.SetOutput(discard{})
	log.AddHook(p.log)
	q := hooks.NewQueue(p.dir, limit, logrus.NewEntry(log))
	for _, c := range calls {
		q.Add(c)
	}
	do()
	q.Close(time.Minute)
	return p.log.String()
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

var link = hooks.Link{
	Uplink: "bizf", Device: "ppp7", Interface: "eth1", User: "user@bizf.example.jp", Local: "203.0.113.7", Remote: "203.0.113.1",
	DNS: []string{"198.51.100.53", "198.51.100.54"}, ACName: "BAS \"$(reboot)\n", ACMAC: "00:1e:13:c2:69:c2",
}

func TestProgramSeesWhatPppdWouldTell(t *testing.T) {
	p := newPlace(t)
	p.script("ip-up", `echo "args $*"; env | sort; cat; echo`, 0o755)
	body, _ := json.Marshal(map[string]string{"event": "ip-up"})
	log := p.run(time.Minute, hooks.Call{Event: hooks.IPUp, Link: link, JSON: body})
	for _, want := range []string{
		"args ppp7 eth1 0 203.0.113.7 203.0.113.1 bizf", "IFNAME=ppp7", "DEVICE=eth1", "IPLOCAL=203.0.113.7", "IPREMOTE=203.0.113.1",
		"DNS1=198.51.100.53", "DNS2=198.51.100.54", "USEPEERDNS=1", "PPP_IFACE=ppp7", "PPP_IPPARAM=bizf", "MACREMOTE=00:1e:13:c2:69:c2",
		"ACNAME=BAS____reboot__", `{"event":"ip-up"}`, "PPPOECTL_EVENT=ip-up",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is missing in\n%s", want, log)
		}
	}
}

// CVE-2024-58250: a program that pppd ran as root had the environment of who had started
// pppd. Ours have nothing of it, whoever starts the daemon.
func TestProgramHasNothingOfOurEnvironment(t *testing.T) {
	p := newPlace(t)
	for _, name := range []string{"PATH", "HOME", "ENV", "BASH_ENV", "IFS", "LD_LIBRARY_PATH", "PPPOECTL_EVENT", "IPLOCAL", "ELSE"} {
		t.Setenv(name, os.Getenv(name)+":/evil")
	}
	p.script("any", "env", 0o755)
	log := p.run(time.Minute, hooks.Call{Event: "up"})
	if strings.Contains(log, "evil") || !strings.Contains(log, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n") {
		t.Error(log)
	}
}

func TestProgramOfARelativePathIsNotTrusted(t *testing.T) {
	p := newPlace(t)
	path := p.script("good", "echo good", 0o755)
	if err := hooks.Trusted(path); err != nil {
		t.Fatal(err)
	}
	t.Chdir(p.dir)
	for _, relative := range []string{"good", "./good", ""} {
		if hooks.Trusted(relative) == nil {
			t.Errorf("%q is trusted", relative)
		}
	}
}

func TestProgramsOfAnEventInOrder(t *testing.T) {
	p := newPlace(t)
	p.script("ip-up.d/20-b", "echo b", 0o755)
	p.script("ip-up.d/10-a", "echo a", 0o755)
	p.script("ip-up.d/10-a.dpkg-old", "echo old", 0o755)
	p.script("ip-up.d/30-no", "echo not executable", 0o644)
	p.script("ip-down", "echo down", 0o755)
	p.script("ipv6-up", "echo six", 0o755)
	p.script("any", `echo "any $PPPOECTL_EVENT"`, 0o755)
	log := p.run(time.Minute, hooks.Call{Event: hooks.IPDown}, hooks.Call{Event: "prefix"}, hooks.Call{Event: hooks.IPUp})
	want := "info any: any ip-down\ninfo ip-down: down\ninfo any: any prefix\ninfo any: any ip-up\ninfo 10-a: a\ninfo 20-b: b"
	if log != want {
		t.Errorf("log\n%s\nwant\n%s", log, want)
	}
}

// A program called like the event takes the place of the directory, as on Debian, where
// it runs what is in there itself.
func TestProgramOfTheEventsNameRunsAlone(t *testing.T) {
	p := newPlace(t)
	p.script("ip-up", "echo itself", 0o755)
	p.script("ip-up.d/10-a", "echo a", 0o755)
	if log := p.run(time.Minute, hooks.Call{Event: hooks.IPUp}); log != "info ip-up: itself" {
		t.Error(log)
	}
}

func TestProgramsThatOthersCanChangeAreNotRun(t *testing.T) {
	p := newPlace(t)
	p.script("group", "echo bad", 0o775)
	p.script("world", "echo bad", 0o757)
	other := p.script("other", "echo bad", 0o755)
	if err := os.Chown(other, 65534, 0); err != nil {
		t.Fatal(err)
	}
	p.script("loose/target", "echo bad", 0o755)
	if err := os.Symlink("loose/target", filepath.Join(p.dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(p.dir, "loose"), 0o777); err != nil {
		t.Fatal(err)
	}
	p.script("zgood", "echo good", 0o755)
	log := p.run(time.Minute, hooks.Call{Event: "up"})
	if strings.Contains(log, "bad") || strings.Count(log, "not run") != 4 || !strings.Contains(log, "info zgood: good") {
		t.Error(log)
	}
	if err := os.Chmod(p.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	p.log.lines = nil
	if log := p.run(time.Minute, hooks.Call{Event: "up"}); strings.Contains(log, "info") {
		t.Errorf("in a directory that all may write: %s", log)
	}
}

func TestSlowProgramIsEndedWithAllThatItHasStarted(t *testing.T) {
	p := newPlace(t)
	p.script("10-slow", "trap '' TERM; echo begin; sleep 1000 & sleep 1000", 0o755)
	p.script("20-next", "echo next", 0o755)
	begin := time.Now()
	log := p.run(3*time.Second, hooks.Call{Event: "up"})
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	if !strings.Contains(log, "longer than 3s") || !strings.Contains(log, "info 20-next: next") {
		t.Error(log)
	}
}

func TestOutputIsBounded(t *testing.T) {
	p := newPlace(t)
	p.script("talks", "yes | head -n 100000; head -c 1000000 /dev/zero | tr '\\0' x", 0o755)
	log := p.run(time.Minute, hooks.Call{Event: "up"})
	if n := strings.Count(log, "\n") + 1; n != 51 || len(log) > 10000 {
		t.Errorf("%d lines, %d octets", n, len(log))
	}
}

func TestFailureIsTold(t *testing.T) {
	p := newPlace(t)
	p.script("fails", "echo why >&2; exit 7", 0o755)
	log := p.run(time.Minute, hooks.Call{Event: "up"})
	if !strings.Contains(log, "info fails: why") || !strings.Contains(log, "warning fails: exit status 7") {
		t.Error(log)
	}
}

// While a program runs, ups and downs that undo each other are not piled up.
func TestFlappingLinkDoesNotPileUp(t *testing.T) {
	p := newPlace(t)
	all := filepath.Join(t.TempDir(), "all")
	p.script("any", `echo "$PPPOECTL_EVENT"; until [ -e `+all+` ]; do sleep 0.01; done`, 0o755)
	calls := []hooks.Call{{Event: "up"}}
	for range 1000 {
		calls = append(calls, hooks.Call{Event: hooks.IPDown}, hooks.Call{Event: hooks.IPUp})
	}
	calls = append(calls, hooks.Call{Event: hooks.IPDown})
	log := p.meanwhile(time.Minute, func() {
		if err := os.WriteFile(all, nil, 0o644); err != nil {
			t.Error(err)
		}
	}, calls...)
	lines := strings.Split(log, "\n")
	if len(lines) > 3 || !slices.Contains(lines, "info any: up") || lines[len(lines)-1] != "info any: ip-down" {
		t.Error(log)
	}
}

func TestWithoutADirectoryNothingHappens(t *testing.T) {
	p := newPlace(t)
	p.dir = filepath.Join(p.dir, "none")
	if log := p.run(time.Minute, hooks.Call{Event: "up"}); log != "" {
		t.Error(log)
	}
}
