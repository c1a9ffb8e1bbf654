package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/control"
)

func newApply(a *app) *cobra.Command {
	var within time.Duration
	cmd := &cobra.Command{
		Use: "apply FILE", Short: "take a new configuration, for good or until it is confirmed",
		Long: `Take the configuration in FILE (- is standard input). Only uplinks that it concerns are touched.

With --confirm-within, it becomes the configuration file only when it is confirmed in time, by
` + "`pppoectl confirm`" + `; else the old one returns by itself, also over a crash or a reboot in between: the
way to change a router over the link that it carries.`,
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			text, name, err := readConfig(args[0])
			if err != nil {
				return err
			}
			t, err := a.client().Apply(cmd.Context(), text, name, within)
			if err != nil {
				return err
			}
			printSteps(cmd.OutOrStdout(), t)
			if t.Until != nil {
				fmt.Fprintf(os.Stderr, "pppoectl: `pppoectl confirm` makes it permanent; else the old configuration returns at %s\n", t.Until.Local().Format(time.TimeOnly))
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&within, "confirm-within", 0, "how long it may wait to be confirmed; 0: it is permanent at once")
	return cmd
}

func newConfirm(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "confirm", Short: "make the configuration that was applied permanent", Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.client().Confirm(cmd.Context()) },
	}
}

func newPlan(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "plan FILE", Short: "print what a new configuration would change, and what that needs",
		Long: `Print what the configuration in FILE (- is standard input) would change, compared with that of the
daemon or, without one, of the configuration file. It changes nothing.`,
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			text, name, err := readConfig(args[0])
			if err != nil {
				return err
			}
			t, err := a.plan(cmd.Context(), text, name)
			if err == nil {
				printSteps(cmd.OutOrStdout(), t)
			}
			return err
		},
	}
}

// plan asks the daemon, or compares with the configuration file if there is none.
func (a *app) plan(ctx context.Context, text []byte, name string) (control.Trial, error) {
	t, err := a.client().Plan(ctx, text, name)
	var c *cause.Error
	if !errors.As(err, &c) || c.Code != cause.NotRunning || name == stdin {
		return t, err
	}
	old, err := a.config()
	if err != nil {
		return t, err
	}
	next, err := configs.Load(name)
	if err != nil {
		return t, err
	}
	t.Steps = lines(configs.Plan(old, next))
	return t, nil
}

const stdin = "standard input"

// readConfig returns the content of a configuration file and its name for people.
func readConfig(file string) ([]byte, string, error) {
	if file == "-" {
		text, err := io.ReadAll(os.Stdin)
		return text, stdin, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, "", usageError{err}
	}
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	return text, file, nil
}

func printSteps(w io.Writer, t control.Trial) {
	if len(t.Steps) == 0 {
		fmt.Fprintln(w, "nothing changes")
	}
	for _, s := range t.Steps {
		fmt.Fprintln(w, s)
	}
}

// oneFile wants the name of a file and nothing else.
func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s: it takes one FILE, such as `%s new.yaml`", cmd.Name(), cmd.CommandPath())
	}
	return nil
}
