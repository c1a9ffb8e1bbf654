package lab_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// lab is where the lab's scripts are, from here.
const lab = ".."

// guestLife is how long a guest lives at most, in seconds.
const guestLife = 1200

// guest is a running User-Mode Linux.
type guest struct {
	s      *site
	cmd    *exec.Cmd
	mu     sync.Mutex
	output []string
	ready  chan struct{}
	done   chan struct{} // closed when all has been read
}

// concentrator boots the lab's access concentrator and waits until it is ready.
// vars are VAR=value, for its script.
func (s *site) concentrator(vars ...string) *guest {
	s.t.Helper()
	return s.boot(filepath.Join(lab, "flets-ac.guest"), vars...)
}

// boot boots a guest at the line's ac0.
func (s *site) boot(script string, vars ...string) *guest {
	s.t.Helper()
	args := append([]string{"--netns", s.line.Name, "--tap", "ac0", "--seconds", strconv.Itoa(guestLife), script}, vars...)
	g := &guest{s: s, cmd: exec.Command(filepath.Join(lab, "uml-guest"), args...), ready: make(chan struct{}), done: make(chan struct{})}
	g.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	r, w, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	g.cmd.Stdout, g.cmd.Stderr = w, w
	err = g.cmd.Start()
	w.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	go g.read(r)
	s.t.Cleanup(func() {
		g.kill()
		if s.t.Failed() {
			s.t.Logf("guest:\n%s", tail(g.log(), 80))
		}
	})
	begin := time.Now()
	select {
	case <-g.ready:
		s.t.Logf("the guest is ready after %v", time.Since(begin).Round(10*time.Millisecond))
	case <-g.done:
		s.t.Fatalf("the guest ended:\n%s", g.log())
	case <-time.After(2 * patience):
		s.t.Fatalf("the guest is not ready:\n%s", g.log())
	}
	return g
}

func (g *guest) read(r io.ReadCloser) {
	defer close(g.done)
	defer r.Close()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		g.mu.Lock()
		g.output = append(g.output, line)
		g.mu.Unlock()
		if line == "READY" {
			close(g.ready)
		}
	}
}

func (g *guest) log() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.output, "\n")
}

// kill ends the guest at once. linux.uml leads a session of its own, to which
// all processes of the guest belong.
func (g *guest) kill() {
	if g.cmd.ProcessState != nil {
		return
	}
	for _, pid := range children(g.cmd.Process.Pid) {
		unix.Kill(-pid, unix.SIGKILL)
		unix.Kill(pid, unix.SIGKILL)
	}
	unix.Kill(-g.cmd.Process.Pid, unix.SIGKILL)
	g.cmd.Wait()
	<-g.done
}

// children returns the children of a process.
func children(pid int) []int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var list []int
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for _, s := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(s); err == nil {
				list = append(list, n)
			}
		}
	}
	return list
}

// script writes a guest script that does prelude and then what the lab's access
// concentrator does, with old replaced by new, and returns its path. The guest
// sees the site's directory, so the test can tell it things by files there.
func (s *site) script(prelude, old, new string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(lab, "flets-ac.guest"))
	if err != nil {
		s.t.Fatal(err)
	}
	if old != "" && !strings.Contains(string(b), old) {
		s.t.Fatalf("flets-ac.guest has no %q", old)
	}
	path := s.path("ac.guest")
	s.writeFile(path, prelude+"\n"+strings.ReplaceAll(string(b), old, new))
	return path
}
