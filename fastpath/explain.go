package fastpath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// prepare checks that dir can hold pins.
func prepare(dir string) error {
	parent := dir
	for {
		var s unix.Statfs_t
		err := unix.Statfs(parent, &s)
		if err == nil {
			if uint32(s.Type) != unix.BPF_FS_MAGIC { // int32 or int64, by architecture
				return fmt.Errorf("%s is on no BPF file system; mount -t bpf bpf /sys/fs/bpf", dir)
			}
			return nil
		}
		up := filepath.Dir(parent)
		if !errors.Is(err, fs.ErrNotExist) || up == parent {
			return fmt.Errorf("%s: %w", dir, err)
		}
		parent = up
	}
}

// explain puts what the kernel says into words for an operator.
func explain(err error, name string) error {
	var rejected *ebpf.VerifierError
	switch {
	case errors.As(err, &rejected):
		return fmt.Errorf("the kernel, %s, refuses the programs: %w", release(), rejected.Cause)
	case errors.Is(err, fs.ErrPermission) && errors.As(err, new(*fs.PathError)):
		return err
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return errors.New("no right to load BPF programs: it takes CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN")
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("the kernel has no tcx, which Linux 6.6 brings; this is %s", release())
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%s has no native XDP (%w)", name, unix.EOPNOTSUPP)
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
		return fmt.Errorf("another program's XDP is on %s", name)
	}
	return err
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// removeEmpty removes a directory, and the one above it as far as they are empty.
func removeEmpty(dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if os.Remove(filepath.Dir(dir)) == nil { // another line's may be there
		os.Remove(filepath.Dir(filepath.Dir(dir)))
	}
	return nil
}
