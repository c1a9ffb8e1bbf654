package simulator_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pppoectl/simulator"
)

func TestControlSocketTakesNobodysPlace(t *testing.T) {
	dir, err := os.MkdirTemp("", "sim-") // short: a socket's path may have 107 octets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := func(name string) string { return filepath.Join(dir, name) }

	if err := os.WriteFile(path("line.yaml"), []byte("acs: []"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path("line.yaml"), path("link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"line.yaml", "link", "."} {
		if _, err := simulator.Listen(path(name)); err == nil || !strings.Contains(err.Error(), "no socket") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(path(name)); err != nil {
			t.Error(err)
		}
	}

	first, err := simulator.Listen(path("sock"))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path("sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := simulator.Listen(path("sock")); err == nil || !strings.Contains(err.Error(), "another fletsim answers there") {
		t.Errorf("a second one: %v", err)
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false) // as after kill -9
	first.Close()
	again, err := simulator.Listen(path("sock"))
	if err != nil {
		t.Fatalf("one that nobody answers on: %v", err)
	}
	again.Close()
	if err := simulator.Dial(path("sock")).Do(t.Context(), "forget"); !errors.Is(err, simulator.ErrNotRunning) {
		t.Errorf("%v", err)
	}
}
