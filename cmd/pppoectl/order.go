package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/control"
)

// patience is how long up and restart wait unless told otherwise.
const patience = 30 * time.Second

func newUp(a *app) *cobra.Command {
	wait := patience
	cmd := &cobra.Command{
		Use: "up NAME", Short: "bring an uplink up, and wait until it is usable",
		Long: `Bring an uplink up, and wait until it is usable.

The running daemon is asked; without one the system service is started if it is installed, else a
daemon in the background that dials this uplink alone.`,
		Args: oneName, ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error { return a.up(cmd.Context(), args[0], wait) },
	}
	cmd.Flags().DurationVar(&wait, "wait", wait, "how long to wait")
	return cmd
}

func newRestart(a *app) *cobra.Command {
	wait := patience
	cmd := &cobra.Command{
		Use: "restart NAME", Short: "end an uplink's session and dial at once",
		Args: oneName, ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.client().Order(cmd.Context(), args[0], "restart", wait)
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", wait, "how long to wait until it is usable")
	return cmd
}

func newDown(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "down NAME", Short: "end an uplink's session; it stays down, over restarts too, until `up`",
		Args: oneName, ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.client().Order(cmd.Context(), args[0], "down", 0)
		},
	}
}

func newReload(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "reload", Short: "have the daemon read its configuration again", Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.client().Reload(cmd.Context()) },
	}
}

// up asks the daemon, and sees to it that there is one.
func (a *app) up(ctx context.Context, name string, wait time.Duration) error {
	client := a.client()
	err := client.Order(ctx, name, "up", wait)
	var c *cause.Error
	if !errors.As(err, &c) || c.Code != cause.NotRunning {
		return err
	}
	if err := a.startDaemon(ctx, client, name); err != nil {
		return err
	}
	return client.Order(ctx, name, "up", wait)
}

// startDaemon starts the system service or, without one, a daemon for name.
func (a *app) startDaemon(ctx context.Context, client *control.Client, name string) error {
	if unit := a.serviceUnit(); unit != "" {
		fmt.Fprintf(os.Stderr, "pppoectl: starting %s\n", unit)
		if out, err := exec.CommandContext(ctx, "systemctl", "start", unit).CombinedOutput(); err != nil {
			return fmt.Errorf("systemctl start %s: %w: %s", unit, err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	cfg, err := a.config()
	if err != nil {
		return err
	}
	if _, ok := cfg.Uplink(name); !ok {
		return cause.Errorf(cause.Unknown, "%s: no uplink is called %q", cfg.File, name)
	}
	if err := privileged(); err != nil {
		return err
	}
	if len(cfg.Unchecked) > 0 {
		return configs.Errors(cfg.Unchecked)
	}
	return a.spawn(ctx, client, cfg, name)
}

// serviceUnit returns the installed systemd unit, where systemd runs and it is
// the one that is meant: with the default configuration, and in the network
// namespace that systemd is in.
func (a *app) serviceUnit() string {
	ours, err := os.Stat("/proc/self/ns/net")
	theirs, err1 := os.Stat("/proc/1/ns/net")
	if a.file != configs.DefaultFile || err != nil || err1 != nil || !os.SameFile(ours, theirs) {
		return ""
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return ""
	}
	for _, dir := range []string{"/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"} {
		if _, err := os.Stat(filepath.Join(dir, "pppoectl.service")); err == nil {
			return "pppoectl.service"
		}
	}
	return ""
}

// spawn starts a daemon in the background and waits until it answers.
func (a *app) spawn(ctx context.Context, client *control.Client, cfg *configs.Config, name string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.RunDir, 0o755); err != nil {
		return err
	}
	file, err := filepath.Abs(a.file)
	if err != nil {
		return err
	}
	log := filepath.Join(cfg.RunDir, "pppoectl.log")
	// What is not logging ends up here: why it could not start, or a crash.
	first := filepath.Join(cfg.RunDir, "pppoectl.stderr")
	if info, err := os.Stat(first); err == nil && info.Size() > 0 {
		if err := os.Rename(first, first+".1"); err != nil {
			return err
		}
	}
	stderr, err := os.OpenFile(first, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o640)
	if err != nil {
		return err
	}
	defer stderr.Close()
	cmd := exec.Command(self, "-c", file, "run", "--log-file", log, name)
	cmd.Dir = "/"
	cmd.Stderr = stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	// The daemon is not to hold on to what the caller has open, a lock for one.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			if answers(ctx, client, startRace) {
				return nil // somebody else has started one at the same time
			}
			return startFailed(first, err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := client.Status(ctx); err == nil {
			fmt.Fprintf(os.Stderr, "pppoectl: started in the background (pid %d); its log is %s\n", cmd.Process.Pid, log)
			return nil
		}
	}
}

// startRace is how long the daemon that was quicker than ours may take to answer.
const startRace = 2 * time.Second

// answers waits for a daemon to answer.
func answers(ctx context.Context, client *control.Client, wait time.Duration) bool {
	for end := time.Now().Add(wait); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		if _, err := client.Status(ctx); err == nil {
			return true
		}
	}
	return false
}

// startFailed tells what the daemon said before it ended.
func startFailed(file string, err error) error {
	said, _ := os.ReadFile(file)
	text := strings.TrimPrefix(strings.TrimSpace(string(said)), "pppoectl: ")
	var exit *exec.ExitError
	if text == "" || !errors.As(err, &exit) {
		return fmt.Errorf("the daemon ended at once: %v %s", err, text)
	}
	switch exit.ExitCode() {
	case cause.ExitPrivilege:
		return &privilegeError{text}
	case cause.ExitUsage:
		return usageError{errors.New(text)}
	}
	return errors.New(text)
}
