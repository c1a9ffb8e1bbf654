package history_test

import (
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/history"
)

var tokyo = time.FixedZone("JST", 9*3600)

func at(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, tokyo) }

func sample(end time.Time, observed, up float64, e history.Echoes) history.Record {
	return history.Record{At: end.UTC(), Sample: &history.Sample{Observed: observed, Up: up, Echoes: e}}
}

func echoes(sent, lost uint64, rtts ...time.Duration) history.Echoes {
	e := history.Echoes{Sent: sent, Lost: lost}
	for _, r := range rtts {
		e.Answer(r)
	}
	return e
}

// Congestion in the evening is seen, whatever day it was.
func TestEchoesByHourOfTheDay(t *testing.T) {
	s := history.Summarize("bizf", []history.Record{
		sample(at(23, 4, 15), 900, 900, echoes(90, 0, 4*time.Millisecond, 6*time.Millisecond)),
		sample(at(23, 21, 15), 900, 900, echoes(90, 9, 40*time.Millisecond)),
		sample(at(24, 21, 15), 900, 900, echoes(90, 27, 60*time.Millisecond)),
	}, tokyo)
	if h := s.Hours[4]; h.Sent != 90 || h.Lost != 0 || h.Mean != 5 || h.Min != 4 || h.Max != 6 {
		t.Errorf("at 4 o'clock %+v", h)
	}
	if h := s.Hours[21]; h.Sent != 180 || h.Lost != 0.2 || h.Mean != 50 || h.Min != 40 || h.Max != 60 {
		t.Errorf("at 21 o'clock %+v", h)
	}
	if len(s.Hours) != 24 || s.Hours[12].Sent != 0 {
		t.Errorf("hours %+v", s.Hours)
	}
}

func TestAvailabilityByDay(t *testing.T) {
	s := history.Summarize("bizf", []history.Record{
		sample(at(23, 12, 0), 1000, 1000, history.Echoes{}),
		sample(at(24, 12, 0), 1000, 900, history.Echoes{}),
		sample(at(24, 12, 15), 1000, 800, history.Echoes{}),
	}, tokyo)
	if len(s.Days) != 2 || s.Days[0].Date != "2026-11-23" || *s.Days[0].Availability != 1 || *s.Days[1].Availability != 0.85 {
		t.Errorf("days %+v", s.Days)
	}
	if *s.Availability != 0.9 || s.Observed != 3000 {
		t.Errorf("in all %v of %v s", *s.Availability, s.Observed)
	}
	if want := at(23, 12, 0).Add(-1000 * time.Second); !s.Since.Equal(want) {
		t.Errorf("since %v, want %v", s.Since, want)
	}
}

func TestDropsHaveACauseAndADuration(t *testing.T) {
	drop := func(at time.Time, c cause.Code, lasted int) history.Record {
		return history.Record{At: at, Drop: &history.Drop{Cause: c, Text: "silent", Lasted: lasted}}
	}
	s := history.Summarize("bizf", []history.Record{
		drop(at(23, 1, 0), cause.EchoLost, 3600),
		{At: at(23, 1, 2), Back: true},
		drop(at(23, 2, 0), cause.PADT, 3480),
		drop(at(23, 2, 1), cause.PADT, 1),
		{At: at(23, 2, 5), Back: true},
		drop(at(24, 3, 0), cause.Terminated, 0),
	}, tokyo)
	want := []struct {
		cause cause.Code
		away  float64 // -1: still
	}{{cause.EchoLost, 120}, {cause.PADT, 300}, {cause.PADT, 240}, {cause.Terminated, -1}}
	if len(s.Drops) != len(want) {
		t.Fatalf("drops %+v", s.Drops)
	}
	for i, w := range want {
		d := s.Drops[i]
		away := -1.0
		if d.Away != nil {
			away = *d.Away
		}
		if d.Cause != w.cause || away != w.away {
			t.Errorf("drop %d: %+v away %v, want %+v", i, d, away, w)
		}
	}
	if s.Days[0].Drops != 3 || s.Days[1].Drops != 1 {
		t.Errorf("days %+v", s.Days)
	}
	if s.Availability != nil {
		t.Errorf("available for %v of no time at all", *s.Availability)
	}
}
