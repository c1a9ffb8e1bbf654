package supervisor

import (
	"math/rand/v2"
	"time"

	"pppoectl/cause"
)

// wait is how long to wait before the next dial: at most first after the first
// failure, twice as long after each further one, up to longest.
type wait struct{ first, longest time.Duration }

// waits is the schedule by cause; docs/schedule.md shows it. What is neither here nor in
// refusals is dialled again at once.
var waits = map[cause.Code]wait{
	cause.EchoLost:         {0, time.Minute}, // the AC has told that it takes new sessions, or enough time has passed
	cause.PADT:             {time.Second, time.Minute},
	cause.Terminated:       {time.Second, time.Minute},
	cause.ACRefused:        {5 * time.Second, 5 * time.Minute},
	cause.NegotiationError: {5 * time.Second, 10 * time.Minute},
	cause.Loopback:         {10 * time.Second, 10 * time.Minute},
	cause.AuthTimeout:      {5 * time.Second, 10 * time.Minute},
	cause.NetworkFailed:    {10 * time.Second, 10 * time.Minute},
	cause.DeviceFailed:     {5 * time.Second, time.Minute},
	cause.Crashed:          {5 * time.Second, 10 * time.Minute},
}

// refusals are the waits after refusals of the login, one after the other and then
// the last one for ever: repeated wrong passwords may lock an account until somebody
// telephones, and an AC that holds an earlier session needs time, not questions. It
// is never given up: after work on the line rejections for hours are normal.
var refusals = map[cause.Code][]time.Duration{
	cause.AuthRejected: {5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, rejectedOnce},
	cause.StillHeld:    {30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute},
}

// The last wait after rejections.
const (
	rejectedOnce  = 30 * time.Minute // of a login that has worked before
	rejectedNever = time.Hour        // of one that never has
)

// stable is how long a session must have been up for its end to count as the
// first failure.
const stable = 2 * time.Minute

// delay returns how long to wait after the failures-th failure in a row (from
// 1) for cause c. Waits have full jitter, so that many clients of one AC do not
// come back at once; after a refusal it is at most a tenth, on top.
func delay(c cause.Code, failures int, worked bool, rand *rand.Rand) time.Duration {
	failures = max(failures, 1)
	if list := refusals[c]; list != nil {
		d := list[min(failures, len(list))-1]
		if d == rejectedOnce && !worked {
			d = rejectedNever
		}
		return d + time.Duration(rand.Int64N(int64(d/10)))
	}
	most := longest(c, failures)
	if most == 0 {
		return 0
	}
	return most/10 + time.Duration(rand.Int64N(int64(most-most/10)))
}

// longest returns the most that a wait with jitter can be.
func longest(c cause.Code, failures int) time.Duration {
	w := waits[c]
	if failures > 1 && w.longest > 0 {
		return min(max(w.first, time.Second)<<min(failures-1, 20), w.longest)
	}
	return w.first
}
