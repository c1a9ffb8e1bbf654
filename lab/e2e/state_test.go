package lab_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/concentrator"
	"pppoectl/control"
	"pppoectl/flets"
	"pppoectl/state"
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
	s.await("bizf", 5*time.Second, "resumed", func(u control.Uplink) bool { return isUp(u) && u.Resumed == 1 && u.SessionID == was.ID })
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
			s.up(10*time.Second, "bizf")
			was := s.uplink("bizf").SessionID
			d.end(unix.SIGKILL)
			s.damage("sessions/bizf.json", change)
			killed := time.Now()
			d = s.run("bizf")
			s.up(10*time.Second, "bizf")
			t.Logf("up %v after the start", time.Since(killed).Round(time.Millisecond))
			s.saidOnce("sessions/bizf.json")
			if e, ok := s.event("bizf", "state", killed); !ok || !strings.Contains(e.Message, "damaged") {
				t.Errorf("event %+v", e)
			}
			if o := f.session(login4); o.ID == was || o.ID != s.uplink("bizf").SessionID {
				t.Errorf("session %d at the AC, ours is %d, was %d", o.ID, s.uplink("bizf").SessionID, was)
			}
			s.ping(3*time.Second, behindAC)
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
			r.up(15*time.Second, both...)
			r.address(0, "2001:db8:100::/64", 10*time.Second) // by then all is written down
			d.end(unix.SIGKILL)
			files := []string{
				"lan.json", "leases/bizf6.json", "run.json",
				"sessions/bizf.json", "sessions/bizf6.json", "uplinks/bizf.json", "uplinks/bizf6.json",
			}
			for _, f := range append(files, "events.jsonl") {
				r.damage(f, change)
			}
			d = r.run()
			r.up(15*time.Second, both...)
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
	f := s.fletsimOn(s.line, "br0", "{interval: 10s, failures: 3}", "{interval: 2s, failures: 3}")
	d := s.run("bizf")
	s.up(10*time.Second, "bizf")
	d.end(unix.SIGKILL)
	s.damage("sessions/bizf.json", damages["empty"])
	begin := time.Now()
	s.run("bizf")
	r := s.pppoectl("up", "bizf", "--wait", "5s")
	t.Logf("up: %d: %s", r.code, strings.TrimSpace(r.stderr))
	f.nth(concentrator.TurnedAway, login4, 1)
	s.up(90*time.Second, "bizf")
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
	s.eventually(2*time.Second, "bizf has no carrier", func() error {
		if link := s.host.IP("link", "show", "bizf"); !strings.Contains(link, "NO-CARRIER") {
			return errors.New(link)
		}
		return nil
	})
	return s.system()
}

// What a newer version has written is not understood, so nothing is touched: neither the
// files nor the session, which that version goes on with.
func TestFileOfAFutureVersionIsLeftAlone(t *testing.T) {
	s := newSite(t)
	s.configure(alone)
	f := s.fletsimOn(s.line, "br0")
	wire := newCapture(t, s.line, "l1")
	d := s.run("bizf")
	s.up(10*time.Second, "bizf")
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
	wire.none("PADI", killed, discovery(padi))
	wire.none("PADT", killed, discovery(padt))
	s.writeFile(s.path("state/sessions/bizf.json"), string(present)) // the newer version's own start
	s.run("bizf")
	s.resumes(was)
	s.must(0, "stop")
}

// disk is a small file system that is the state directory, in a mount namespace that ends
// with the process which holds it: nothing of it can be left behind.
type disk struct {
	s      *site
	holder *exec.Cmd
}

func (s *site) disk(size string) *disk {
	s.t.Helper()
	// `ip netns exec` has made a mount namespace.
	k := &disk{s, s.host.Command("sh", "-c", `mkdir -p "$0" && mount -t tmpfs -o "size=$1" state "$0" && echo held && exec sleep 1200`, s.path("state"), size)}
	out, err := k.holder.StdoutPipe()
	if err == nil {
		err = k.holder.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		k.holder.Process.Kill()
		k.holder.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		s.t.Fatalf("a file system of its own: %q, %v", line, err)
	}
	return k
}

// path is a file's on the disk, from here.
func (k *disk) path(name string) string {
	return fmt.Sprintf("/proc/%d/root%s", k.holder.Process.Pid, k.s.path(filepath.Join("state", name)))
}

// in is how to run something where the disk is.
func (k *disk) in(args ...string) []string {
	return append([]string{"-t", strconv.Itoa(k.holder.Process.Pid), "-m", "-n", "--"}, args...)
}

// remount gives the disk other options.
func (k *disk) remount(options string) {
	k.s.t.Helper()
	if out, err := exec.Command("nsenter", k.in("mount", "-o", "remount,"+options, k.s.path("state"))...).CombinedOutput(); err != nil {
		k.s.t.Fatalf("%v: %s", err, out)
	}
}

// fill fills the disk up.
func (k *disk) fill() {
	k.s.t.Helper()
	f, err := os.Create(k.path("fill"))
	if err != nil {
		k.s.t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		k.s.t.Fatal(err)
	}
}

// room makes room again.
func (k *disk) room() {
	k.s.t.Helper()
	if err := os.Remove(k.path("fill")); err != nil {
		k.s.t.Fatal(err)
	}
}

// command runs the command line where the disk is.
func (k *disk) command(args ...string) result {
	k.s.t.Helper()
	return k.s.exec("nsenter", k.in(append([]string{program, "-c", k.s.file}, args...)...)...)
}

// run starts a daemon where the disk is, and waits until it answers.
func (k *disk) run(names ...string) *daemon {
	s := k.s
	s.t.Helper()
	log, err := os.OpenFile(s.path("daemon.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	d := &daemon{s: s, cmd: exec.Command("nsenter", k.in(append([]string{program, "-c", s.file, "run"}, names...)...)...), done: make(chan struct{})}
	d.cmd.Stderr = log
	if err := d.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		d.cmd.Wait()
		close(d.done)
	}()
	s.t.Cleanup(func() {
		d.cmd.Process.Kill()
		<-d.done
	})
	s.eventually(5*time.Second, "the daemon answers", func() error {
		_, err := s.client.Status(s.t.Context())
		return err
	})
	return d
}

// A daemon that can write nothing down does not dial, and leaves what there is.
func TestStateDirectoryThatIsReadOnly(t *testing.T) {
	s := newSite(t)
	s.configure(alone)
	k := s.disk("256k")
	f := s.fletsimOn(s.line, "br0")
	wire := newCapture(t, s.line, "l1")
	began := time.Now()
	k.remount("ro")
	s.refuses(k.command("run", "bizf"), s.path("state"), "read-only")
	s.refuses(k.command("up", "bizf"), s.path("state"), "read-only")
	wire.none("a frame of discovery", began, func(f frame) bool { return f.etherType == 0x8863 })

	k.remount("rw")
	d := k.run("bizf")
	s.up(10*time.Second, "bizf")
	was := f.session(login4)
	d.end(unix.SIGKILL)
	k.remount("ro")
	killed := time.Now()
	system := s.deserted()
	s.refuses(k.command("run", "bizf"), s.path("state"), "read-only")
	s.refuses(k.command("clean"), s.path("state"), "read-only")
	if now := s.system(); now != system {
		t.Errorf("the system has changed:\n%s", changes(system, now))
	}
	k.remount("rw")
	d = k.run("bizf")
	s.resumes(was)
	wire.none("PADI", killed, discovery(padi))
	wire.none("PADT", killed, discovery(padt))
	s.must(0, "stop")
	d.wait()
}

// A disk that fills up costs no session that is up. What could not be written is told, at a bounded
// rate, and is written once there is room.
func TestDiskThatFillsUpWhileTheDaemonRuns(t *testing.T) {
	s := newSite(t)
	s.configure(alone)
	k := s.disk("64k")
	f := s.fletsimOn(s.line, "br0")
	before := s.settled()
	d := k.run("bizf")
	s.up(10*time.Second, "bizf")
	was := f.session(login4)
	k.fill()
	full := time.Now()
	f.do("renegotiate " + login4)
	f.nth(concentrator.LoggedIn, login4, 2)
	s.up(5*time.Second, "bizf")
	s.ping(3*time.Second, behindAC)
	s.eventually(2*time.Second, "that is told", func() error {
		if len(s.said("could not be written down")) == 0 {
			return errors.New("it is not")
		}
		return nil
	})
	s.must(0, "status")
	time.Sleep(3 * time.Second) // in which nothing more is to be told
	lines := s.said(unix.ENOSPC.Error())
	t.Logf("%d lines in %v: %s", len(lines), time.Since(full).Round(time.Millisecond), lines[0])
	if len(lines) > 12 {
		t.Errorf("that is a flood")
	}
	if o := f.session(login4); o.ID != was.ID || s.uplink("bizf").SessionID != was.ID {
		t.Errorf("session %d at the AC, ours is %d, was %d", o.ID, s.uplink("bizf").SessionID, was.ID)
	}
	old, err := os.ReadFile(k.path("sessions/bizf.json"))
	if err != nil {
		t.Errorf("what was there before is gone: %v", err)
	}
	k.room()
	f.do("renegotiate " + login4)
	s.eventually(5*time.Second, "the session is on disk, and up there", func() error {
		var file struct{ Body state.Session }
		now, err := os.ReadFile(k.path("sessions/bizf.json"))
		if err == nil {
			err = json.Unmarshal(now, &file)
		}
		if err != nil || string(now) == string(old) || !file.Body.Snapshot.Resumable() {
			return fmt.Errorf("it is not: %s, %v", now, err)
		}
		return nil
	})
	d.end(unix.SIGKILL)
	d = k.run("bizf")
	s.resumes(was)
	s.must(0, "stop")
	d.wait()
	s.restored(before, "stop")
}

// A session that begins on a full disk is told of as one that is not on disk. Until the daemon is
// killed that makes no difference: it can be released, and the system is as before.
func TestSessionThatBeginsOnAFullDisk(t *testing.T) {
	s := newSite(t)
	s.configure(alone)
	k := s.disk("64k")
	f := s.fletsimOn(s.line, "br0")
	before := s.settled()
	d := k.run("bizf")
	s.up(10*time.Second, "bizf")
	k.fill()
	f.do("padt " + login4)
	f.nth("session", "", 2)
	s.up(5*time.Second, "bizf")
	s.ping(3*time.Second, behindAC)
	lines := s.said("could not be written down")
	if len(lines) == 0 {
		t.Fatal("nobody is told")
	}
	t.Logf("%d lines: %s", len(lines), lines[0])
	s.must(0, "stop")
	d.wait()
	if st := f.status(); len(st.Sessions) != 0 {
		t.Errorf("left at the AC: %+v", st.Sessions)
	}
	s.restored(before, "stop")
}

// A disk of any size has room for what must not get lost: on a full one a session begins, and is
// taken over.
func TestSessionOutlivesTheDaemonOnAFullDisk(t *testing.T) {
	s := newSite(t)
	s.configure(alone)
	k := s.disk("2m")
	f := s.fletsimOn(s.line, "br0")
	d := k.run("bizf")
	s.up(10*time.Second, "bizf")
	k.fill()
	f.do("padt " + login4)
	f.nth("session", "", 2)
	s.up(5*time.Second, "bizf")
	was := f.session(login4)
	d.end(unix.SIGKILL)
	d = k.run("bizf")
	s.resumes(was)
	if lines := s.said("the session could not be written down"); len(lines) > 0 {
		t.Errorf("%q", lines)
	}
	s.must(0, "stop")
	d.wait()
}

// On a disk that is full already nothing begins, for there is no way back: that is said. But a
// session that lives is taken over.
func TestDiskThatIsFullBeforeTheDaemonStarts(t *testing.T) {
	s := newSite(t)
	s.configure(alone)
	k := s.disk("64k")
	f := s.fletsimOn(s.line, "br0")
	wire := newCapture(t, s.line, "l1")
	began := time.Now()
	k.fill()
	s.refuses(k.command("run", "bizf"), s.path("state"), unix.ENOSPC.Error())
	wire.none("a frame of discovery", began, func(f frame) bool { return f.etherType == 0x8863 })

	k.room()
	d := k.run("bizf")
	s.up(10*time.Second, "bizf")
	was := f.session(login4)
	d.end(unix.SIGKILL)
	killed := time.Now()
	k.fill()
	d = k.run("bizf")
	s.resumes(was)
	s.ping(3*time.Second, behindAC)
	wire.none("PADI", killed, discovery(padi))
	wire.none("PADT", killed, discovery(padt))
	s.must(0, "stop")
	d.wait()
}

// A journal that cannot be read costs neither the session nor the way back of what is on the device.
func TestDamagedJournal(t *testing.T) {
	forms := maps.Clone(damages)
	forms["heading"] = func(b []byte) []byte { b[bytes.IndexByte(b, '\n')/2] ^= 1; return b }
	for name, change := range forms {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.configure(alone)
			f := s.fletsimOn(s.line, "br0")
			before := s.settled()
			d := s.run("bizf")
			s.up(10*time.Second, "bizf")
			was := f.session(login4)
			d.end(unix.SIGKILL)
			s.damage("journal", change)
			d = s.run("bizf")
			s.resumes(was)
			s.ping(3*time.Second, behindAC)
			if name != "truncated" { // as a crash leaves it: the last line was never made
				s.saidOnce("journal.damaged")
			}
			s.must(0, "stop")
			d.wait()
			s.restored(before, "stop")
		})
	}
}
