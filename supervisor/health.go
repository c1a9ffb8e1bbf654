package supervisor

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Healthy asks every uplink for a sign of life, and says which one gives none until
// ctx is done.
func (s *Supervisor) Healthy(ctx context.Context) error {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.running))
	s.mu.Unlock()
	for _, r := range all {
		if !r.uplink.Responds(ctx) {
			return fmt.Errorf("%s does not respond", r.cfg.Name)
		}
	}
	return nil
}

// Responds implements Uplink.
func (u *uplink) Responds(ctx context.Context) bool {
	o := order{kind: orderNothing, taken: make(chan struct{})}
	select {
	case u.orders <- o:
	case <-u.ended:
		return true
	case <-ctx.Done():
		return false
	}
	select {
	case <-o.taken:
		return true
	case <-u.ended:
		return true
	case <-ctx.Done():
		return false
	}
}
