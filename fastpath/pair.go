package fastpath

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// pairOf are the indices of a line's pair of veths, whose near half does not take
// super-packets: what is sent there comes out of the far half as segments.
type pairOf struct{ near, far int }

func pairNames(index int) (near, far string) {
	return fmt.Sprintf("pppoe%da", index), fmt.Sprintf("pppoe%db", index)
}

// pairAlias is written on the pair of an interface.
func pairAlias(name string) string { return "pppoectl segments for " + name }

// ensurePair makes the pair of the interface of that name and index, or finds it.
func ensurePair(name string, index int) (pairOf, error) {
	near, far := pairNames(index)
	if l, err := netlink.LinkByName(near); err == nil && !isPair(l) {
		return pairOf{}, fmt.Errorf("%s exists and is not ours", near)
	} else if err != nil {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = near
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: far}); err != nil {
			return pairOf{}, err
		}
	}
	p, err := setUpPair(name, near, far)
	if err != nil {
		return pairOf{}, errors.Join(err, removePair(index))
	}
	return p, nil
}

func setUpPair(name, near, far string) (pairOf, error) {
	var indices [2]int
	for i, n := range []string{near, far} {
		l, err := netlink.LinkByName(n)
		if err != nil {
			return pairOf{}, err
		}
		if err := netlink.LinkSetIP6AddrGenMode(l, nl.IN6_ADDR_GEN_MODE_NONE); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
			return pairOf{}, err
		}
		if err := errors.Join(netlink.LinkSetAlias(l, pairAlias(name)), netlink.LinkSetARPOff(l), netlink.LinkSetUp(l)); err != nil {
			return pairOf{}, err
		}
		indices[i] = l.Attrs().Index
	}
	features, err := Features(near)
	if err != nil {
		return pairOf{}, err
	}
	off := map[string]bool{}
	for f, on := range features {
		if on && strings.HasPrefix(f, "tx-") && (strings.HasSuffix(f, "-segmentation") || f == "tx-gso-list") {
			off[f] = false
		}
	}
	if err := SetFeatures(near, off); err != nil {
		return pairOf{}, err
	}
	return pairOf{indices[0], indices[1]}, nil
}

// isPair reports whether an interface with a pair's name is of one. Without an alias it is one
// that we had not finished making.
func isPair(l netlink.Link) bool {
	a := l.Attrs().Alias
	return l.Type() == "veth" && (a == "" || strings.HasPrefix(a, pairAlias("")))
}

// removePair removes the pair of the interface with an index, if it is ours.
func removePair(index int) error {
	near, _ := pairNames(index)
	l, err := netlink.LinkByName(near)
	if err != nil || !isPair(l) {
		return nil
	}
	if err := netlink.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
		return err
	}
	return nil
}
