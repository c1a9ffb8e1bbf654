package supervisor

import (
	"time"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/history"
	"pppoectl/lcp"
)

// samplePeriod is how often what was seen of an uplink is written down.
const samplePeriod = 15 * time.Minute

// sampler gathers what a history is made of.
type sampler struct {
	sample history.Sample
	since  time.Duration // when it was looked last, since boot; 0: the uplink is not wanted
	wasUp  bool          // then
	at     time.Duration // when to write the sample down, since boot; 0: there is none
	echo   lcp.EchoVars  // as it was seen last
}

// look takes in what there is to see of the uplink, which is in a state.
func (u *uplink) look(state string) {
	h, now := &u.hist, u.s.env.Now()
	h.passes(now)
	h.since, h.wasUp = 0, state == control.Up
	if u.wanted && !u.standsBy() && u.lineSeen {
		h.since = max(now, 1)
		if h.at == 0 {
			h.at = now + samplePeriod
		}
	}
	if u.machine != nil {
		h.sees(u.machine.Info().Echo)
	}
	if h.wasUp && u.record.Away {
		u.record.Away = false
		u.saveRecord()
		u.keepHistory(history.Record{At: time.Now(), Back: true})
	}
}

// Unwritten implements Uplink.
func (u *uplink) Unwritten() history.Sample {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.unwritten
}

// passes counts the time since the last look: as up or not, or not at all if the
// uplink was not wanted.
func (h *sampler) passes(now time.Duration) {
	if h.since == 0 {
		return
	}
	passed := (now - h.since).Seconds()
	h.sample.Observed += passed
	if h.wasUp {
		h.sample.Up += passed
	}
	h.since = now
}

// sees counts what the keepalive has done since the last look.
func (h *sampler) sees(e lcp.EchoVars) {
	old := h.echo
	h.echo = e
	if e.Sent < old.Sent || e.Lost < old.Lost { // another session
		old = lcp.EchoVars{}
	}
	h.sample.Sent += e.Sent - old.Sent
	h.sample.Lost += e.Lost - old.Lost
	if answered(e) > answered(old) {
		h.sample.Answer(e.RTT)
	}
}

// answered is how many echoes were.
func answered(e lcp.EchoVars) uint64 {
	n := e.Sent - e.Lost
	if e.Pending && n > 0 {
		n--
	}
	return n
}

// writeSample writes down what was gathered, and the session with its counters.
func (u *uplink) writeSample() {
	u.hist.passes(u.s.env.Now())
	u.hist.at = 0
	u.keepHistory()
	if u.upAt != 0 {
		u.saveSession()
	}
}

// keepHistory writes down what was gathered until now, and records that follow.
func (u *uplink) keepHistory(more ...history.Record) {
	records := more
	if s := u.hist.sample; s.Observed > 0 || s.Sent > 0 {
		records = append([]history.Record{{At: time.Now(), Sample: &s}}, more...)
		u.hist.sample = history.Sample{}
	}
	if len(records) == 0 {
		return
	}
	if err := u.s.store.AddHistory(u.cfg.Name, records...); err != nil {
		u.log.Errorf("history: %v", err)
	}
}

// dropped notes that a session was lost.
func (u *uplink) dropped(d control.Drop) {
	u.lastDrop = &d
	u.drops[d.Cause]++
	u.record.Away = true
	u.saveRecord()
	if !u.drop.Allow(u.s.env.Now(), eventBurst, eventInterval) {
		return
	}
	u.hist.passes(u.s.env.Now())
	u.keepHistory(history.Record{At: d.At, Drop: &history.Drop{Cause: d.Cause, Text: d.Text[:min(len(d.Text), maxWords)], Lasted: d.AfterSeconds}})
}

// intended reports whether a session ended as somebody here wanted.
func intended(c cause.Code) bool {
	return c == cause.Released || c == cause.Reconfigured || c == cause.Standby || c == cause.Detached
}
