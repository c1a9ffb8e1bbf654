package lab_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/control"
	"pppoectl/lab/captures"
)

// capturing is a `pppoectl capture` that runs.
type capturing struct {
	s      *site
	file   string
	cmd    *exec.Cmd
	stderr strings.Builder
}

// captures begins a capture of bizf into a file.
func (s *site) captures(file string, args ...string) *capturing {
	s.t.Helper()
	c := &capturing{s: s, file: s.path(file)}
	c.cmd = s.host.Command(program, append([]string{"-c", s.file, "capture", "bizf", "-w", c.file}, args...)...)
	c.cmd.Stderr = &c.stderr
	if err := c.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.cmd.Process.Kill() })
	s.eventually("a capture begins", func() error {
		if i, err := os.Stat(c.file); err != nil || i.Size() == 0 {
			return errors.New("nothing is written")
		}
		return nil
	})
	return c
}

// caught is a frame that was captured, with the length that PPPoE has for what it carries.
type caught struct {
	frame
	length int
	whole  int // octets behind PPPoE's header
}

// end ends a capture and returns what it has caught, which must be in order.
func (c *capturing) end() []caught {
	c.s.t.Helper()
	c.cmd.Process.Signal(unix.SIGINT)
	if err := c.cmd.Wait(); err != nil || strings.Contains(c.stderr.String(), "lost") {
		c.s.t.Errorf("capture: %v, %q", err, c.stderr.String())
	}
	c.s.t.Logf("%s", strings.ReplaceAll(strings.TrimSpace(c.stderr.String()), "\n", "; "))
	b, err := os.ReadFile(c.file)
	if err != nil {
		c.s.t.Fatal(err)
	}
	if i, err := os.Stat(c.file); err != nil || i.Mode().Perm() != 0o600 {
		c.s.t.Errorf("%v, %v", i.Mode(), err)
	}
	if bytes.Contains(b, []byte("secret4")) || bytes.Contains(b, []byte("secret6")) {
		c.s.t.Error("a password is in the file")
	}
	var list []caught
	late := 0
	for _, f := range captures.ReadNg(c.s.t, bytes.NewReader(b)) {
		if len(list) > 0 && f.At.Before(list[len(list)-1].at) {
			late++
		}
		list = append(list, caught{parse(f.At, f.Data), int(binary.BigEndian.Uint16(f.Data[18:])), len(f.Data) - 20})
	}
	if late > len(list)/100 { // a tap that did not run for long
		c.s.t.Errorf("%d of %d frames come before the one before them", late, len(list))
	}
	return list
}

// packets counts the IPv4 packets of a session, by direction and content. IPv6 is not open: the
// kernel's programs drop what the AC's kernel sends of it all the same.
func packets[F any](list []F, of func(F) frame, id uint16) map[string]int {
	n := map[string]int{}
	for _, x := range list {
		if f := of(x); f.etherType == 0x8864 && f.session == id && f.protocol == protocolIPv4 {
			n[f.src+" "+string(f.payload)]++
		}
	}
	return n
}

// onLine expects that the line had these packets of a session, each at least as often.
func (s *site) onLine(wire *capture, list map[string]int, id uint16) {
	s.t.Helper()
	s.eventually("what is in the file was on the line", func() error { // the file's reader may be ahead
		was := packets(wire.find(time.Time{}, func(frame) bool { return true }), func(f frame) frame { return f }, id)
		for p, n := range list {
			if was[p] < n {
				return fmt.Errorf("session %d: in the file %d times, on the line %d times: % x", id, n, was[p], p[:min(len(p), 80)])
			}
		}
		return nil
	})
}

// A capture shows a session as it is on the wire, in both directions and on each data path, and goes
// on with the next session.
func TestCaptureShowsWhatIsOnTheWire(t *testing.T) {
	s := newSite(t)
	s.concentrator()
	s.configure(withPath(configuration, "ebpf"))
	s.run()
	s.up(both...)
	for _, kind := range []string{"ebpf", "offload", "portable"} {
		s.configure(withPath(configuration, kind))
		s.must(0, "reload")
		for _, name := range both {
			s.await(name, "data path "+kind, dataPathIs(kind, ""))
		}
		s.part(kind, func() { captureOn(s, kind) })
	}
	s.must(0, "stop")
}

func captureOn(s *site, kind string) {
	t := s.t
	wire := newCapture(t, s.line, "ac0")
	data, control := s.captures(kind+".pcapng", "--data"), s.captures(kind+"-control.pcapng")
	began := time.Now()
	traffic := func() uint16 {
		t.Helper()
		s.ping("-s", "1426", behindAC)
		s.ping(inside6)
		// Two servers, for one needs a moment between two streams.
		s.survived(s.stream("upload", 2, "-c", behindAC))
		s.survived(s.stream("download", 2, "-c", behindAC, "-R", "-p", "5202"))
		return s.uplink("bizf").SessionID
	}
	first := traffic()
	again := time.Now()
	s.must(0, "restart", "bizf")
	second := traffic()
	other := s.uplink("bizf6").SessionID
	ending := time.Now() // what is on the line from here on, the file may have or not
	got := data.end()
	for _, id := range []uint16{first, second} {
		differ := 0
		is := packets(got, func(c caught) frame { return c.frame }, id)
		was := packets(wire.find(began, func(f frame) bool { return f.at.Before(ending) }), func(f frame) frame { return f }, id)
		for p, n := range was {
			if is[p] < n {
				if differ++; differ <= 3 {
					t.Errorf("session %d: on the line %d times, in the file %d times: % x", id, n, is[p], p[:min(len(p), 60)])
				}
			}
		}
		s.onLine(wire, is, id)
		t.Logf("session %d: %d packets on the line, %d in the file, %d differ", id, len(was), len(is), differ)
		if len(was) < 500 {
			t.Errorf("too few")
		}
	}
	for i, f := range got {
		if f.etherType == 0x8864 && (f.length != f.whole || f.length > 1456 || f.session == other) {
			t.Errorf("frame %d: length %d, there are %d octets: %v", i+1, f.length, f.whole, f)
		}
	}
	controls := control.end()
	for _, list := range [][]caught{got, controls} {
		loggedIn(t, list, again, second)
	}
	for _, f := range controls {
		if f.ip() {
			t.Errorf("data without --data: %v", f)
		}
	}
}

// loggedIn expects all of a login since a time, with its password overwritten.
func loggedIn(t *testing.T, list []caught, since time.Time, id uint16) {
	t.Helper()
	seen := map[string]int{}
	for _, f := range list {
		switch {
		case f.at.Before(since):
		case f.etherType == 0x8863:
			seen[fmt.Sprintf("%02x", f.code)]++
		case f.session == id && f.protocol >= 0x8000 && len(f.payload) > 0:
			seen[fmt.Sprintf("%04x %d", f.protocol, f.payload[0])]++
			if f.protocol == protocolPAP && f.payload[0] == 1 && !bytes.HasSuffix(f.payload, []byte("user@bizf.example.jp\x07xxxxxxx")) {
				t.Errorf("the password is not overwritten: %q", f.payload)
			}
		}
	}
	// Each side's Configure-Request and its Ack, of LCP and IPCP; PAP; discovery.
	for what, n := range map[string]int{
		"09": 1, "07": 1, "19": 1, "65": 1, "a7": 1, "c021 1": 2, "c021 2": 2, "c023 1": 1, "c023 2": 1, "8021 1": 2, "8021 2": 2,
	} {
		if seen[what] < n {
			t.Errorf("%s was seen %d times of at least %d: %v", what, seen[what], n, seen)
		}
	}
}

func TestCaptureEndsAsItIsTold(t *testing.T) {
	s := newSite(t)
	if r := s.must(23, "capture", "bizf"); !strings.Contains(r.stderr, "not running") {
		t.Errorf("%q", r.stderr)
	}
	f := s.fletsimOn(s.line, "br0")
	s.run()
	s.up(both...)
	oneLine := func(r result, code int, says string) {
		t.Helper()
		if r.code != code || !strings.Contains(r.stderr, says) || strings.Count(strings.TrimPrefix(r.stderr, "capturing bizf on eth1; Ctrl-C ends it\n"), "\n") != 1 {
			t.Errorf("%d, %q; want %d, %q", r.code, r.stderr, code, says)
		}
	}
	oneLine(s.pppoectl("capture", "nobody"), 2, "nobody")
	oneLine(s.pppoectl("capture", "bizf", "-w", "/dev/full"), 1, "no space left on device")
	oneLine(s.pppoectl("capture", "bizf", "-w", s.path("none/file")), 1, "no such file")
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	oneLine(s.exec("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "-c", s.file, "capture", "bizf"), 3, "CAP_NET_RAW")
	if r := s.exec("script", "-qec", program+" -c "+s.file+" capture bizf", "/dev/null"); r.code != 2 || !strings.Contains(r.stdout, "terminal") {
		t.Errorf("on a terminal: %d, %q", r.code, r.stdout)
	}

	began := time.Now()
	if r := s.must(0, "capture", "bizf", "--for", "1s"); time.Since(began) < time.Second || !strings.Contains(r.stderr, " frames") {
		t.Errorf("--for 1s: %v, %q", time.Since(began), r.stderr)
	}
	file := s.captures("count.pcapng", "--count", "3", "--data", "--secrets")
	f.do("padt " + login4)
	if err := file.cmd.Wait(); err != nil {
		t.Errorf("--count: %v", err)
	}
	b, err := os.ReadFile(file.file)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(captures.ReadNg(t, bytes.NewReader(b))); n != 3 {
		t.Errorf("%d frames", n)
	}

	// The daemon may be restarted meanwhile, and a reader have enough.
	s.up("bizf")
	c := s.captures("restart.pcapng", "--secrets")
	s.must(0, "stop")
	s.run("bizf")
	s.up("bizf")
	s.await("bizf", "a session", func(u control.Uplink) bool { return u.SessionID != 0 })
	time.Sleep(200 * time.Millisecond)
	c.cmd.Process.Signal(unix.SIGTERM)
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	if b, _ := os.ReadFile(c.file); !bytes.Contains(b, []byte("secret4")) {
		t.Error("--secrets: no login is there")
	}
	// With pings until it ends by itself.
	into := func(reader string) result {
		return s.exec("sh", "-c", program+" -c "+s.file+" capture bizf --data "+reader+" & while kill -0 $! 2>/dev/null; do ping -nc1 -W1 "+behindAC+" >/dev/null; sleep 0.1; done; wait $!")
	}
	if r := into("--count 4 | tcpdump -nr -"); strings.Count(r.stdout, "PPPoE") < 4 || strings.Count(r.stdout, "ICMP echo reply") == 0 {
		t.Errorf("by tcpdump: %d, %q, %q", r.code, r.stdout, r.stderr)
	}
	if r := into("| head -c 10 >/dev/null"); r.code != 0 {
		t.Errorf("a reader that goes away: %d, %q", r.code, r.stderr)
	}
	s.must(0, "stop")
}

// What the kernel has joined on its way is written as it came, octet by octet.
func TestCaptureCutsWhatTheKernelHasJoined(t *testing.T) {
	s := newSite(t)
	s.fletsimOn(s.line, "br0")
	s.run("bizf")
	s.up("bizf")
	s.await("bizf", "in the kernel", dataPathIs("ebpf", ""))
	server := s.line.Command("iperf3", "-s")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	s.host.Run("sh", "-c", "echo 1 > /sys/class/net/eth1/threaded") // lets frames gather, so that GRO has something to join
	wire := newCapture(t, s.line, "l1")
	c := s.captures("joined.pcapng", "--data")
	if _, err := s.iperf("-c", behindAC, "-R", "-n", "3M"); err != nil {
		t.Fatal(err)
	}
	got := c.end()
	id := s.uplink("bizf").SessionID
	is := packets(got, func(c caught) frame { return c.frame }, id)
	s.onLine(wire, is, id) // which may lose some that it was given
	joined := 0
	for i, f := range got[1:] {
		if f.at.Equal(got[i].at) {
			joined++
		}
	}
	t.Logf("%d packets in the file; %d were joined to another", len(is), joined)
	if joined == 0 || len(is) < 2000 {
		t.Error("that says nothing")
	}
	s.must(0, "stop")
}
