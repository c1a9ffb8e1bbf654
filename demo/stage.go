package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"pppoectl/control"
	"pppoectl/simulator"
)

// What is where on the stage. All files are on a file system of its own.
const (
	hostEnd     = "eth1"
	lineEnd     = "line"
	dir         = "/run/pppoectl-demo"
	configFile  = dir + "/pppoectl.yaml"
	faultSocket = dir + "/fletsim.sock"
)

// configuration is what the README says, but for the interval of the echoes: the
// demo is to be short.
const configuration = `run-dir: ` + dir + `
state-dir: ` + dir + `/state
bpf-dir: ` + dir + `/bpf/pppoectl
uplinks:
  bizf:
    {interface: eth1, username: user@bizf.example.jp, password: secret4, families: [ipv4], default-route: true,
     echo: {interval: 1s, failures: 5}, enabled: false}
  bizf6:
    {interface: eth1, username: user@bizf6.example.jp, password: secret6, families: [ipv6], default-route: true,
     prefix: {request: true}, lan: [{interface: lan0, advertise: true}], firewall: false,
     echo: {interval: 1s, failures: 5}, enabled: false}
`

// stage is the router's side, and the narrator.
type stage struct {
	mu     sync.Mutex // of out
	out    io.Writer
	began  time.Time
	bold   bool
	daemon *control.Client
	faults *simulator.Client
	ready  chan struct{}
	failed chan error
}

// Stage tells the story. It is process 1 of its own namespaces: what it starts
// ends with it. line are the arguments that make this program call Line.
func Stage(ctx context.Context, stdout, stderr *os.File, line ...string) error {
	s := &stage{
		out: stdout, began: time.Now(), bold: terminal(stdout), daemon: control.NewClient(dir),
		faults: simulator.Dial(faultSocket), ready: make(chan struct{}), failed: make(chan error, 2),
	}
	if err := ownFiles(); err != nil {
		return err
	}
	if err := setUp("lo"); err != nil {
		return err
	}
	if err := s.startLine(stderr, line); err != nil {
		return err
	}
	if err := plugHost(); err != nil {
		return err
	}
	if err := s.until(ctx, "the cable is plugged in", carrier); err != nil {
		return err
	}
	return s.play(ctx)
}

// ownFiles puts a file system in memory over /run, which nobody else sees.
func ownFiles() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount namespace: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "size=16m,mode=755"); err != nil {
		return fmt.Errorf("tmpfs: %w", err)
	}
	// Of this process namespace; where that is not allowed, the outer one's serves.
	_ = unix.Mount("proc", "/proc", "proc", 0, "")
	if err := os.MkdirAll(dir+"/bpf", 0o700); err != nil {
		return err
	}
	// For programs in the kernel; where that is not allowed, packets go another way.
	_ = unix.Mount("bpf", dir+"/bpf", "bpf", 0, "")
	return os.WriteFile(configFile, []byte(configuration), 0o600)
}

// carrier returns an error until the host's end of the cable is usable.
func carrier() error {
	ifi, err := net.InterfaceByName(hostEnd)
	if err == nil && ifi.Flags&net.FlagRunning == 0 {
		err = errors.New("no carrier")
	}
	return err
}

func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// startLine starts the other end in a network namespace of its own, and plugs the
// cable in.
func (s *stage) startLine(stderr io.Writer, args []string) error {
	cmd := exec.Command(self, args...)
	cmd.Stderr = stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = hostEnd
	cable := &netlink.Veth{LinkAttrs: attrs, PeerName: lineEnd, PeerNamespace: netlink.NsPid(cmd.Process.Pid)}
	if err := netlink.LinkAdd(cable); err != nil {
		return fmt.Errorf("cable: %w", err)
	}
	if err := setUp(hostEnd); err != nil {
		return err
	}
	if _, err := io.WriteString(in, "begin\n"); err != nil {
		return err
	}
	go func() {
		s.follow(out)
		s.failed <- fmt.Errorf("the line has ended: %v", cmd.Wait())
	}()
	return nil
}

// follow prints what the line tells.
func (s *stage) follow(r io.Reader) {
	for d := json.NewDecoder(bufio.NewReader(r)); ; {
		var e told
		if d.Decode(&e) != nil {
			return
		}
		if e.Kind == ready {
			close(s.ready)
			continue
		}
		s.say("    line:     %s", e.Text)
	}
}

// startDaemon starts the real daemon.
func (s *stage) startDaemon(ctx context.Context) error {
	log, err := os.Create(dir + "/log")
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := command("run")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		err := cmd.Wait()
		said, _ := os.ReadFile(dir + "/log")
		s.failed <- fmt.Errorf("the daemon has ended: %v\n%s", err, said)
	}()
	return s.until(ctx, "the daemon answers", func() error {
		_, err := s.daemon.Status(ctx)
		return err
	})
}

// command is pppoectl with the demo's configuration.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command(self, append([]string{"-c", configFile}, args...)...)
	cmd.Args[0] = "pppoectl"
	return cmd
}

// pppoectl runs a command as a user would, and shows it.
func (s *stage) pppoectl(args ...string) error {
	s.say("  $ pppoectl %s", strings.Join(args, " "))
	out, err := command(args...).CombinedOutput()
	if text := strings.TrimRight(string(out), "\n"); text != "" {
		s.say("    %s", strings.ReplaceAll(text, "\n", "\n    "))
	}
	if err != nil {
		return fmt.Errorf("pppoectl %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// until waits until f has no error.
func (s *stage) until(ctx context.Context, what string, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case ended := <-s.failed:
			return ended
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %s: %w", patience, what, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// step begins a step of the story.
func (s *stage) step(text string) {
	bold, plain := "", ""
	if s.bold {
		bold, plain = "\x1b[1m", "\x1b[0m"
	}
	s.say("\n%5.1f s  %s%s%s", time.Since(s.began).Seconds(), bold, text, plain)
}

var errAway = errors.New("away")
