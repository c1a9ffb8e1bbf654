package state_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/history"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestHistoryComesBackWithoutDamagedLines(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "boot")
	drop := history.Record{At: noon, Drop: &history.Drop{Cause: cause.PADT, Text: "bye\nbye", Lasted: 7}}
	if err := s.AddHistory("bizf", drop, history.Record{At: noon.Add(time.Minute), Back: true}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "history", "bizf.jsonl")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, "{\"at\":\"2026-11-23T12:0"...), 0o600); err != nil { // a crash
		t.Fatal(err)
	}
	if err := s.AddHistory("bizf", history.Record{At: noon.Add(time.Hour), Back: true}, history.Record{At: noon.Add(2 * time.Hour), Back: true}); err != nil {
		t.Fatal(err)
	}
	got, err := s.History("bizf", noon)
	if err != nil || len(got) < 3 || *got[0].Drop != *drop.Drop || !got[len(got)-1].At.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, _ := s.History("bizf", noon.Add(90*time.Minute)); len(got) != 1 {
		t.Errorf("since later: %+v", got)
	}
	if got, err := s.History("other", noon); len(got) != 0 || err != nil {
		t.Errorf("of another uplink: %+v, %v", got, err)
	}
}

// Two months of an uplink fit, and not more than two files.
func TestHistoryOfAnUplinkIsBounded(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "boot")
	at := noon
	end := noon.Add(400 * 24 * time.Hour)
	var batch []history.Record
	for ; at.Before(end); at = at.Add(15 * time.Minute) {
		batch = append(batch, history.Record{At: at, Sample: &history.Sample{Observed: 900, Up: 899.123456, Echoes: history.Echoes{
			Sent: 90, Lost: 1, Answered: 89, Sum: 0.412345678, Least: 0.003912345, Most: 0.041234567,
		}}})
		if len(batch) == 100 {
			if err := s.AddHistory("bizf", batch...); err != nil {
				t.Fatal(err)
			}
			batch = nil
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "history", "*"))
	if err != nil || len(files) != 2 {
		t.Errorf("files %v, %v", files, err)
	}
	var size int64
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 3<<20+1<<16 {
		t.Errorf("%d octets", size)
	}
	got, err := s.History("bizf", time.Time{})
	if err != nil || len(got) == 0 || got[0].At.After(end.Add(-60*24*time.Hour)) || got[0].At.Before(noon.Add(24*time.Hour)) {
		t.Errorf("%d entries, the first of %v, %v", len(got), got[0].At, err)
	}
}
