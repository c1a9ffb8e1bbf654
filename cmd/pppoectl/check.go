package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"pppoectl/configs"
)

func newCheck(a *app) *cobra.Command {
	var reference bool
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
			fmt.Fprintf(cmd.OutOrStdout(), "%s: fine, %d uplink%s\n", cfg.File, len(cfg.Uplinks), plural)
			return nil
		},
	}
	cmd.Flags().BoolVar(&reference, "reference", false, "print a configuration that documents every key")
	return cmd
}
