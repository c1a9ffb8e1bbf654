package hooks

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// program is one of the operator's.
type program struct {
	path string
	err  error // why it must not be run
}

// events are the names that a program or directory may have that is for one event
// only.
var events = []string{
	IPUp, IPDown, IPv6Up, IPv6Down, AuthUp, AuthDown, AuthFail,
	"up", "down", "dropped", "failed", "resumed", "stale", "prefix",
}

// programs are those in dir that are for an event, in order of their names: DIR/EVENT or
// else those in DIR/EVENT.d, as pppd and Debian have them, and all programs directly in
// DIR that have no event's name. Files that are not executable are none.
func programs(dir, event string) ([]program, error) {
	list, err := executables(dir, func(name string) bool { return name == event || !slices.Contains(events, name) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(list, func(p program) bool { return filepath.Base(p.path) == event }) {
		return list, nil
	}
	more, err := executables(filepath.Join(dir, event+".d"), scriptName)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return append(list, more...), err
}

// executables are the programs of a directory whose names are admitted.
func executables(dir string, admits func(name string) bool) ([]program, error) {
	files, err := os.ReadDir(dir) // by name
	if err != nil {
		return nil, err
	}
	var list []program
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 || strings.HasPrefix(f.Name(), ".") || !admits(f.Name()) {
			continue
		}
		list = append(list, program{path, Trusted(path)})
	}
	return list, nil
}

// scriptName is what run-parts takes: no backups, nor what a package manager has left
// beside a program.
func scriptName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
	})
}
