package lab_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/concentrator"
	"pppoectl/lab/captures"
	"pppoectl/labnet"
)

// ownCases are of the kind that users write: one that no AC can pass, and one to interrupt.
const ownCases = `rfc 1661

case own-impossible 5.8
says An Echo-Reply comes with another Identifier.
peer ac
at up
> lcp echo-request 1 data=$magic
< lcp echo-reply 2 data=* within=2s

case own-slow 5.8
says It waits.
peer ac
at up
wait 10s
`

// asked is the part of ppptest's JSON that these tests look at.
type asked struct {
	Peer    string
	ACName  string `json:"ac_name"`
	Ended   string
	Results []struct{ Case, Kind, Text, Capture string }
}

// asks runs ppptest somewhere, expects an exit status and returns the report.
func (s *site) asks(at *labnet.Namespace, code int, args ...string) (report asked) {
	s.t.Helper()
	var stderr strings.Builder
	cmd := at.Command(questions, append(args, "--format", "json", "--yes", "--time", "2m")...)
	cmd.Stderr = &stderr
	out, _ := cmd.Output()
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.t.Fatalf("ppptest %s: exit status %d, want %d: %s%s", strings.Join(args, " "), got, code, out, &stderr)
	}
	if strings.Contains(stderr.String(), "DATA RACE") {
		s.t.Error(stderr.String())
	}
	if len(out) > 0 {
		if err := json.Unmarshal(out, &report); err != nil {
			s.t.Fatal(err)
		}
	}
	return report
}

// kinds are the results in their order.
func (a asked) kinds() (all []string) {
	for _, r := range a.Results {
		all = append(all, r.Kind)
	}
	return all
}

var passes = []string{"pass", "pass", "pass"}

// Both of our ends are asked over an interface as a user would have it, and pass.
func TestPPPTestAsksOurs(t *testing.T) {
	s := newSite(t)
	t.Run("the access concentrator", func(t *testing.T) {
		f := s.fletsimOn(s.line, "br0")
		r := s.asks(s.host, 0, append(atAC(s), "--run", "^(1332/ac-tells-its-address|1661/unknown-option|2516/service-that-is-not-offered)$")...)
		if !slices.Equal(r.kinds(), passes) || r.ACName != "BAS-TOKYO" || len(r.Peer) != 17 {
			t.Errorf("%+v", r)
		}
		f.end()
	})
	t.Run("the daemon", func(t *testing.T) {
		d := s.run("bizf")
		s.must(0, "down", "bizf")
		ctl := program + " -c " + s.file
		r := s.asks(s.line, 0, "ac", "-i", "br0", "--username", login4, "--password-file", s.path("bizf.secret"),
			"--run", "^1661/unknown-(option|code|protocol)$", "--start", ctl+" restart bizf", "--stop", ctl+" down bizf")
		if !slices.Equal(r.kinds(), passes) {
			t.Errorf("%+v", r)
		}
		d.end(os.Interrupt)
	})
}

// atAC are the arguments for the AC at the host's line.
func atAC(s *site) []string {
	return []string{"client", "-i", "eth1", "--username", login4, "--password-file", s.path("bizf.secret")}
}

// A case that fails leaves its frames behind, without the password; the same seed has the same said.
func TestPPPTestKeepsWhatFailed(t *testing.T) {
	s := newSite(t)
	s.fletsimOn(s.line, "br0")
	s.writeFile(s.path("own.cases"), ownCases)
	first := map[string][]byte{}
	for _, seed := range []string{"7", "8", "7"} {
		r := s.asks(s.host, 1, append(atAC(s), "--cases", s.path("own.cases"), "--run", "own-impossible", "--captures", s.path("captures"), "--seed", seed)...)
		if !slices.Equal(r.kinds(), []string{"fail"}) || !strings.Contains(r.Results[0].Text, "; lcp echo-reply 1 data=") {
			t.Fatalf("%+v", r)
		}
		b, err := os.ReadFile(r.Results[0].Capture)
		if err != nil {
			t.Fatal(err)
		}
		frames := captures.ReadNg(t, bytes.NewReader(b))
		login := slices.ContainsFunc(frames, func(f captures.Frame) bool { return bytes.Contains(f.Data, []byte(login4)) })
		if !login || bytes.Contains(b, []byte("secret4")) {
			t.Errorf("%d frames, the login among them: %v; with its password: %v", len(frames), login, bytes.Contains(b, []byte("secret4")))
		}
		for other, padi := range first {
			if same := bytes.Equal(padi, frames[0].Data); same != (other == seed) {
				t.Errorf("the first frame of seed %s is that of %s: %v", seed, other, same)
			}
		}
		first[seed] = frames[0].Data
	}
}

// Whoever is interrupted has a report, and the AC no session; an interface that goes away ends a run.
func TestPPPTestEndsEarly(t *testing.T) {
	s := newSite(t)
	f := s.fletsimOn(s.line, "br0")
	s.writeFile(s.path("own.cases"), ownCases)
	args := append(atAC(s), "--cases", s.path("own.cases"), "--run", "own-slow", "--format", "json")
	for n, c := range []struct {
		how  string
		do   func(pid int)
		want string
	}{
		{"SIGINT", func(pid int) { unix.Kill(pid, unix.SIGINT) }, "interrupted"},
		{"the interface is deleted", func(int) { s.host.IP("link", "delete", "eth1") }, "eth1 is gone"},
	} {
		cmd := s.host.Command(questions, args...)
		var out strings.Builder
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		f.nth(concentrator.NetworkOpen, login4, n+1)
		begin := time.Now()
		c.do(cmd.Process.Pid)
		cmd.Wait()
		var r asked
		if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
			t.Fatalf("%s: %v: %s", c.how, err, &out)
		}
		if cmd.ProcessState.ExitCode() != 1 || time.Since(begin) > 8*time.Second || r.Ended != c.want || !slices.Equal(r.kinds(), []string{"unreached"}) || r.Results[0].Text != c.want {
			t.Errorf("%s: %v after %v: %+v", c.how, cmd.ProcessState, time.Since(begin), r)
		}
		if n == 0 {
			s.eventually("the session is ended", func() error {
				if all := f.status().Sessions; len(all) > 0 {
					return fmt.Errorf("there are %d", len(all))
				}
				return nil
			})
		}
	}
}

// Without the right to open packet sockets there is an exit status of its own.
func TestPPPTestNeedsRoot(t *testing.T) {
	s := newSite(t)
	r := s.exec("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", questions, "ac", "-i", "eth1")
	if r.code != 3 || !strings.Contains(r.stderr, "run it as root") {
		t.Errorf("%+v", r)
	}
}
