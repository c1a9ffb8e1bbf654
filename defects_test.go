package pppoectl_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const defects = "docs/defects.md"

// named is a test as the table names it: its room, its function, and maybe one of its cases.
var named = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz|Example)[A-Za-z0-9]*)(?:/([^`]+))?`")

// Each defect of others has a test that exists, or the reason why there is none.
func TestDefectsHaveTheirTests(t *testing.T) {
	text, err := os.ReadFile(defects)
	if err != nil {
		t.Fatal(err)
	}
	rooms := map[string]room{}
	cases, sections, in := map[string]bool{}, 0, false
	for n, line := range strings.Split(string(text), "\n") {
		at := defects + ":" + strconv.Itoa(n+1)
		if strings.HasPrefix(line, "## ") {
			sections++
		}
		table := strings.HasPrefix(line, "| ")
		if !table || !in { // the first line of a table is its heading
			in = table
			continue
		}
		if strings.HasPrefix(line, "| --- ") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 4 {
			t.Errorf("%s: %d cells, want 4", at, len(cells))
			continue
		}
		if cases[cells[0]] {
			t.Errorf("%s: stands there twice: %s", at, cells[0])
		}
		cases[cells[0]] = true
		test := strings.TrimSpace(cells[3])
		if strings.HasPrefix(test, "none: ") && len(test) > len("none: ") {
			continue
		}
		list := named.FindAllStringSubmatch(test, -1)
		if len(list) == 0 {
			t.Errorf("%s: neither a test nor a reason: %q", at, test)
		}
		if left := strings.Trim(named.ReplaceAllString(test, ""), ", "); left != "" {
			t.Errorf("%s: no test is called %q", at, left)
		}
		for _, m := range list {
			if rooms[m[1]] == nil {
				rooms[m[1]] = testsOf(t, m[1])
			}
			if words, ok := rooms[m[1]][m[2]]; !ok {
				t.Errorf("%s: %s has no %s", at, m[1], m[2])
			} else if m[3] != "" && !strings.Contains(words, m[3]) {
				t.Errorf("%s: %s.%s has no case %q", at, m[1], m[2], m[3])
			}
		}
	}
	if sections != 4 || len(cases) < 100 {
		t.Errorf("%d sections with %d cases are read", sections, len(cases))
	}
}

// room has the test functions of a directory, each with the words of its file.
type room map[string]string

func testsOf(t *testing.T, dir string) room {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	r := room{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil {
					words = append(words, s)
				}
			}
			return true
		})
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil {
				r[d.Name.Name] = strings.Join(words, "\x00")
			}
		}
	}
	return r
}
