package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/control"
)

// figures are all that was measured.
type figures struct {
	Machine machine `json:"machine"`
	Sizes   []size  `json:"sizes"`
}

// machine says where.
type machine struct {
	Processors int    `json:"processors"`
	Model      string `json:"model"`
	Kernel     string `json:"kernel"`
	Go         string `json:"go"`
}

// size is what was measured with a number of sessions. What is of the daemon is of all
// its sessions together.
type size struct {
	Sessions   int     `json:"sessions"`
	Up         float64 `json:"up_s"`             // from the start of the daemon until the last is up
	UpCPU      float64 `json:"up_cpu_s"`         // of the daemon until then
	RSS        int64   `json:"rss_octets"`       // of the daemon, idle
	IdleCPU    float64 `json:"idle_cpu_s_per_s"` // of the daemon
	FletsimCPU float64 `json:"fletsim_idle_cpu_s_per_s"`
	Streams    int     `json:"streams"`           // of TCP, each through a session of its own
	Down       load    `json:"down"`              // from fletsim
	UpLoad     load    `json:"up"`                // to fletsim
	LoadedRSS  int64   `json:"loaded_rss_octets"` // of the daemon, after that
	Lost       int     `json:"lost_sessions"`     // in all that time
}

// settle is how long sessions are left alone once they are up: files are written, and
// IPv6 of their devices looks for routers.
const settle = 5 * time.Second

// measure measures one number of sessions on a site of its own.
func measure(ctx context.Context, o options, programs string, sessions int) (f size, err error) {
	s, err := newSite(programs, o.path, sessions)
	defer func() { err = errors.Join(err, s.close()) }()
	if err != nil {
		return f, err
	}
	f.Sessions = sessions
	if err := s.startDaemon(sessions); err != nil {
		return f, err
	}
	took, err := s.daemon.await(ctx, o.fresh)
	if err != nil {
		return f, err
	}
	spent, err := s.daemon.cpu()
	if err != nil {
		return f, err
	}
	f.Up, f.UpCPU = took.Seconds(), spent.Seconds()
	if err := sleep(ctx, settle); err != nil {
		return f, err
	}
	if f.RSS, err = s.daemon.rss(); err != nil {
		return f, err
	}
	idle, passed, err := s.watch(ctx, o.idle)
	if err != nil {
		return f, err
	}
	f.IdleCPU, f.FletsimCPU = idle.daemon.Seconds()/passed.Seconds(), idle.fletsim.Seconds()/passed.Seconds()
	status, err := control.NewClient(s.file("run")).Status(ctx)
	if err != nil {
		return f, err
	}
	some := status.Uplinks[:min(sessions, o.streams)]
	f.Streams = len(some)
	if f.Down, err = s.load(ctx, some, o.load, true); err != nil {
		return f, err
	}
	if f.UpLoad, err = s.load(ctx, some, o.load, false); err != nil {
		return f, err
	}
	if f.LoadedRSS, err = s.daemon.rss(); err != nil {
		return f, err
	}
	f.Lost = s.daemon.lostSessions()
	return f, nil
}

// thisMachine describes this one.
func thisMachine() machine {
	m := machine{Processors: runtime.NumCPU(), Go: runtime.Version(), Model: runtime.GOARCH}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			m.Model = strings.TrimSpace(value)
			break
		}
	}
	return m
}

func (m machine) String() string {
	return fmt.Sprintf("%d processors (%s), Linux %s, %s", m.Processors, m.Model, m.Kernel, m.Go)
}
