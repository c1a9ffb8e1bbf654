package labnet

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// BPFFS mounts a BPF file system of its own until the test ends, and returns where.
func BPFFS(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	MountBPF(t, dir)
	return dir
}

// MountBPF mounts a BPF file system on a directory, which it makes, until the test ends.
func MountBPF(t testing.TB, dir string) {
	t.Helper()
	Supported(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatalf("a BPF file system: %v", err)
	}
	t.Cleanup(func() {
		// Lazily: a process that is ending may have it still.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	})
}
