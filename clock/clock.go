// Package clock tells the time since boot, and when the machine's clocks jump.
package clock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// SinceBoot is the time since boot, sleep included (CLOCK_BOOTTIME).
func SinceBoot() time.Duration { return read(unix.CLOCK_BOOTTIME) }

func read(clock int32) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		panic(err) // every kernel since 2.6.39 has them
	}
	return time.Duration(t.Nano())
}

// Jump is what has happened to the clocks: Go's timers do not run while the machine
// sleeps, and times of day that were noted may be wrong.
type Jump struct {
	Slept time.Duration // the machine did
	Set   time.Duration // the time of day was set forward by that, or back
}

// reading is all clocks at one time.
type reading struct{ boot, monotonic, wall time.Duration }

func now() reading {
	return reading{SinceBoot(), read(unix.CLOCK_MONOTONIC), read(unix.CLOCK_REALTIME)}
}

// since returns what has happened between two readings.
func (r reading) since(old reading) Jump {
	passed := r.boot - old.boot
	return Jump{
		Slept: passed - (r.monotonic - old.monotonic),
		Set:   r.wall - old.wall - passed,
	}
}

// far is when the timer would run out that only waits to be cancelled.
const far = 50 * 365 * 24 * time.Hour

// Watch tells of jumps until ctx is done. The kernel cancels a timer of the time of day
// when that is set, and when the machine wakes up (timerfd_create(2)).
func Watch(ctx context.Context) (<-chan Jump, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("timerfd: %w", err)
	}
	if err := arm(fd); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("timerfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), "timerfd")
	context.AfterFunc(ctx, func() { f.Close() })
	jumps := make(chan Jump)
	go follow(ctx, f, now(), jumps)
	return jumps, nil
}

func follow(ctx context.Context, f *os.File, last reading, jumps chan<- Jump) {
	var b [8]byte
	for {
		_, err := f.Read(b[:])
		if err != nil && !errors.Is(err, unix.ECANCELED) {
			return // closed
		}
		rearm(f)
		at := now()
		j := at.since(last)
		last = at
		select {
		case jumps <- j:
		case <-ctx.Done():
			return
		}
	}
}

func rearm(f *os.File) {
	if c, err := f.SyscallConn(); err == nil {
		c.Control(func(fd uintptr) { arm(int(fd)) })
	}
}

func arm(fd int) error {
	at := unix.NsecToTimespec((read(unix.CLOCK_REALTIME) + far).Nanoseconds())
	return unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &unix.ItimerSpec{Value: at}, nil)
}
