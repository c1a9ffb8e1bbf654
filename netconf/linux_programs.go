package netconf

import (
	"github.com/vishvananda/netlink"

	"pppoectl/fastpath"
)

// UnfitFeatures returns which features of an interface the programs need otherwise, and how.
func (Linux) UnfitFeatures(name string) (map[string]bool, error) { return fastpath.Wanted(name) }

// SetFeatures switches features of an interface, if it is the one with that index.
func (Linux) SetFeatures(name string, index int, want map[string]bool) error {
	if link, err := netlink.LinkByName(name); err != nil || link.Attrs().Index != index {
		return nil // it is gone, and all that was set with it
	}
	return fastpath.SetFeatures(name, want)
}

// AttachPrograms attaches programs, or goes on with those that are.
func (Linux) AttachPrograms(p Programs) error {
	return fastpath.Attach(p.Directory, p.Interface, p.Index)
}

// DetachPrograms takes programs off.
func (Linux) DetachPrograms(p Programs) error { return fastpath.Detach(p.Directory, p.Index) }
