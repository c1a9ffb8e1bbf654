package cause_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"testing"

	"pppoectl/cause"
)

// declared returns all codes that cause.go declares, by their names.
func declared(t *testing.T) map[string]cause.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "cause.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]cause.Code{}
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		if typ, ok := v.Type.(*ast.Ident); !ok || typ.Name != "Code" {
			return true
		}
		text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		codes[v.Names[0].Name] = cause.Code(text)
		return true
	})
	if len(codes) < 20 {
		t.Fatalf("only %d codes found", len(codes))
	}
	return codes
}

func TestEveryCodeHasWordsAndAnExitStatus(t *testing.T) {
	form := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := map[cause.Code]string{}
	for name, c := range declared(t) {
		if c == cause.None {
			continue
		}
		if other, ok := seen[c]; ok {
			t.Errorf("%s and %s are both %q", name, other, c)
		}
		seen[c] = name
		if !form.MatchString(string(c)) {
			t.Errorf("%s: %q is no label", name, c)
		}
		if c.Text() == string(c) || c.Text() == "" {
			t.Errorf("%s has no words", name)
		}
		switch c.Exit() {
		case 0, 1, 2, 3, 10, 15, 16, 19, 20, 21, 22, 23, 24:
		default:
			t.Errorf("%s: exit status %d is not in the contract", name, c.Exit())
		}
	}
}

// The contract with scripts.
func TestExitStatusesAreTheContracts(t *testing.T) {
	for code, want := range map[cause.Code]int{
		cause.NegotiationError: 10, cause.EchoLost: 15, cause.PADT: 16, cause.Terminated: 16, cause.AuthRejected: 19,
		cause.NoOffer: 20, cause.ACRefused: 21, cause.NotRunning: 23, cause.WaitTimeout: 24,
		cause.Released: 0, cause.Unknown: 2, cause.Usage: 2, cause.Internal: 1, "nonsense": 1,
	} {
		if got := code.Exit(); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
	if cause.ExitOK != 0 || cause.ExitFailed != 1 || cause.ExitUsage != 2 || cause.ExitPrivilege != 3 {
		t.Error("the general exit statuses are not the contract's")
	}
}

func TestUnknownCodesSpeakForThemselves(t *testing.T) {
	if got := cause.Code("from_a_newer_version").Text(); got != "from_a_newer_version" {
		t.Errorf("%q", got)
	}
}

func TestErrorCarriesItsCode(t *testing.T) {
	err := fmt.Errorf("up: %w", cause.Errorf(cause.NoOffer, "no answer on %s", "eth1"))
	var e *cause.Error
	if !errors.As(err, &e) || e.Code != cause.NoOffer || e.Error() != "no answer on eth1" {
		t.Errorf("%v", err)
	}
}
