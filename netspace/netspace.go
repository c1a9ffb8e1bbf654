// Package netspace works in other network namespaces: sockets, devices and
// programs that a function makes there stay there.
package netspace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// dir is where ip keeps named namespaces.
const dir = "/run/netns"

// Path returns where the namespace called name is.
func Path(name string) string { return filepath.Join(dir, name) }

// Do calls f in the namespace at path, such as Path("lab"). What f starts in
// other goroutines is elsewhere.
func Do(path string, f func() error) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("network namespace %s: %w", path, err)
	}
	defer unix.Close(fd)
	return visit(func() error {
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("network namespace %s: %w", path, err)
		}
		return f()
	})
}

// Open opens the namespace called name, to hand its descriptor on.
func Open(name string) (*os.File, error) { return os.Open(Path(name)) }

// visit calls f, which may move its thread to another namespace, and brings the
// thread home. One that cannot come home is of no use to others and ends with its
// goroutine.
func visit(f func() error) error {
	result := make(chan error, 1)
	go func() {
		err := errors.New("the goroutine has ended") // unless f returns
		defer func() { result <- err }()
		runtime.LockOSThread()
		home, wrong := netns.GetFromPath("/proc/thread-self/ns/net") // right in any process namespace
		if wrong != nil {
			runtime.UnlockOSThread()
			err = wrong
			return
		}
		defer func() {
			if netns.Set(home) == nil {
				runtime.UnlockOSThread()
			}
			home.Close()
		}()
		err = f()
	}()
	return <-result
}

// nsfs is the type of a file that is a namespace (linux/magic.h).
const nsfs = 0x6e736673

// Make makes a namespace called name, unless there is one, and reports whether it
// did. A file that is none any more, since whoever had mounted it is gone, gives
// way. Others see the namespace by its name unless this process has a mount
// namespace of its own, as `ip netns exec` makes one.
func Make(name string) (made bool, err error) {
	if name == "" || strings.ContainsAny(name, "/ ") || strings.HasPrefix(name, ".") {
		return false, fmt.Errorf("%q is no name for a network namespace", name)
	}
	var fs unix.Statfs_t
	switch info, err := os.Lstat(Path(name)); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return false, err
	case unix.Statfs(Path(name), &fs) == nil && fs.Type == nsfs:
		return false, nil
	case !info.Mode().IsRegular() || info.Size() > 0:
		return false, fmt.Errorf("%s is no network namespace", Path(name))
	default:
		if err := os.Remove(Path(name)); err != nil {
			return false, err
		}
	}
	err = visit(func() error {
		h, err := netns.NewNamed(name)
		if err != nil {
			return fmt.Errorf("network namespace %s: %w", name, err)
		}
		return h.Close()
	})
	return err == nil, err
}

// Remove removes the namespace called name, if it is there.
func Remove(name string) error {
	err := netns.DeleteNamed(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
