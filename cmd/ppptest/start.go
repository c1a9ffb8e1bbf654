package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// How long a command has to end by itself, and after SIGTERM.
const (
	stopWait = 10 * time.Second
	endWait  = 2 * time.Second
)

// running is a shell command of the user's in a process group of its own, which
// Ctrl-C does not reach.
type running struct {
	text string
	cmd  *exec.Cmd
	out  *os.File // what it prints, unless that is printed at once
	done chan struct{}
}

// begin starts a command; nil if there is none. With verbose, what it prints goes
// to standard error.
func begin(text string, verbose bool) (*running, error) {
	if text == "" {
		return nil, nil
	}
	r := &running{text: text, cmd: exec.Command("/bin/sh", "-c", text), done: make(chan struct{})}
	r.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	r.cmd.Stderr = os.Stderr
	if !verbose {
		// A file and no pipe: what it leaves behind may go on printing.
		out, err := os.CreateTemp("", "ppptest-")
		if err != nil {
			return nil, err
		}
		os.Remove(out.Name())
		r.out, r.cmd.Stderr = out, out
	}
	r.cmd.Stdout = r.cmd.Stderr
	if err := r.cmd.Start(); err != nil {
		r.out.Close()
		return nil, fmt.Errorf("`%s`: %w", text, err)
	}
	go func() { r.cmd.Wait(); close(r.done) }()
	return r, nil
}

// ended reports whether the command has ended by itself.
func (r *running) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// end ends the command with all that it has started, and says how it has failed
// if it had ended before.
func (r *running) end() (failure error) {
	if r == nil {
		return nil
	}
	defer r.out.Close()
	if r.ended() {
		failure = r.failure()
	}
	group := -r.cmd.Process.Pid
	unix.Kill(group, unix.SIGTERM)
	select {
	case <-r.done:
	case <-time.After(endWait):
	}
	unix.Kill(group, unix.SIGKILL)
	<-r.done
	return failure
}

// wait lets the command end by itself, or ends it after a time.
func (r *running) wait(most time.Duration) error {
	if r == nil {
		return nil
	}
	select {
	case <-r.done:
		defer r.out.Close()
		return r.failure()
	case <-time.After(most):
		return errors.Join(r.end(), fmt.Errorf("`%s`: not done after %v", r.text, most))
	}
}

// failure says how a command that has ended has failed: its status, and the last
// that it said.
func (r *running) failure() error {
	state := r.cmd.ProcessState
	if state.Success() {
		return nil
	}
	text := fmt.Sprintf("`%s`: %v", r.text, state)
	if said := r.said(); said != "" {
		text += fmt.Sprintf(", %q", said)
	}
	return errors.New(text)
}

// said returns the last line that the command has printed.
func (r *running) said() string {
	if r.out == nil {
		return ""
	}
	const most = 4096
	size, err := r.out.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	b, _ := io.ReadAll(io.NewSectionReader(r.out, max(0, size-most), most))
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
