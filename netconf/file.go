package netconf

import (
	"encoding/json"
	"fmt"
)

// File is a file whose content is ours; what was there before comes back. It
// survives the boot.
type File struct {
	Path    string `json:"path"`
	Content string `json:"content"`
}

// Do implements Change.
func (f File) Do(s System) error { return s.WriteFile(f.Path, f.Content) }

// Undo implements Change. What was there before is not known to the change:
// [File.Restore] is the way back.
func (f File) Undo(System) error { return nil }

// Replaces implements replacer.
func (f File) Replaces(c Change) bool {
	old, ok := c.(File)
	return ok && old.Path == f.Path
}

// before is what stood in a file.
type before struct {
	Missing bool   `json:"missing,omitempty"`
	Content string `json:"content,omitempty"`
}

// Look implements keeper.
func (f File) Look(s System) (string, error) {
	content, there, err := s.ReadFile(f.Path)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(before{!there, content})
	return string(b), err
}

// Restore implements keeper. What somebody has written meanwhile stays.
func (f File) Restore(s System, was string) error {
	now, there, err := s.ReadFile(f.Path)
	if err != nil || !there || now != f.Content {
		return err
	}
	var old before
	if err := json.Unmarshal([]byte(was), &old); err != nil {
		return fmt.Errorf("what stood in %s is lost: %w", f.Path, err)
	}
	if old.Missing {
		return s.RemoveFile(f.Path)
	}
	return s.WriteFile(f.Path, old.Content)
}

func (f File) String() string { return "write " + f.Path }

// survives reports whether a change is still there after a boot.
func survives(c Change) bool {
	_, ok := c.(File)
	return ok
}
