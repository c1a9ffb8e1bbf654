package netconf

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Journal applies changes and remembers on disk how to take them back. A change
// is written down before it is made. It is safe for concurrent use.
//
// The file holds one JSON object a line, each behind its checksum: first the boot that it
// belongs to, then changes made and changes undone, in order. A last line that is cut short
// was never made.
type Journal struct {
	mu      sync.Mutex
	system  System
	path    string
	boot    string
	file    *os.File
	size    int64 // of the file
	applied ledger
	seen    map[key]bool // of applied: made, or looked after, by this process
	lines   int
	damaged int  // lines that could not be read
	current bool // the file is of this boot and version, and whole: it can be gone on with
}

// heading is the first line of the file.
type heading struct {
	Version int    `json:"version"`
	Boot    string `json:"boot"`
}

const (
	journalVersion  = 4 // 3 had no programs and offloads
	unsealedVersion = 2 // had no checksums
)

// ErrVersion is matched when a newer pppoectl wrote the journal.
var ErrVersion = errors.New("the undo journal was written by a newer version")

// OpenJournal opens the journal in file, or begins one. Of another boot nothing
// but files is left to undo, so its other entries are forgotten.
func OpenJournal(file, boot string, system System) (*Journal, error) {
	j := &Journal{system: system, path: file, boot: boot, applied: newLedger(), seen: map[key]bool{}}
	if err := j.load(); err != nil {
		return nil, err
	}
	err := j.rewrite()
	if err != nil && j.current { // the disk is full: there is room in the old one, most likely
		j.file, err = os.OpenFile(file, os.O_RDWR, 0o600)
	}
	return j, err
}

// Damaged says what could not be read; empty if all could.
func (j *Journal) Damaged() string {
	if j.damaged == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %d line(s) are damaged: what they tell of is not undone, look at addresses, rules, settings and programs in the kernel; a copy is %s", j.path, j.damaged, j.path+damagedSuffix)
}

const damagedSuffix = ".damaged"

func (j *Journal) load() error {
	b, err := os.ReadFile(j.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	lines := bufio.NewReader(bytes.NewReader(b))
	first, _ := lines.ReadBytes('\n')
	h, ok := unsealHeading(first)
	if h.Version > journalVersion {
		return fmt.Errorf("%s: %w (%d); this one knows %d", j.path, ErrVersion, h.Version, journalVersion)
	}
	if !ok { // of this boot, as far as anybody knows: what is not there any more is undone all the same
		h = heading{journalVersion, j.boot}
		j.damaged++
	}
	j.size = int64(len(first))
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		j.size += int64(len(line))
		j.lines++
		if h.Version != unsealedVersion {
			if line, ok = unseal(line); !ok {
				j.damaged++
				continue
			}
		}
		j.read(line, h.Boot != j.boot)
	}
	j.current = h == heading{journalVersion, j.boot} && j.damaged == 0
	if j.damaged > 0 {
		return os.WriteFile(j.path+damagedSuffix, b, 0o600)
	}
	return nil
}

// read takes one line in.
func (j *Journal) read(line []byte, otherBoot bool) {
	var r record
	if json.Unmarshal(line, &r) != nil {
		j.damaged++
		return
	}
	c := r.change()
	switch {
	case c == nil || otherBoot && !survives(c):
	case r.Undone:
		j.applied.remove(key{r.Owner, c})
	default:
		e := entry{key: key{r.Owner, c}}
		if r.Was != nil {
			e.was = *r.Was
		}
		if old, ok := j.replaced(e.key); ok { // there was no time to write that down
			j.applied.remove(old.key)
		}
		j.applied.add(e)
	}
}

// rewrite replaces the file by one that holds only what is applied now.
func (j *Journal) rewrite() error {
	var b []byte
	h, err := json.Marshal(heading{journalVersion, j.boot})
	if err != nil {
		return err
	}
	b = seal(append(h, '\n'))
	for _, e := range j.applied.all() {
		line, err := e.line(false)
		if err != nil {
			return err
		}
		b = append(b, line...)
	}
	tmp := j.path + ".new"
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return errors.Join(fmt.Errorf("undo journal %s: %w", j.path, withoutPath(err)), f.Close(), os.Remove(tmp))
	}
	// Room for what is to come, also on a disk that gets full. Not everywhere, and no need.
	unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, int64(len(b)+spare))
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := os.Rename(tmp, j.path); err != nil {
		return errors.Join(err, f.Close())
	}
	if d, err := os.Open(filepath.Dir(j.path)); err == nil {
		d.Sync()
		d.Close()
	}
	if j.file != nil {
		j.file.Close()
	}
	j.file, j.size, j.lines = f, int64(len(b)), j.applied.count
	return nil
}

// spare is the room kept in the file, in octets.
const spare = 64 << 10

// maxLines is how long the file may grow before it is rewritten.
const maxLines = 256

func (j *Journal) write(e entry, undone bool) error {
	line, err := e.line(undone)
	if err != nil {
		return err
	}
	if j.lines++; j.lines > maxLines+j.applied.count {
		if j.rewrite() != nil { // the disk is full: the file grows on
			j.lines = j.applied.count
		}
	}
	_, err = j.file.WriteAt(line, j.size)
	if err != nil { // half a line is overwritten by the next
		err = fmt.Errorf("undo journal: %w", errors.Join(withoutPath(err), j.file.Truncate(j.size)))
	} else {
		j.size += int64(len(line))
	}
	if undone {
		return nil // should it get lost, it is undone twice, which is no error
	}
	if err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("undo journal: %w", err)
	}
	return nil
}

// Apply makes owner's part of the system be exactly want: changes that are no
// longer wanted are undone, the last first, then those that are missing are
// made, in order. The first change that fails ends it; what was done until then
// stays, and is known. A change that several owners want is made once, and
// undone when the last of them does not want it any more.
func (j *Journal) Apply(owner string, want []Change) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.undo(owner, want); err != nil {
		return err
	}
	for _, c := range want {
		k := key{owner, c}
		do := j.make
		if j.applied.has(k) {
			do = j.verify
		}
		if err := do(k); err != nil {
			return err
		}
	}
	return nil
}

// make makes a change, once it is on disk.
func (j *Journal) make(k key) error {
	e := entry{key: k}
	old, replaces := j.replaced(k)
	was, there := j.applied.shared(k)
	var err error
	switch look, ok := k.change.(keeper); {
	case there:
		e.was = was
	case replaces:
		e.was = old.was
	case ok:
		if e.was, err = look.Look(j.system); err != nil {
			return fmt.Errorf("%v: %w", k.change, err)
		}
	}
	if err := j.write(e, false); err != nil {
		return err
	}
	if err := e.do(j.system); err != nil {
		return errors.Join(fmt.Errorf("%v: %w", k.change, err), j.write(e, true))
	}
	j.applied.add(e)
	j.seen[k] = true
	if replaces {
		return j.remove(old)
	}
	return nil
}

// replaced returns which of owner's changes k takes the place of, if any.
func (j *Journal) replaced(k key) (entry, bool) {
	for _, e := range j.applied.of(k.owner) {
		if replaces(k.change, e.change) {
			return e, true
		}
	}
	return entry{}, false
}

// verify makes a change of an earlier run again, once: nobody knows what has
// become of it meanwhile.
func (j *Journal) verify(k key) error {
	if j.seen[k] {
		return nil
	}
	for _, e := range j.applied.of(k.owner) {
		if e.key != k {
			continue
		}
		if err := e.do(j.system); err != nil {
			return fmt.Errorf("%v: %w", k.change, err)
		}
	}
	j.seen[k] = true
	return nil
}

// Forget drops owner's changes without undoing them: what they were made to is
// gone.
func (j *Journal) Forget(owner string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.drop(j.applied.of(owner))
}

// drop forgets entries, on disk too.
func (j *Journal) drop(list []entry) error {
	var failed []error
	for _, e := range slices.Backward(list) {
		failed = append(failed, j.remove(e))
	}
	return errors.Join(failed...)
}

// remove forgets one entry, on disk too.
func (j *Journal) remove(e entry) error {
	delete(j.seen, e.key)
	j.applied.remove(e.key)
	return j.write(e, true)
}

// undo takes back all of owner's changes that are not in keep, nor replaced by
// one that is. It goes on after failures.
func (j *Journal) undo(owner string, keep []Change) error {
	var failed []error
	for _, e := range slices.Backward(j.applied.of(owner)) {
		kept := func(c Change) bool { return c == e.change || replaces(c, e.change) }
		if !j.applied.has(e.key) || slices.ContainsFunc(keep, kept) {
			continue
		}
		if err := j.revert(e); err != nil {
			failed = append(failed, fmt.Errorf("undo %v: %w", e.change, err))
			continue
		}
		failed = append(failed, j.remove(e))
		if d, ok := e.change.(Device); ok {
			// What was on it is gone as well, even what could not be undone by itself.
			gone := slices.DeleteFunc(j.applied.all(), func(e entry) bool { return on(e.change) != d.Name })
			failed = append(failed, j.drop(gone))
		}
	}
	return errors.Join(failed...)
}

func replaces(c, old Change) bool {
	r, ok := c.(replacer)
	return ok && c != old && r.Replaces(old)
}

// revert takes one change back, unless somebody else wants it still.
func (j *Journal) revert(e entry) error {
	if _, ok := j.applied.shared(e.key); ok {
		return nil
	}
	if k, ok := e.change.(keeper); ok {
		return k.Restore(j.system, e.was)
	}
	return e.change.Undo(j.system)
}

// Redo makes owner's changes again, for when somebody else has taken them away.
func (j *Journal) Redo(owner string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.applied.of(owner) {
		if err := e.do(j.system); err != nil {
			return fmt.Errorf("%v: %w", e.change, err)
		}
	}
	return nil
}

// Applied returns owner's changes that are in force, in order.
func (j *Journal) Applied(owner string) []Change {
	j.mu.Lock()
	defer j.mu.Unlock()
	var changes []Change
	for _, e := range j.applied.of(owner) {
		changes = append(changes, e.change)
	}
	return changes
}

// Describe tells owner's changes in force, and what was there before where that is
// known, in order.
func (j *Journal) Describe(owner string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []string
	for _, e := range j.applied.of(owner) {
		text := e.change.String()
		switch e.change.(type) {
		case Offloads:
			if e.was == "" { // they were so
				continue
			}
			text += fmt.Sprintf(" (was %s)", e.was)
		case Sysctl:
			text += fmt.Sprintf(" (was %s)", e.was)
		}
		list = append(list, text)
	}
	return list
}

// Owners returns who has changes in force, by name.
func (j *Journal) Owners() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.applied.owners()
}

// Close closes the file. What is applied stays applied.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.file.Close()
}
