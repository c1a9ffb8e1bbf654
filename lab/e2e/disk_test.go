package lab_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/concentrator"
	"pppoectl/state"
)

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
	k.s.t.Helper()
	args := append([]string{program}, k.s.daemonArgs(names...)...)
	return k.s.launch(exec.Command("nsenter", k.in(args...)...)).answers()
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
	s.up("bizf")
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
	wire.notDialled(killed)
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
	s.up("bizf")
	was := f.session(login4)
	k.fill()
	full := time.Now()
	f.do("renegotiate " + login4)
	f.nth(concentrator.LoggedIn, login4, 2)
	s.up("bizf")
	s.ping(behindAC)
	s.eventually("that is told", func() error {
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
	f.nth(concentrator.LoggedIn, login4, 3)
	s.up("bizf")
	s.eventually("the session is on disk, and up there", func() error {
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
	s.up("bizf")
	k.fill()
	f.do("padt " + login4)
	f.nth("session", "", 2)
	s.up("bizf")
	s.ping(behindAC)
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
	s.up("bizf")
	k.fill()
	f.do("padt " + login4)
	f.nth("session", "", 2)
	s.up("bizf")
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
	s.up("bizf")
	was := f.session(login4)
	d.end(unix.SIGKILL)
	killed := time.Now()
	k.fill()
	d = k.run("bizf")
	s.resumes(was)
	s.ping(behindAC)
	wire.notDialled(killed)
	wire.none("PADT", killed, discovery(padt))
	s.must(0, "stop")
	d.wait()
}
