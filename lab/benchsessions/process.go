package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is a program that runs in a namespace.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start starts a program in a namespace; all that it says goes to the file called log.
func start(ns, log string, args ...string) (*process, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return startTo(ns, f, f, args...)
}

func startTo(ns string, stdout, stderr io.Writer, args ...string) (*process, error) {
	// ip replaces itself by the program: the process is the program's own.
	c := exec.Command("ip", append([]string{"netns", "exec", ns}, args...)...)
	c.Stdout, c.Stderr = stdout, stderr
	c.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := c.Start(); err != nil {
		return nil, err
	}
	p := &process{c, make(chan struct{})}
	go func() {
		c.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// cpu is how long the process has used a processor, all threads together. The clock of
// another process counts nanoseconds, where /proc/PID/stat counts hundredths of a second: too
// coarse for one idle session. Its number is that of clock_getcpuclockid(3).
func (p *process) cpu() (time.Duration, error) {
	const schedulers = 2 // CPUCLOCK_SCHED
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|schedulers), &t); err != nil {
		return 0, fmt.Errorf("CPU time of %s: %w", p.cmd.Path, err)
	}
	return time.Duration(t.Nano()), nil
}

// rss is the process's resident memory in octets.
func (p *process) rss() (int64, error) {
	b, err := os.ReadFile(p.proc("status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no VmRSS", p.proc("status"))
}

// proc is a file of the process in /proc.
func (p *process) proc(name string) string {
	return fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, name)
}
