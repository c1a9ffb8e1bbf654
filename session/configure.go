package session

import (
	"slices"
	"time"
)

// Configure changes the session's configuration while it lives. What belongs to
// one network protocol is negotiated anew, and no other notices; login, AC and MTU
// are for the next session.
func (m *Machine) Configure(now time.Duration, cfg Config) Output {
	s := step{Machine: m, now: now}
	old := m.cfg
	m.cfg = cfg
	m.discovery.Configure(cfg.Discovery)
	m.link.SetEcho(cfg.Echo)
	before := m.networks
	m.networks = nil
	var fresh []*network
	for _, f := range cfg.Families {
		i := slices.IndexFunc(before, func(n *network) bool { return n.family == f })
		if i >= 0 && !affected(f, old, cfg) {
			m.networks = append(m.networks, before[i])
			continue
		}
		n := newNetwork(f, &m.cfg, m.rand)
		m.networks = append(m.networks, n)
		fresh = append(fresh, n)
	}
	if m.v.Phase.established() {
		s.exchange(before, fresh)
	}
	s.tick()
	s.out.Deadline = m.deadline()
	return s.out
}

// affected reports whether what a network protocol asks for has changed.
func affected(f Family, old, new Config) bool {
	if f == IPv6 {
		return old.InterfaceID != new.InterfaceID
	}
	return old.IPCP != new.IPCP
}

// exchange ends network protocols that are not wanted as they are, and starts
// those in their place.
func (s *step) exchange(before, fresh []*network) {
	for _, n := range before {
		if slices.Contains(s.networks, n) {
			continue
		}
		replaced := slices.ContainsFunc(fresh, func(f *network) bool { return f.family == n.family })
		if replaced { // the AC hears of it by the next Configure-Request
			s.networkOutput(n, n.automaton.Down(s.now))
		} else {
			s.networkOutput(n, n.automaton.Close(s.now, "Not wanted any more"))
		}
	}
	for _, n := range fresh {
		s.startNetwork(n)
	}
}
