package supervisor

import (
	"reflect"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/control"
)

// Reload takes a new configuration: uplinks that are not in it are released, those
// that need a new login begin anew, others that differ are changed while they
// live, and all the rest are left alone.
func (s *Supervisor) Reload(cfg *configs.Config) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.mu.Lock()
	var end, change []*runner
	was := map[string]bool{} // wanted, of those that end
	for name, r := range s.running {
		u, ok := cfg.Uplink(name)
		if ok && reflect.DeepEqual(*u, r.cfg) {
			continue
		}
		if ok {
			if _, need := configs.Changed(&r.cfg, u); need < configs.Login {
				r.cfg = *u
				change = append(change, r)
				continue
			}
		}
		status, _ := r.uplink.Status()
		was[name] = status.State != control.Disabled
		r.removed = !ok
		end = append(end, r)
	}
	s.mu.Unlock()
	for _, r := range change {
		r.uplink.Configure(r.cfg)
	}
	endAll(end, func(r *runner) {
		c := cause.Reconfigured
		if r.removed {
			c = cause.Released
		}
		r.uplink.Release(c)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	s.cfg = cfg
	s.configureLines()
	for _, r := range end {
		delete(s.running, r.cfg.Name)
	}
	for _, u := range cfg.Uplinks {
		if s.running[u.Name] == nil {
			wanted, ran := was[u.Name]
			s.start(u, ran && wanted || !ran && u.Enabled && !s.named, false)
		}
	}
	s.log.WithField("uplinks", len(cfg.Uplinks)).Info("configuration loaded")
}
