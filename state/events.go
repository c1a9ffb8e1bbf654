package state

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pppoectl/cause"
)

// Event is one entry of the history.
type Event struct {
	Time    time.Time  `json:"time"`
	Uplink  string     `json:"uplink,omitempty"`
	Kind    string     `json:"kind"`
	Cause   cause.Code `json:"cause,omitempty"`
	Family  string     `json:"family,omitempty"`
	Message string     `json:"message"`                 // for people; the AC's words in it are quoted
	Peer    string     `json:"peer,omitempty"`          // the AC's words as they came: untrusted
	After   int        `json:"after_seconds,omitempty"` // how long the session had lasted
	Next    *time.Time `json:"next_try,omitempty"`

	Prefixes   []string `json:"prefixes,omitempty"`   // delegated, for new connections
	Deprecated []string `json:"deprecated,omitempty"` // delegated, but no more for those
}

const eventsFile = "events.jsonl"

// maxEvents is how large the file of events grows, in octets, before it becomes
// the old one; both together are at most twice that.
const maxEvents = 1 << 20

// Events is the history on disk. It is safe for concurrent use.
type Events struct {
	mu        sync.Mutex
	path      string
	file      *os.File
	size      int64
	followers map[chan Event]struct{}
}

// OpenEvents opens the history of the store.
func (s *Store) OpenEvents() (*Events, error) {
	e := &Events{path: filepath.Join(s.dir, eventsFile), followers: map[chan Event]struct{}{}}
	return e, e.open()
}

func (e *Events) open() error {
	f, err := os.OpenFile(e.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	e.file, e.size = f, info.Size()
	return e.mend()
}

// mend ends a last line that was cut short by a crash, so that the next event
// begins a line of its own.
func (e *Events) mend() error {
	if e.size == 0 {
		return nil
	}
	f, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer f.Close()
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, e.size-1); err != nil || last[0] == '\n' {
		return err
	}
	n, err := e.file.Write([]byte{'\n'})
	e.size += int64(n)
	return err
}

// Add appends an event and tells the followers. One that does not keep up misses
// events.
func (e *Events) Add(v Event) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.followers {
		select {
		case c <- v:
		default:
		}
	}
	if e.file == nil {
		if err := e.open(); err != nil {
			return err
		}
	}
	if e.size > maxEvents {
		err := e.file.Close()
		e.file = nil
		if err := errors.Join(err, os.Rename(e.path, e.path+".1")); err != nil {
			return err
		}
		if err := e.open(); err != nil {
			return err
		}
	}
	n, err := e.file.Write(append(b, '\n'))
	e.size += int64(n)
	return err
}

// All returns the history, the oldest first, of one uplink or, with an empty
// name, of all. Lines that are damaged are left out.
func (e *Events) All(uplink string) ([]Event, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.read(uplink)
}

// Follow returns the history and a channel of what comes after it, with a
// function that ends this.
func (e *Events) Follow(uplink string) ([]Event, <-chan Event, func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all, err := e.read(uplink)
	if err != nil {
		return nil, nil, nil, err
	}
	c := make(chan Event, 64)
	e.followers[c] = struct{}{}
	return all, c, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.followers, c)
	}, nil
}

func (e *Events) read(uplink string) ([]Event, error) { return readEvents(e.path, uplink) }

// ReadEvents is [Events.All] for who has not the state directory to itself.
func ReadEvents(dir, uplink string) ([]Event, error) {
	return readEvents(filepath.Join(dir, eventsFile), uplink)
}

func readEvents(path, uplink string) ([]Event, error) {
	var all []Event
	for _, path := range []string{path + ".1", path} {
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines := bufio.NewReaderSize(io.LimitReader(f, 2*maxEvents), 64<<10)
		for {
			line, err := lines.ReadBytes('\n')
			var v Event
			if json.Unmarshal(line, &v) == nil && (uplink == "" || v.Uplink == uplink) {
				all = append(all, v)
			}
			if err != nil {
				break
			}
		}
		f.Close()
	}
	return all, nil
}

// Close closes the file.
func (e *Events) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == nil {
		return nil
	}
	return e.file.Close()
}
