package supervisor

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/state"
)

// crashes keeps a daemon that ends again and again from being one login after the
// other: a run that dials is counted on disk, until it has lasted or has ended
// in good order.
type crashes struct {
	store *state.Store

	mu    sync.Mutex
	until time.Duration // no dial before that, since boot; 0: no such wait
	times int           // runs that have ended unexpectedly
	noted bool          // this run has dialled
}

// settledAfter is how long a run must last to be none that crashes.
const settledAfter = 5 * time.Minute

func newCrashes(store *state.Store, now time.Duration, rand *rand.Rand) (*crashes, error) {
	n, err := store.Unfinished()
	c := &crashes{store: store, times: n}
	if n > 1 { // one may always happen
		c.until = now + delay(cause.Crashed, n-1, true, rand)
	}
	return c, err
}

// dials notes that this run dials.
func (c *crashes) dials() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.noted {
		return nil
	}
	c.noted = true
	return c.store.SetUnfinished(c.times + 1)
}

// calm notes that this run is none that crashes.
func (c *crashes) calm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noted, c.times, c.until = true, 0, 0
	return c.store.SetUnfinished(0)
}

// holdBack waits with the first dial after crashes; what the operator asks for is
// done at once.
func (u *uplink) holdBack() {
	c := u.s.crashes
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until == 0 || u.nextTry >= c.until {
		return
	}
	u.nextTry = c.until
	text := fmt.Sprintf("pppoectl has ended unexpectedly %d times in a row", c.times)
	u.lastError = &control.Failure{
		Code: cause.Crashed, Text: text,
		Message: fmt.Sprintf("%s: %s; not to log in again and again it waits, next try %s, or by `pppoectl restart %s`", u.cfg.Name, text, in(c.until-u.s.env.Now()), u.cfg.Name),
	}
}
