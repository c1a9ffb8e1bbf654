package tun

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
	wireguard "golang.zx2c4.com/wireguard/tun"
)

// Batch reads and writes many packets at a time. The kernel hands over whole super-packets
// of TCP and, from Linux 6.2 on, UDP, which are cut here once, and takes such that are made
// here of what has come in many frames.
type Batch struct {
	native wireguard.Device
	device *Device
}

// Batch begins to use the device so, until Close; Read and Write of the device are not to
// be used meanwhile.
func (d *Device) Batch() (*Batch, error) {
	raw, err := d.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	if e := raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) }); e != nil || err != nil {
		return nil, errors.Join(e, err)
	}
	native, _, err := wireguard.CreateUnmonitoredTUNFromFD(fd)
	if err != nil {
		unix.Close(fd)
		return nil, errors.Join(err, d.offload(0))
	}
	return &Batch{native, d}, nil
}

// offload says what the kernel may leave to whoever reads.
func (d *Device) offload(what int) error {
	raw, err := d.file.SyscallConn()
	if err != nil {
		return err
	}
	if e := raw.Control(func(fd uintptr) { err = unix.IoctlSetInt(int(fd), unix.TUNSETOFFLOAD, what) }); e != nil {
		return e
	}
	return err
}

// Size is how many buffers Read and Write are best given.
func (b *Batch) Size() int { return b.native.BatchSize() }

// Read reads packets into buffers, each from offset on, and returns how many; sizes tells
// their lengths. Errors match os.ErrClosed once the device is gone or Close was called.
func (b *Batch) Read(buffers [][]byte, sizes []int, offset int) (int, error) {
	n, err := b.native.Read(buffers, sizes, offset)
	if errors.Is(err, wireguard.ErrTooManySegments) { // those that have room are there
		err = nil
	}
	return n, err
}

// Write writes the packets that stand in buffers from offset on, which must leave
// [HeaderLen] octets; it may join them in the buffers of the first, as far as those reach.
func (b *Batch) Write(buffers [][]byte, offset int) error {
	_, err := b.native.Write(buffers, offset)
	return err
}

// Close ends Reads that wait with os.ErrClosed. The device stays.
func (b *Batch) Close() error {
	err := errors.Join(b.native.Close(), b.device.offload(0))
	if errors.Is(err, os.ErrClosed) { // the device, too
		return nil
	}
	return err
}
