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
	reading   sync.Mutex
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
	if err != nil { // half a line would spoil the next one, too
		return errors.Join(err, e.file.Truncate(e.size))
	}
	e.size += int64(n)
	return nil
}

// All returns the history, the oldest first, of one uplink or, with an empty
// name, of all. Lines that are damaged are left out.
func (e *Events) All(uplink string) ([]Event, error) {
	e.mu.Lock()
	files, err := e.past()
	e.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return e.read(files, uplink), nil
}

// Follow returns the history and a channel of what comes after it, with a
// function that ends this.
func (e *Events) Follow(uplink string) ([]Event, <-chan Event, func(), error) {
	c := make(chan Event, 64)
	end := func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.followers, c)
	}
	e.mu.Lock()
	e.followers[c] = struct{}{}
	files, err := e.past()
	e.mu.Unlock()
	if err != nil {
		end()
		return nil, nil, nil, err
	}
	return e.read(files, uplink), c, end, nil
}

// past opens what there is by now; what is added later is not read.
func (e *Events) past() ([]part, error) { return parts(e.path, e.size) }

// read reads one history at a time; nobody who tells of an event waits for that.
func (e *Events) read(files []part, uplink string) []Event {
	e.reading.Lock()
	defer e.reading.Unlock()
	return readEvents(files, uplink)
}

// ReadEvents is [Events.All] for who has not the state directory to itself.
func ReadEvents(dir, uplink string) ([]Event, error) {
	files, err := parts(filepath.Join(dir, eventsFile), 2*maxEvents)
	if err != nil {
		return nil, err
	}
	return readEvents(files, uplink), nil
}

// part is one of the files of a history, as far as it is to be read.
type part struct {
	file *os.File
	size int64
}

// parts opens the old file and the present one, whose size is given.
func parts(path string, size int64) ([]part, error) {
	old, err := os.Open(path + ".1")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var all []part
	if err == nil {
		all = append(all, part{old, 2 * maxEvents})
	}
	now, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		if len(all) > 0 {
			old.Close()
		}
		return nil, err
	}
	return append(all, part{now, size}), nil
}

// readEvents reads the files and closes them.
func readEvents(files []part, uplink string) []Event {
	var all []Event
	for _, p := range files {
		lines := bufio.NewReaderSize(io.LimitReader(p.file, p.size), 64<<10)
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
		p.file.Close()
	}
	return all
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
