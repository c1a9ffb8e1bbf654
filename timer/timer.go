package timer

import "time"

// Limiter is a token bucket: Burst events at once, then one each Interval. Its
// zero value is full. It is plain data, to be kept in snapshots.
type Limiter struct {
	Used float64       `json:"used,omitempty"` // tokens taken and not yet returned
	At   time.Duration `json:"at,omitempty"`   // when Used was true
}

// Allow takes a token if there is one.
func (l *Limiter) Allow(now time.Duration, burst int, interval time.Duration) bool {
	if now > l.At {
		l.Used = max(0, l.Used-float64(now-l.At)/float64(interval))
	}
	l.At = now
	if l.Used+1 > float64(burst) {
		return false
	}
	l.Used++
	return true
}

// Earliest returns the first of the deadlines that are not zero; zero when all
// are.
func Earliest(deadlines ...time.Duration) time.Duration {
	var first time.Duration
	for _, d := range deadlines {
		if d != 0 && (first == 0 || d < first) {
			first = d
		}
	}
	return first
}
