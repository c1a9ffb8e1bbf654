package netconf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Sysctl returns a setting of the kernel. Key is its path under /proc/sys.
func (Linux) Sysctl(key string) (string, error) {
	b, err := os.ReadFile(filepath.Join("/proc/sys", key))
	return strings.TrimSpace(string(b)), err
}

// SetSysctl changes a setting of the kernel, where that is needed.
func (l Linux) SetSysctl(key, value string) error {
	if now, err := l.Sysctl(key); err == nil && now == value {
		return nil
	}
	err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0)
	if errors.Is(err, unix.EROFS) {
		return fmt.Errorf("%w; /proc/sys is read-only here, so it has to be set outside: echo %s > /proc/sys/%s", err, value, key)
	}
	return err
}
