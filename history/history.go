// Package history sums up what has happened to an uplink over days: drops, availability,
// and how echoes fared by the hour of the day. It knows neither disk nor clock.
package history

import (
	"slices"
	"strings"
	"time"

	"pppoectl/cause"
)

// Record is one entry, as it stands on disk. One of its parts is there.
type Record struct {
	At     time.Time `json:"at"`
	Sample *Sample   `json:"sample,omitempty"` // of the time before At
	Drop   *Drop     `json:"drop,omitempty"`   // at At
	Back   bool      `json:"back,omitempty"`   // the uplink is up again since At
}

// Sample is what was seen of an uplink that was wanted, for a while.
type Sample struct {
	Observed float64 `json:"observed"` // how long that was, in seconds
	Up       float64 `json:"up"`       // of those
	Echoes
}

// Echoes are counts of LCP echoes, and the round trips of those answered in seconds.
type Echoes struct {
	Sent     uint64  `json:"sent,omitempty"`
	Lost     uint64  `json:"lost,omitempty"`
	Answered uint64  `json:"answered,omitempty"`
	Sum      float64 `json:"rtt_sum,omitempty"`
	Least    float64 `json:"rtt_min,omitempty"`
	Most     float64 `json:"rtt_max,omitempty"`
}

// Answer adds the round trip of an answered echo.
func (e *Echoes) Answer(rtt time.Duration) {
	s := rtt.Seconds()
	if e.Answered == 0 || s < e.Least {
		e.Least = s
	}
	e.Answered++
	e.Sum += s
	e.Most = max(e.Most, s)
}

// add adds the counts of f.
func (e *Echoes) add(f Echoes) {
	if f.Answered > 0 && (e.Answered == 0 || f.Least < e.Least) {
		e.Least = f.Least
	}
	e.Sent += f.Sent
	e.Lost += f.Lost
	e.Answered += f.Answered
	e.Sum += f.Sum
	e.Most = max(e.Most, f.Most)
}

// Drop is a session that was lost, not ended on the operator's wish.
type Drop struct {
	Cause  cause.Code `json:"cause"`
	Text   string     `json:"text"`             // untrusted
	Lasted int        `json:"lasted,omitempty"` // seconds that the session had been up; 0: not known
}

// Summary is what a history comes to.
type Summary struct {
	Uplink       string    `json:"uplink"`
	Since        time.Time `json:"since,omitzero"` // of the first entry
	Observed     float64   `json:"observed"`       // seconds in which the uplink was wanted and looked after
	Availability *float64  `json:"availability,omitempty"`
	Drops        []Outage  `json:"drops"`
	Days         []Day     `json:"days"`
	Hours        []Hour    `json:"hours"`
}

// Outage is a drop and how long it was until the uplink was up again.
type Outage struct {
	At time.Time `json:"at"`
	Drop
	Away *float64 `json:"away_seconds"` // null: it is not, as far as the history goes
}

// Day is one day of the calendar.
type Day struct {
	Date         string   `json:"date"`
	Observed     float64  `json:"observed"`
	Up           float64  `json:"up"`
	Availability *float64 `json:"availability,omitempty"` // 0 to 1 of the time observed
	Drops        int      `json:"drops"`
}

// Hour is one hour of the day, over all days.
type Hour struct {
	Hour int     `json:"hour"`
	Sent uint64  `json:"sent"`
	Lost float64 `json:"lost"`             // 0 to 1 of those sent
	Mean float64 `json:"rtt_ms,omitempty"` // milliseconds
	Min  float64 `json:"rtt_min_ms,omitempty"`
	Max  float64 `json:"rtt_max_ms,omitempty"`
}

// Summarize sums records up, the oldest first; days and hours are those of a place.
func Summarize(uplink string, records []Record, place *time.Location) Summary {
	s := Summary{Uplink: uplink, Drops: []Outage{}, Days: []Day{}}
	var hours [24]Echoes
	var up float64
	for i, r := range records {
		at := r.At.In(place)
		if i == 0 {
			s.Since = at
		}
		switch {
		case r.Sample != nil:
			begin := at.Add(-time.Duration(r.Sample.Observed * float64(time.Second)))
			if begin.Before(s.Since) {
				s.Since = begin
			}
			hours[begin.Hour()].add(r.Sample.Echoes)
			d := s.day(begin)
			d.Observed += r.Sample.Observed
			d.Up += r.Sample.Up
			s.Observed += r.Sample.Observed
			up += r.Sample.Up
		case r.Drop != nil:
			s.Drops = append(s.Drops, Outage{At: at, Drop: *r.Drop})
			s.day(at).Drops++
		case r.Back:
			s.back(at)
		}
	}
	s.Availability = share(up, s.Observed)
	for i := range s.Days {
		s.Days[i].Availability = share(s.Days[i].Up, s.Days[i].Observed)
	}
	slices.SortStableFunc(s.Days, func(a, b Day) int { return strings.Compare(a.Date, b.Date) })
	for h, e := range hours {
		s.Hours = append(s.Hours, e.hour(h))
	}
	return s
}

// day returns the entry of a day.
func (s *Summary) day(at time.Time) *Day {
	date := at.Format(time.DateOnly)
	for i := range s.Days {
		if s.Days[i].Date == date {
			return &s.Days[i]
		}
	}
	s.Days = append(s.Days, Day{Date: date})
	return &s.Days[len(s.Days)-1]
}

// back ends the outages that go on.
func (s *Summary) back(at time.Time) {
	for i := len(s.Drops) - 1; i >= 0 && s.Drops[i].Away == nil; i-- {
		away := max(at.Sub(s.Drops[i].At).Seconds(), 0)
		s.Drops[i].Away = &away
	}
}

func share(part, of float64) *float64 {
	if of <= 0 {
		return nil
	}
	v := min(part/of, 1)
	return &v
}

func (e Echoes) hour(h int) Hour {
	v := Hour{Hour: h, Sent: e.Sent, Min: 1000 * e.Least, Max: 1000 * e.Most}
	if e.Answered > 0 {
		v.Mean = 1000 * e.Sum / float64(e.Answered)
	}
	if e.Sent > 0 {
		v.Lost = min(float64(e.Lost)/float64(e.Sent), 1)
	}
	return v
}
