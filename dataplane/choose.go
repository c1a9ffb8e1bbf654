package dataplane

import "fmt"

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
	path, note, err = openBeside(s, device)
	if s.NoPrograms != "" {
		note = join(fmt.Sprintf("no %s: %s", EBPF, s.NoPrograms), note)
	}
	return path, note, err
}

// openBeside opens the fastest path in user space.
func openBeside(s Session, device Device) (Path, string, error) {
	path, err := NewOffloaded(s, device)
	if err == nil {
		return path, "", nil
	}
	note := fmt.Sprintf("no %s: %v", Offload, err)
	path, err = NewPortable(s, device)
	return path, note, err
}

// join joins two notes.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
