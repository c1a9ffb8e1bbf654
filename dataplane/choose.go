package dataplane

import (
	"fmt"
	"strings"
)

// Open opens the path of a kind for a session; of [Auto] the fastest that works here, and
// note says why it is not a faster one.
func Open(kind Kind, s Session, device Device) (path Path, note string, err error) {
	switch kind {
	case EBPF:
		if s.Programs == "" && s.NoPrograms != "" {
			return nil, "", fmt.Errorf("no %s: %s", EBPF, s.NoPrograms)
		}
		path, err = NewEBPF(s, device)
		return path, "", err
	case Portable:
		path, err = NewPortable(s, device)
		return path, "", err
	case Offload:
		path, err = NewOffloaded(s, device)
		return path, "", err
	}
	if s.Programs != "" {
		if path, err = NewEBPF(s, device); err == nil {
			return path, "", nil
		}
		s.NoPrograms = err.Error()
	}
	var notes []string
	if s.NoPrograms != "" {
		notes = append(notes, fmt.Sprintf("no %s: %s", EBPF, s.NoPrograms))
	}
	if path, err = NewOffloaded(s, device); err != nil {
		notes = append(notes, fmt.Sprintf("no %s: %v", Offload, err))
		path, err = NewPortable(s, device)
	}
	return path, strings.Join(notes, "; "), err
}

// openBeside opens the fastest path in user space.
func openBeside(s Session, device Device) (Path, error) {
	if path, err := NewOffloaded(s, device); err == nil {
		return path, nil
	}
	return NewPortable(s, device)
}
