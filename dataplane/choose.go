package dataplane

import "fmt"

// Open opens the path of a kind for a session; of [Auto] the fastest that works here, and
// note says why it is not a faster one.
func Open(kind Kind, s Session, device Device) (path Path, note string, err error) {
	switch kind {
	case Portable:
		path, err = NewPortable(s, device)
		return path, "", err
	case Offload:
		path, err = NewOffloaded(s, device)
		return path, "", err
	}
	if path, err = NewOffloaded(s, device); err == nil {
		return path, "", nil
	}
	note = fmt.Sprintf("no %s: %v", Offload, err)
	path, err = NewPortable(s, device)
	return path, note, err
}
