package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"pppoectl/configs"
	"pppoectl/state"
)

// fine stands between the file and what is in it; upgrade looks for it.
const fine = ": fine, "

func newCheck(a *app) *cobra.Command {
	var reference, stored bool
	cmd := &cobra.Command{
		Use: "check", Short: "check the configuration; needs neither root nor the interface",
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reference {
				fmt.Fprint(cmd.OutOrStdout(), configs.Reference)
				return nil
			}
			cfg, err := a.config()
			if err != nil {
				return err
			}
			for _, w := range append(cfg.Warnings, cfg.Unchecked...) {
				fmt.Fprintln(os.Stderr, "pppoectl: warning:", w)
			}
			plural := "s"
			if len(cfg.Uplinks) == 1 {
				plural = ""
			}
			if stored {
				if err := state.Understood(cfg.StateDir); err != nil {
					return err
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s%s%d uplink%s\n", cfg.File, fine, len(cfg.Uplinks), plural)
			return nil
		},
	}
	cmd.Flags().BoolVar(&stored, "state", false, "check, too, that what is in the state directory can be read by this version")
	cmd.Flags().BoolVar(&reference, "reference", false, "print a configuration that documents every key")
	return cmd
}
