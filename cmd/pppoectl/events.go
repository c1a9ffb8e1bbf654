package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pppoectl/state"
)

func newEvents(a *app) *cobra.Command {
	var follow, asJSON bool
	cmd := &cobra.Command{
		Use: "events [NAME]", Short: "print what has happened",
		Args: atMostOneName, ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			out := cmd.OutOrStdout()
			return a.client().Events(cmd.Context(), name, follow, func(e state.Event) error {
				if asJSON {
					return json.NewEncoder(out).Encode(e)
				}
				return printEvent(out, e)
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens next")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func printEvent(w io.Writer, e state.Event) error {
	line := fmt.Sprintf("%s %-8s %-14s %s", e.Time.Local().Format(time.DateTime), e.Uplink, e.Kind, e.Message)
	if e.Cause != "" {
		line += fmt.Sprintf(" [%s]", e.Cause)
	}
	if e.After > 0 {
		line += fmt.Sprintf(" after %v", time.Duration(e.After)*time.Second)
	}
	if e.Peer != "" && !strings.Contains(e.Message, fmt.Sprintf("%q", e.Peer)) {
		line += fmt.Sprintf(" (the AC said %q)", e.Peer)
	}
	_, err := fmt.Fprintln(w, line)
	return err
}
