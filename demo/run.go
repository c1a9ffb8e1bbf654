package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// self is the program that runs, wherever its file is by now.
const self = "/proc/self/exe"

// ErrPrivilege is matched when namespaces cannot be made.
var ErrPrivilege = errors.New("it makes network namespaces")

// Run shows the demo. stage are the arguments that make this program call Stage.
// The stage is killed when ctx is done and, if child says so, when whoever started
// this process has died: `go run` does not pass SIGKILL on. What the stage says of
// its failure, it says itself: the error is an *exec.ExitError then.
func Run(ctx context.Context, stdout, stderr io.Writer, child bool, stage ...string) error {
	// The kernel kills the stage when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if child {
		go orphaned(ctx, cancel)
	}
	cmd := exec.CommandContext(ctx, self, stage...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID, Pdeathsig: unix.SIGKILL,
		Setpgid: true, // Ctrl-C is ours
	}
	err := cmd.Start()
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w, which is not allowed here (%v)", ErrPrivilege, err)
	}
	if err != nil {
		return err
	}
	err = cmd.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("ended before its end (%w); nothing is left behind", cause)
	}
	return err
}

var errOrphaned = errors.New("who started it is gone")

// orphaned cancels when this process gets another parent.
func orphaned(ctx context.Context, cancel context.CancelCauseFunc) {
	parent := os.Getppid()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if os.Getppid() != parent {
				cancel(errOrphaned)
				return
			}
		}
	}
}
