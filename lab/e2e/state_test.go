package lab_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/concentrator"
	"pppoectl/control"
	"pppoectl/flets"
)

// alone is bizf's configuration without bizf6.
var alone = configuration[:strings.Index(configuration, "  bizf6:")]

// damages are what may become of a file that was not written to its end, or by a disk
// that forgets.
var damages = map[string]func([]byte) []byte{
	"truncated": func(b []byte) []byte { return b[:len(b)/2] },
	"one bit":   func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
	"empty":     func([]byte) []byte { return nil },
}

// damage changes a file of the state directory.
func (s *site) damage(name string, change func([]byte) []byte) {
	s.t.Helper()
	path := s.path(filepath.Join("state", name))
	b, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.writeFile(path, string(change(b)))
}

// said returns the lines of the daemons' log with words in them.
func (s *site) said(words string) []string {
	s.t.Helper()
	b, err := os.ReadFile(s.path("daemon.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, words) {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}

// saidOnce expects that the daemons have said something once.
func (s *site) saidOnce(words string) {
	s.t.Helper()
	lines := s.said(words)
	for _, l := range lines {
		s.t.Log(l)
	}
	if len(lines) != 1 {
		s.t.Errorf("%q was said %d times, want once", words, len(lines))
	}
}

// refuses expects a command to end at once with a line of its own that has all words
// in it, and nothing else.
func (s *site) refuses(r result, words ...string) {
	s.t.Helper()
	said := strings.TrimSpace(r.stdout + r.stderr)
	s.t.Logf("%d after %v: %s", r.code, r.took.Round(time.Millisecond), said)
	if r.code != 1 || strings.Contains(said, "\n") || !strings.HasPrefix(said, "pppoectl: ") {
		s.t.Errorf("exit status %d and %q, want 1 and one line", r.code, said)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			s.t.Errorf("%q, want %q in it", said, w)
		}
	}
}

// resumes waits until bizf's session has been taken over.
func (s *site) resumes(was flets.SessionStatus) {
	s.t.Helper()
	s.await("bizf", "resumed", func(u control.Uplink) bool { return isUp(u) && u.Resumed == 1 && u.SessionID == was.ID })
}

// A session file that cannot be read costs a login, and no more: the reason is told once, and
// the system is as before in the end.
func TestDamagedSessionFileIsToldAndDialledAnew(t *testing.T) {
	for name, change := range damages {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.configure(alone)
			f := s.fletsimOn(s.line, "br0", "busy: refuse", "busy: replace")
			before := s.settled()
			d := s.run("bizf")
			s.up("bizf")
			was := s.uplink("bizf").SessionID
			d.end(unix.SIGKILL)
			s.damage("sessions/bizf.json", change)
			killed := time.Now()
			d = s.run("bizf")
			s.up("bizf")
			t.Logf("up %v after the start", time.Since(killed).Round(time.Millisecond))
			s.saidOnce("sessions/bizf.json")
			if e, ok := s.event("bizf", "state", killed); !ok || !strings.Contains(e.Message, "damaged") {
				t.Errorf("event %+v", e)
			}
			if o := f.session(login4); o.ID == was || o.ID != s.uplink("bizf").SessionID {
				t.Errorf("session %d at the AC, ours is %d, was %d", o.ID, s.uplink("bizf").SessionID, was)
			}
			s.ping(behindAC)
			s.must(0, "stop")
			d.wait()
			s.restored(before, "stop")
			if left := s.sessionFiles(); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

// Each file that cannot be read is told of once, and none of them keeps the uplinks from coming up, or
// the system from being as before in the end.
func TestEachDamagedFileIsTold(t *testing.T) {
	for name, change := range damages {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.fletsimOn(r.line, "br0", "busy: refuse", "busy: replace", "  line: 2 ", "  line: 4 ")
			r.configure(everything)
			r.writeFile(r.path("resolv.conf"), "nameserver 192.0.2.1\n")
			r.settled()
			before := r.whole()
			d := r.run()
			r.up(both...)
			r.address(0, "2001:db8:100::/64") // by then all is written down
			d.end(unix.SIGKILL)
			files := []string{
				"lan.json", "leases/bizf6.json", "run.json",
				"sessions/bizf.json", "sessions/bizf6.json", "uplinks/bizf.json", "uplinks/bizf6.json",
			}
			for _, f := range append(files, "events.jsonl") {
				r.damage(f, change)
			}
			d = r.run()
			r.up(both...)
			for _, f := range files {
				r.saidOnce(f)
			}
			if r.must(0, "events").stdout == "" {
				t.Error("there are no events any more")
			}
			r.must(0, "history", "bizf")
			r.must(0, "stop")
			d.wait()
			r.restoredWhole(before, "stop")
		})
	}
}

// Where the AC lets no second session of the login in, the lost one has to time out there: the
// uplink comes back by itself.
func TestDamagedSessionFileAtAnACThatRefuses(t *testing.T) {
	s := newSite(t)
	s.configure(alone)
	f := s.fletsimOn(s.line, "br0", holding...)
	d := s.run("bizf")
	s.up("bizf")
	d.end(unix.SIGKILL)
	s.damage("sessions/bizf.json", damages["empty"])
	begin := time.Now()
	s.run("bizf")
	r := s.pppoectl("up", "bizf", "--wait", "5s")
	t.Logf("up: %d: %s", r.code, strings.TrimSpace(r.stderr))
	f.nth(concentrator.TurnedAway, login4, 1)
	s.awaitWithin(90*time.Second, "bizf", "up", isUp)
	t.Logf("up %v after the start, %d times turned away", time.Since(begin).Round(time.Millisecond), len(f.events(concentrator.TurnedAway, login4)))
	s.must(0, "stop")
}

// files are all files of the state directory with their modes and contents.
func (s *site) files() map[string]string {
	s.t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(s.path("state"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var b []byte
		if info.Mode().IsRegular() {
			b, err = os.ReadFile(path)
		}
		all[path] = info.Mode().String() + " " + string(b)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// deserted returns the system's state once the kernel knows that bizf's daemon is no more.
func (s *site) deserted() string {
	s.t.Helper()
	s.eventually("bizf has no carrier", func() error {
		if link := s.host.IP("link", "show", "bizf"); !strings.Contains(link, "NO-CARRIER") {
			return errors.New(link)
		}
		return nil
	})
	return s.settled()
}

// What a newer version has written is not understood, so nothing is touched: neither the
// files nor the session, which that version goes on with.
func TestFileOfAFutureVersionIsLeftAlone(t *testing.T) {
	s := newSite(t)
	s.configure(alone)
	f := s.fletsimOn(s.line, "br0")
	wire := newCapture(t, s.line, "l1")
	d := s.run("bizf")
	s.up("bizf")
	was := f.session(login4)
	d.end(unix.SIGKILL)
	killed := time.Now()
	present, err := os.ReadFile(s.path("state/sessions/bizf.json"))
	if err != nil {
		t.Fatal(err)
	}
	s.damage("sessions/bizf.json", func(b []byte) []byte {
		return []byte(strings.Replace(string(b), `"version":1`, `"version":99`, 1))
	})
	files, system := s.files(), s.deserted()
	for _, args := range [][]string{{"run"}, {"clean"}} {
		s.refuses(s.pppoectl(args...), "sessions/bizf.json", "newer version", "99")
	}
	if now := s.files(); !maps.Equal(now, files) {
		t.Errorf("the state directory was\n%q\nand is\n%q", files, now)
	}
	if now := s.system(); now != system {
		t.Errorf("the system has changed:\n%s", changes(system, now))
	}
	if o := f.session(login4); o.ID != was.ID {
		t.Errorf("session %d at the AC, was %d", o.ID, was.ID)
	}
	wire.notDialled(killed)
	wire.none("PADT", killed, discovery(padt))
	s.writeFile(s.path("state/sessions/bizf.json"), string(present)) // the newer version's own start
	s.run("bizf")
	s.resumes(was)
	s.must(0, "stop")
}

// A journal that cannot be read costs neither the session nor the way back of what is on the device.
func TestDamagedJournal(t *testing.T) {
	forms := maps.Clone(damages)
	forms["heading"] = func(b []byte) []byte { b[bytes.IndexByte(b, '\n')/2] ^= 1; return b }
	for name, change := range forms {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.configure(withPath(alone, "offload")) // what was set otherwise on the line before is known to the journal alone
			f := s.fletsimOn(s.line, "br0")
			before := s.settled()
			d := s.run("bizf")
			s.up("bizf")
			was := f.session(login4)
			d.end(unix.SIGKILL)
			s.damage("journal", change)
			d = s.run("bizf")
			s.resumes(was)
			s.ping(behindAC)
			if name != "truncated" { // as a crash leaves it: the last line was never made
				s.saidOnce("journal.damaged")
			}
			s.must(0, "stop")
			d.wait()
			s.restored(before, "stop")
		})
	}
}
