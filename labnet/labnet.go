package labnet

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/netspace"
)

// Namespace is a throwaway network namespace, with its loopback device up.
type Namespace struct {
	Name string // pppoectl-PID-N, as ip knows it
	t    testing.TB
}

// dir is where ip keeps named namespaces.
const dir = "/run/netns"

var (
	serial atomic.Uint32
	first  sync.Once
	ours   = regexp.MustCompile(`^pppoectl-([0-9]+)-[0-9]+$`)
)

// Supported skips the test unless namespaces can be made, which only root may.
func Supported(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: network namespaces cannot be made")
	}
}

// New makes a namespace that lives until the test ends; processes that are left
// in it then are killed. If the test process dies before it can clean up, a guard
// does that in its place; and if the guard was killed, too, the next test process
// that calls New. Without root the test is skipped.
func New(t testing.TB) *Namespace {
	t.Helper()
	Supported(t)
	first.Do(func() {
		Sweep(t)
		guard(t)
	})
	n := &Namespace{fmt.Sprintf("pppoectl-%d-%d", os.Getpid(), serial.Add(1)), t}
	run(t, exec.Command("ip", "netns", "add", n.Name))
	t.Cleanup(func() {
		if err := remove(n.Name); err != nil {
			t.Error(err)
		}
	})
	n.IP("link", "set", "lo", "up")
	return n
}

// guarding removes the namespaces of a process, its argument, when its standard
// input ends, and with them whoever is in them.
const guarding = `read -r _
for n in $(ls /run/netns); do
  case $n in pppoectl-"$0"-*)
    for p in $(ip netns pids "$n"); do kill -KILL "$p"; done
    ip netns delete "$n";;
  esac
done`

// guard starts a process that cleans up when this one has died, however it did: it
// holds one end of a pipe whose other end only we have.
func guard(t testing.TB) {
	t.Helper()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r := os.NewFile(uintptr(ends[0]), "guard")
	defer r.Close() // ends[1] stays open as long as this process lives
	cmd := exec.Command("sh", "-c", guarding, strconv.Itoa(os.Getpid()))
	cmd.Stdin = r
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true} // Ctrl-C is not for it
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// Sweep removes the namespaces of test processes that are no more.
func Sweep(t testing.TB) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "pppoectl-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range names {
		name := filepath.Base(path)
		m := ours.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		if pid, err := strconv.Atoi(m[1]); err != nil || unix.Kill(pid, 0) != unix.ESRCH {
			continue
		}
		// Another test process may sweep at the same time.
		if err := remove(name); err != nil && !os.IsNotExist(statError(path)) {
			t.Errorf("leftover %s: %v", name, err)
		}
	}
}

func statError(path string) error {
	_, err := os.Stat(path)
	return err
}

// remove kills what runs in a namespace and removes it.
func remove(name string) error {
	for _, pid := range pids(name) {
		if pid == os.Getpid() {
			continue
		}
		unix.Kill(pid, unix.SIGKILL) // it may have ended meanwhile
	}
	out, err := exec.Command("ip", "netns", "delete", name).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip netns delete %s: %w: %s", name, err, out)
	}
	return nil
}

// pids returns the processes in a namespace.
func pids(name string) []int {
	out, err := exec.Command("ip", "netns", "pids", name).Output()
	if err != nil {
		return nil
	}
	var list []int
	for _, f := range strings.Fields(string(out)) {
		if pid, err := strconv.Atoi(f); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// run runs cmd and returns its standard output; the test ends if it fails.
func run(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return string(out)
}

// IP runs `ip` on the namespace and returns what it prints.
func (n *Namespace) IP(args ...string) string {
	n.t.Helper()
	return run(n.t, exec.Command("ip", append([]string{"-n", n.Name}, args...)...))
}

// Command returns a command that is to run in the namespace. Its process is the
// command's own: ip replaces itself by it.
func (n *Namespace) Command(name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", n.Name, name}, args...)...)
}

// Run runs a command in the namespace and returns what it prints.
func (n *Namespace) Run(name string, args ...string) string {
	n.t.Helper()
	return run(n.t, n.Command(name, args...))
}

// Do calls f in the namespace: sockets that f opens stay there. What f starts
// in other goroutines is elsewhere.
func (n *Namespace) Do(f func()) {
	n.t.Helper()
	if err := netspace.Do(netspace.Path(n.Name), func() error { f(); return nil }); err != nil {
		n.t.Fatal(err)
	}
}

// Bridge makes a bridge that forwards at once, and sets it up. ports become its
// ports.
func (n *Namespace) Bridge(name string, ports ...string) {
	n.t.Helper()
	n.IP("link", "add", name, "type", "bridge", "stp_state", "0", "forward_delay", "0")
	n.IP("link", "set", name, "up")
	for _, p := range ports {
		n.Join(name, p)
	}
}

// Join makes device a port of a bridge, and sets it up.
func (n *Namespace) Join(bridge, device string) {
	n.t.Helper()
	n.IP("link", "set", device, "master", bridge, "up")
}

// Tap makes a tap device and sets it up.
func (n *Namespace) Tap(name string) {
	n.t.Helper()
	n.IP("tuntap", "add", "dev", name, "mode", "tap")
	n.IP("link", "set", name, "up")
}

// NoIPv6 switches IPv6 off, for namespaces that are a wire and no host.
func (n *Namespace) NoIPv6() {
	n.t.Helper()
	n.Run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
}

// Ready waits until devices that were set up carry frames: the kernel sees a moment later that there is
// somebody at the other end, and loses what is sent before without an error.
func (n *Namespace) Ready(devices ...string) {
	n.t.Helper()
	for _, d := range devices {
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			state := n.IP("-br", "link", "show", "dev", d)
			if f := strings.Fields(state); len(f) > 1 && f[1] == "UP" {
				break
			}
			if time.Now().After(end) {
				n.t.Fatalf("%s does not come up: %s", d, state)
			}
		}
	}
}

// Veth makes a cable between two namespaces. Both ends are down.
func Veth(a *Namespace, device string, b *Namespace, peer string) {
	a.t.Helper()
	a.IP("link", "add", device, "type", "veth", "peer", "name", peer, "netns", b.Name)
}
