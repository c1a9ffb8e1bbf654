package timer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pppoectl/timer"
)

func TestLimiter(t *testing.T) {
	const burst, interval = 3, 10 * time.Second
	var l timer.Limiter
	var allowed []string
	for _, at := range []time.Duration{0, 0, 0, 0, 9, 10, 10, 19, 20, 100, 100, 100, 100} {
		if l.Allow(at*time.Second, burst, interval) {
			allowed = append(allowed, fmt.Sprint(int(at)))
		}
	}
	if got, want := strings.Join(allowed, " "), "0 0 0 10 20 100 100 100"; got != want {
		t.Errorf("allowed at %s, want %s", got, want)
	}
}

func TestEarliest(t *testing.T) {
	for _, c := range []struct {
		in   []time.Duration
		want time.Duration
	}{
		{nil, 0},
		{[]time.Duration{0, 0}, 0},
		{[]time.Duration{5, 0, 3, 0}, 3},
		{[]time.Duration{0, 7}, 7},
	} {
		if got := timer.Earliest(c.in...); got != c.want {
			t.Errorf("Earliest(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}
