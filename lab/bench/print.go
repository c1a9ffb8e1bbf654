package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// printTable prints a row for each test: median, and the least and the most, of each path.
func printTable(w io.Writer, results []*result) {
	var paths, names []string
	cells := map[[2]string]*result{}
	for _, r := range results {
		if !slices.Contains(paths, r.Path) {
			paths = append(paths, r.Path)
		}
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
		cells[[2]string{r.Name, r.Path}] = r
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\t\t%s\n", strings.Join(paths, "\t"))
	for _, n := range names {
		row := func(unit string, figure func(*result) []float64) {
			texts := []string{}
			for _, p := range paths {
				text := "-"
				if r := cells[[2]string{n, p}]; r != nil && len(figure(r)) > 0 {
					text = figures(figure(r))
				}
				texts = append(texts, text)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\n", n, unit, strings.Join(texts, "\t"))
		}
		first := cells[[2]string{n, paths[0]}]
		for _, p := range paths {
			if first == nil {
				first = cells[[2]string{n, p}]
			}
		}
		row(first.Unit, func(r *result) []float64 { return r.Values })
		if len(first.CPU) > 0 {
			row("CPU s/GB", func(r *result) []float64 { return r.CPU })
		}
	}
	t.Flush()
}

func figures(v []float64) string {
	m := median(v)
	digits := 2
	if m >= 100 {
		digits = 0
	}
	if len(v) == 1 {
		return fmt.Sprintf("%.*f", digits, m)
	}
	return fmt.Sprintf("%.*f (%.*f-%.*f)", digits, m, digits, slices.Min(v), digits, slices.Max(v))
}

// ratios are those that are watched; where the kernel's PPPoE is there, those to it.
var (
	ratios       = [][2]string{{"ebpf", "plain"}, {"ebpf", "naive"}, {"offload", "naive"}}
	kernelRatios = [][2]string{{"ebpf", "kernel"}, {"offload", "kernel"}}
)

// printRatios prints a line for each direction, of one TCP stream with IPv4. A ratio is the
// median of those of the rounds: both of a round ran side by side.
func printRatios(w io.Writer, results []*result) {
	watched := ratios
	if find(results, "kernel", "down") != nil {
		watched = kernelRatios
	}
	for _, direction := range []string{"down", "up"} {
		line := "ratio " + direction
		for _, pair := range watched {
			a, b := find(results, pair[0], direction), find(results, pair[1], direction)
			if a == nil || b == nil {
				continue
			}
			var each []float64
			for i := range min(len(a.Values), len(b.Values)) {
				each = append(each, a.Values[i]/b.Values[i])
			}
			line += fmt.Sprintf(" %s/%s %.2g", pair[0], pair[1], median(each))
		}
		fmt.Fprintln(w, line)
	}
}

func find(results []*result, path, direction string) *result {
	for _, r := range results {
		if r.Path == path && r.Name == fmt.Sprintf("IPv4, TCP, 1 stream(s), %s", direction) {
			return r
		}
	}
	return nil
}
