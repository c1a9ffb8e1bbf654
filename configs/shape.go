package configs

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// checkShape compares the file with the shape of raw: keys that there are, and
// the types of their values. It never prints a password.
func checkShape(file string) []string {
	b, err := os.ReadFile(file)
	if err != nil {
		return []string{file + ": " + oneLine(err.Error())}
	}
	var document yaml.Node
	if err := yaml.Unmarshal(b, &document); err != nil {
		return []string{file + ": " + oneLine(err.Error())}
	}
	s := shape{file: file}
	for _, n := range document.Content {
		s.check(n, reflect.TypeFor[raw](), "")
	}
	return s.lines
}

type shape struct {
	file  string
	lines []string
}

func (s *shape) wrong(path, format string, args ...any) {
	if path != "" {
		path += ": "
	}
	s.lines = append(s.lines, fmt.Sprintf("%s: %s%s", s.file, path, fmt.Sprintf(format, args...)))
}

// check compares one value with the type that raw has for it.
func (s *shape) check(n *yaml.Node, t reflect.Type, path string) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.ShortTag() == "!!null" {
		return // as if the key were not there
	}
	switch t.Kind() {
	case reflect.Pointer:
		s.check(n, t.Elem(), path)
	case reflect.Struct:
		s.checkTable(n, t, path)
	case reflect.Map:
		if !s.is(n, yaml.MappingNode, path, "a table of keys") {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			s.checkName(n.Content[i].Value, path)
			s.check(n.Content[i+1], t.Elem(), path+"."+n.Content[i].Value)
		}
	case reflect.Slice:
		if !s.is(n, yaml.SequenceNode, path, "a list") {
			return
		}
		for i, e := range n.Content {
			s.check(e, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	default:
		s.checkScalar(n, t, path)
	}
}

// checkName checks the name of an uplink, as it is written: viper would make
// capitals small.
func (s *shape) checkName(name, path string) {
	if !uplinkName.MatchString(name) {
		s.wrong(path+"."+name, "%q is no name of an uplink; 1 to 15 of a-z 0-9 _ -, a letter first", name)
	}
}

func (s *shape) checkTable(n *yaml.Node, t reflect.Type, path string) {
	if !s.is(n, yaml.MappingNode, path, "a table of keys") {
		return
	}
	var known []string
	for i := range t.NumField() {
		known = append(known, t.Field(i).Tag.Get("mapstructure"))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		at := key
		if path != "" {
			at = path + "." + key
		}
		field := slices.Index(known, key)
		if field < 0 {
			s.wrong(at, "unknown key%s", suggestion(key, known))
			continue
		}
		s.check(n.Content[i+1], t.Field(field).Type, at)
	}
}

func (s *shape) is(n *yaml.Node, kind yaml.Kind, path, want string) bool {
	if n.Kind != kind {
		s.wrong(path, "%s is of the wrong type; it must be %s", show(n, path), want)
		return false
	}
	return true
}

func (s *shape) checkScalar(n *yaml.Node, t reflect.Type, path string) {
	if t == reflect.TypeFor[time.Duration]() {
		s.checkDuration(n, path)
		return
	}
	tag, want := "!!str", "text (put it in quotes)"
	switch t.Kind() {
	case reflect.Bool:
		tag, want = "!!bool", "true or false"
	case reflect.Int:
		tag, want = "!!int", "a whole number"
	}
	_, notInt := strconv.ParseInt(n.Value, 0, 32)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != tag || tag == "!!int" && notInt != nil {
		s.wrong(path, "%s is of the wrong type; it must be %s", show(n, path), want)
	}
}

func (s *shape) checkDuration(n *yaml.Node, path string) {
	const like = "a duration looks like 10s or 2m"
	_, err := time.ParseDuration(n.Value)
	switch {
	case n.Kind == yaml.ScalarNode && err == nil && n.ShortTag() == "!!str":
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int" && n.Value == "0":
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int":
		s.wrong(path, "%s has no unit; %s", n.Value, like)
	default:
		s.wrong(path, "%s is no duration; %s", show(n, path), like)
	}
}

// show prints a value as it was meant, in short, unless it is a password.
func show(n *yaml.Node, path string) string {
	if strings.HasSuffix(path, ".password") {
		return "what stands there"
	}
	switch n.Kind {
	case yaml.MappingNode:
		return "a table"
	case yaml.SequenceNode:
		if len(n.Content) == 1 && n.Content[0].Kind == yaml.ScalarNode {
			return "[" + n.Content[0].Value + "]"
		}
		return "a list"
	}
	if n.ShortTag() == "!!str" {
		return strconv.Quote(n.Value)
	}
	return n.Value
}

// suggestion names the known key that is nearest to a misspelt one.
func suggestion(name string, known []string) string {
	best, at := "", 3
	for _, k := range known {
		if d := distance(name, k); d < at {
			best, at = k, d
		}
	}
	for _, k := range known {
		if best == "" && len(k) > 2 && strings.HasPrefix(name, k) {
			best = k
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// distance is the number of letters to change, add or leave out (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
