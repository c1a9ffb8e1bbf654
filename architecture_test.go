// Package pppoectl_test holds the tests of the house as a whole.
package pppoectl_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// below says which rooms a room may import: the table of ARCHITECTURE.md.
// Arrows point down only.
var below = map[string]string{
	"cause":        "",
	"timer":        "",
	"clock":        "",
	"history":      "cause",
	"hooks":        "",
	"ppp":          "",
	"pppoe":        "",
	"lcp":          "ppp timer",
	"auth":         "ppp timer",
	"ipcp":         "ppp",
	"ipv6cp":       "ppp",
	"dhcpv6":       "timer",
	"session":      "cause timer pppoe ppp lcp auth ipcp ipv6cp",
	"rawsocket":    "",
	"line":         "pppoe rawsocket",
	"tun":          "",
	"fastpath":     "",
	"dataplane":    "fastpath pppoe ppp rawsocket tun",
	"capture":      "ppp pppoe rawsocket",
	"netconf":      "fastpath",
	"linklocal":    "",
	"lan":          "timer",
	"state":        "cause dhcpv6 history lan session",
	"configs":      "dhcpv6 session lcp ipv6cp pppoe",
	"control":      "cause history state",
	"supervisor":   "cause clock history hooks configs control session dhcpv6 lan line linklocal tun dataplane netconf state timer pppoe ppp lcp ipcp ipv6cp",
	"concentrator": "timer pppoe ppp lcp auth ipcp ipv6cp",
	"flets":        "concentrator timer lcp ppp pppoe",
	"simulator":    "concentrator flets netspace ppp pppoe rawsocket timer tun",
	"netspace":     "",
	"labnet":       "netspace",
	"lab":          "",
	"lab/captures": "",
	"lab/e2e":      "",
	"lab/bench":    "dataplane fastpath netspace pppoe rawsocket tun",

	"lab/benchsessions": "control netspace",
	"lab/mutate":        "",

	"conformance":  "ppp pppoe",
	"fuzz":         "",
	"demo":         "concentrator control flets netspace simulator state",
	"cmd/pppoectl": "capture cause configs control demo history hooks line netconf pppoe state supervisor tun",
	"cmd/fletsim":  "concentrator flets simulator",
	"cmd/ppptest":  "capture conformance pppoe rawsocket",
}

func TestArrowsPointDown(t *testing.T) {
	for _, p := range packages(t) {
		room := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, "pppoectl"), "/")
		if room == "" {
			continue
		}
		allowed, ok := below[room]
		if !ok {
			t.Errorf("room %s is not in the plan", room)
			continue
		}
		for _, i := range p.Imports {
			if i, ours := strings.CutPrefix(i, "pppoectl/"); ours && !slices.Contains(strings.Fields(allowed), i) {
				t.Errorf("%s imports %s; the plan allows: %s", room, i, allowed)
			}
		}
	}
}

// core is the protocol core.
const core = "timer pppoe ppp lcp auth ipcp ipv6cp dhcpv6 session concentrator flets conformance"

// The protocol core is sans I/O: no sockets, goroutines' friends, clock or
// logger below session.
func TestProtocolCoreKnowsNoWorld(t *testing.T) {
	core := strings.Fields(core)
	banned := strings.Fields("net/http os sync context syscall log github.com/sirupsen/logrus github.com/mdlayher/packet golang.org/x/sys/unix")
	for _, p := range packages(t) {
		if !slices.Contains(core, strings.TrimPrefix(p.ImportPath, "pppoectl/")) {
			continue
		}
		for _, i := range p.Imports {
			if slices.Contains(banned, i) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}

// Nothing in the protocol core and its fuzz targets starts a goroutine, tests included, and so `make
// test` runs these without the race detector.
func TestProtocolCoreStartsNoGoroutine(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	alone := core + " fuzz"
	if !strings.Contains(string(makefile), "\nCORE = "+alone+"\n") {
		t.Errorf("the Makefile's CORE is not %q", alone)
	}
	for _, room := range strings.Fields(alone) {
		names, err := filepath.Glob(filepath.Join(room, "*.go"))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", room, err)
		}
		for _, name := range names {
			files := token.NewFileSet()
			f, err := parser.ParseFile(files, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s: a goroutine", files.Position(n.Pos()))
				case *ast.SelectorExpr:
					if n.Sel.Name == "Parallel" {
						t.Errorf("%s: tests side by side", files.Position(n.Pos()))
					}
				}
				return true
			})
		}
	}
}

// Viper is the loader's affair, gopacket the tests' and who writes pcapng's, and what draws plots
// a benchmark's.
func TestLibrariesStayInTheirRooms(t *testing.T) {
	home := map[string]string{
		"github.com/spf13/viper":     "configs",
		"github.com/google/gopacket": "capture lab/captures",
		"github.com/spf13/cobra":     "cmd/pppoectl cmd/fletsim cmd/ppptest",
		"gonum.org/v1/plot":          "lab/benchsessions",
	}
	for _, p := range packages(t) {
		for _, i := range p.Imports {
			for lib, rooms := range home {
				if strings.HasPrefix(i, lib) && !slices.Contains(strings.Fields(rooms), strings.TrimPrefix(p.ImportPath, "pppoectl/")) {
					t.Errorf("%s imports %s, which is for %s", p.ImportPath, i, rooms)
				}
			}
		}
	}
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}
