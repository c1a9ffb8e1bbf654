package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func newCompare() *cobra.Command {
	var output string
	var names []string
	cmd := &cobra.Command{
		Use: "report -o FILE.md --name NAME RUN.json[,RUN.json...] ...", Short: "put runs of several implementations beside each other",
		Long: `Puts runs of several implementations (--format json) beside each other, in Markdown. Each argument is an
implementation: its runs, with commas between them. The names are given in the same order.`,
		Example: "  ppptest report -o conformance.md --name ours ipv4.json,ipv6.json --name pppd pppd.json",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(names) != len(args) {
				return usageError{fmt.Errorf("report: %d names for %d implementations; --name NAME RUN.json[,RUN.json...]", len(names), len(args))}
			}
			var columns []column
			for i, arg := range args {
				c := column{name: names[i]}
				for file := range strings.SplitSeq(arg, ",") {
					run, err := readRun(file)
					if err != nil {
						return usageError{err}
					}
					c.runs = append(c.runs, run)
				}
				columns = append(columns, c)
			}
			return writeReport(output, columns)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`, to which links to captures are relative")
	cmd.Flags().StringArrayVar(&names, "name", nil, "`NAME` of an implementation")
	return cmd
}

func readRun(file string) (run report, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return run, err
	}
	if err := json.Unmarshal(text, &run); err != nil {
		return run, fmt.Errorf("%s: %w", file, err)
	}
	return run, nil
}

func writeReport(output string, columns []column) error {
	if output == "" {
		return markdown(os.Stdout, ".", columns)
	}
	f, err := os.OpenFile(output, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return usageError{fmt.Errorf("-o: %w", err)}
	}
	return errors.Join(markdown(f, filepath.Dir(output), columns), f.Close())
}
