package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"pppoectl/demo"
)

func newDemo() *cobra.Command {
	cmd := &cobra.Command{
		Use: "demo", Short: "show it all on a Flets line in a box, in a few seconds; needs root and leaves nothing behind",
		Long: `Show it all on a Flets line in a box: both sessions up, packets through both, faults, the recovery.

Everything happens in namespaces of its own: your network, your configuration and a daemon that runs
are not touched, and nothing is left behind, however it ends.`,
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := demoPrivileged(); err != nil {
				return err
			}
			err := demo.Run(cmd.Context(), os.Stdout, os.Stderr, goRun(), "demo", "stage")
			var ended *exec.ExitError
			switch {
			case errors.Is(err, demo.ErrPrivilege):
				return &privilegeError{"demo: " + err.Error()}
			case errors.As(err, &ended) && ended.Exited():
				return saidError{ended.ExitCode()}
			case err != nil:
				return fmt.Errorf("demo: %w", err)
			}
			return nil
		},
	}
	cmd.AddCommand(
		&cobra.Command{Use: "stage", Hidden: true, Args: nothing, RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Stage(cmd.Context(), os.Stdout, os.Stderr, "demo", "line")
		}},
		&cobra.Command{Use: "line", Hidden: true, Args: nothing, RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Line(cmd.Context(), os.Stdin, os.Stdout)
		}},
	)
	return cmd
}

// demoPrivileged says what is missing for a demo, and how to come by it.
func demoPrivileged() error {
	if os.Geteuid() != 0 {
		return &privilegeError{"demo: it makes network namespaces, so it needs root: `sudo " + howStarted() + "`"}
	}
	return privileged()
}

// howStarted returns what to type again.
func howStarted() string {
	if self, err := os.Executable(); err == nil && !goRun() {
		return self + " demo"
	}
	return "go run ./cmd/pppoectl demo"
}

// goRun reports whether `go run` has started this program.
func goRun() bool {
	self, err := os.Executable()
	return err == nil && strings.Contains(self, "/go-build")
}
