package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// daemon is pppoectl, and what its log tells.
type daemon struct {
	*process
	began time.Time
	allUp chan time.Time // when the last of its sessions came up

	mu   sync.Mutex
	up   map[string]bool // uplinks that have been up
	lost int             // sessions
	last string          // what it said last, for errors
}

// startDaemon starts pppoectl with so many sessions.
func (s *site) startDaemon(sessions int) error {
	r, w := io.Pipe()
	s.daemon = &daemon{began: time.Now(), allUp: make(chan time.Time, 1), up: map[string]bool{}}
	p, err := startTo(s.host, nil, w, s.program("pppoectl"), "-c", s.file("pppoectl.yaml"), "run")
	if err != nil {
		s.daemon = nil
		return err
	}
	s.daemon.process = p
	go s.daemon.listen(r, sessions)
	return nil
}

// listen reads the log: asking a daemon each moment for the status of a thousand uplinks
// would cost more than they do.
func (d *daemon) listen(log io.Reader, sessions int) {
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var v struct{ Event, Uplink, Msg string }
		if json.Unmarshal(lines.Bytes(), &v) != nil {
			v.Msg = lines.Text()
		}
		d.mu.Lock()
		d.last = v.Msg
		switch v.Event {
		case "up":
			if d.up[v.Uplink] = true; len(d.up) == sessions && d.lost == 0 {
				select {
				case d.allUp <- time.Now():
				default:
				}
			}
		case "dropped", "failed":
			d.lost++
		}
		d.mu.Unlock()
	}
}

// await waits until all sessions are up, and returns how long that took.
func (d *daemon) await(ctx context.Context, patience time.Duration) (time.Duration, error) {
	var why error
	select {
	case at := <-d.allUp:
		return at.Sub(d.began), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-d.done:
		why = errors.New("pppoectl has ended")
	case <-time.After(patience):
		why = errors.New("the sessions do not come up")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return 0, fmt.Errorf("%w: %d have been up, %d were lost; the last words: %s", why, len(d.up), d.lost, d.last)
}

// lostSessions counts those until now.
func (d *daemon) lostSessions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost
}
