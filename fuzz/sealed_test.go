package fuzz_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/dhcpv6"
	"pppoectl/history"
	"pppoectl/lan"
	"pppoectl/netconf"
	"pppoectl/session"
	"pppoectl/state"
)

// Behind a wrong checksum no file is looked at, and no mutation makes a right one.
// These targets put them on, so that what stands behind is tried, too.

// envelope is body as a file of the state directory.
func envelope(boot string, body []byte) []byte {
	sum := sha256.Sum256(append([]byte(boot+"\n"), body...))
	return fmt.Appendf(nil, `{"version":1,"boot":%q,"checksum":%q,"body":%s}`, boot, hex.EncodeToString(sum[:]), body)
}

// FuzzStateBody gives the store files whose checksum is right, of this boot and of
// another: what could be read is written and read again.
func FuzzStateBody(f *testing.F) {
	now, clock := time.Hour, time.Unix(1800000000, 0)
	lease := dhcpv6.Lease{Server: []byte{1, 2}, Prefixes: []dhcpv6.Prefix{{Prefix: netip.MustParsePrefix("2001:db8::/56"), PreferredUntil: 2 * now, ValidUntil: 3 * now}}}
	for _, v := range []any{
		state.Uplink{Down: true, Identifier: "fd61:ff9b:eb97:1f93", Retry: &state.Retry{Cause: cause.PADT, At: now, Clock: clock}, Last: &session.Stale{AC: ac, Session: 7}},
		state.Session{Interface: "eth1", Device: "bizf", MTU: 1454, Snapshot: upSession(f)},
		state.Lease{Lease: lease, At: now, Clock: clock},
		state.LANs{Prefixes: map[string][]lan.Stale{"lan0": {{Prefix: netip.MustParsePrefix("2001:db8::/64"), Until: 2 * now}}}, At: now, Clock: clock},
		map[string]int{"runs": 2},
	} {
		b, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	dir, s := store(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) {
			return
		}
		for _, boot := range []string{"boot", "other"} {
			for _, file := range []string{"uplinks/a.json", "sessions/a.json", "leases/a.json", "lan.json", "run.json"} {
				if err := os.WriteFile(filepath.Join(dir, file), envelope(boot, body), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			u, err := s.LoadUplink("a", now, clock)
			again(t, err, u, s.SaveUplink, func() (state.Uplink, error) { return s.LoadUplink("b", now, clock) })
			v, _, err := s.LoadSession("a")
			again(t, err, v, s.SaveSession, func() (state.Session, error) { v, _, err := s.LoadSession("b"); return v, err })
			l, err := s.LoadLease("a", now, clock)
			again(t, err, l, s.SaveLease, func() (state.Lease, error) { return s.LoadLease("b", now, clock) })
			_, err = s.LoadLANs(now, clock)
			documented(t, err)
			_, err = s.Unfinished()
			documented(t, err)
		}
	})
}

// again checks that what was read can be written, and read again.
func again[T any](t *testing.T, err error, v T, save func(string, T) error, load func() (T, error)) {
	t.Helper()
	documented(t, err)
	if err != nil {
		return
	}
	if err := save("b", v); err != nil {
		t.Fatalf("%+v cannot be written: %v", v, err)
	}
	w, err := load()
	if a, b := snapshot(t, v), snapshot(t, w); err != nil || a != b {
		t.Fatalf("%s came back as %s, %v", a, b, err)
	}
}

// upSession is what is kept of a session that is up.
func upSession(f *testing.F) session.Snapshot {
	p := newPlayer(f, bytes.Clone(login))
	for len(p.data) > 0 {
		p.step()
	}
	return p.m.Snapshot()
}

// FuzzJournalLines opens a journal whose lines are whole; see FuzzJournal.
func FuzzJournalLines(f *testing.F) {
	f.Add(writtenJournal(f, func(line []byte) []byte { return line[9:] }))
	f.Add([]byte(`{"version":4,"boot":"boot"}` + "\n" + `{"owner":"a","kind":"file","change":{"path":"/etc/resolv.conf","content":"x"},"was":"{}"}` + "\n"))
	f.Add([]byte(`{"version":3,"boot":"other"}` + "\n" + `{"owner":"a","kind":"resolved","change":{}}` + "\n" + `{"owner":"a","kind":"firewall","change":{"table":"x"},"undone":true}` + "\n"))
	dir := memory(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var sealed []byte
		for line := range bytes.Lines(b) {
			sealed = fmt.Appendf(sealed, "%08x %s", crc32.ChecksumIEEE(line), line)
		}
		openJournal(t, filepath.Join(dir, "journal"), sealed)
	})
}

// writtenJournal is a journal with a change of each kind, its lines passed through each.
func writtenJournal(f *testing.F, each func(line []byte) []byte) []byte {
	f.Helper()
	file := filepath.Join(f.TempDir(), "journal")
	j, err := netconf.OpenJournal(file, "boot", &system{})
	if err != nil {
		f.Fatal(err)
	}
	defer j.Close()
	if err := j.Apply("bizf", changes); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	var all []byte
	for line := range bytes.Lines(b) {
		all = append(all, each(line)...)
	}
	return all
}

// FuzzEvents reads a history of events of any content: damaged lines are left out,
// what is added afterwards is a line of its own, and reading does no harm.
func FuzzEvents(f *testing.F) {
	at := time.Unix(1800000000, 0).UTC()
	line, _ := json.Marshal(state.Event{Time: at, Uplink: "bizf", Kind: "up", Message: "up", Peer: "\xff", Next: &at})
	f.Add(append(line, '\n'))
	f.Add(line[:len(line)-5])
	f.Add([]byte("null\n\n{}\n"))
	dir, s := store(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, "events.jsonl"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := s.OpenEvents()
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		before, err := e.All("")
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(b, []byte("\n")) + 1; len(before) > lines {
			t.Fatalf("%d events of %d lines", len(before), lines)
		}
		last := state.Event{Time: at, Uplink: "bizf", Kind: "down", Message: "down"}
		if err := e.Add(last); err != nil {
			t.Fatal(err)
		}
		after, err := state.ReadEvents(dir, "")
		if want := append(before, last); err != nil || snapshot(t, after) != snapshot(t, want) {
			t.Fatalf("%v, %v; want %v", after, err, want)
		}
	})
}

// FuzzHistory reads an uplink's history of any content and sums it up: shares are
// shares, and what comes of it can be told as JSON.
func FuzzHistory(f *testing.F) {
	at := time.Unix(1800000000, 0).UTC()
	var b []byte
	for _, r := range []history.Record{
		{At: at, Sample: &history.Sample{Observed: 900, Up: 800, Echoes: history.Echoes{Sent: 90, Lost: 1, Answered: 89, Sum: 0.4, Least: 0.001, Most: 0.1}}},
		{At: at.Add(time.Minute), Drop: &history.Drop{Cause: cause.PADT, Text: "\xff", Lasted: 900}}, {At: at.Add(2 * time.Minute), Back: true},
	} {
		line, _ := json.Marshal(r)
		b = append(append(b, line...), '\n')
	}
	f.Add(b)
	f.Add(b[:len(b)-9])
	f.Add([]byte(strings.ReplaceAll(string(b), "2027", "9999")))
	dir := memory(f)
	if err := os.MkdirAll(filepath.Join(dir, "history"), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, "history", "a.jsonl"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		records, err := state.ReadHistory(dir, "a", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		s := history.Summarize("a", records, time.UTC)
		if _, err := json.Marshal(s); err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
		if len(s.Drops) > len(records) || len(s.Days) > len(records) || len(s.Hours) != 24 {
			t.Fatalf("%d records: %d drops, %d days, %d hours", len(records), len(s.Drops), len(s.Days), len(s.Hours))
		}
	})
}
