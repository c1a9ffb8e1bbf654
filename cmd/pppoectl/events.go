package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/state"
)

func newEvents(a *app) *cobra.Command {
	var follow, asJSON bool
	var since string
	cmd := &cobra.Command{
		Use: "events [NAME]", Short: "print what has happened",
		Long: `Print what has happened, the oldest first: of one uplink, or of all.

Without a daemon root reads what is on disk.`,
		Example: "  pppoectl events bizf6 --since 24h\n  pppoectl events --since \"2026-11-23 04:00\" --json\n  pppoectl events -f",
		Args:    atMostOneName, ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			from, err := parseSince(since, time.Now())
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			show := func(e state.Event) error {
				if asJSON {
					return json.NewEncoder(out).Encode(e)
				}
				return printEvent(out, e)
			}
			err = a.client().Events(cmd.Context(), name, from, follow, show)
			if follow || !notRunning(err) {
				return err
			}
			return a.storedEvents(name, from, err, show)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens next")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	addSince(cmd, &since)
	return cmd
}

// storedEvents shows what is on disk; otherwise says why the daemon could not tell.
func (a *app) storedEvents(name string, since time.Time, otherwise error, show func(state.Event) error) error {
	_, dir := configs.Dirs(a.file)
	all, err := state.ReadEvents(dir, name)
	if err != nil || len(all) == 0 {
		return otherwise
	}
	for _, e := range all {
		if e.Time.Before(since) {
			continue
		}
		if err := show(e); err != nil {
			return err
		}
	}
	return nil
}

func notRunning(err error) bool {
	var c *cause.Error
	return errors.As(err, &c) && c.Code == cause.NotRunning
}

func addSince(cmd *cobra.Command, since *string) {
	cmd.Flags().StringVar(since, "since", "", "from then on: 90m, 24h, 7d ago, or a time such as 2026-11-23 or \"2026-11-23 04:05\"")
}

// parseSince reads a time, or how long ago that was; nothing is the beginning.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	hours := s
	var days int
	if n, err := fmt.Sscanf(s, "%dd", &days); err == nil && n == 1 && s == fmt.Sprintf("%dd", days) {
		hours = fmt.Sprintf("%dh", 24*days)
	}
	if d, err := time.ParseDuration(hours); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError{fmt.Errorf("--since: %q is neither a duration such as 24h or 7d, nor a time such as 2026-11-23 or \"2026-11-23 04:05\"", s)}
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
