package state_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/state"
)

func openEvents(t *testing.T, dir string) *state.Events {
	t.Helper()
	e, err := open(t, dir, "b").OpenEvents()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func add(t *testing.T, e *state.Events, uplink, message string) {
	t.Helper()
	at := time.Date(2026, 11, 23, 4, 5, 6, 0, time.UTC)
	if err := e.Add(state.Event{Time: at, Uplink: uplink, Kind: "closed", Cause: cause.EchoLost, Message: message, Peer: "\x1b[2J\n\xff"}); err != nil {
		t.Fatal(err)
	}
}

func all(t *testing.T, e *state.Events, uplink string) string {
	t.Helper()
	events, err := e.All(uplink)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, v := range events {
		s = append(s, v.Message)
	}
	return strings.Join(s, " ")
}

func TestEventsComeBackInOrder(t *testing.T) {
	dir := t.TempDir()
	e := openEvents(t, dir)
	add(t, e, "a", "one")
	add(t, e, "b", "two")
	add(t, e, "a", "three")
	if got := all(t, e, ""); got != "one two three" {
		t.Errorf("all: %s", got)
	}
	if got := all(t, e, "a"); got != "one three" {
		t.Errorf("of a: %s", got)
	}
	if got := all(t, e, "none"); got != "" {
		t.Errorf("of none: %s", got)
	}
	events, _ := e.All("b")
	if v := events[0]; v.Cause != cause.EchoLost || v.Kind != "closed" || !v.Time.Equal(time.Date(2026, 11, 23, 4, 5, 6, 0, time.UTC)) {
		t.Errorf("%+v", v)
	}
	b, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
	if err != nil || strings.Count(string(b), "\n") != 3 || strings.Contains(string(b), "\x1b") {
		t.Errorf("%q, %v: want a line each, without control characters", b, err)
	}
}

func TestDamagedLinesAreLeftOut(t *testing.T) {
	for name, between := range map[string]string{
		"no JSON":         "garbage\n",
		"cut short":       `{"time":"2026-11-23T04:05:06Z","uplink":"a","me`,
		"empty lines":     "\n\n\n",
		"other types":     `{"time":5}` + "\n",
		"a very long one": `{"message":"` + strings.Repeat("x", 200_000) + "\"}\n",
		"NULs":            strings.Repeat("\x00", 5000) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, "b")
			e, err := s.OpenEvents()
			if err != nil {
				t.Fatal(err)
			}
			add(t, e, "a", "one")
			f, err := os.OpenFile(filepath.Join(dir, "events.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(between); err != nil {
				t.Fatal(err)
			}
			f.Close()
			e.Close()
			s.Close()
			e = openEvents(t, dir)
			add(t, e, "a", "two")
			add(t, e, "a", "three")
			if got := all(t, e, "a"); got != "one two three" {
				t.Errorf("history %q, want one two three", got)
			}
		})
	}
}

func TestHistoryIsBoundedAndKeepsTheLatest(t *testing.T) {
	dir := t.TempDir()
	e := openEvents(t, dir)
	const n = 4000
	for i := range n {
		add(t, e, "a", fmt.Sprintf("%d-%s", i, strings.Repeat("x", 1000)))
	}
	var size int64
	for _, name := range []string{"events.jsonl", "events.jsonl.1"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 2<<20+4096 {
		t.Errorf("%d octets on disk", size)
	}
	events, err := e.All("")
	if err != nil || len(events) < 500 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for i, v := range events {
		if want := fmt.Sprintf("%d-", n-len(events)+i); !strings.HasPrefix(v.Message, want) {
			t.Fatalf("event %d is %.10s, want %s", i, v.Message, want)
		}
	}
}

func TestFollowersMissNothingBetweenHistoryAndNews(t *testing.T) {
	e := openEvents(t, t.TempDir())
	add(t, e, "a", "one")
	history, news, stop, err := e.Follow("a")
	if err != nil || len(history) != 1 {
		t.Fatalf("%v, %v", history, err)
	}
	add(t, e, "a", "two")
	if v := <-news; v.Message != "two" {
		t.Errorf("got %q", v.Message)
	}
	stop()
	stop()
	add(t, e, "a", "three")
	select {
	case v := <-news:
		t.Errorf("got %q after the end", v.Message)
	default:
	}
}

func TestFollowerThatSleepsDoesNotHoldUsUp(t *testing.T) {
	e := openEvents(t, t.TempDir())
	_, news, stop, err := e.Follow("")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for i := range 1000 {
		add(t, e, "a", fmt.Sprint(i))
	}
	if v := <-news; v.Message != "0" {
		t.Errorf("first is %q", v.Message)
	}
	if n := strings.Count(all(t, e, ""), " ") + 1; n != 1000 {
		t.Errorf("%d events on disk", n)
	}
}

func TestEventsFromManyGoroutines(t *testing.T) {
	e := openEvents(t, t.TempDir())
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 50 {
				add(t, e, fmt.Sprint(g), fmt.Sprint(i))
				if _, err := e.All(fmt.Sprint(g)); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	events, err := e.All("")
	if err != nil || len(events) != 400 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

func TestClosedHistoryTellsAndCloses(t *testing.T) {
	e := openEvents(t, t.TempDir())
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Add(state.Event{}); err == nil {
		t.Error("written after Close")
	}
}
