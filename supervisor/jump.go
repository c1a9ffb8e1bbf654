package supervisor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"pppoectl/clock"
)

// broadcast wakes all who wait for it.
type broadcast struct {
	mu sync.Mutex
	c  chan struct{}
}

// next is closed at the next message.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
	}
	return b.c
}

func (b *broadcast) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
		b.c = nil
	}
}

// Jumps that are less than that concern nobody.
const leastJump = 2 * time.Second

// watchClock has everybody look at the clock again when the machine was asleep, or its
// time of day was set.
func (s *Supervisor) watchClock(ctx context.Context) {
	jumps, err := s.env.Jumps(ctx)
	if err != nil {
		s.log.Warnf("that the machine was asleep will be noticed late: %v", err)
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-jumps:
			s.tellJump(j)
			s.lans.rewrite()
			s.jumps.tell()
		}
	}
}

func (s *Supervisor) tellJump(j clock.Jump) {
	if j.Slept >= leastJump {
		s.Tell("asleep", fmt.Sprintf("the machine was asleep for %v; sessions are asked whether they are still there", j.Slept.Round(time.Second)))
	}
	if j.Set.Abs() >= leastJump {
		way := "forward"
		if j.Set < 0 {
			way = "back"
		}
		s.Tell("clock", fmt.Sprintf("the clock was set %s by %v; all waiting goes on as before", way, j.Set.Abs().Round(time.Second)))
	}
}

// clockJumped notes what may be wrong by now: Go's timers, which [uplink.rearm] sets anew,
// and times of day on disk.
func (u *uplink) clockJumped() {
	if u.pd.client == nil {
		return
	}
	if u.pd.client.Confirmed() {
		u.saveLease(true)
		return
	}
	// Of another boot, it may be older than a clock without a battery could tell.
	lease, err := u.s.store.LoadLease(u.cfg.Name, u.s.env.Now(), time.Now())
	if err == nil && len(lease.Lease.Prefixes) > 0 {
		u.pd.client.Restore(lease.Lease)
		u.pd.deadline = u.s.env.Now()
	}
}

// rewrite has the times of day beside what LANs have been told be those of today.
func (a *advertising) rewrite() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.save()
}
