package netconf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Offloads makes a line's features fit for programs that carry PPPoE in the kernel.
type Offloads struct {
	Interface string `json:"interface"`
	Index     int    `json:"index"` // of the interface: one that is made anew is another
}

// Do implements Change.
func (o Offloads) Do(s System) error {
	want, err := s.UnfitFeatures(o.Interface)
	if err == nil {
		err = s.SetFeatures(o.Interface, o.Index, want)
	}
	if err != nil {
		return &ProgramsError{fmt.Errorf("features of %s: %w", o.Interface, err)}
	}
	return nil
}

// Undo implements Change. What was there before is not known to the change.
func (o Offloads) Undo(System) error { return nil }

// Look implements keeper.
func (o Offloads) Look(s System) (string, error) {
	want, err := s.UnfitFeatures(o.Interface)
	if err != nil {
		return "", &ProgramsError{fmt.Errorf("features of %s: %w", o.Interface, err)}
	}
	var was []string
	for _, f := range slices.Sorted(maps.Keys(want)) {
		was = append(was, f+"="+onOff(!want[f]))
	}
	return strings.Join(was, " "), nil
}

// Restore implements keeper.
func (o Offloads) Restore(s System, was string) error {
	back := map[string]bool{}
	for _, w := range strings.Fields(was) {
		f, state, _ := strings.Cut(w, "=")
		back[f] = state == onOff(true)
	}
	return s.SetFeatures(o.Interface, o.Index, back)
}

func (o Offloads) String() string {
	return "features of " + o.Interface + " as programs in the kernel need them"
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// Programs are the programs of a line that carry PPPoE in the kernel.
type Programs struct {
	Interface string `json:"interface"`
	Index     int    `json:"index"`     // of the interface
	Directory string `json:"directory"` // where they are pinned; for this line alone
}

// Do implements Change.
func (p Programs) Do(s System) error {
	if err := s.AttachPrograms(p); err != nil {
		return &ProgramsError{err}
	}
	return nil
}

// Undo implements Change.
func (p Programs) Undo(s System) error { return s.DetachPrograms(p) }

func (p Programs) String() string {
	return fmt.Sprintf("programs on %s, pinned in %s", p.Interface, p.Directory)
}

// ProgramsError says why a line can have no programs.
type ProgramsError struct{ Err error }

func (e *ProgramsError) Error() string { return e.Err.Error() }
func (e *ProgramsError) Unwrap() error { return e.Err }
