package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/guptarohit/asciigraph"
	"github.com/spf13/cobra"

	"pppoectl/configs"
	"pppoectl/history"
	"pppoectl/state"
)

func newHistory(a *app) *cobra.Command {
	var asJSON bool
	var since string
	cmd := &cobra.Command{
		Use: "history NAME", Short: "print an uplink's drops, its availability, and the round trips by hour of the day",
		Long: `Print an uplink's drops with cause and duration, its availability day by day, and how LCP echoes
fared by the hour of the day, so that congestion in the evening is seen.

Time in which the uplink was not wanted, or pppoectl did not run, does not count. Two months
at least are kept. Without a daemon root reads what is on disk.`,
		Args: oneName, ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := parseSince(since, time.Now())
			if err != nil {
				return err
			}
			h, err := a.client().History(cmd.Context(), args[0], from)
			if notRunning(err) {
				_, dir := configs.Dirs(a.file)
				if records, failed := state.ReadHistory(dir, args[0], from); failed == nil && len(records) > 0 {
					h, err = history.Summarize(args[0], records, time.Local), nil
				}
			}
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(h)
			}
			printHistory(cmd.OutOrStdout(), h)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addSince(cmd, &since)
	return cmd
}

func printHistory(w io.Writer, h history.Summary) {
	if h.Observed == 0 && len(h.Drops) == 0 {
		fmt.Fprintf(w, "%s: nothing is known yet\n", h.Uplink)
		return
	}
	fmt.Fprintf(w, "%s: up for %s of %s since %s; %s\n", h.Uplink, percent(h.Availability),
		ago(seconds(h.Observed)), h.Since.Format(time.DateTime), counted(len(h.Drops), "drop"))
	if len(h.Drops) > 0 {
		fmt.Fprintln(w, "\ndrops")
	}
	for _, d := range h.Drops {
		after, back := "", "not up again"
		if d.Lasted > 0 {
			after = " after " + ago(time.Duration(d.Lasted)*time.Second)
		}
		if d.Away != nil {
			back = "up again after " + brief(seconds(*d.Away))
		}
		fmt.Fprintf(w, "  %s  %s%s, %s (%q)\n", d.At.Format(time.DateTime), d.Cause, after, back, d.Text)
	}
	fmt.Fprintln(w, "\navailability")
	for _, d := range h.Days {
		fmt.Fprintf(w, "  %s  %9s of %s, %s\n", d.Date, percent(d.Availability), ago(seconds(d.Observed)), counted(d.Drops, "drop"))
	}
	plot(w, "LCP echo, mean round trip in ms by hour of the day", h.Hours, func(e history.Hour) float64 { return e.Mean })
	plot(w, "LCP echo, % lost by hour of the day", h.Hours, func(e history.Hour) float64 { return 100 * e.Lost })
}

// Each hour is so many columns wide, in a plot so many rows high.
const (
	hourColumns = 3
	plotRows    = 6
)

// plot draws one figure of each hour, unless it is nought in all; hours without an echo are
// left blank.
func plot(w io.Writer, title string, hours []history.Hour, figure func(history.Hour) float64) {
	var values []float64
	most := 0.0
	for _, h := range hours {
		v := math.NaN()
		if h.Sent > 0 && (h.Mean > 0 || h.Lost > 0) {
			v = figure(h)
			most = max(most, v)
		}
		for range hourColumns {
			values = append(values, v)
		}
	}
	if most == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n%s\n", title, asciigraph.Plot(values, asciigraph.Height(plotRows), asciigraph.LowerBound(0),
		asciigraph.UpperBound(most), asciigraph.Precision(2), asciigraph.XAxisRange(0, 24), asciigraph.XAxisTickCount(9)))
}

// brief is ago, exact for what is over in no time.
func brief(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return ago(d)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// percent rounds down: only what never failed has 100 %.
func percent(share *float64) string {
	if share == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f %%", math.Floor(*share*1e5)/1e3)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
