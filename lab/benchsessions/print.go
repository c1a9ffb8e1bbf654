package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// row is a figure of each size; the plot shows some of them.
type row struct {
	name, unit string
	format     string
	value      func(size) float64
}

const mib = 1 << 20

// The rows. A session's share of the memory is less with many of them: the program itself is
// in it.
var (
	rowUp   = row{"all up after", "s", "%.2f", func(s size) float64 { return s.Up }}
	rowRSS  = row{"RSS, idle", "MiB", "%.1f", func(s size) float64 { return float64(s.RSS) / mib }}
	rowIdle = row{"CPU, idle", "% of a core", "%.3f", func(s size) float64 { return 100 * s.IdleCPU }}
	rowDown = row{"TCP down, all streams", "Gbit/s", "%.2f", func(s size) float64 { return s.Down.Rate }}
	rowAway = row{"TCP up, all streams", "Gbit/s", "%.2f", func(s size) float64 { return s.UpLoad.Rate }}

	rows = []row{
		rowUp,
		{"CPU until then", "s", "%.3f", func(s size) float64 { return s.UpCPU }},
		{"  each session", "ms", "%.2f", func(s size) float64 { return 1000 * s.UpCPU / float64(s.Sessions) }},
		rowRSS,
		{"  each session", "KiB", "%.0f", func(s size) float64 { return float64(s.RSS) / 1024 / float64(s.Sessions) }},
		rowIdle,
		{"  each session", "% of a core", "%.4f", func(s size) float64 { return 100 * s.IdleCPU / float64(s.Sessions) }},
		{"TCP streams", "", "%.0f", func(s size) float64 { return float64(s.Streams) }},
		rowDown,
		{"  streams that flow", "", "%.0f", func(s size) float64 { return float64(s.Down.Flowing) }},
		{"  CPU", "s/GB", "%.2f", func(s size) float64 { return s.Down.CPU }},
		{"  CPU of fletsim", "s/GB", "%.2f", func(s size) float64 { return s.Down.Fletsim }},
		rowAway,
		{"  streams that flow", "", "%.0f", func(s size) float64 { return float64(s.UpLoad.Flowing) }},
		{"  CPU", "s/GB", "%.2f", func(s size) float64 { return s.UpLoad.CPU }},
		{"  CPU of fletsim", "s/GB", "%.2f", func(s size) float64 { return s.UpLoad.Fletsim }},
		{"RSS, after that", "MiB", "%.1f", func(s size) float64 { return float64(s.LoadedRSS) / mib }},
		{"sessions lost", "", "%.0f", func(s size) float64 { return float64(s.Lost) }},
	}
)

// printTable prints a row for each figure and a column for each size.
func printTable(w io.Writer, f figures) {
	fmt.Fprintln(w, f.Machine)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "sessions\t\t")
	for _, s := range f.Sizes {
		fmt.Fprintf(t, "%d\t", s.Sessions)
	}
	fmt.Fprintln(t)
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t", r.name, r.unit)
		for _, s := range f.Sizes {
			fmt.Fprintf(t, r.format+"\t", r.value(s))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
}
