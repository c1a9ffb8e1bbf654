// Command pppoectl brings PPPoE sessions up and keeps them up.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/control"
)

// version is set by the linker for releases.
var version = "0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:]))
}

// execute runs the command line and returns the exit status.
func execute(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return cause.ExitOK
	}
	var said saidError
	if errors.As(err, &said) {
		return said.status
	}
	fmt.Fprintln(os.Stderr, "pppoectl:", err)
	return exitStatus(err)
}

// saidError is an exit status whose reason has been told already.
type saidError struct{ status int }

func (saidError) Error() string { return "told already" }

// privilegeError says that the user may not do what was asked.
type privilegeError struct{ message string }

func (e *privilegeError) Error() string { return e.message }

// usageError says that the command line makes no sense.
type usageError struct{ error }

func exitStatus(err error) int {
	var c *cause.Error
	var p *privilegeError
	var u usageError
	var bad configs.Errors
	switch {
	case errors.As(err, &c):
		return c.Code.Exit()
	case errors.As(err, &p):
		return cause.ExitPrivilege
	case errors.As(err, &bad), errors.As(err, &u):
		return cause.ExitUsage
	}
	return cause.ExitFailed
}

// app is what all commands share.
type app struct{ file string }

func (a *app) config() (*configs.Config, error) { return configs.Load(a.file) }

// client returns a client for the daemon of the configuration; a configuration
// that cannot be read must not keep anybody from a daemon that runs.
func (a *app) client() *control.Client {
	runDir, _ := configs.Dirs(a.file)
	return control.NewClient(runDir)
}

func newRoot() *cobra.Command {
	a := &app{}
	root := &cobra.Command{
		Use:           "pppoectl",
		Short:         "PPPoE sessions for dual-stack NTT Flets uplinks",
		Long:          "pppoectl brings PPPoE sessions up and keeps them up: the replacement for rp-pppoe, pppd and their scripts.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          nothing,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
	})
	root.PersistentFlags().StringVarP(&a.file, "config", "c", configs.DefaultFile, "configuration file")
	root.AddCommand(
		newRun(a), newUp(a), newDown(a), newRestart(a), newStatus(a), newStop(a), newReload(a), newUpgrade(a),
		newPlan(a), newApply(a), newConfirm(a), newDiscover(), newRelease(a), newCheck(a), newEvents(a), newHistory(a), newCapture(a), newClean(a), newDemo(), newVersion(),
	)
	for _, c := range root.Commands() {
		c.Args = usageArgs(c.Args)
	}
	root.Args = usageArgs(func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("%q is no command", args[0])
		}
		return nil
	})
	return root
}

// usageArgs makes complaints about arguments usage errors.
func usageArgs(f cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if f == nil {
			return nil
		}
		if err := f(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
		}
		return nil
	}
}

// oneName wants the name of an uplink and nothing else.
func oneName(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return fmt.Errorf("%s: the NAME of an uplink is missing, such as `%s bizf6`", cmd.Name(), cmd.CommandPath())
	case 1:
		return nil
	}
	return fmt.Errorf("%s: %q is one too many; it takes one NAME", cmd.Name(), args[1])
}

// atMostOneName wants the name of an uplink or nothing.
func atMostOneName(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return oneName(cmd, args)
}

// nothing wants no arguments.
func nothing(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %q is one too many; it takes no arguments", cmd.Name(), args[0])
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: nothing,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), version) },
	}
}
