package hooks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Trusted says why root should not run the program at path; nil if it may: the file and
// all directories above it belong to root, or to who runs this, and nobody else can
// write there.
func Trusted(path string) error {
	if !filepath.IsAbs(path) {
		return errors.New("it is no absolute path")
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return bare(err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return bare(err)
	}
	switch {
	case !info.Mode().IsRegular():
		return errors.New("it is no file")
	case info.Mode()&0o111 == 0:
		return errors.New("it is not executable")
	}
	// A symbolic link can be replaced where it stands as well.
	for _, p := range []string{real, path} {
		for at := p; ; at = filepath.Dir(at) {
			if err := private(at); err != nil {
				return err
			}
			if at == filepath.Dir(at) {
				break
			}
		}
	}
	return nil
}

// private says who besides root can write to what is at path.
func private(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return bare(err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return fmt.Errorf("%s has no owner", path)
	case owner.Uid != 0 && int(owner.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to user %d; chown root %s", path, owner.Uid, path)
	case info.IsDir() && info.Mode()&os.ModeSticky != 0: // what is root's in it stays
		return nil
	case info.Mode()&0o022 != 0:
		return fmt.Errorf("%s may be written by others (mode %04o); chmod go-w %s", path, info.Mode().Perm(), path)
	}
	return nil
}

// bare is the reason without the path, which the caller knows.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
