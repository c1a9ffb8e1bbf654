package lab_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/control"
	"pppoectl/state"
)

// release builds pppoectl as another version than the one under test, and returns its path.
func (s *site) release(version string) string {
	s.t.Helper()
	path := s.path("pppoectl-" + version)
	args := append([]string{"build"}, buildFlags...)
	build := exec.Command("go", append(args, "-ldflags", "-X main.version="+version, "-o", path, "pppoectl/cmd/pppoectl")...)
	if out, err := build.CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	return path
}

// copyOf puts a copy of a program where another one may be, as a package manager does.
func (s *site) copyOf(program, path string, mode os.FileMode) {
	s.t.Helper()
	b, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(path+".new", b, 0o700)
	}
	if err == nil {
		err = os.Chmod(path+".new", mode)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// running is what the daemon tells of itself.
func (s *site) running() control.Status {
	s.t.Helper()
	status, err := s.client.Status(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return status
}

// upgrades has the daemon go on as another program, and expects it to be the same process
// with the same sessions by the time that the command has ended.
func (r *router) upgrades(d *daemon, was []control.Uplink, version, exe string, args ...string) {
	t := r.t
	t.Helper()
	res := r.must(0, append([]string{"upgrade"}, args...)...)
	t.Logf("upgrade %s: %v: %s", strings.Join(args, " "), res.took.Round(time.Millisecond), strings.TrimSpace(res.stdout))
	if v := r.running().Version; v != version {
		t.Errorf("it is version %s, want %s", v, version)
	}
	if now, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", d.cmd.Process.Pid)); err != nil || now != exe {
		t.Errorf("process %d runs %s, %v; want %s", d.cmd.Process.Pid, now, err, exe)
	}
	select {
	case <-d.done:
		t.Fatalf("the process has ended: %v", d.cmd.ProcessState)
	default:
	}
	for i, u := range was {
		now := r.uplink(u.Name)
		if now.State != control.Up || now.SessionID != u.SessionID || now.AC == nil || *now.AC != *u.AC || now.Resumed != u.Resumed+1 {
			t.Errorf("%s is %s, session %d at %v, resumed %d times; it was session %d at %v, %d times",
				u.Name, now.State, now.SessionID, now.AC, now.Resumed, u.SessionID, u.AC, u.Resumed)
		}
		was[i].Resumed++
	}
}

// The daemon becomes another version of itself while both sessions carry connections:
// nobody on the line or behind it notices. What cannot take over does not begin to.
func TestUpgradeUnderLoad(t *testing.T) {
	r := newRouter(t)
	r.concentrator()
	r.configure(everything)
	next := r.release("9.9.9-test")
	wire := newCapture(t, r.line, "ac0")
	d := r.run()
	r.up(both...)
	began := time.Now()
	r.settled()
	before, first := r.whole(), r.running()
	was := []control.Uplink{r.uplink("bizf"), r.uplink("bizf6")}
	const seconds, between = 20, 3 * time.Second
	streams := []*stream{
		r.stream("bizf, upload", seconds, "-c", behindAC),
		r.stream("bizf6, download", seconds, "-6", "-c", inside6, "-p", "5202", "-R"),
	}
	time.Sleep(between) // of traffic

	open := r.path("open")
	r.copyOf(program, open, 0o777)
	for path, words := range map[string]string{
		"/bin/false": "does not accept what is there, nothing has changed", "/bin/true": "is no pppoectl", open: "chmod go-w " + open, r.path("none"): "no such file",
	} {
		if res := r.must(2, "upgrade", path); !strings.Contains(res.stderr, words) {
			t.Errorf("upgrade %s: %q, want %q in it", path, res.stderr, words)
		} else {
			t.Logf("upgrade %s: %v: %s", path, res.took.Round(time.Millisecond), strings.TrimSpace(res.stderr))
		}
		if now := r.running(); now.Version != first.Version || !now.Started.Equal(first.Started) {
			t.Errorf("after upgrade %s: version %s, started %v; it was %s, %v", path, now.Version, now.Started, first.Version, first.Started)
		}
	}

	r.upgrades(d, was, "9.9.9-test", next, next)
	time.Sleep(between)
	r.copyOf(program, next, 0o755)
	r.upgrades(d, was, first.Version, next) // the file that it was started from is another one now
	time.Sleep(between)

	for _, x := range streams {
		r.survived(x)
	}
	wire.notDialled(began)
	wire.none("PADT", began, discovery(padt))
	r.restoredWhole(before, "two upgrades")
	r.must(0, "stop")
	d.wait()
}

// sameStation boots the lab's access concentrator with the Ethernet address that it has each
// time, as a real one: only its sessions are others.
func (s *site) sameStation() *guest {
	s.t.Helper()
	return s.boot(s.script("ip link set vec0 down; ip link set vec0 address 0a:a2:e1:27:25:82; ip link set vec0 up", "", ""))
}

// noticed waits until an uplink's session of an earlier run is known to be lost, and returns
// how long after a time that was.
func (s *site) noticed(name string, start time.Time) time.Duration {
	s.t.Helper()
	var e state.Event
	s.eventually(name+": its session is found dead", func() error {
		var ok bool
		if e, ok = s.event(name, "dropped", start); !ok {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	s.t.Logf("%s: found dead %v after the start: %s", name, e.Time.Sub(start).Round(time.Millisecond), e.Message)
	if e.Cause != cause.EchoLost || !strings.Contains(e.Message, "it has lost ours") {
		s.t.Errorf("%s: event %+v, want dropped for echo_lost", name, e)
	}
	return e.Time.Sub(start)
}

// An AC that dies and comes back while there is no daemon knows nothing of the sessions on
// disk: that is found out at once, not by the echoes of a quiet minute.
func TestACThatDiedWhileNobodyWasThere(t *testing.T) {
	s := newSite(t)
	s.configure(strings.ReplaceAll(configuration, "    interface: eth1\n", "    interface: eth1\n    echo: {interval: 3s}\n")) // one is overdue by then
	ac := s.sameStation()
	wire := newCapture(t, s.line, "l1")
	d := s.run()
	s.up(both...)
	s.ping(behindAC)
	was := []control.Uplink{s.uplink("bizf"), s.uplink("bizf6")}
	d.end(unix.SIGKILL)
	ac.kill()
	s.sameStation()

	const within = 8 * time.Second
	start := time.Now()
	s.run()
	t.Logf("the daemon answers %v after the start", time.Since(start).Round(time.Millisecond))
	for _, u := range was {
		if took := s.noticed(u.Name, start); took > within {
			t.Errorf("%s: found dead %v after the start, want %v", u.Name, took, within)
		}
	}
	anew := map[uint16]bool{} // others that the AC has given are of PADRs sent twice, and let go
	for _, u := range was {
		now := s.await(u.Name, "up anew", func(now control.Uplink) bool { return isUp(now) && now.Dials == 1 })
		anew[now.SessionID] = true
		t.Logf("%s: up %v after the start, session %d at %s; it was %d at %s",
			u.Name, time.Since(start).Round(time.Millisecond), now.SessionID, now.AC.MAC, u.SessionID, u.AC.MAC)
		if now.LastDrop == nil || now.LastDrop.Cause != cause.EchoLost || now.Resumed != 0 {
			t.Errorf("%s: last drop %+v, resumed %d times", u.Name, now.LastDrop, now.Resumed)
		}
	}
	for _, given := range wire.find(start, discovery(pads)) { // the numbers begin anew, too
		if !anew[given.session] {
			continue
		}
		wire.none("our PADT for a session that the AC has just given", given.at, func(f frame) bool {
			return f.is(padt) && f.src != given.src && f.session == given.session
		})
	}
	s.ping(behindAC)
	s.must(0, "stop")
}

// anotherBoot is the id of a boot that has never been.
const anotherBoot = "00000000-0000-4000-8000-000000000000"

// fileOfAnotherBoot has a file of the state directory be as if it were written before the
// machine was booted: whole, with times of a clock that began anew.
func (s *site) fileOfAnotherBoot(path string) {
	s.t.Helper()
	sum := func(boot string, body []byte) string {
		v := sha256.Sum256(append([]byte(boot+"\n"), body...))
		return hex.EncodeToString(v[:])
	}
	var envelope struct {
		Version  int             `json:"version"`
		Boot     string          `json:"boot"`
		Checksum string          `json:"checksum"`
		Body     json.RawMessage `json:"body"`
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &envelope)
	}
	if err != nil || sum(envelope.Boot, envelope.Body) != envelope.Checksum {
		s.t.Fatalf("%s: %v; not the format that this test knows: %s", path, err, b)
	}
	envelope.Boot, envelope.Checksum = anotherBoot, sum(anotherBoot, envelope.Body)
	if b, err = json.Marshal(envelope); err != nil {
		s.t.Fatal(err)
	}
	s.writeFile(path, string(b)+"\n")
}

// losePower ends the daemon and has the host be as after a power failure: what the kernel had
// for the uplinks is gone, and what the disk holds is of another boot. The AC has heard nothing.
func (s *site) losePower(d *daemon, devices ...string) {
	s.t.Helper()
	d.end(unix.SIGKILL)
	for _, name := range devices {
		s.host.IP("link", "delete", name)
	}
	boot, err := state.BootID()
	if err != nil {
		s.t.Fatal(err)
	}
	journal, err := os.ReadFile(s.path("state/journal"))
	if err != nil || !bytes.Contains(journal, []byte(boot)) {
		s.t.Fatalf("journal: %v: %s", err, journal)
	}
	s.writeFile(s.path("state/journal"), strings.ReplaceAll(string(journal), boot, anotherBoot))
	for _, pattern := range []string{"state/*.json", "state/*/*.json"} {
		files, err := filepath.Glob(s.path(pattern))
		if err != nil || len(files) == 0 {
			s.t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, f := range files {
			s.fileOfAnotherBoot(f)
		}
	}
}

// The AC holds the session of a machine that has lost its power, and lets nobody in beside it
// until it has asked three times in vain.
var holding = []string{"{interval: 10s, failures: 3}", "{interval: 5s, failures: 3}"}

func TestPowerLoss(t *testing.T) {
	t.Run("the session is on disk", func(t *testing.T) {
		s := newSite(t)
		f := s.fletsimOn(s.line, "br0", holding...)
		wire := newCapture(t, s.line, "l1")
		before := s.settled()
		d := s.run("bizf")
		s.up("bizf")
		was := s.uplink("bizf")
		s.losePower(d, "bizf")
		releasedAndLetIn(s, f, wire, was)
		s.must(0, "stop")
		s.restored(before, "power failure and stop")
	})
	t.Run("nothing is on disk", func(t *testing.T) {
		s := newSite(t)
		f := s.fletsimOn(s.line, "br0", holding...)
		wire := newCapture(t, s.line, "l1")
		before := s.settled()
		d := s.run("bizf")
		s.up("bizf")
		was := s.uplink("bizf")
		s.losePower(d, "bizf")
		for _, dir := range []string{"sessions", "uplinks"} {
			if err := os.RemoveAll(s.path("state/" + dir)); err != nil {
				t.Fatal(err)
			}
		}
		refusedUntilTheACLetsGo(s, f, wire, was)
		s.must(0, "stop")
		s.restored(before, "power failure and stop")
	})
}

// releasedAndLetIn starts the daemon, and expects its first frame to end the session of
// before the power failure, so that the first login is the one that the AC takes.
func releasedAndLetIn(s *site, f *simulated, wire *capture, was control.Uplink) {
	t := s.t
	t.Helper()
	start := time.Now()
	s.run("bizf")
	now := s.await("bizf", "up", isUp)
	took := time.Since(start)
	t.Logf("up %v after the start, session %d; it was %d", took.Round(time.Millisecond), now.SessionID, was.SessionID)
	if took > 10*time.Second {
		t.Error("that is not at once")
	}
	var ours []frame
	s.eventually("discovery is captured", func() error {
		ours = wire.find(start, func(f frame) bool { return f.etherType == 0x8863 && f.src != was.AC.MAC })
		if len(ours) < 3 {
			return fmt.Errorf("it begins with %v", ours)
		}
		return nil
	})
	if !ours[0].is(padt) || ours[0].session != was.SessionID || !ours[1].is(padi) {
		t.Errorf("discovery begins with %v, want the PADT of session %d and a PADI", ours, was.SessionID)
	} else {
		t.Logf("PADT %v, PADI %v after the start", ours[0].at.Sub(start).Round(time.Millisecond), ours[1].at.Sub(start).Round(time.Millisecond))
	}
	if why := f.ended(was.SessionID); why != "PADT from the host" {
		t.Errorf("session %d has ended: %s", was.SessionID, why)
	}
	if list := f.events(concentrator.TurnedAway, login4); len(list) > 0 {
		t.Errorf("the login was refused: %v", list)
	}
	e, ok := s.event("bizf", "stale", start)
	if !ok || e.Cause != cause.Stale || !strings.Contains(e.Message, "the machine was booted meanwhile") {
		t.Errorf("event %+v", e)
	}
	t.Log(e.Message)
	if now.LastDrop == nil || now.LastDrop.Cause != cause.Stale || now.Dials != 1 {
		t.Errorf("last drop %+v, %d dials", now.LastDrop, now.Dials)
	}
	s.ping(behindAC)
}

// refusedUntilTheACLetsGo starts a daemon that knows of no session, and expects it to say why
// the login is refused, and to come back by itself.
func refusedUntilTheACLetsGo(s *site, f *simulated, wire *capture, was control.Uplink) {
	t := s.t
	t.Helper()
	start := time.Now()
	s.run("bizf")
	u := s.await("bizf", "refused", func(u control.Uplink) bool { return u.State == control.Holdoff })
	if e := f.nth(concentrator.TurnedAway, login4, 1); e.Text != "already logged in" {
		t.Errorf("fletsim says %v", e)
	}
	if u.LastError == nil || u.LastError.Code != cause.StillHeld || u.LastError.Text != "already logged in" || u.NextTry == nil {
		t.Fatalf("last error %+v, next try %v", u.LastError, u.NextTry)
	}
	e, ok := s.event("bizf", "failed", start)
	if !ok || e.Cause != cause.StillHeld {
		t.Errorf("event %+v, want failed for still_held", e)
	}
	up := s.must(21, "up", "bizf") // says so, and asks the AC no sooner
	for _, text := range []string{u.LastError.Message, e.Message, up.stderr} {
		for _, want := range []string{`"already logged in"`, "an earlier session is still open there", "next try in "} {
			if !strings.Contains(text, want) {
				t.Errorf("%q, want %q in it", text, want)
			}
		}
	}
	t.Logf("refused %v after the start: %s", e.Time.Sub(start).Round(time.Millisecond), e.Message)
	wire.none("PADT of a session that nobody here knows", start, func(f frame) bool { return f.is(padt) && f.session == was.SessionID })

	why := f.ended(was.SessionID)
	t.Logf("the AC has let session %d go %v after the start: %s", was.SessionID, time.Since(start).Round(time.Millisecond), why)
	if why != "the host answers no echo" {
		t.Error("that is not why")
	}
	now := s.awaitWithin(90*time.Second, "bizf", "back by itself", isUp)
	t.Logf("up %v after the start, %d times turned away", time.Since(start).Round(time.Millisecond), len(f.events(concentrator.TurnedAway, login4)))
	if now.LastError != nil || now.SessionID == was.SessionID {
		t.Errorf("session %d, last error %+v", now.SessionID, now.LastError)
	}
	if tries := wire.find(start, discovery(padi)); len(tries) > 3 {
		t.Errorf("%d PADIs: %v", len(tries), tries)
	}
	s.ping(behindAC)
}
