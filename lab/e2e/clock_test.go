package lab_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Setting the clock is noticed at once, by a real kernel: in a guest, whose clock may be
// set.
func TestClockThatIsSetInAGuest(t *testing.T) {
	supported(t)
	t.Parallel()
	dir, err := os.MkdirTemp("", "lab-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	build := exec.Command("go", "test", "-c", "-o", filepath.Join(dir, "clock.test"), "pppoectl/clock")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	script := filepath.Join(dir, "clock.guest")
	text := "CLOCK_MAY_BE_SET=1 " + dir + "/clock.test -test.v -test.run ClockThatIsSet; echo ended with $?\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(lab, "uml-guest"), "--seconds", "60", script).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestClockThatIsSetIsNoticed") {
		t.Errorf("%v\n%s", err, tail(string(out), 30))
	}
}
