package lab_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/concentrator"
	"pppoectl/control"
	"pppoectl/flets"
	"pppoectl/simulator"
)

// descriptors is how many the daemon has open.
func (d *daemon) descriptors() int {
	d.s.t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid))
	if err != nil {
		d.s.t.Fatal(err)
	}
	return len(list)
}

// hang connects to the daemon n times, sends the text and never reads; the connections last
// until the test ends, or the daemon ends them.
func (s *site) hang(n int, text string) []net.Conn {
	s.t.Helper()
	var all []net.Conn
	for range n {
		c, err := net.Dial("unix", s.path("run/"+control.SocketName))
		if err == nil {
			s.t.Cleanup(func() { c.Close() })
			_, err = io.WriteString(c, text)
		}
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// longHistory writes a history that no socket's buffer holds.
func (s *site) longHistory() {
	s.t.Helper()
	if err := os.MkdirAll(s.path("state"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	event := fmt.Sprintf(`{"time":"2026-01-02T03:04:05Z","uplink":"bizf","kind":"notice","message":%q}`, strings.Repeat("x", 400))
	s.writeFile(s.path("state/events.jsonl"), strings.Repeat(event+"\n", 1800))
}

// Clients that connect and hang keep nobody from the daemon, and have their connections for so
// long only.
func TestClientsThatHang(t *testing.T) {
	s := newSite(t)
	s.configure(alone)
	s.fletsimOn(s.line, "br0")
	s.longHistory()
	d := s.run("bizf")
	s.up("bizf")
	before := d.descriptors()
	began := time.Now()
	var ended sync.WaitGroup
	t.Cleanup(ended.Wait)
	for _, c := range []struct {
		what, text string
		times      int
		atMost     time.Duration // their connections last
	}{
		{"nothing", "", 25, 20 * time.Second},
		{"half a header", "GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Ha", 25, 20 * time.Second},
		{"half a body", "POST /v1/plan HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nuplinks:", 25, 43 * time.Second},
	} {
		for _, conn := range s.hang(c.times, c.text) {
			ended.Go(func() {
				io.Copy(io.Discard, conn) // until the daemon ends it
				if took := time.Since(began); took > c.atMost {
					t.Errorf("%s: the connection lasted %v", c.what, took)
				}
			})
		}
	}
	s.hang(25, "GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
	s.eventually("all are connected", func() error {
		if n := d.descriptors() - before; n < 100 {
			return fmt.Errorf("%d are", n)
		}
		return nil
	})
	for _, args := range [][]string{{"status"}, {"down", "bizf"}, {"up", "bizf"}, {"events"}, {"status", "bizf"}} {
		r := s.must(0, args...)
		t.Logf("%s: %v", strings.Join(args, " "), r.took.Round(time.Millisecond))
		// By then the first are gone by themselves. Histories are read one at a time: `events` comes after 25 others, of which
		// each would take 10 s if it were waited for.
		if r.took > 8*time.Second && args[0] != "events" {
			t.Errorf("%s took %v", strings.Join(args, " "), r.took)
		}
	}
	s.ping(behindAC)
	fewer := func(than int) {
		t.Helper()
		s.eventually("descriptors are given back", func() error {
			if n := d.descriptors(); n > than {
				return fmt.Errorf("there are %d, %d before", n, before)
			}
			return nil
		})
		t.Logf("%v after they came: %d descriptors, %d before", time.Since(began).Round(100*time.Millisecond), d.descriptors(), before)
	}
	fewer(before + 25 + 1) // those with half a body, and one of ours
	fewer(before + 1)
	s.must(0, "status")
	s.must(0, "stop")
	d.wait()
}

// Who takes all descriptors of the daemon keeps others from it for a while, but ends no session.
func TestClientsThatTakeAllDescriptors(t *testing.T) {
	s := newSite(t)
	s.configure(alone)
	f := s.fletsimOn(s.line, "br0", "{interval: 10s, failures: 3}", "{interval: 1s, failures: 3}")
	d := s.run("bizf")
	s.up("bizf")
	was := f.session(login4)
	limit := uint64(d.descriptors() + 40)
	if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}, nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.hang(60, "")
	s.eventually("no descriptor is left", func() error {
		if n := d.descriptors(); n < int(limit) {
			return fmt.Errorf("%d of %d are in use", n, limit)
		}
		return nil
	})
	for time.Since(began) < 8*time.Second {
		s.ping(behindAC)
		time.Sleep(500 * time.Millisecond)
	}
	if o := f.session(login4); o.ID != was.ID {
		t.Errorf("session %d at the AC, was %d", o.ID, was.ID)
	}
	r := s.must(0, "status")
	t.Logf("status answers after %v, %v after they came", r.took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	if u := s.uplink("bizf"); !isUp(u) || u.SessionID != was.ID || u.LastDrop != nil {
		t.Errorf("%s, session %d, was %d; last drop %+v", u.State, u.SessionID, was.ID, u.LastDrop)
	}
	s.must(0, "stop")
	d.wait()
}

// most watches the AC and returns, when it is called, how many sessions there were at once.
func (f *simulated) most() func() int {
	most, end, ended := 0, make(chan struct{}), make(chan struct{})
	client := simulator.Dial(f.s.path("f.sock"))
	go func() {
		defer close(ended)
		for {
			if st, err := client.Status(f.s.t.Context()); err == nil {
				most = max(most, len(st.Sessions))
			}
			select {
			case <-end:
				return
			case <-f.s.t.Context().Done():
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return func() int {
		close(end)
		<-ended
		return most
	}
}

// Whatever ten people order at once, nothing gets stuck, and the AC has one session at most.
func TestTenOrdersAtOnce(t *testing.T) {
	s := newSite(t)
	s.configure(alone)
	f := s.fletsimOn(s.line, "br0")
	before := s.settled()
	d := s.run("bizf")
	s.up("bizf")
	orders := []string{"up", "down", "restart", "up", "restart", "down", "up", "restart", "down", "up"}
	mix := rand.New(rand.NewPCG(1, 2))
	most := f.most()
	for round := range 5 {
		mix.Shuffle(len(orders), func(i, j int) { orders[i], orders[j] = orders[j], orders[i] })
		begin := time.Now()
		failed, codes := make(chan error, len(orders)), make(chan int, len(orders))
		for _, verb := range orders {
			go func() {
				r, err := s.try(program, "-c", s.file, verb, "bizf")
				if err == nil && r.took > 10*time.Second {
					err = fmt.Errorf("%s took %v: %d, %s", verb, r.took, r.code, r.stderr)
				}
				failed <- err
				codes <- r.code
			}()
		}
		seen := map[int]int{}
		for range orders {
			if err := <-failed; err != nil {
				t.Error(err)
			}
			seen[<-codes]++
		}
		t.Logf("round %d: %v; after %v, exit statuses and how often: %v", round+1, orders, time.Since(begin).Round(time.Millisecond), seen)
		r := s.must(0, "up", "bizf")
		t.Logf("round %d: up after %v", round+1, r.took.Round(time.Millisecond))
		if o := f.session(login4); o.ID != s.uplink("bizf").SessionID {
			t.Errorf("session %d at the AC, ours is %d", o.ID, s.uplink("bizf").SessionID)
		}
		s.ping(behindAC)
	}
	if n := most(); n != 1 {
		t.Errorf("%d sessions at the AC at once", n)
	}
	if e := f.events(concentrator.TurnedAway, ""); len(e) > 0 {
		t.Errorf("turned away: %v", e)
	}
	t.Logf("%d sessions in all", len(f.events("session", "")))
	s.must(0, "stop")
	d.wait()
	s.restored(before, "stop")
}

// beside makes another daemon's directories and configuration, on the same host.
func (s *site) beside(name, text string) *site {
	s.t.Helper()
	o := *s
	o.dir = s.path(name)
	o.file, o.client = filepath.Join(o.dir, "pppoectl.yaml"), control.NewClient(filepath.Join(o.dir, "run"))
	if err := os.Mkdir(o.dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(o.examineLogs)
	o.configure(text)
	o.secret("bizf", "secret4")
	o.secret("bizf6", "secret6")
	return &o
}

// alone6 is bizf6's configuration without bizf.
var alone6 = configuration[:strings.Index(configuration, "  bizf:")] + configuration[strings.Index(configuration, "  bizf6:"):] + `
    prefix: {request: true}
    firewall: true
`

// neighbours is how long two daemons are watched: some seconds in each run of the tests, longer
// by hand.
func neighbours() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("NEIGHBOURS")); err == nil {
		return d
	}
	return 20 * time.Second
}

// Two daemons on one port leave each other's session alone, whatever becomes of one of them.
func TestTwoDaemonsOnOneLine(t *testing.T) {
	s := newSite(t)
	f := s.fletsimOn(s.line, "br0")
	first, second := s.beside("4", alone+"    nat: true\n"), s.beside("6", alone6)
	before := s.settled()
	wire := newCapture(t, s.line, "l1")
	began := time.Now()
	d4, d6 := first.run(), second.run()
	first.up("bizf")
	second.up("bizf6")
	s.ping(behindAC)
	s.ping(inside6)
	was4, was6 := f.session(login4), f.session(login6)
	opened := time.Now()

	pings, longest := 0, time.Duration(0)
	for until := time.Now().Add(neighbours()); time.Now().Before(until); pings++ {
		for _, address := range []string{behindAC, inside6} {
			longest = max(longest, s.ping(address))
		}
		first.stays("bizf", was4)
		second.stays("bizf6", was6)
		time.Sleep(time.Second) // between two looks
	}
	wire.notDialled(opened)
	wire.none("PADT", began, func(f frame) bool { return f.is(padt) && (f.session == was4.ID || f.session == was6.ID) })
	for _, o := range []*site{first, second} {
		u := o.status()
		if u.Echo == nil || u.Echo.Sent == 0 || u.Echo.Lost > 0 {
			t.Errorf("%s: echoes %+v", u.Name, u.Echo)
		}
		t.Logf("%s: session %d for %v, echoes %+v, rx %+v, tx %+v", u.Name, u.SessionID, time.Since(*u.UpSince).Round(time.Second), *u.Echo, u.Rx, u.Tx)
	}
	t.Logf("%d pings each, the longest %v", pings, longest.Round(time.Millisecond))

	third := s.beside("third", strings.ReplaceAll(alone, "DIR/state", first.path("state")))
	third.refuses(third.pppoectl("run"), first.path("state"), "in use by another pppoectl")
	first.stays("bizf", was4)
	first.must(0, "status")

	killed := time.Now()
	d4.end(unix.SIGKILL)
	s.ping(inside6)
	d4 = first.run()
	first.resumes(was4)
	t.Logf("resumed %v after kill -9", time.Since(killed).Round(time.Millisecond))
	first.stays("bizf", was4)
	second.stays("bizf6", was6)
	wire.notDialled(killed)
	wire.none("PADT", killed, discovery(padt))

	stopped := time.Now()
	second.must(0, "stop")
	d6.wait()
	first.pingsFor(2 * time.Second)
	first.stays("bizf", was4)
	wire.none("PADT for another session", stopped, func(f frame) bool { return f.is(padt) && f.session != was6.ID })
	if st := f.status(); len(st.Sessions) != 1 || st.Sessions[0].ID != was4.ID {
		t.Errorf("at the AC: %+v", st.Sessions)
	}
	first.must(0, "stop")
	d4.wait()
	s.restored(before, "stop of both")
}

// status returns the status of a daemon's only uplink.
func (s *site) status() control.Uplink {
	s.t.Helper()
	status, err := s.client.Status(s.t.Context())
	if err != nil || len(status.Uplinks) != 1 {
		s.t.Fatalf("status: %+v, %v", status, err)
	}
	return status.Uplinks[0]
}

// stays expects an uplink to be up in the session that it had.
func (s *site) stays(name string, was flets.SessionStatus) {
	s.t.Helper()
	if u := s.uplink(name); !isUp(u) || u.SessionID != was.ID || u.LastDrop != nil {
		s.t.Errorf("%s: %s, session %d, was %d; last drop %+v", name, u.State, u.SessionID, was.ID, u.LastDrop)
	}
}

// pingsFor pings for a while and expects an answer each time.
func (s *site) pingsFor(d time.Duration) {
	s.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		if r := s.exec("ping", "-n", "-c1", "-W1", behindAC); r.code != 0 {
			s.t.Error(r.stdout + r.stderr)
		}
	}
}
