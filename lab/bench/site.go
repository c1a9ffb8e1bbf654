package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"pppoectl/dataplane"
)

// kinds are all that can be measured: data paths, one that is written as simply as can be
// (at both ends, or as the others are, with the fastest path at the far end), and the same
// line without any PPPoE: as it is, for a veth has no GRO until somebody asks for it, and with
// GRO, which XDP brings along.
var kinds = []string{"plain", "plain-gro", "naive", "naive-near", "portable", "offload", "ebpf"}

// mtu is that of a session, and of the plain line: Flets'.
const mtu = 1454

// site is two namespaces and a line for each kind between them.
type site struct {
	options
	near, far string
	lan       string // with check: behind the near one
	ends      []*end
}

// end is a process that has one end of a path.
type end struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

// addresses of the near and the far end of the n-th kind.
func addresses(n int, far bool) (ipv4, ipv6 string) {
	last := map[bool]int{false: 1, true: 2}[far]
	return fmt.Sprintf("10.99.%d.%d", n, last), fmt.Sprintf("fd99:%d::%d", n, last)
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// in is the command line for a command in a namespace.
func in(ns string, args ...string) []string { return append([]string{"netns", "exec", ns}, args...) }

func newSite(o options) (*site, error) {
	s := &site{options: o, near: fmt.Sprintf("pppoectl-%d-1", os.Getpid()), far: fmt.Sprintf("pppoectl-%d-2", os.Getpid())}
	for _, ns := range []string{s.near, s.far} {
		if err := errors.Join(run("ip", "netns", "add", ns), run("ip", "-n", ns, "link", "set", "lo", "up"),
			run("ip", in(ns, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")...)); err != nil {
			return s, err
		}
	}
	for n, kind := range o.paths {
		far := string(dataplane.EBPF) // the fastest, so that what is measured is the near one
		if strings.HasPrefix(kind, "plain") || kind == "naive" || kind == "kernel" {
			far = kind
		}
		if err := s.join(n, strings.TrimSuffix(kind, "-near"), far); err != nil {
			return s, fmt.Errorf("%s: %w", kind, err)
		}
	}
	return s, nil
}

// join makes a line, and what is at its ends.
func (s *site) join(n int, near, far string) error {
	line := fmt.Sprintf("line%d", n)
	if err := run("ip", "link", "add", line, "netns", s.near, "type", "veth", "peer", "name", line, "netns", s.far); err != nil {
		return err
	}
	gro := "on"
	if near == "plain" {
		gro = "off"
	}
	for _, ns := range []string{s.near, s.far} {
		// What a NIC cannot do for PPPoE, the plain line is not to have either.
		if err := errors.Join(run("ip", in(ns, "ethtool", "-K", line, "tx", s.checksums(near), "tso", "off", "gso", "off", "gro", gro)...),
			run("ip", "-n", ns, "link", "set", line, "up")); err != nil {
			return err
		}
		if gro == "on" { // polled by a thread of its own, as veth's NAPI is not by itself
			if err := run("ip", in(ns, "sh", "-c", "echo 1 > /sys/class/net/"+line+"/threaded")...); err != nil {
				return err
			}
		}
	}
	for _, here := range []struct {
		ns, peer, kind string
		far            bool
	}{{s.near, s.far, near, false}, {s.far, s.near, far, true}} {
		ns := here.ns
		device := line
		if !strings.HasPrefix(here.kind, "plain") {
			var err error
			if device, err = s.start(ns, here.peer, here.kind, line, fmt.Sprintf("tun%d", n)); err != nil {
				return err
			}
		}
		ipv4, ipv6 := addresses(n, here.far)
		peer4, peer6 := addresses(n, !here.far)
		if err := errors.Join(run("ip", "-n", ns, "link", "set", device, "mtu", fmt.Sprint(mtu), "up"),
			run("ip", "-n", ns, "address", "add", ipv4+"/32", "peer", peer4, "dev", device),
			run("ip", "-n", ns, "-6", "address", "add", ipv6+"/128", "peer", peer6, "dev", device, "nodad")); err != nil {
			return err
		}
	}
	return nil
}

// checksums says whether the line of a kind makes them.
func (s *site) checksums(kind string) string {
	if !s.tx || !strings.HasPrefix(kind, "plain") && kind != "ebpf" && kind != "kernel" {
		return "off"
	}
	return "on"
}

// start starts a process with one end of a path, waits until it carries, and returns its
// device.
func (s *site) start(ns, peer, kind, line, device string) (string, error) {
	out, err := exec.Command("ip", in(peer, "cat", "/sys/class/net/"+line+"/address")...).Output()
	if err != nil {
		return "", err
	}
	mac := strings.TrimSpace(string(out))
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	args := []string{self, "end", kind, line, device, mac}
	if kind == "kernel" {
		args = []string{s.unit, line, fmt.Sprint(sessionID), mac}
	}
	cmd := exec.Command("ip", in(ns, args...)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	s.ends = append(s.ends, &end{cmd, stdin})
	said, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("its end has not begun: %w", err)
	}
	if kind == "kernel" { // it tells which device it has got
		device = strings.TrimSpace(said)
	}
	return device, nil
}

// serve has iperf3's servers at the far end, until stop is called.
func (s *site) serve(ports ...string) (stop func(), err error) {
	var servers []*exec.Cmd
	stop = func() {
		for _, c := range servers {
			c.Process.Kill()
			c.Wait()
		}
	}
	for _, p := range ports {
		c := exec.Command("ip", in(s.far, "iperf3", "-s", "-p", p)...)
		if err := c.Start(); err != nil {
			stop()
			return nil, err
		}
		servers = append(servers, c)
	}
	time.Sleep(300 * time.Millisecond) // iperf3 listens; it tells nobody
	return stop, nil
}

func (s *site) close() {
	for _, e := range s.ends {
		e.stdin.Close()
		stuck := time.AfterFunc(2*time.Second, func() { e.cmd.Process.Kill() }) // the kernel's PPPoE does not look at it
		e.cmd.Wait()
		stuck.Stop()
	}
	run("ip", "netns", "delete", s.near)
	run("ip", "netns", "delete", s.far)
	if s.lan != "" {
		run("ip", "netns", "delete", s.lan)
	}
}
