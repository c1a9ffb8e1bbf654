package fastpath

import (
	"errors"
	"fmt"
	"path/filepath"
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

// pairAlias is written on the pair of a line: whose it is, for another daemon may have one.
func pairAlias(dir string) string { return "pppoectl segments " + filepath.Base(filepath.Dir(dir)) }

// ensurePair makes the pair of the interface with an index, or finds it.
func ensurePair(dir string, index int) (pairOf, error) {
	near, far := pairNames(index)
	if l, err := netlink.LinkByName(near); err == nil && !isPair(l, dir) {
		return pairOf{}, fmt.Errorf("%s exists and is not ours", near)
	} else if err != nil {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = near
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: far}); err != nil {
			return pairOf{}, err
		}
	}
	p, err := setUpPair(dir, near, far)
	if err != nil {
		return pairOf{}, errors.Join(err, removePair(dir, index))
	}
	return p, nil
}

func setUpPair(dir, near, far string) (pairOf, error) {
	var indices [2]int
	for i, n := range []string{near, far} {
		l, err := netlink.LinkByName(n)
		if err != nil {
			return pairOf{}, err
		}
		if err := netlink.LinkSetIP6AddrGenMode(l, nl.IN6_ADDR_GEN_MODE_NONE); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
			return pairOf{}, err
		}
		if err := errors.Join(netlink.LinkSetAlias(l, pairAlias(dir)), netlink.LinkSetARPOff(l), netlink.LinkSetUp(l)); err != nil {
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

// isPair reports whether an interface with a pair's name is of the line's. Without an alias it is one
// that we had not finished making.
func isPair(l netlink.Link, dir string) bool {
	a := l.Attrs().Alias
	return l.Type() == "veth" && (a == "" || a == pairAlias(dir))
}

// farOf returns the index of the far half of an interface's pair; 0 if there is none.
func farOf(index int) int {
	_, far := pairNames(index)
	l, err := netlink.LinkByName(far)
	if err != nil {
		return 0
	}
	return l.Attrs().Index
}

// removePair removes the pair of the interface with an index, if it is ours.
func removePair(dir string, index int) error {
	near, _ := pairNames(index)
	l, err := netlink.LinkByName(near)
	if err != nil || !isPair(l, dir) {
		return nil
	}
	if err := netlink.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
		return err
	}
	return nil
}
