package netconf

import (
	"github.com/vishvananda/netlink"

	"pppoectl/fastpath"
)

// UnfitFeatures returns which features of an interface the programs need otherwise, and how.
func (Linux) UnfitFeatures(name string) (map[string]bool, error) { return fastpath.Wanted(name) }

// SetFeatures switches features of the interface with that index, whatever it is called now.
func (Linux) SetFeatures(_ string, index int, want map[string]bool) error {
	link, err := netlink.LinkByIndex(index)
	if err != nil {
		return nil // it is gone, and all that was set with it
	}
	return fastpath.SetFeatures(link.Attrs().Name, want)
}

// AttachPrograms attaches programs, or goes on with those that are.
func (Linux) AttachPrograms(p Programs) error {
	return fastpath.Attach(p.Directory, p.Interface, p.Index)
}

// DetachPrograms takes programs off.
func (Linux) DetachPrograms(p Programs) error { return fastpath.Detach(p.Directory, p.Index) }
