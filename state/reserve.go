package state

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// reserveFile holds room for the moment when the disk is full: a session that cannot be
// written down is one that the next start does not know of.
const reserveFile = "reserve"

// reserveSize is enough for the files of some uplinks, in octets.
const reserveSize = 128 << 10

// makeReserve makes the reserve, if it is not there and there is room.
func (s *Store) makeReserve() {
	path := filepath.Join(s.dir, reserveFile)
	if _, err := os.Lstat(path); err == nil {
		return
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if unix.Fallocate(int(f.Fd()), 0, 0, reserveSize) != nil {
		os.Remove(path)
	}
}

// useReserve gives the reserve up, and reports whether there was one.
func (s *Store) useReserve() bool {
	return os.Remove(filepath.Join(s.dir, reserveFile)) == nil
}
