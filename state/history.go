package state

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"pppoectl/history"
)

// maxHistory is how large an uplink's history grows, in octets, before it becomes the
// old one: with the old one it goes back for two months at least.
const maxHistory = 3 << 19

func historyFile(name string) string { return filepath.Join("history", name+".jsonl") }

// AddHistory appends to the history of uplink name. What a crash takes of it was not
// worth waiting for the disk.
func (s *Store) AddHistory(name string, records ...history.Record) error {
	var b []byte
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		b = append(append(b, line...), '\n')
	}
	path := filepath.Join(s.dir, historyFile(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > maxHistory {
		if err := os.Rename(path, path+".1"); err != nil {
			return err
		}
		return s.AddHistory(name, records...)
	}
	if _, err := f.Write(b); err != nil { // half a line would spoil the next one, too
		return errors.Join(err, f.Truncate(info.Size()))
	}
	return nil
}

// History returns the history of uplink name since a time, the oldest first. Lines that
// are damaged are left out.
func (s *Store) History(name string, since time.Time) ([]history.Record, error) {
	return ReadHistory(s.dir, name, since)
}

// ReadHistory is History for who has not the state directory to itself.
func ReadHistory(dir, name string, since time.Time) ([]history.Record, error) {
	var all []history.Record
	for _, path := range []string{historyFile(name) + ".1", historyFile(name)} {
		f, err := os.Open(filepath.Join(dir, path))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines := bufio.NewReader(io.LimitReader(f, 4*maxHistory))
		for {
			line, err := lines.ReadBytes('\n')
			var r history.Record
			if json.Unmarshal(line, &r) == nil && !r.At.IsZero() && !r.At.Before(since) {
				all = append(all, r)
			}
			if err != nil {
				break
			}
		}
		f.Close()
	}
	return all, nil
}
