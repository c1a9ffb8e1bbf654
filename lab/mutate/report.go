package main

import (
	"bufio"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

//go:embed equivalent.txt
var equivalents string

// equivalent is an entry of equivalent.txt: a mutant that no test can notice, or need
// not.
type equivalent struct {
	reason string
	met    bool // with a mutant that survived
}

// readEquivalents reads equivalent.txt: paragraphs that begin with a reason, in lines
// that begin with #, and go on with mutants, as file function: before -> after.
func readEquivalents() (map[string]*equivalent, error) {
	known := map[string]*equivalent{}
	reason := ""
	for s := bufio.NewScanner(strings.NewReader(equivalents)); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		comment, isReason := strings.CutPrefix(line, "#")
		switch {
		case line == "":
			reason = ""
		case isReason:
			reason += comment
		case reason == "":
			return nil, fmt.Errorf("equivalent.txt: %q has no reason", line)
		default:
			known[line] = &equivalent{reason: reason}
		}
	}
	return known, nil
}

// count is what has become of the mutants of a package.
type count struct {
	of         map[outcome]int
	equivalent int
}

// report prints what has become of the mutants, and says whether all is well.
func report(o options, mutants []mutant, outcomes []outcome, known map[string]*equivalent) bool {
	counts := map[string]*count{}
	for _, p := range o.packages {
		counts[p] = &count{of: map[outcome]int{}}
	}
	ok := true
	for i, m := range mutants {
		c := counts[filepath.Dir(m.file)]
		e := known[m.key()]
		switch {
		case outcomes[i] == survived && e != nil:
			e.met = true
			c.equivalent++
		case outcomes[i] == survived:
			ok = false
			fallthrough
		default:
			c.of[outcomes[i]]++
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "package\tmutants\tkilled\ttimed out\tequivalent\tsurvived\t")
	for _, p := range o.packages {
		c := counts[p]
		total := c.of[killed] + c.of[timedOut] + c.equivalent + c.of[survived]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t\n", p, total, c.of[killed], c.of[timedOut], c.equivalent, c.of[survived])
	}
	w.Flush()
	if o.sample > 0 || o.run.String() != "" {
		return ok
	}
	for key, e := range known {
		if !e.met && slices.Contains(o.packages, filepath.Dir(strings.Fields(key)[0])) {
			fmt.Printf("equivalent.txt: no mutant that survives: %s\n", key)
			ok = false
		}
	}
	return ok
}
