package lab_test

import (
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/rawsocket"
)

var (
	floodTime = flag.Duration("flood", 0, "how long hostile frames come while throughput is measured; 0: it is not")
	floodSeed = flag.Uint64("flood-seed", 0, "which mutations hostile frames have; 0: others each time")
)

// A flood has so many frames at least, and may have so much written, in octets: log and state.
const (
	floodFrames = 100_000
	mostWritten = 256 << 10
)

// burden is what a daemon takes of the machine.
type burden struct {
	rss, peak   int64 // octets
	log, state  int64 // octets on disk
	descriptors int
}

func (d *daemon) burden() burden {
	d.s.t.Helper()
	b := burden{descriptors: d.descriptors()}
	text, err := os.ReadFile(d.proc("status"))
	if err != nil {
		d.s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			switch f[0] {
			case "VmRSS:":
				b.rss = kib << 10
			case "VmHWM:":
				b.peak = kib << 10
			}
		}
	}
	if i, err := os.Stat(d.s.path("daemon.log")); err == nil {
		b.log = i.Size()
	}
	filepath.WalkDir(d.s.path("state"), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if i, err := e.Info(); err == nil {
				b.state += i.Size()
			}
		}
		return nil
	})
	return b
}

func (d *daemon) proc(name string) string {
	return fmt.Sprintf("/proc/%d/%s", d.cmd.Process.Pid, name)
}

// forgetPeak has the peak of memory begin anew.
func (d *daemon) forgetPeak() {
	d.s.t.Helper()
	if err := os.WriteFile(d.proc("clear_refs"), []byte("5"), 0); err != nil {
		d.s.t.Fatal(err)
	}
}

// flood sends frames into the host's port, one after the other and again, as fast as it
// takes them, until enough says so of how many it has taken.
func (s *site) flood(frames [][]byte, enough func(sent int) bool) (sent int, took time.Duration) {
	s.t.Helper()
	var failed error
	s.line.Do(func() {
		ifi, err := net.InterfaceByName("l1")
		if err != nil {
			failed = err
			return
		}
		nothing := []bpf.Instruction{bpf.RetConstant{Val: 0}}
		c, err := rawsocket.Listen(*ifi, unix.ETH_P_PPP_DISC, nothing, 0)
		if err != nil {
			failed = err
			return
		}
		defer c.Close()
		raw, err := c.SyscallConn()
		if err != nil {
			failed = err
			return
		}
		messages := rawsocket.NewMessages(frames)
		for begin := time.Now(); !enough(sent) && failed == nil; took = time.Since(begin) {
			var lost int
			lost, failed = messages.Send(raw, len(frames))
			sent += len(frames) - lost
		}
	})
	if failed != nil {
		s.t.Fatal(failed)
	}
	return sent, took
}

// Both sessions outlive a flood of frames that are broken, lie or are somebody else's, on each
// data path, and it costs neither memory nor disk.
func TestSessionsOutliveAFloodOfHostileFrames(t *testing.T) {
	for _, c := range []struct {
		name, level string
		begin       func(r *router)
	}{
		{"the real AC, log level info", "info", func(r *router) { r.concentrator() }},
		{"fletsim, log level debug", "debug", func(r *router) {
			r.fletsimOn(r.line, "br0")
			server := r.line.Command("iperf3", "-s")
			if err := server.Start(); err != nil {
				r.t.Fatal(err)
			}
			r.t.Cleanup(func() { server.Process.Kill(); server.Wait() })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRouter(t)
			opened := r.listens("l1")
			c.begin(r)
			with := func(path string) {
				r.configure(strings.Replace(withPath(everything, path), "level: debug", "level: "+c.level, 1))
			}
			with("ebpf")
			d := r.run()
			r.up(both...)
			r.address(0, "2001:db8:100::/64") // the daemon has all its sockets
			each, frames := r.hostileFrames(opened())
			for _, path := range []string{"ebpf", "offload", "portable"} {
				with(path)
				r.must(0, "reload")
				for _, name := range both {
					r.await(name, "data path "+path, dataPathIs(path, ""))
				}
				r.part(path, func() {
					r.outlives(d, each, frames)
					if *floodTime > 0 {
						r.compare(frames)
					}
				})
			}
			r.must(0, "stop")
		})
	}
}

// hostileFrames are one frame of each kind for each session, and what a flood consists of: these,
// and others that are made of them at random.
func (s *site) hostileFrames(sessions map[uint16]victim) (each, flood [][]byte) {
	s.t.Helper()
	seed := *floodSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	var victims []victim
	for _, name := range both {
		v, ok := sessions[s.uplink(name).SessionID]
		if !ok {
			s.t.Fatalf("no PADS of %s was seen: %v", name, sessions)
		}
		victims = append(victims, v)
		for _, f := range v.hostile(s.t) {
			each = append(each, f)
		}
	}
	const changed = 2000
	rand := rand.New(rand.NewPCG(seed, 0))
	flood = slices.Concat(each, mutants(s.t, rand, changed, victims...))
	rand.Shuffle(len(flood), func(i, j int) { flood[i], flood[j] = flood[j], flood[i] })
	s.t.Logf("%d frames of a kind of their own, %d of real ACs changed at random: -flood-seed %d", len(each), changed, seed)
	return each, flood
}

// outlives expects the sessions to go on as if nothing had been, after one frame of each kind, at
// a pace at which all are heard, and in a flood.
func (r *router) outlives(d *daemon, each, flood [][]byte) {
	t := r.t
	t.Helper()
	reach := func() {
		t.Helper()
		for _, to := range []string{behindAC, inside6} {
			r.ping(to)
		}
	}
	reach()
	was := map[string]control.Uplink{}
	for _, name := range both {
		was[name] = r.uplink(name)
	}
	unchanged := func(after string) {
		t.Helper()
		for _, name := range both {
			// An echo may be lost among so many frames, and the session be suspect until the next one.
			now, then := r.await(name, "up after "+after, isUp), was[name]
			if now.SessionID != then.SessionID || !now.UpSince.Equal(*then.UpSince) || now.Dials != then.Dials {
				t.Errorf("after %s %s has session %d, up since %v, dial %d; it had session %d, up since %v, dial %d", after, name,
					now.SessionID, now.UpSince, now.Dials, then.SessionID, then.UpSince, then.Dials)
			}
			if now.Rx.Dropped == then.Rx.Dropped {
				t.Errorf("after %s %s counts no packet as dropped", after, name)
			}
		}
	}
	d.forgetPeak()
	before := d.burden()
	for some := range slices.Chunk(each, 16) {
		r.flood(some, func(sent int) bool { return sent > 0 })
		time.Sleep(time.Millisecond) // a queue of the daemon holds 64
	}
	reach()
	unchanged("each kind")
	x := r.stream("meanwhile", 1, "-c", behindAC)
	sent, took := r.flood(flood, func(sent int) bool { return sent >= floodFrames })
	gap := r.survived(x)
	reach()
	unchanged("the flood")
	after := d.burden()
	t.Logf("%d frames in %v, %.0f a second; a connection carried nothing for %v at most; RSS %d KiB, at most %d, then %d; log %+d, state %+d octets",
		sent, took.Round(time.Millisecond), float64(sent)/took.Seconds(), gap, before.rss>>10, after.peak>>10, after.rss>>10, after.log-before.log, after.state-before.state)
	for _, name := range both {
		u := r.uplink(name)
		t.Logf("%s: %d packets dropped; %v", name, u.Rx.Dropped-was[name].Rx.Dropped, u.DataPath.Reasons)
	}
	if n := after.peak - before.rss; n > mostMemory {
		t.Errorf("%d KiB more memory", n>>10)
	}
	if n := after.log - before.log + after.state - before.state; n > mostWritten {
		t.Errorf("%d octets were written", n)
	}
	r.eventually("as many descriptors as before", func() error {
		if n := d.descriptors(); n != before.descriptors {
			return fmt.Errorf("%d, there were %d", n, before.descriptors)
		}
		return nil
	})
	for _, words := range []string{"panic", "\x1b"} {
		if list := r.said(words); len(list) > 0 {
			t.Errorf("the log has %q", list[0])
		}
	}
}

// compare prints the throughput of a download without and within a flood.
func (r *router) compare(frames [][]byte) {
	t := r.t
	t.Helper()
	alone, err := r.throughput(*floodTime)
	if err != nil {
		t.Fatal(err)
	}
	var within float64
	done := make(chan struct{})
	go func() {
		defer close(done)
		within, err = r.throughput(*floodTime)
	}()
	sent, took := r.flood(frames, func(int) bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("download: %.2f Gbit/s, within a flood of %.0f frames a second %.2f: %.0f %%",
		alone, float64(sent)/took.Seconds(), within, 100*within/alone)
}

// throughput is that of a download by the first session, in Gbit/s.
func (s *site) throughput(long time.Duration) (float64, error) {
	got, err := s.iperf("-c", behindAC, "-R", "-t", fmt.Sprint(int(long.Seconds())))
	if err != nil {
		return 0, err
	}
	return got.End.Received.Bytes * 8 / 1e9 / got.End.Received.Seconds, nil
}

// What an AC may say at any time is believed: the session ends or is negotiated anew, and comes
// back by itself. The AC knows nothing of it here.
func TestSessionComesBackWhateverTheACSays(t *testing.T) {
	r := newRouter(t)
	r.fletsimOn(r.line, "br0", "busy: refuse", "busy: replace", "  line: 2 ", "  line: 9 ") // it still has what is ended here
	r.configure(everything)
	r.run()
	for _, c := range []struct {
		name, says string
		cause      cause.Code // None: the session goes on
		long       bool       // left out unless -flood is given
	}{
		{"PADT", "", cause.PADT, false},
		{"Terminate-Request", "c021 05ee 0014 +" + escapes[:16], cause.Terminated, false},
		{"Terminate-Ack", "c021 06ee 0004", cause.None, false},
		{"Configure-Request", "c021 01ee 000e 0104 05ae 0506 12345678", cause.None, false},
		{"Configure-Request that is refused", "c021 01ee 0008 0304 c227", cause.None, true},
		{"Configure-Request of IPCP", "8021 01ee 000a 0306 cb007101", cause.None, true},
		{"Terminate-Request of IPCP", "8021 05ee 0004", cause.None, true},
		{"Code-Reject of Configure-Request", "c021 07ee 0008 0101 0004", cause.NegotiationError, true},
		{"Protocol-Reject of LCP", "c021 08ee 000a c021 0101 0004", cause.NegotiationError, true},
		{"Protocol-Reject of IPCP", "c021 08ee 000a 8021 0101 0004", cause.NetworkFailed, true},
	} {
		if c.long && *floodTime == 0 {
			continue
		}
		r.part(c.name, func() {
			r.must(0, "down", "bizf") // failures are counted from here
			opened := r.listens("l1")
			r.must(0, "up", "bizf")
			was := r.uplink("bizf")
			v, ok := opened()[was.SessionID]
			if !ok {
				r.t.Fatalf("no PADS of session %d was seen", was.SessionID)
			}
			f := v.carries(octets(r.t, c.says))
			if c.says == "" {
				f = v.says(padt, v.id, nil)
			}
			began := time.Now()
			r.flood([][]byte{f}, func(sent int) bool { return sent == 100 })
			r.await("bizf", "not as it was", func(u control.Uplink) bool { return !u.Since.Equal(was.Since) })
			u := r.await("bizf", "up again", isUp)
			r.ping(behindAC)
			r.t.Logf("reaches what is behind the AC after %v", time.Since(began).Round(time.Millisecond))
			if same := u.SessionID == was.SessionID; same != (c.cause == cause.None) {
				r.t.Errorf("session %d, was %d", u.SessionID, was.SessionID)
			}
			if c.cause != cause.None && (u.LastDrop == nil || u.LastDrop.Cause != c.cause) {
				r.t.Errorf("dropped by %+v, want %v", u.LastDrop, c.cause)
			}
		})
	}
	r.must(0, "stop")
}
