package fuzz_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pppoectl/configs"
	"pppoectl/netconf"
	"pppoectl/state"
)

// memory returns a directory in memory, if there is such a thing here: the disk's
// syncs would be all that is tried.
func memory(f *testing.F) string {
	f.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "pppoectl-fuzz-")
	if err != nil {
		return f.TempDir()
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// store opens a state directory in memory.
func store(f *testing.F) (dir string, s *state.Store) {
	f.Helper()
	dir = memory(f)
	s, err := state.Open(dir, "boot")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	return dir, s
}

// FuzzStateFile gives the store a file of any content.
func FuzzStateFile(f *testing.F) {
	whole := writtenUplink(f)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(bytes.Replace(whole, []byte(`"version":1`), []byte(`"version":9`), 1))
	f.Add([]byte("null"))
	dir, s := store(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, file := range []string{"uplinks/a.json", "sessions/a.json"} {
			if err := os.WriteFile(filepath.Join(dir, file), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		v, err := s.LoadUplink("a", 0, time.Now())
		documented(t, err)
		if err == nil { // what could be read can be written and read again
			if err := s.SaveUplink("b", v); err != nil {
				t.Fatal(err)
			}
			if again, err := s.LoadUplink("b", 0, time.Now()); err != nil || again != v {
				t.Fatalf("%+v came back as %+v, %v", v, again, err)
			}
		}
		_, _, err = s.LoadSession("a")
		documented(t, err)
		documented(t, state.Understood(dir))
	})
}

func documented(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, state.ErrCorrupt) && !errors.Is(err, state.ErrVersion) {
		t.Fatalf("undocumented error %v", err)
	}
}

func writtenUplink(f *testing.F) []byte {
	dir, s := store(f)
	if err := s.SaveUplink("a", state.Uplink{Down: true, Identifier: "fd61:ff9b:eb97:1f93"}); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "uplinks", "a.json"))
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// system takes every change and counts what is undone.
type system struct{ undone int }

func (*system) AddDevice(string, string) error                   { return nil }
func (s *system) DeleteDevice(string, string) error              { s.undone++; return nil }
func (*system) SetMTU(string, int) error                         { return nil }
func (*system) SetUp(string) error                               { return nil }
func (s *system) SetDown(string) error                           { s.undone++; return nil }
func (s *system) IsUp(string) (bool, error)                      { return true, nil }
func (*system) HasAddress(netconf.Address) (bool, error)         { return false, nil }
func (*system) AddAddress(netconf.Address) error                 { return nil }
func (s *system) DeleteAddress(netconf.Address) error            { s.undone++; return nil }
func (*system) AddRoute(netconf.Route) error                     { return nil }
func (s *system) DeleteRoute(netconf.Route) error                { s.undone++; return nil }
func (*system) AddRule(netconf.Rule) error                       { return nil }
func (s *system) DeleteRule(netconf.Rule) error                  { s.undone++; return nil }
func (*system) Advertised() ([]string, error)                    { return nil, nil }
func (*system) SetFirewall(netconf.Firewall) error               { return nil }
func (s *system) DeleteFirewall(string) error                    { s.undone++; return nil }
func (*system) HasFirewall(netconf.Firewall) (bool, error)       { return true, nil }
func (*system) HasRoute(netconf.Route) (bool, error)             { return true, nil }
func (*system) HasRule(netconf.Rule) (bool, error)               { return true, nil }
func (*system) ReadFile(string) (string, bool, error)            { return "", false, nil }
func (s *system) WriteFile(string, string) error                 { s.undone++; return nil }
func (s *system) RemoveFile(string) error                        { s.undone++; return nil }
func (*system) SetResolved(netconf.Resolved) error               { return nil }
func (s *system) RevertResolved(string) error                    { s.undone++; return nil }
func (*system) Sysctl(string) (string, error)                    { return "1", nil }
func (s *system) UnfitFeatures(string) (map[string]bool, error)  { return nil, nil }
func (s *system) SetFeatures(string, int, map[string]bool) error { s.undone++; return nil }
func (s *system) AttachPrograms(netconf.Programs) error          { return nil }
func (s *system) DetachPrograms(netconf.Programs) error          { s.undone++; return nil }
func (s *system) SetSysctl(string, string) error                 { s.undone++; return nil }

// changes are one of each kind.
var changes = []netconf.Change{
	netconf.LineUp{Interface: "eth1"}, netconf.Device{Name: "bizf", Owner: "bizf"}, netconf.Link{Device: "bizf", MTU: 1454},
	netconf.Address{Device: "bizf", Address: netip.MustParsePrefix("203.0.113.7/32"), Peer: netip.MustParseAddr("203.0.113.1")},
	netconf.Route{Device: "bizf", Destination: netip.MustParsePrefix("::/0"), Metric: 100},
	netconf.Rule{From: netip.MustParsePrefix("203.0.113.7/32"), Table: 100, Priority: 25600},
	netconf.Sysctl{Key: "net/ipv4/ip_forward", Value: "1"},
	netconf.Offloads{Interface: "eth1", Index: 3}, netconf.Programs{Interface: "eth1", Index: 3, Directory: "/sys/fs/bpf/x/eth1"},
	netconf.Firewall{Device: "bizf"}, netconf.File{Path: "/run/resolv.conf", Content: "nameserver 198.51.100.53\n"},
	netconf.Resolved{Device: "bizf", Servers: "198.51.100.53"},
}

// FuzzJournal opens a journal of any content: what is said to be applied is there
// after the next start as well, and can be undone.
func FuzzJournal(f *testing.F) {
	b := writtenJournal(f, func(line []byte) []byte { return line })
	f.Add(b)
	f.Add(b[:len(b)-20])
	f.Add([]byte(`{"version":2,"boot":"boot"}` + "\n"))
	f.Add([]byte(`{"version":1,"boot":"other"}` + "\n" + `{"owner":"x","device":{}}` + "\n"))
	dir := memory(f)
	f.Fuzz(func(t *testing.T, b []byte) { openJournal(t, filepath.Join(dir, "journal"), b) })
}

func openJournal(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &system{}
	j, err := netconf.OpenJournal(file, "boot", s)
	if err != nil {
		if !errors.Is(err, netconf.ErrVersion) {
			t.Fatalf("undocumented error %v", err)
		}
		return
	}
	before := told(j)
	j.Close()
	if j, err = netconf.OpenJournal(file, "boot", s); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if after := told(j); after != before {
		t.Fatalf("applied\n%s\nafter the next start\n%s", before, after)
	}
	for _, owner := range j.Owners() {
		if err := j.Apply(owner, nil); err != nil {
			t.Fatal(err)
		}
	}
	if left := told(j); left != "" {
		t.Fatalf("left %s", left)
	}
	after, err := netconf.OpenJournal(file, "boot", s)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	if left := told(after); left != "" {
		t.Fatalf("undone, and there after the next start: %s", left)
	}
}

func told(j *netconf.Journal) string {
	var s strings.Builder
	for _, owner := range j.Owners() {
		fmt.Fprintf(&s, "%q: %#v\n", owner, j.Applied(owner))
	}
	return s.String()
}

// FuzzConfiguration loads any text: a configuration or mistakes, a line each,
// each with the file; never both, and no panic.
func FuzzConfiguration(f *testing.F) {
	f.Add([]byte(configs.Reference))
	for _, text := range []string{
		"", "uplinks:\n", "uplinks: {a: {interface: eth1, username: u, password: p, families: [ipv4], mtu: big}}\n",
		"uplinks: [a]\n", "a: &a [*a]\n", "uplinks:\n\ta: 1\n", "? [a]\n: b\n", "1: 2\n", "uplinks: {1: {}}\n", "\xff\xfe", "--- a\n--- b\n",
		"uplinks: {a: {echo: {interval: 1e9}}}\n", "uplinks: {a: {lan: [1]}}\n",
	} {
		f.Add([]byte(text))
	}
	dir := memory(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.Contains(b, []byte("-file")) {
			return // no files of this machine, please
		}
		file := filepath.Join(dir, "pppoectl.yaml")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := configs.Load(file)
		if (c == nil) != (err != nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if err == nil {
			for _, u := range c.Uplinks {
				if u.Name == "" || u.Interface == "" || u.MTU < 576 || u.MTU > 1500 || len(u.Families) == 0 || len(u.Auth) == 0 {
					t.Fatalf("accepted: %+v", u)
				}
			}
			return
		}
		for _, line := range err.(configs.Errors) {
			if !strings.HasPrefix(line, file+": ") || strings.ContainsAny(line, "\n\r") {
				t.Fatalf("mistake %q", line)
			}
		}
	})
}
