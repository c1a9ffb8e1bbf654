package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/hooks"
)

// upgradeWait is how long the new program may take until it answers.
const upgradeWait = 30 * time.Second

func newUpgrade(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "upgrade [BINARY]", Short: "have the daemon go on as another program, with the same sessions",
		Long: `Have the daemon go on as another program, with the same sessions.

Without BINARY it is the file that the daemon was started from, which a package manager may have
replaced meanwhile. The new program has to accept the configuration first; else nothing changes.`,
		Args: atMostOneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			binary := ""
			if len(args) == 1 {
				var err error
				if binary, err = filepath.Abs(args[0]); err != nil {
					return err
				}
			}
			return a.upgrade(cmd, binary)
		},
	}
}

func (a *app) upgrade(cmd *cobra.Command, binary string) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), upgradeWait)
	defer cancel()
	before, err := a.client().Status(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := a.client().Upgrade(ctx, binary); err != nil {
		return err
	}
	for {
		now, err := a.client().Status(ctx)
		if err == nil && now.Started.After(before.Started) && resumed(before, now) {
			fmt.Fprintf(cmd.OutOrStdout(), "version %s goes on after %v; it was %s\n", now.Version, time.Since(begin).Round(10*time.Millisecond), before.Version)
			return nil
		}
		select {
		case <-ctx.Done():
			return cause.Errorf(cause.WaitTimeout, "the new program has not taken over within %v; `pppoectl status` and the log tell more", upgradeWait)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// resumed reports whether every uplink that was up is so again, or has told why not. A
// program that has just begun knows of no uplink yet, and then of no line.
func resumed(before, now control.Status) bool {
	up := map[string]bool{}
	for _, u := range before.Uplinks {
		up[u.Name] = u.State == control.Up
	}
	for _, u := range now.Uplinks {
		if up[u.Name] && u.State != control.Up && u.State != control.Disabled && u.LastDrop == nil {
			return false
		}
	}
	return len(now.Uplinks) > 0 || len(before.Uplinks) == 0
}

// Upgrade implements control.Daemon: once the new program has shown that it can run
// here, the daemon detaches and becomes it.
func (d *service) Upgrade(ctx context.Context, binary string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.trial != nil {
		return cause.Errorf(cause.Usage, "a configuration waits to be confirmed; `pppoectl confirm` it first, or wait until it is taken back")
	}
	if binary == "" {
		binary = self()
	}
	if err := hooks.Trusted(binary); err != nil {
		return cause.Errorf(cause.Usage, "%s: %v; nothing has changed", binary, err)
	}
	ctx, cancel := context.WithTimeout(ctx, upgradeWait/2)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "-c", d.file, "check", "--state").Output()
	if err != nil {
		var failed *exec.ExitError
		text := ""
		if errors.As(err, &failed) {
			text = " " + strings.TrimPrefix(strings.TrimSpace(string(failed.Stderr)), "pppoectl: ")
		}
		return cause.Errorf(cause.Usage, "%s does not accept what is there, nothing has changed: %v%s", binary, err, text)
	}
	if !strings.Contains(string(out), fine) {
		return cause.Errorf(cause.Usage, "%s is no pppoectl; nothing has changed", binary)
	}
	select {
	case d.upgrade <- binary:
		d.Tell("upgrade", "goes on as "+binary)
	default:
	}
	return nil
}

// self is the file that this program was started from, also if there is another one
// in its place by now.
func self() string {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return os.Args[0]
	}
	return strings.TrimSuffix(path, " (deleted)")
}

// become replaces this process by another program that was started like it. It
// returns only if that cannot be.
func become(binary string) error {
	err := unix.Exec(binary, os.Args, os.Environ())
	return errors.Join(fmt.Errorf("%s: %w", binary, err), unix.Exec("/proc/self/exe", os.Args, os.Environ()))
}
