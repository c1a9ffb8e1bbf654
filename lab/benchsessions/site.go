package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// far is where TCP goes to: an address of fletsim's network behind the access concentrator.
const far = "198.51.100.1"

// site is two namespaces, a cable between them, and who is at its ends.
type site struct {
	dir        string // for files; the programs are in the one above
	line, host string // the namespaces
	fletsim    *process
	daemon     *daemon
}

// build builds both programs into dir.
func build(ctx context.Context, dir string) error {
	return command(exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", dir+"/", "pppoectl/cmd/pppoectl", "pppoectl/cmd/fletsim"))
}

// command runs a command; its words are in the error.
func command(c *exec.Cmd) error {
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(c.Args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// ip runs ip, which takes a moment only: it is not interrupted, for what is half made
// must be taken away.
func ip(args ...string) error { return command(exec.Command("ip", args...)) }

// newSite makes the namespaces and starts fletsim. The caller closes the site even after
// an error.
func newSite(programs, path string, sessions int) (*site, error) {
	// These names are those of the tests' namespaces, which sweep away what a dead process has left.
	s := &site{line: fmt.Sprintf("pppoectl-%d-1", os.Getpid()), host: fmt.Sprintf("pppoectl-%d-2", os.Getpid())}
	var err error
	if s.dir, err = os.MkdirTemp(programs, "site-"); err != nil {
		return s, err
	}
	if err := os.Mkdir(s.file("bpf"), 0o700); err != nil {
		return s, err
	}
	if err := unix.Mount("bpf", s.file("bpf"), "bpf", 0, ""); err != nil {
		return s, fmt.Errorf("a BPF file system: %w", err)
	}
	for _, ns := range []string{s.line, s.host} {
		if err := errors.Join(ip("netns", "add", ns), ip("-n", ns, "link", "set", "lo", "up")); err != nil {
			return s, err
		}
	}
	if err := errors.Join(
		ip("-n", s.host, "link", "add", "eth1", "type", "veth", "peer", "name", "l1", "netns", s.line),
		ip("-n", s.host, "link", "set", "eth1", "up"), ip("-n", s.line, "link", "set", "l1", "up"),
		os.WriteFile(s.file("fletsim.yaml"), []byte(lineConfig), 0o600),
		os.WriteFile(s.file("pppoectl.yaml"), s.hostConfig(path, sessions), 0o600)); err != nil {
		return s, err
	}
	s.fletsim, err = start(s.line, s.file("fletsim.log"), s.program("fletsim"), "-i", "l1", "-c", s.file("fletsim.yaml"),
		"--control", s.file("fletsim.sock"), "--json")
	if err != nil {
		return s, err
	}
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if b, _ := os.ReadFile(s.file("fletsim.log")); bytes.Contains(b, []byte(`"ready"`)) {
			return s, nil
		} else if time.Since(begin) > 10*time.Second {
			return s, fmt.Errorf("fletsim does not begin: %s", b)
		}
	}
}

func (s *site) file(name string) string    { return filepath.Join(s.dir, name) }
func (s *site) program(name string) string { return filepath.Join(filepath.Dir(s.dir), name) }

// lineConfig is fletsim's: one access concentrator that lets everybody in.
const lineConfig = `acs: [{name: BAS-TOKYO, mru: 1454, echo: {interval: 10s, failures: 3}, address: 203.0.113.1}]
realms: {load.example.jp: {password: load, ipv4: 100.64.0.0/16, prefixes: "2001:db8:8000::/40", prefix-length: 56}}
behind: {device: internet, addresses: [` + far + `/32]}
`

// hostConfig is the daemon's: an uplink for each session, both families. It logs as JSON,
// for that is read here.
func (s *site) hostConfig(path string, sessions int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "run-dir: %s\nstate-dir: %s\nbpf-dir: %s/pppoectl\nlog: {format: json}\nuplinks:\n", s.file("run"), s.file("state"), s.file("bpf"))
	for i := range sessions {
		fmt.Fprintf(&b, "  u%04d: {interface: eth1, username: u%04d@load.example.jp, password: load, families: [ipv4, ipv6], data-path: %s}\n", i+1, i+1, path)
	}
	return b.Bytes()
}

// close ends both programs and removes all; the devices go with the namespaces.
func (s *site) close() error {
	if s.daemon != nil {
		s.daemon.kill()
	}
	if s.fletsim != nil {
		s.fletsim.kill()
	}
	return errors.Join(ip("netns", "delete", s.host), ip("netns", "delete", s.line), unix.Unmount(s.file("bpf"), unix.MNT_DETACH), os.RemoveAll(s.dir))
}
