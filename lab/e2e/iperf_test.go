package lab_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report is the part of iperf3's report that is looked at.
type report struct {
	Error     string `json:"error"`
	Intervals []struct {
		Sum struct {
			Start float64 `json:"start"`
			End   float64 `json:"end"`
			Bytes float64 `json:"bytes"`
		} `json:"sum"`
	} `json:"intervals"`
	End struct {
		Received struct {
			Bytes   float64 `json:"bytes"`
			Seconds float64 `json:"seconds"`
		} `json:"sum_received"`
	} `json:"end"`
}

// notYet reports whether a server has turned the client away, before any data.
func (r *report) notYet() bool {
	turnedAway := func(word string) bool { return strings.Contains(r.Error, word) }
	return len(r.Intervals) == 0 && slices.ContainsFunc([]string{"busy", "refused", "reset by peer"}, turnedAway)
}

// iperf runs iperf3's client to its end. The server may be about to start when the session is
// up, and it serves one client at a time and needs a moment to see that the last one is gone:
// for that it is asked again. Where its word that it is busy comes after its reset, that is lost.
func (s *site) iperf(args ...string) (report, error) {
	args = append([]string{"netns", "exec", s.host.Name, "iperf3", "-J", "--connect-timeout", strconv.FormatInt(patience.Milliseconds(), 10)}, args...)
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) { // between two attempts
		out, err := exec.CommandContext(s.t.Context(), "ip", args...).Output()
		var got report
		if e := json.Unmarshal(out, &got); e != nil {
			return got, fmt.Errorf("iperf3: %v, %w: %s", err, e, tail(string(out), 20))
		}
		switch {
		case got.notYet() && time.Since(begin) < patience:
		case got.Error != "":
			return got, fmt.Errorf("iperf3: %v, %q", err, got.Error)
		default:
			return got, err
		}
	}
}

// stream is an iperf3 connection through a session, while other things happen.
type stream struct {
	name string
	got  report
	err  error
	done chan struct{}
	most time.Duration // that it takes
}

// stream begins a connection of so many seconds, at a rate that the guest can bear.
func (s *site) stream(name string, seconds int, args ...string) *stream {
	return s.connect(name, seconds, append(args, "-i", "0.1", "-b", "10M")...)
}

// connect begins a connection of so many seconds, as fast as it goes.
func (s *site) connect(name string, seconds int, args ...string) *stream {
	x := &stream{name: name, done: make(chan struct{}), most: time.Duration(seconds)*time.Second + 2*patience}
	args = append(args, "-t", strconv.Itoa(seconds))
	go func() {
		defer close(x.done)
		x.got, x.err = s.iperf(args...)
	}()
	return x
}

// survived waits for the end of the connection, which nothing may have cut, and returns
// the longest time in which it carried nothing.
func (s *site) survived(x *stream) time.Duration {
	s.t.Helper()
	select {
	case <-x.done:
	case <-time.After(x.most):
		s.t.Fatalf("%s: iperf3 does not end", x.name)
	}
	if x.err != nil || len(x.got.Intervals) == 0 {
		s.t.Fatalf("%s: the connection was lost: %v", x.name, x.err)
	}
	var longest, gap float64
	for _, i := range x.got.Intervals {
		if i.Sum.Bytes > 0 {
			gap = 0
			continue
		}
		gap += i.Sum.End - i.Sum.Start
		longest = max(longest, gap)
	}
	received := x.got.End.Received
	s.t.Logf("%s: %.1f MB in %.0f s, longest gap %.1f s", x.name, received.Bytes/1e6, received.Seconds, longest)
	return time.Duration(longest * float64(time.Second))
}
