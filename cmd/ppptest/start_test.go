package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A command ends with its case, and so does what it has started; that is no failure of its.
func TestEndTakesChildrenAlong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	r, err := begin("sleep 1000 & echo $! > "+file+".new; mv "+file+".new "+file+"; wait", false)
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for end := time.Now().Add(20 * time.Second); len(text) == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		text, _ = os.ReadFile(file)
	}
	if err := r.end(); err != nil {
		t.Error(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); !errors.Is(unix.Kill(pid, 0), unix.ESRCH); time.Sleep(time.Millisecond) {
		if stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); strings.Contains(string(stat), ") Z ") {
			break // dead; nobody has asked for its status
		}
		if time.Now().After(end) {
			t.Fatal("what the command has started lives on")
		}
	}
}

// A command that is to be done by itself is not ended before its time.
func TestWait(t *testing.T) {
	for _, c := range []struct {
		text, want string
		most       time.Duration
	}{
		{"", "", 0},
		{"sleep 0.1", "", 10 * time.Second},
		{"echo one; echo two >&2; exit 4", `exit status 4, "two"`, 10 * time.Second},
		{"sleep 1000", "not done after 10ms", 10 * time.Millisecond},
	} {
		r, err := begin(c.text, false)
		if err == nil {
			err = r.wait(c.most)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}
