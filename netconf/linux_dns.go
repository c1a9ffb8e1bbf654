package netconf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// maxFile is how large a file may be that is to come back, in octets.
const maxFile = 64 << 10

// ReadFile returns the content of a file, if it is there. One that is a link to
// somewhere is somebody else's.
func (Linux) ReadFile(path string) (content string, there bool, err error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", false, nil
	case err != nil:
		return "", false, err
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := os.Readlink(path)
		return "", true, errors.Join(fmt.Errorf("%s is a link to %s, so another program looks after it; with systemd-resolved say dns: {write: resolved}", path, to), err)
	case !info.Mode().IsRegular() || info.Size() > maxFile:
		return "", true, fmt.Errorf("%s is no file of at most %d octets", path, maxFile)
	}
	b, err := os.ReadFile(path)
	return string(b), true, err
}

// WriteFile replaces the content of a file; what reads it sees the old or the new.
func (l Linux) WriteFile(path, content string) error {
	if _, _, err := l.ReadFile(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if errors.Is(err, unix.EBUSY) { // a file that is mounted, as in containers, cannot be replaced
		err = os.WriteFile(path, []byte(content), 0o644)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	os.Remove(f.Name()) // after EBUSY
	return nil
}

// RemoveFile removes a file.
func (Linux) RemoveFile(path string) error { return ignore(os.Remove(path), fs.ErrNotExist) }

// resolvedWait is how long systemd-resolved may take.
const resolvedWait = 2 * time.Second

// resolve1 is systemd-resolved on the system's bus.
const resolve1 = "org.freedesktop.resolve1"

// resolvedDNS is a name server as SetLinkDNS wants it.
type resolvedDNS struct {
	Family  int32
	Address []byte
}

// resolvedDomain is a domain as SetLinkDomains wants it.
type resolvedDomain struct {
	Name  string
	Route bool
}

// SetResolved tells systemd-resolved the name servers of a device.
func (Linux) SetResolved(r Resolved) error {
	link, err := netlink.LinkByName(r.Device)
	if err != nil {
		return err
	}
	index := int32(link.Attrs().Index)
	var servers []resolvedDNS
	for _, s := range strings.Fields(r.Servers) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return err
		}
		family := int32(unix.AF_INET)
		if a.Is6() {
			family = unix.AF_INET6
		}
		servers = append(servers, resolvedDNS{family, a.AsSlice()})
	}
	domains := []resolvedDomain{}
	for _, d := range strings.Fields(r.Domains) {
		domains = append(domains, resolvedDomain{d, false})
	}
	return onResolved(func(call func(string, ...any) error) error {
		return errors.Join(
			call("SetLinkDNS", index, servers),
			call("SetLinkDomains", index, domains),
			call("SetLinkDefaultRoute", index, r.Default),
		)
	})
}

// RevertResolved has systemd-resolved forget the name servers of a device.
func (Linux) RevertResolved(device string) error {
	link, err := netlink.LinkByName(device)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil // and with it what it knew
	}
	if err != nil {
		return err
	}
	return onResolved(func(call func(string, ...any) error) error { return call("RevertLink", int32(link.Attrs().Index)) })
}

// onResolved calls systemd-resolved.
func onResolved(f func(call func(method string, args ...any) error) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), resolvedWait)
	defer cancel()
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("systemd-resolved: %w", err)
	}
	defer conn.Close()
	manager := conn.Object(resolve1, "/org/freedesktop/resolve1")
	return f(func(method string, args ...any) error {
		if err := manager.CallWithContext(ctx, resolve1+".Manager."+method, 0, args...).Err; err != nil {
			return fmt.Errorf("systemd-resolved: %s: %w", method, err)
		}
		return nil
	})
}
