package capture

import (
	"context"
	"time"
)

const (
	// lookEvery is how often it is looked how things are.
	lookEvery = time.Second
	// lookPause comes at least between two looks.
	lookPause = 50 * time.Millisecond
	// lookLimit bounds one.
	lookLimit = time.Second
)

// watch looks from time to time, and when it is asked to, until ctx is done. Looks that fail
// are left out: the session outlives a daemon that is being restarted.
func watch(ctx context.Context, look Look) (ask func(), views <-chan View) {
	asked, out := make(chan struct{}, 1), make(chan View)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-asked:
			case <-time.After(lookEvery):
			}
			one, cancel := context.WithTimeout(ctx, lookLimit)
			v, err := look(one)
			cancel()
			if err == nil {
				select {
				case out <- v:
				case <-ctx.Done():
				}
			}
			time.Sleep(lookPause)
		}
	}()
	return func() {
		select {
		case asked <- struct{}{}:
		default:
		}
	}, out
}
