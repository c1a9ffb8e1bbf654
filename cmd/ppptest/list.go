package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pppoectl/conformance"
)

// selection says which cases are meant.
type selection struct {
	pattern   string
	file      string
	noHostile bool
}

func (s *selection) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.pattern, "run", "", "only cases whose name matches this regular `EXPRESSION`")
	cmd.Flags().StringVar(&s.file, "cases", "", "further cases, from a `FILE` of your own")
	cmd.Flags().BoolVar(&s.noHostile, "no-hostile", false, "no frames that a good peer does not send")
}

// cases returns what is selected; for one role, if one is given.
func (s *selection) cases(role conformance.Role) ([]conformance.Case, error) {
	all, err := conformance.Cases()
	if err != nil {
		return nil, err
	}
	if s.file != "" {
		text, err := os.ReadFile(s.file)
		if err != nil {
			return nil, usageError{fmt.Errorf("--cases: %w", err)}
		}
		more, err := conformance.Parse(s.file, string(text))
		if err != nil {
			return nil, usageError{err}
		}
		all = append(all, more...)
	}
	want, err := regexp.Compile(s.pattern)
	if err != nil {
		return nil, usageError{fmt.Errorf("--run: %w", err)}
	}
	var some []conformance.Case
	for _, c := range all {
		if (role == "" || c.Asks(role)) && want.MatchString(c.Name) && !(s.noHostile && c.Hostile) {
			some = append(some, c)
		}
	}
	slices.SortStableFunc(some, func(a, b conformance.Case) int { return hostility(a) - hostility(b) })
	if len(some) == 0 {
		return nil, usageError{fmt.Errorf("--run: no case has a name like %q; see `ppptest list`", s.pattern)}
	}
	return some, nil
}

// hostility orders cases: hostile ones come last, those of your own as well.
func hostility(c conformance.Case) int {
	if c.Hostile {
		return 1
	}
	return 0
}

func newList() *cobra.Command {
	var s selection
	var steps bool
	cmd := &cobra.Command{
		Use: "list", Short: "list the cases", Args: noMore,
		RunE: func(*cobra.Command, []string) error {
			cases, err := s.cases("")
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			defer w.Flush()
			for _, c := range cases {
				who := string(c.Peer)
				if who == "" {
					who = "both"
				}
				if c.Hostile {
					who += ", hostile"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Name, c.Section, who, c.Says)
				if !steps {
					continue
				}
				if len(c.Needs) > 0 {
					fmt.Fprintf(w, "    needs %s\n", strings.Join(c.Needs, " "))
				}
				fmt.Fprintf(w, "    at %v\n", c.At)
				for _, step := range c.Steps {
					fmt.Fprintf(w, "    %s\n", step.Text)
				}
			}
			return nil
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVarP(&steps, "verbose", "v", false, "with what is sent, and what must come")
	return cmd
}
