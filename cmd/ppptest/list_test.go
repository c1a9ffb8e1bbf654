package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pppoectl/conformance"
)

func TestSelection(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own.cases")
	text := "rfc 1661\n\ncase own-bad 5\nsays It stands it.\nhostile\nat up\nalive\n\ncase own-good 5\nsays It lives.\npeer ac\nat up\nalive\n"
	if err := os.WriteFile(own, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		s    selection
		role conformance.Role
		want []string
	}{
		{selection{pattern: "/own", file: own}, conformance.AC, []string{"1661/own-good", "1661/own-bad"}},
		{selection{pattern: "/own", file: own}, conformance.Client, []string{"1661/own-bad"}},
		{selection{pattern: "/own", file: own, noHostile: true}, conformance.AC, []string{"1661/own-good"}},
		{selection{pattern: "^1661/unknown-(code|option)$"}, "", []string{"1661/unknown-option", "1661/unknown-code"}},
	} {
		cases, err := c.s.cases(c.role)
		var got []string
		for _, one := range cases {
			got = append(got, one.Name)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%+v for %q: %v, %v; want %v", c.s, c.role, got, err, c.want)
		}
	}
}

// Hostile frames come last, whoever wrote the case; without any there are fewer.
func TestHostileCasesComeLast(t *testing.T) {
	all, err := (&selection{}).cases("")
	if err != nil {
		t.Fatal(err)
	}
	first := slices.IndexFunc(all, func(c conformance.Case) bool { return c.Hostile })
	if first <= 0 || slices.ContainsFunc(all[first:], func(c conformance.Case) bool { return !c.Hostile }) {
		t.Errorf("the first is %d of %d, and others follow", first, len(all))
	}
	peaceful, err := (&selection{noHostile: true}).cases("")
	if err != nil || len(peaceful) != first {
		t.Errorf("%d are not hostile, want %d: %v", len(peaceful), first, err)
	}
}
