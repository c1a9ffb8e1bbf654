package main

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pppoectl/conformance"
)

// column is what came of all runs of one implementation.
type column struct {
	name    string
	runs    []report
	results map[string]outcome
}

// worst orders the kinds: a cell is the worst of its runs. A run in which the
// case was skipped says nothing.
var worst = map[conformance.Kind]int{conformance.Skip: 0, conformance.Pass: 1, conformance.Unreached: 2, conformance.Fail: 3}

// merged returns the worst result of each case over the column's runs.
func (c *column) merged() map[string]outcome {
	all := map[string]outcome{}
	for _, run := range c.runs {
		for _, r := range run.Results {
			if before, ok := all[r.Case]; !ok || worst[r.Kind] > worst[before.Kind] {
				all[r.Case] = r
			}
		}
	}
	return all
}

const preface = `# Who does what the RFCs say

Each row is a case: what is asked of a peer, and the section of the RFC that says so. Each column is an implementation that was
asked over an interface. A cell that fails has a note at the end: what was expected, what came, and all frames in a capture.

| cell | |
|---|---|
| pass | it does so |
| FAIL | it does not |
| - | it is not asked: the case is for the other end, or for a part that it does not have |
| ? | the session did not come as far as the case begins, or the case was not played |

**hostile** cases hold frames that no good peer sends.
`

// markdown writes columns beside each other, cases by RFC. Links to captures
// are relative to folder.
func markdown(w io.Writer, folder string, columns []column) error {
	p := &printer{w: w}
	p.f("%s\n", preface)
	rows := map[string]outcome{}
	for i := range columns {
		columns[i].results = columns[i].merged()
		for name, r := range columns[i].results {
			rows[name] = r
		}
	}
	p.totals(columns)
	order := make([]outcome, 0, len(rows))
	for _, r := range rows {
		order = append(order, r)
	}
	slices.SortFunc(order, func(a, b outcome) int {
		return cmp.Or(number(a.RFC)-number(b.RFC), sections(a.Section, b.Section), cmp.Compare(a.Case, b.Case))
	})
	var notes []string
	rfc := ""
	for _, row := range order {
		if row.RFC != rfc {
			rfc = row.RFC
			p.f("\n## RFC %s\n\n| section | case |", rfc)
			for _, c := range columns {
				p.f(" %s |", cell(c.name))
			}
			p.f("\n|---|---|%s\n", strings.Repeat("---|", len(columns)))
		}
		says := cell(row.Says)
		if row.Hostile {
			says += " **hostile**"
		}
		p.f("| %s | `%s`: %s |", cell(row.Section), strings.TrimPrefix(row.Case, rfc+"/"), says)
		for _, c := range columns {
			r, played := c.results[row.Case]
			text := mark(r, played)
			if r.Kind == conformance.Fail {
				notes = append(notes, note(len(notes)+1, c.name, r, folder))
				text += fmt.Sprintf(" [%d](#note-%d)", len(notes), len(notes))
			}
			p.f(" %s |", text)
		}
		p.f("\n")
	}
	if len(notes) > 0 {
		p.f("\n## Notes\n\n%s\n", strings.Join(notes, "\n"))
	}
	return p.err
}

// totals writes how many cells are of which kind.
func (p *printer) totals(columns []column) {
	p.f("| | pass | FAIL | - | ? |\n|---|---|---|---|---|\n")
	for _, c := range columns {
		n := map[conformance.Kind]int{}
		for _, r := range c.results {
			n[r.Kind]++
		}
		p.f("| %s, %s | %d | %d | %d | %d |\n", cell(c.name), roles(c.runs), n[conformance.Pass], n[conformance.Fail], n[conformance.Skip], n[conformance.Unreached])
	}
}

// roles says as what an implementation was asked.
func roles(runs []report) string {
	var all []string
	for _, r := range runs {
		if !slices.Contains(all, string(r.Role)) {
			all = append(all, string(r.Role))
		}
	}
	return strings.Join(all, " and ")
}

func mark(r outcome, played bool) string {
	switch {
	case !played || r.Kind == conformance.Skip:
		return "-"
	case r.Kind == conformance.Fail:
		return "FAIL"
	case r.Kind == conformance.Unreached:
		return "?"
	}
	return "pass"
}

// note tells of a failure. Its text has words of the peer's in it.
func note(n int, name string, r outcome, folder string) string {
	text := fmt.Sprintf("%d. <a id=\"note-%d\"></a>%s, `%s`: %s", n, n, cell(name), r.Case, cell(r.Text))
	if r.Capture == "" {
		return text
	}
	return text + fmt.Sprintf(" ([capture](%s))", relative(folder, r.Capture))
}

// relative returns path as it is reached from folder; as it is, if it is not.
func relative(folder, path string) string {
	from, err1 := filepath.Abs(folder)
	to, err2 := filepath.Abs(path)
	if r, err := filepath.Rel(from, to); err1 == nil && err2 == nil && err == nil {
		return filepath.ToSlash(r)
	}
	return path
}

// cell returns text that stands in a table of Markdown.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(text)
}

// sections compares section numbers: 5.4 comes before 5.10.
func sections(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(a, b string) int {
		return cmp.Or(number(a)-number(b), cmp.Compare(a, b))
	})
}

func number(s string) int { n, _ := strconv.Atoi(s); return n }

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) f(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
