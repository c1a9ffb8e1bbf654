package main

import (
	"errors"
	"fmt"
	"os"
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
			err := demo.Run(cmd.Context(), os.Stdout, os.Stderr, "demo", "stage")
			if errors.Is(err, demo.ErrPrivilege) {
				return &privilegeError{err.Error()}
			}
			if err != nil {
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
	if self, err := os.Executable(); err == nil && !temporary(self) {
		return self + " demo"
	}
	return "go run ./cmd/pppoectl demo"
}

// temporary reports whether a program is one of `go run`.
func temporary(path string) bool { return strings.Contains(path, "/go-build") }
