package netconf

import (
	"fmt"
	"net/netip"
	"strings"
)

// Firewall is an nftables table that guards one uplink. It is replaced as a whole,
// so that there is never a moment without it.
type Firewall struct {
	Table  string `json:"table"`
	Device string `json:"device"` // the uplink's TUN device
	// Filter lets in only what belongs to connections from inside (RFC 6092), and
	// out only what comes from the delegated prefixes.
	Filter   bool   `json:"filter,omitempty"`
	Prefixes string `json:"prefixes,omitempty"` // those, separated by blanks
	// Nor does it let anything go from the line's Ethernet straight to a LAN.
	Line string `json:"line,omitempty"`
	LANs string `json:"lans,omitempty"` // separated by blanks
	// Masquerade gives IPv4 packets that leave the uplink's address, but for those
	// of Block, which have public addresses.
	Masquerade bool         `json:"masquerade,omitempty"`
	Block      netip.Prefix `json:"block,omitzero"`
}

// FirewallTable returns the name of an uplink's table.
func FirewallTable(uplink string) string {
	return "pppoectl_" + strings.ReplaceAll(uplink, "-", ".")
}

// Do implements Change.
func (f Firewall) Do(s System) error { return s.SetFirewall(f) }

// Undo implements Change.
func (f Firewall) Undo(s System) error { return s.DeleteFirewall(f.Table) }

// Replaces implements replacer.
func (f Firewall) Replaces(c Change) bool {
	old, ok := c.(Firewall)
	return ok && old.Table == f.Table
}

func (f Firewall) String() string {
	var parts []string
	if f.Filter {
		parts = append(parts, "filter for "+f.Device)
	}
	if f.Masquerade {
		parts = append(parts, "masquerade behind "+f.Device)
	}
	return fmt.Sprintf("nft add table inet %s (%s)", f.Table, strings.Join(parts, ", "))
}

// inside are the prefixes that may be behind the uplink.
func (f Firewall) inside() []netip.Prefix {
	var list []netip.Prefix
	for _, s := range strings.Fields(f.Prefixes) {
		if p, err := netip.ParsePrefix(s); err == nil {
			list = append(list, p)
		}
	}
	return list
}
