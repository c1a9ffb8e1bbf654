package supervisor

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/netconf"
	"pppoectl/timer"
)

// What somebody takes away is put back so often at once, and then once each
// interval: two programs that do not agree must not keep the kernel busy.
const (
	mendBurst    = 5
	mendInterval = 30 * time.Second
)

// mender puts back what others take away: networkd, for one, deletes all rules that
// it does not know whenever it is reloaded.
type mender struct {
	s      *Supervisor
	limits map[netconf.Change]*timer.Limiter
	later  map[netconf.Lost]bool // to be tried again
}

// mostLimits bounds what is remembered of changes.
const mostLimits = 4096

func (s *Supervisor) mend(ctx context.Context) {
	lost, err := s.env.Lost(ctx)
	if err != nil {
		s.log.Warnf("what others take away will not be noticed: %v", err)
		return
	}
	m := mender{s: s, limits: map[netconf.Change]*timer.Limiter{}, later: map[netconf.Lost]bool{}}
	again := time.NewTicker(mendInterval)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-lost:
			m.put(l)
		case <-again.C:
			if len(m.limits) > mostLimits {
				clear(m.limits)
			}
			later := m.later
			m.later = map[netconf.Lost]bool{}
			for l := range later {
				m.put(l)
			}
			m.tell(m.s.journal.MendSettings(m.may))
		}
	}
}

func (m *mender) put(l netconf.Lost) {
	m.tell(m.s.journal.Mend(l, func(c netconf.Change) bool {
		if m.may(c) {
			return true
		}
		m.later[l] = true
		return false
	}))
}

// may reports whether a change may be made again just now.
func (m *mender) may(c netconf.Change) bool {
	if m.limits[c] == nil {
		m.limits[c] = &timer.Limiter{}
	}
	return m.limits[c].Allow(m.s.env.Now(), mendBurst, mendInterval)
}

func (m *mender) tell(mended []netconf.Mended, err error) {
	if err != nil { // its device is down or gone, most likely; then it is made with the device
		m.s.log.Debugf("could not be put back: %v", err)
	}
	for _, c := range mended {
		m.s.log.WithFields(logrus.Fields{"owner": c.Owner, "event": "mended"}).Warnf("somebody has taken this away, it is put back: %v", c.Change)
	}
}
