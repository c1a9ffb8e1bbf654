package demo_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/labnet"
)

// dir is where program builds pppoectl, once.
var dir string

var program = sync.OnceValues(func() (string, error) {
	file := filepath.Join(dir, "pppoectl")
	out, err := exec.Command("go", "build", "-o", file, "pppoectl/cmd/pppoectl").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return file, nil
})

func TestMain(m *testing.M) {
	var err error
	if dir, err = os.MkdirTemp("", "demo-"); err == nil {
		err = os.Chmod(dir, 0o755) // one test runs it as nobody
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func build(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: the demo takes some seconds")
	}
	labnet.Supported(t)
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// patience bounds each wait for what must come: seven demos run beside whatever else the machine has to do.
const patience = time.Minute

// output collects what a demo prints and waits for parts of it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) await(t *testing.T, text string) {
	t.Helper()
	for begin := time.Now(); !strings.Contains(o.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatalf("no %q in\n%s", text, o)
		}
	}
}

func TestDemoTellsItsStory(t *testing.T) {
	t.Parallel()
	file := build(t)
	var out output
	cmd := exec.Command(file, "demo")
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	t.Logf("%v\n%s", time.Since(begin).Round(100*time.Millisecond), &out)
	for _, want := range []string{
		`"BAS-TOKYO"`, "bizf is usable after", "bizf6 is usable after", "ping 198.51.100.1:", "%bizf6:", "you are 203.0.113.7",
		"fletsim do drop user@bizf.example.jp", "it has lost ours", "bizf is up again", "bizf6 is up again",
		"the router's interfaces: lo eth1 lan0\n", "Done; nothing is left behind.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q", want)
		}
	}
}

// Whoever is killed in the middle, no process and no namespace of the demo is
// left, and so no interface.
func TestDemoThatIsKilledLeavesNothing(t *testing.T) {
	for name, kill := range map[string]func(demo, stage int){
		"SIGKILL":              func(demo, _ int) { unix.Kill(demo, unix.SIGKILL) },
		"SIGTERM":              func(demo, _ int) { unix.Kill(demo, unix.SIGTERM) },
		"SIGINT":               func(demo, _ int) { unix.Kill(demo, unix.SIGINT) },
		"SIGKILL of the stage": func(_, stage int) { unix.Kill(stage, unix.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(build(t), "demo")
			out := &output{}
			cmd.Stdout, cmd.Stderr = out, out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			out.await(t, "fletsim do drop")
			stage := children(cmd.Process.Pid)
			if len(stage) != 1 {
				t.Fatalf("the demo's children are %v", stage)
			}
			spaces := namespaces(append(children(stage[0]), stage[0]))
			if len(spaces) != 2 {
				t.Fatalf("the demo is in the network namespaces %v", spaces)
			}
			kill(cmd.Process.Pid, stage[0])
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("the demo does not end")
			}
			for begin := time.Now(); inUse(spaces); time.Sleep(10 * time.Millisecond) {
				if time.Since(begin) > patience {
					t.Fatal("a namespace of the demo is still in use")
				}
			}
		})
	}
}

// `go run` that is killed does not tell the program that it runs.
func TestDemoEndsWithGoRun(t *testing.T) {
	t.Parallel()
	build(t) // so that go run is quick, or the test skipped
	run := exec.Command("go", "run", "pppoectl/cmd/pppoectl", "demo")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out := &output{}
	run.Stdout, run.Stderr = w, w
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(out, r) // until nobody has the other end any more
	}()
	out.await(t, "bizf is usable")
	demo := children(run.Process.Pid)
	if len(demo) != 1 {
		t.Fatalf("go run's children: %v", demo)
	}
	stage := children(demo[0])
	spaces := namespaces(append(stage, children(stage[0])...))
	if len(spaces) != 2 {
		t.Fatalf("its namespaces: %v", spaces)
	}
	run.Process.Kill()
	run.Wait()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the demo goes on")
	}
	for begin := time.Now(); inUse(spaces); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatal("a namespace of the demo is still in use")
		}
	}
	if strings.Contains(out.String(), "Done;") {
		t.Error("it went on to its end")
	}
}

func TestDemoWithoutRootSaysWhatToDo(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(build(t), "demo")
	cmd.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 || !strings.Contains(string(out), "needs root: `sudo ") {
		t.Errorf("%v: %s", err, out)
	}
}

// children returns the children of a process.
func children(pid int) []int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var list []int
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for _, s := range strings.Fields(string(b)) {
			var n int
			fmt.Sscan(s, &n)
			list = append(list, n)
		}
	}
	return list
}

// namespaces returns the network namespaces of processes.
func namespaces(pids []int) map[string]bool {
	list := map[string]bool{}
	for _, pid := range pids {
		if s, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil {
			list[s] = true
		}
	}
	return list
}

// inUse reports whether any process is in one of these namespaces.
func inUse(spaces map[string]bool) bool {
	all, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, f := range all {
		if s, err := os.Readlink(f); err == nil && spaces[s] {
			return true
		}
	}
	return false
}
