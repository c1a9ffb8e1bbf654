package netconf

import (
	"maps"
	"slices"
)

// key is who wants what.
type key struct {
	owner  string
	change Change
}

// entry is a change that is in force.
type entry struct {
	key
	was string // what a keeper has seen before the change was made
}

// do makes the change, unless somebody else has made what it would.
func (e entry) do(s System) error {
	if e.was == foreign {
		return nil
	}
	return e.change.Do(s)
}

// ledger holds the changes in force. Each owner's are in the order in which they
// were made.
type ledger struct {
	entries map[string][]entry           // by owner
	holders map[Change]map[string]string // who wants a change, and what each has seen before
	count   int
}

func newLedger() ledger {
	return ledger{entries: map[string][]entry{}, holders: map[Change]map[string]string{}}
}

// has reports whether k is in force.
func (l *ledger) has(k key) bool {
	_, ok := l.holders[k.change][k.owner]
	return ok
}

func (l *ledger) add(e entry) {
	if l.has(e.key) {
		return
	}
	l.entries[e.owner] = append(l.entries[e.owner], e)
	if l.holders[e.change] == nil {
		l.holders[e.change] = map[string]string{}
	}
	l.holders[e.change][e.owner] = e.was
	l.count++
}

func (l *ledger) remove(k key) {
	if !l.has(k) {
		return
	}
	if delete(l.holders[k.change], k.owner); len(l.holders[k.change]) == 0 {
		delete(l.holders, k.change)
	}
	l.entries[k.owner] = slices.DeleteFunc(l.entries[k.owner], func(e entry) bool { return e.key == k })
	if len(l.entries[k.owner]) == 0 {
		delete(l.entries, k.owner)
	}
	l.count--
}

// of returns owner's changes, in order; the list may be kept.
func (l *ledger) of(owner string) []entry { return slices.Clone(l.entries[owner]) }

// shared returns what another owner of the same change has seen before it, if
// there is one.
func (l *ledger) shared(k key) (was string, ok bool) {
	for owner, was := range l.holders[k.change] {
		if owner != k.owner {
			return was, true
		}
	}
	return "", false
}

// owners returns who has changes in force, by name.
func (l *ledger) owners() []string { return slices.Sorted(maps.Keys(l.entries)) }

// all returns all changes, each owner's in order.
func (l *ledger) all() []entry {
	list := make([]entry, 0, l.count)
	for _, owner := range l.owners() {
		list = append(list, l.entries[owner]...)
	}
	return list
}
