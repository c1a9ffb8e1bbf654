package supervisor

import (
	"math/rand/v2"
	"time"

	"pppoectl/cause"
)

// wait is how long to wait before the next dial: at most first after the first
// failure, twice as long after each further one, up to longest.
type wait struct{ first, longest time.Duration }

// waits is the schedule by cause. What is not here is dialled again at once.
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
}

// rejectedWaits are the waits after the login was rejected, for repeated wrong
// passwords may lock an account until somebody telephones. After those it is
// tried for ever, each half hour if it has worked before, else each hour: after
// work on the line rejections for hours are normal.
var rejectedWaits = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}

const (
	rejectedOnce  = 30 * time.Minute // a login that has worked before
	rejectedNever = time.Hour        // one that never has
)

// stable is how long a session must have been up for its end to count as the
// first failure.
const stable = 2 * time.Minute

// delay returns how long to wait after the failures-th failure in a row (from
// 1) for cause c. Waits have full jitter, so that many clients of one AC do not
// come back at once; after a rejection it is at most a tenth, on top.
func delay(c cause.Code, failures int, worked bool, rand *rand.Rand) time.Duration {
	if c == cause.AuthRejected {
		d := rejectedNever
		if worked {
			d = rejectedOnce
		}
		if failures <= len(rejectedWaits) {
			d = rejectedWaits[max(failures, 1)-1]
		}
		return d + time.Duration(rand.Int64N(int64(d/10)))
	}
	w, ok := waits[c]
	if !ok {
		return 0
	}
	most := w.first
	if failures > 1 {
		most = min(max(w.first, time.Second)<<min(failures-1, 20), w.longest)
	}
	if most == 0 {
		return 0
	}
	return most/10 + time.Duration(rand.Int64N(int64(most-most/10)))
}
