package main

import (
	"context"
	"errors"
	"time"

	"pppoectl/control"
)

// load is what TCP through several sessions at once has come to.
type load struct {
	Flowing int     `json:"flowing"`              // streams that carried anything
	Rate    float64 `json:"gbit_per_s"`           // of all together, of TCP's payload
	CPU     float64 `json:"cpu_s_per_gb"`         // of the daemon, for each 10^9 octets of payload
	Fletsim float64 `json:"fletsim_cpu_s_per_gb"` // of fletsim, likewise
}

// rampUp is how long the streams run before they count.
const rampUp = time.Second

// load has TCP flow through uplinks, a stream each.
func (s *site) load(ctx context.Context, uplinks []control.Uplink, d time.Duration, down bool) (l load, err error) {
	t, err := s.connect(ctx, uplinks, down)
	if err != nil {
		return l, err
	}
	defer t.close()
	if err := sleep(ctx, rampUp); err != nil {
		return l, err
	}
	before := t.octets()
	used, passed, err := s.watch(ctx, d)
	if err != nil {
		return l, err
	}
	var sum int64
	for i, n := range t.octets() {
		if i < len(before) {
			n -= before[i]
		}
		if n > 0 {
			l.Flowing++
			sum += n
		}
	}
	if sum == 0 {
		return l, errors.New("TCP carries nothing")
	}
	gb := float64(sum) / 1e9
	l.Rate = 8 * gb / passed.Seconds()
	l.CPU, l.Fletsim = used.daemon.Seconds()/gb, used.fletsim.Seconds()/gb
	return l, nil
}

// used is CPU time of both programs.
type used struct{ daemon, fletsim time.Duration }

// used is what both have used so far.
func (s *site) used() (u used, err error) {
	if u.daemon, err = s.daemon.cpu(); err == nil {
		u.fletsim, err = s.fletsim.cpu()
	}
	return u, err
}

// watch tells what both programs use in a time, and how long it has been.
func (s *site) watch(ctx context.Context, d time.Duration) (used, time.Duration, error) {
	before, err := s.used()
	if err != nil {
		return used{}, 0, err
	}
	begin := time.Now()
	if err := sleep(ctx, d); err != nil {
		return used{}, 0, err
	}
	after, err := s.used()
	return used{after.daemon - before.daemon, after.fletsim - before.fletsim}, time.Since(begin), err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
