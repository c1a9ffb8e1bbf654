package labnet

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// namespaces returns the names of the namespaces that this process or a dead
// one has made; others may come and go.
func namespaces(t *testing.T, pids ...int) []string {
	t.Helper()
	var list []string
	for _, pid := range pids {
		names, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("pppoectl-%d-*", pid)))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, names...)
	}
	return list
}

// awaitIn waits until a process that was started in a namespace has entered it.
func awaitIn(t *testing.T, n *Namespace, cmd *exec.Cmd) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !slices.Contains(pids(n.Name), cmd.Process.Pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d is not in %s", cmd.Process.Pid, n.Name)
		}
	}
}

func TestNamespacesAreGoneAfterTheTest(t *testing.T) {
	before := namespaces(t, os.Getpid())
	var left *exec.Cmd
	t.Run("inner", func(t *testing.T) {
		line, host := New(t), New(t)
		line.NoIPv6()
		line.Tap("ac0")
		line.Bridge("br0", "ac0")
		Veth(host, "eth1", line, "l1")
		line.Join("br0", "l1")
		host.IP("link", "set", "eth1", "up")
		host.Ready("eth1")
		if n := len(namespaces(t, os.Getpid())); n != len(before)+2 {
			t.Errorf("%d namespaces, want %d", n, len(before)+2)
		}
		if state := host.IP("-br", "link", "show", "eth1"); !strings.Contains(state, "LOWER_UP") {
			t.Errorf("eth1 has no carrier: %s", state)
		}
		left = host.Command("sleep", "600")
		if err := left.Start(); err != nil {
			t.Fatal(err)
		}
		awaitIn(t, host, left)
	})
	if left == nil {
		t.Skip("not root: network namespaces cannot be made")
	}
	if after := namespaces(t, os.Getpid()); !slices.Equal(after, before) {
		t.Errorf("namespaces are %v, were %v", after, before)
	}
	if err := left.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("the process left in the namespace: %v, want it killed", err)
	}
}

func TestDoIsInTheNamespace(t *testing.T) {
	n := New(t)
	n.Bridge("only-here")
	var inside error
	n.Do(func() { _, inside = net.InterfaceByName("only-here") })
	if inside != nil {
		t.Errorf("inside: %v", inside)
	}
	if _, err := net.InterfaceByName("only-here"); err == nil {
		t.Error("the device shows outside as well")
	}
}

func TestLeftoversOfDeadProcessesAreSwept(t *testing.T) {
	Supported(t)
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	pid := dead.Process.Pid
	name := fmt.Sprintf("pppoectl-%d-1", pid)
	run(t, exec.Command("ip", "netns", "add", name))
	own := New(t)
	Sweep(t)
	if left := namespaces(t, pid); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if left := namespaces(t, os.Getpid()); !slices.Contains(left, filepath.Join(dir, own.Name)) {
		t.Errorf("%s of a living process was swept; left: %v", own.Name, left)
	}
}

// A test process that is killed in the middle leaves nothing: neither namespaces
// nor processes in them.
func TestNamespacesOfATestThatIsKilledAreGone(t *testing.T) {
	if os.Getenv("LABNET_TO_BE_KILLED") != "" {
		n := New(t)
		n.Tap("ac0")
		left := n.Command("sleep", "600")
		if err := left.Start(); err != nil {
			t.Fatal(err)
		}
		awaitIn(t, n, left)
		fmt.Printf("left %d\n", left.Process.Pid)
		select {}
	}
	Supported(t)
	cmd := exec.Command(os.Args[0], "-test.run", "^TestNamespacesOfATestThatIsKilledAreGone$")
	cmd.Env = append(os.Environ(), "LABNET_TO_BE_KILLED=yes")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var left int
	if _, err := fmt.Fscanf(out, "left %d\n", &left); err != nil {
		t.Fatal(err)
	}
	if n := namespaces(t, cmd.Process.Pid); len(n) != 1 {
		t.Errorf("its namespaces: %v", n)
	}
	cmd.Process.Kill()
	cmd.Wait()
	running := func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", left))
		return err == nil
	}
	deadline := time.Now().Add(20 * time.Second)
	for len(namespaces(t, cmd.Process.Pid)) > 0 || running() {
		if time.Now().After(deadline) {
			t.Fatalf("its namespaces are still %v; its process runs: %v", namespaces(t, cmd.Process.Pid), running())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
