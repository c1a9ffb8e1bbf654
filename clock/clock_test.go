package clock

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWhatHappenedBetweenTwoReadings(t *testing.T) {
	const s = time.Second
	begin := reading{boot: 100 * s, monotonic: 90 * s, wall: 1000 * s}
	for _, c := range []struct {
		name string
		now  reading
		want Jump
	}{
		{"time passed", reading{110 * s, 100 * s, 1010 * s}, Jump{}},
		{"the machine slept for an hour", reading{3710 * s, 100 * s, 4610 * s}, Jump{Slept: 3600 * s}},
		{"the clock was set forward", reading{110 * s, 100 * s, 5010 * s}, Jump{Set: 4000 * s}},
		{"the clock was set back", reading{110 * s, 100 * s, 10 * s}, Jump{Set: -1000 * s}},
		{"it slept and had no clock meanwhile", reading{3710 * s, 100 * s, 1010 * s}, Jump{Slept: 3600 * s, Set: -3600 * s}},
	} {
		if got := c.now.since(begin); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// The kernel's part, in a guest whose clock may be set: lab/e2e runs it there.
func TestClockThatIsSetIsNoticed(t *testing.T) {
	if os.Getenv("CLOCK_MAY_BE_SET") == "" {
		t.Skip("sets the clock: only in a guest of the lab")
	}
	jumps, err := Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []time.Duration{3 * time.Hour, -time.Hour} {
		before := read(unix.CLOCK_MONOTONIC)
		at := unix.NsecToTimespec((read(unix.CLOCK_REALTIME) + by).Nanoseconds())
		if err := unix.ClockSettime(unix.CLOCK_REALTIME, &at); err != nil {
			t.Fatal(err)
		}
		late := read(unix.CLOCK_MONOTONIC) - before // the clock has gone on meanwhile
		select {
		case j := <-jumps:
			if (j.Set-by).Abs() > late+100*time.Millisecond || j.Slept.Abs() > 100*time.Millisecond {
				t.Errorf("set by %v: %+v", by, j)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("set by %v: nothing was noticed", by)
		}
	}
}
