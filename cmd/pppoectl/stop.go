package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"pppoectl/cause"
	"pppoectl/configs"
)

func newStop(a *app) *cobra.Command {
	var unit string
	cmd := &cobra.Command{
		Use: "stop", Short: "end the daemon and release its sessions", Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if unit != "" && startsAgain(cmd.Context(), unit) {
				return nil // SIGTERM follows, which detaches
			}
			err := a.client().Stop(cmd.Context())
			var c *cause.Error
			if unit != "" && errors.As(err, &c) && c.Code == cause.NotRunning {
				return nil // it has ended by itself
			}
			if err != nil {
				return err
			}
			return a.gone(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&unit, "unless-restart", "", "do nothing if systemd is restarting this unit (for its ExecStop=)")
	return cmd
}

// managerWait is how long systemd may take to tell what it is doing.
const managerWait = 5 * time.Second

// startsAgain reports whether systemd stops a unit only to start it again. When it
// cannot be asked the answer is yes: a session that stays at the AC is released by the next
// start, but one that was released may not come back.
func startsAgain(ctx context.Context, unit string) bool {
	ctx, cancel := context.WithTimeout(ctx, managerWait)
	defer cancel()
	job, err := jobType(ctx, unit)
	if err != nil {
		fmt.Fprintf(os.Stderr, "pppoectl: systemd does not say whether it restarts %s, the sessions stay: %v\n", unit, err)
		return true
	}
	return strings.Contains(job, "restart")
}

// jobType returns what systemd is doing to a unit: stop, restart, ...; nothing if
// there is no job.
func jobType(ctx context.Context, unit string) (string, error) {
	// Not by the bus, which is gone before us when the machine is shut down.
	conn, err := systemd.NewSystemdConnectionContext(ctx)
	if err != nil {
		if conn, err = systemd.NewWithContext(ctx); err != nil {
			return "", err
		}
	}
	defer conn.Close()
	jobs, err := conn.ListJobsContext(ctx)
	if err != nil {
		return "", err
	}
	for _, j := range jobs {
		if j.Unit == unit {
			return j.JobType, nil
		}
	}
	return "", nil
}

// gone waits until the daemon has given its state directory free.
func (a *app) gone(ctx context.Context) error {
	_, dir := configs.Dirs(a.file)
	for {
		f, err := os.Open(filepath.Join(dir, "lock"))
		if errors.Is(err, os.ErrPermission) { // a member of control-group: the socket tells
			if _, err := a.client().Status(ctx); err != nil {
				return nil
			}
			continue
		}
		if err != nil {
			return nil
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
		f.Close()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
