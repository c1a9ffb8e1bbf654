package tun

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// Carried counts what has gone through a TUN device since it was made, whoever was
// attached to it: received is what was written to it, sent what was read.
type Carried struct {
	ReceivedPackets, ReceivedBytes uint64
	SentPackets, SentBytes         uint64
}

// Count asks the kernel what has gone through the device called name.
func Count(name string) (Carried, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return Carried{}, fmt.Errorf("%s: %w", name, err)
	}
	s := link.Attrs().Statistics
	if s == nil {
		return Carried{}, fmt.Errorf("%s: no counters", name)
	}
	return Carried{s.RxPackets, s.RxBytes, s.TxPackets, s.TxBytes}, nil
}

// Index returns the index of the device called name. Package net would list all interfaces
// for that, and there may be thousands.
func Index(name string) (int, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return 0, fmt.Errorf("TUN device %s: %w", name, err)
	}
	return link.Attrs().Index, nil
}
