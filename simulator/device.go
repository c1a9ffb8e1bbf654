package simulator

import (
	"errors"

	"pppoectl/tun"
)

// device is the TUN device to the network behind. Packets stand in buffers from offset on,
// which is [tun.HeaderLen] octets or more.
type device interface {
	Size() int // how many buffers Read is best given
	Read(buffers [][]byte, sizes []int, offset int) (int, error)
	Write(buffers [][]byte, offset int) error
	Close() error
}

// open makes the device, with many packets a system call where the kernel has that.
func open(name string) (device, error) {
	d, err := tun.Make(name)
	if err != nil {
		return nil, err
	}
	b, err := d.Batch()
	if err != nil {
		return single{d}, nil
	}
	return many{b, d}, nil
}

// many is a device with offloads.
type many struct {
	*tun.Batch
	own *tun.Device
}

func (d many) Close() error { return errors.Join(d.Batch.Close(), d.own.Close()) }

// single is one without: a packet a system call.
type single struct{ *tun.Device }

func (d single) Size() int { return 1 }

func (d single) Read(buffers [][]byte, sizes []int, offset int) (int, error) {
	n, err := d.Device.Read(buffers[0][offset-tun.HeaderLen:])
	if err != nil || n < tun.HeaderLen {
		return 0, err
	}
	sizes[0] = n - tun.HeaderLen
	return 1, nil
}

func (d single) Write(buffers [][]byte, offset int) error {
	var errs []error
	for _, b := range buffers {
		b = b[offset-tun.HeaderLen:]
		clear(b[:tun.HeaderLen])
		if _, err := d.Device.Write(b); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
