package netspace_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"pppoectl/netspace"
)

func name(t *testing.T) string {
	if os.Geteuid() != 0 {
		t.Skip("not root: network namespaces cannot be made")
	}
	n := fmt.Sprintf("pppoectl-%d-1", os.Getpid()) // labnet's tests sweep it, should this be killed
	t.Cleanup(func() {
		if err := netspace.Remove(n); err != nil {
			t.Error(err)
		}
	})
	return n
}

// interfaces returns the names of those that this thread sees.
func interfaces(t *testing.T) string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range all {
		names = append(names, i.Name)
	}
	return strings.Join(names, " ")
}

func TestNamespaceThatIsMadeIsEmptyAndRemovedOnce(t *testing.T) {
	n := name(t)
	for i, want := range []bool{true, false} {
		if made, err := netspace.Make(n); err != nil || made != want {
			t.Fatalf("time %d: made %v, %v", i, made, err)
		}
	}
	outside := interfaces(t)
	var inside string
	if err := netspace.Do(netspace.Path(n), func() error { inside = interfaces(t); return nil }); err != nil {
		t.Fatal(err)
	}
	if inside != "lo" || interfaces(t) != outside {
		t.Errorf("inside %q, outside %q, was %q", inside, interfaces(t), outside)
	}
	for range 2 {
		if err := netspace.Remove(n); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(netspace.Path(n)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestErrorsComeBack(t *testing.T) {
	if err := netspace.Do("/run/netns/no-such", func() error { return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	mine := errors.New("mine")
	if err := netspace.Do("/proc/self/ns/net", func() error { return mine }); os.Geteuid() == 0 && !errors.Is(err, mine) {
		t.Errorf("%v", err)
	}
	if err := netspace.Do("/proc/self/ns/net", func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("a function that never returned was a success")
	}
}
