package tun

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// HeaderLen is the length in octets of the virtio-net header before each packet
// that is read or written.
const HeaderLen = 10

const path = "/dev/net/tun"

// ErrNoDevice is matched when /dev/net/tun is not there: a container that was
// not given it, or a kernel without TUN.
var ErrNoDevice = errors.New(path + " is not there")

// Device is an attached TUN device. Closing it leaves the device itself where it
// is, without carrier.
type Device struct {
	Name string
	file *os.File
}

// Attach attaches to the persistent TUN device called name. The kernel allows
// one process at a time; a second gets EBUSY.
func Attach(name string) (*Device, error) { return open(name, persistent) }

// Make makes a TUN device that is gone when it is closed, or when the process
// ends. A device of that name that is there already is an error.
func Make(name string) (*Device, error) {
	if _, err := net.InterfaceByName(name); err == nil {
		return nil, fmt.Errorf("TUN device %s: %w", name, os.ErrExist)
	}
	return open(name, func(int, string) error { return nil })
}

func open(name string, check func(fd int, name string) error) (*Device, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("%w: modprobe tun, or give the container the device", ErrNoDevice)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	ifr, err := unix.NewIfreq(name)
	if err == nil {
		ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
	}
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, HeaderLen)
	}
	if err == nil {
		err = check(fd, name)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("TUN device %s: %w", name, err)
	}
	d := &Device{Name: name, file: os.NewFile(uintptr(fd), path)}
	if err := d.offload(0); err != nil { // what a process that was killed has asked for lasts
		return nil, errors.Join(fmt.Errorf("TUN device %s: %w", name, err), d.Close())
	}
	return d, nil
}

// ErrMissing is matched when there is no persistent device of that name to
// attach to.
var ErrMissing = errors.New("there is no such device")

// persistent checks that attaching has not made a new device, as the kernel does
// where there is none.
func persistent(fd int, name string) error {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.TUNGETIFF, ifr); err != nil {
		return err
	}
	if ifr.Uint16()&unix.IFF_PERSIST == 0 {
		return ErrMissing
	}
	return nil
}

// Read reads one packet behind its virtio-net header and returns the length of
// both. A buffer that is too short cuts the packet.
func (d *Device) Read(b []byte) (int, error) { return d.file.Read(b) }

// Write writes one packet behind its virtio-net header.
func (d *Device) Write(b []byte) (int, error) { return d.file.Write(b) }

// Close detaches. Reads that wait end with os.ErrClosed.
func (d *Device) Close() error { return d.file.Close() }

// Interrupt makes a Read that waits end with os.ErrDeadlineExceeded, and so each
// further one until Resume: a data path that borrows the device ends so.
func (d *Device) Interrupt() error { return d.file.SetReadDeadline(time.Unix(1, 0)) }

// Resume makes Reads wait again.
func (d *Device) Resume() error { return d.file.SetReadDeadline(time.Time{}) }

// Available says why no TUN device can be had here; nil if one can.
func Available() error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		return f.Close()
	}
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%s: permission denied; run it as root, or allow the container the device", path)
	}
	return fmt.Errorf("%w: modprobe tun, or give the container the device", ErrNoDevice)
}
