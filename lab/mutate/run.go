package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// neighbours are the packages under test, and those whose tests go through them.
var neighbours = map[string][]string{
	"pppoe":   {"fuzz", "session", "concentrator"},
	"ppp":     {"lcp", "ipcp", "ipv6cp", "fuzz", "session", "concentrator"},
	"lcp":     {"fuzz", "session", "concentrator"},
	"auth":    {"fuzz", "session", "concentrator"},
	"ipcp":    {"fuzz", "session", "concentrator"},
	"ipv6cp":  {"fuzz", "session", "concentrator"},
	"session": {"fuzz", "concentrator"},
	"dhcpv6":  {"fuzz", "concentrator"},
}

// A mutant that does not end is given several times the CPU that the tests take without
// one, whatever else the machine does, and a wall clock for what waits. It may not take the
// machine's memory: it may well grow without end.
const (
	patience = 4
	leastCPU = 5 * time.Second
	wall     = 3 * time.Minute
	mostData = 2 << 30 // octets
)

// outcome is what the tests say of a mutant.
type outcome string

const (
	survived outcome = "survived"
	killed   outcome = "killed"
	timedOut outcome = "timed out"
	invalid  outcome = "does not compile"
)

// runner lays mutants over the tree and runs tests.
type runner struct {
	root, dir string                   // of the tree, and for files of ours
	alone     bool                     // no neighbours
	cpu       map[string]time.Duration // that the tests of a package take, with building them
}

// measure runs the tests of packages as they are, and remembers what that takes.
func (r *runner) measure(ctx context.Context, packages []string) error {
	for _, p := range packages {
		if _, known := r.cpu[p]; known {
			continue
		}
		out, used, err := r.test(ctx, "", time.Minute, false, p)
		if err != nil {
			return fmt.Errorf("without any mutant %s fails: %w\n%s", p, err, out)
		}
		r.cpu[p] = used
	}
	return nil
}

// try runs the tests of m's own package, and if these do not notice it, those of the
// neighbours.
func (r *runner) try(ctx context.Context, worker int, m mutant) (outcome, error) {
	own := filepath.Dir(m.file)
	packages := []string{own}
	if !r.alone {
		packages = append(packages, neighbours[own]...)
	}
	for _, p := range packages {
		out, err := r.with(ctx, worker, m, true, p)
		var failed *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err == nil:
		case !errors.As(err, &failed):
			return "", err
		case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
			return invalid, nil
		case strings.Contains(out, "signal: CPU time limit exceeded") || strings.Contains(out, "panic: test timed out"):
			return timedOut, nil
		default:
			return killed, nil
		}
	}
	return survived, nil
}

// with runs the tests of packages with m in place.
func (r *runner) with(ctx context.Context, worker int, m mutant, first bool, packages ...string) (string, error) {
	path := filepath.Join(r.root, m.file)
	src, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(r.dir, fmt.Sprintf("%d.go", worker))
	overlay := filepath.Join(r.dir, fmt.Sprintf("%d.json", worker))
	b, err := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	if err != nil {
		return "", err
	}
	if err := errors.Join(os.WriteFile(changed, m.applied(src), 0o600), os.WriteFile(overlay, b, 0o600)); err != nil {
		return "", err
	}
	limit := leastCPU
	for _, p := range packages {
		limit = max(limit, patience*r.cpu[p])
	}
	out, _, err := r.test(ctx, overlay, limit, first, packages...)
	return out, err
}

// test runs go test, and returns what it prints and the CPU that it takes. With first it ends
// with the first failure of a package.
func (r *runner) test(ctx context.Context, overlay string, limit time.Duration, first bool, packages ...string) (string, time.Duration, error) {
	args := []string{
		"test", "-vet=off", "-count=1", "-short", "-p=1", "-ldflags=-s -w", fmt.Sprintf("-timeout=%v", wall),
		fmt.Sprintf("-exec=prlimit --cpu=%d --data=%d", int(limit.Seconds())+1, mostData),
	}
	if overlay != "" {
		args = append(args, "-overlay="+overlay)
	}
	if first {
		args = append(args, "-failfast")
	}
	for _, p := range packages {
		args = append(args, "./"+p)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		return string(out), 0, err
	}
	return string(out), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
}

var failure = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// failures are the names of the tests that have failed, by go test's words.
func failures(out string) []string {
	var names []string
	for _, f := range failure.FindAllStringSubmatch(out, -1) {
		names = append(names, f[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}
