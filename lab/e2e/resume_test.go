package lab_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/control"
)

// pinger pings ten times a second.
type pinger struct {
	to  string
	cmd *exec.Cmd
	out strings.Builder
}

func (s *site) pinger(to string) *pinger {
	s.t.Helper()
	p := &pinger{to: to, cmd: s.host.Command("ping", "-n", "-D", "-i", "0.1", to)}
	p.cmd.Stdout = &p.out
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

// gap ends the pings and returns the longest time without an answer.
func (p *pinger) gap() time.Duration {
	p.cmd.Process.Signal(unix.SIGINT)
	p.cmd.Wait()
	var last, longest float64
	for line := range strings.Lines(p.out.String()) {
		at, _, ok := strings.Cut(strings.TrimPrefix(line, "["), "] 64 bytes")
		now, err := strconv.ParseFloat(at, 64)
		if !ok || err != nil {
			continue
		}
		if last != 0 {
			longest = max(longest, now-last)
		}
		last = now
	}
	return time.Duration(longest * float64(time.Second)).Round(time.Millisecond)
}

// number is what an environment variable says, else a default.
func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// rounds is how often something is repeated: a few times in each run of the tests,
// more often by hand.
var rounds = number("KILLS", 2)

const (
	away    = 5 * time.Second // how long there is no daemon
	between = 8 * time.Second // TCP's own retransmissions are over by then
)

// Connections through both sessions outlive kill -9 of the daemon, again and again; one in
// the kernel does not even stand still.
func TestConnectionsOutliveTheDaemon(t *testing.T) {
	r := newRouter(t)
	r.concentrator()
	inUserSpace := strings.Index(everything, "  bizf6:") + len("  bizf6:\n")
	r.configure(everything[:inUserSpace] + "    data-path: offload\n" + everything[inUserSpace:])
	wire := newCapture(t, r.line, "ac0")
	d := r.run()
	r.up(both...)
	if p := r.uplink("bizf").DataPath; p.Kind != "ebpf" {
		t.Errorf("the data path is %+v", p)
	}
	began := time.Now()
	was := map[string]control.Uplink{"bizf": r.uplink("bizf"), "bizf6": r.uplink("bizf6")}
	r.settled()
	before := r.whole()
	seconds := rounds*int((away+between+time.Second)/time.Second) + 10
	streams := []*stream{
		r.stream("bizf, upload", seconds, "-c", "198.51.100.1"),
		r.stream("bizf6, download", seconds, "-6", "-c", "2001:db8:ffff::1", "-p", "5202", "-R"),
	}
	pings := []*pinger{r.pinger("198.51.100.1"), r.pinger("2001:db8:ffff::1")}
	time.Sleep(between) // of traffic
	longest := away     // without a daemon that has resumed
	for round := range rounds {
		killed := time.Now()
		d.end(unix.SIGKILL)
		time.Sleep(away)
		start := time.Now()
		d = r.run()
		for _, name := range both {
			r.await(name, "resumed", func(u control.Uplink) bool { return u.State == control.Up && u.Resumed == round+1 })
		}
		t.Logf("round %d: both resumed %v after the start", round+1, time.Since(start).Round(time.Millisecond))
		longest = max(longest, time.Since(killed))
		time.Sleep(between)
	}
	for i, p := range pings {
		least, most := []time.Duration{0, away}[i], []time.Duration{0, longest}[i] // in the kernel it goes on without us
		if gap := p.gap(); gap < least || gap > most+5*time.Second {
			t.Errorf("%s: no answer for %v, want %v to %v and a moment", p.to, gap, least, most)
		} else {
			t.Logf("ping %s: no answer for %v at most", p.to, gap)
		}
	}
	if gap := r.survived(streams[0]); gap > 3*time.Second {
		t.Errorf("%s stood still for %v", streams[0].name, gap)
	}
	r.survived(streams[1]) // TCP waits twice as long after each retransmission: its gaps are longer
	wire.notDialled(began)
	wire.none("PADT", began, discovery(padt))
	for name, u := range was {
		now := r.uplink(name)
		if now.SessionID != u.SessionID || now.AC.MAC != u.AC.MAC || !now.UpSince.Round(5*time.Second).Equal(u.UpSince.Round(5*time.Second)) && now.UpSince.Sub(*u.UpSince).Abs() > 3*time.Second {
			t.Errorf("%s was\n%+v\nand is\n%+v", name, u, now)
		}
		if now.Rx.Packets <= u.Rx.Packets || now.Tx.Packets <= u.Tx.Packets {
			t.Errorf("%s has counted rx %+v tx %+v, before %+v %+v", name, now.Rx, now.Tx, u.Rx, u.Tx)
		}
	}
	r.restoredWhole(before, fmt.Sprintf("%d times kill -9 and start", rounds))
	r.must(0, "stop")
}
