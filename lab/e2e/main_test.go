// Package lab_test runs pppoectl on a line with a real access concentrator,
// rp-pppoe's pppoe-server and pppd in a User-Mode Linux guest, and fletsim on a
// line with a real client there, pppd and dhcp6c.
package lab_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"pppoectl/labnet"
)

// program is pppoectl, lineProgram fletsim, questions ppptest, all built for these tests.
var program, lineProgram, questions string

func TestMain(m *testing.M) {
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == p.DefValue && runtime.NumCPU() < atOnce {
		p.Value.Set(strconv.Itoa(atOnce))
	}
	os.Exit(buildAndRun(m))
}

// atOnce is how many tests run at the same time, unless somebody says how many: they wait for guests and
// for timers of RFCs more than they compute.
const atOnce = 4

func buildAndRun(m *testing.M) int {
	if testing.Short() || os.Geteuid() != 0 { // all tests skip
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "lab-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // one test runs it as nobody
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // else each command would end a second later
	program, lineProgram, questions = filepath.Join(dir, "pppoectl"), filepath.Join(dir, "fletsim"), filepath.Join(dir, "ppptest")
	build := exec.Command("go", append(append([]string{"build"}, buildFlags...), "-o", dir, "pppoectl/cmd/pppoectl", "pppoectl/cmd/fletsim", "pppoectl/cmd/ppptest")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %v\n%s", build.Args, err, out)
		return 1
	}
	return m.Run()
}

// supported skips the test, naming what is missing, where the lab cannot run.
func supported(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: the lab's real peers are left out")
	}
	labnet.Supported(t)
	var missing []string
	for _, c := range []string{"linux.uml", "pppd", "pppoe-server", "kea-dhcp6", "modprobe", "ping", "ip"} {
		if _, err := exec.LookPath(c); err != nil {
			missing = append(missing, c)
		}
	}
	if len(missing) > 0 {
		t.Skipf("not installed: %s; lab/install installs them", strings.Join(missing, ", "))
	}
}
