package netconf

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
)

// Change is one change to the system that knows its way back. Changes are
// comparable values: two that are equal do the same.
type Change interface {
	// Do makes the change. Making it a second time is no error.
	Do(System) error
	// Undo takes it back. Taking back what is gone already is no error.
	Undo(System) error
	// String says what the change is, as a person would type it.
	String() string
}

// System is the part of the kernel that changes need.
type System interface {
	AddDevice(name, owner string) error
	DeleteDevice(name, owner string) error
	SetMTU(device string, mtu int) error
	SetUp(device string) error
	SetDown(device string) error
	IsUp(device string) (bool, error)
	AddAddress(Address) error
	DeleteAddress(Address) error
	HasAddress(Address) (bool, error)
	AddRoute(Route) error
	DeleteRoute(Route) error
	HasRoute(Route) (bool, error)
	AddRule(Rule) error
	DeleteRule(Rule) error
	HasRule(Rule) (bool, error)
	Sysctl(key string) (string, error)
	SetSysctl(key, value string) error
	UnfitFeatures(device string) (map[string]bool, error)
	SetFeatures(device string, index int, want map[string]bool) error
	AttachPrograms(Programs) error
	DetachPrograms(Programs) error
	SetFirewall(Firewall) error
	DeleteFirewall(table string) error
	HasFirewall(Firewall) (bool, error)
	ReadFile(path string) (content string, there bool, err error)
	WriteFile(path, content string) error
	RemoveFile(path string) error
	SetResolved(Resolved) error
	RevertResolved(device string) error
	// Advertised returns the interfaces whose routes come from router
	// advertisements.
	Advertised() ([]string, error)
}

// keeper is a change whose way back depends on what was there before.
type keeper interface {
	Change
	// Look returns what is there before the change is made.
	Look(System) (string, error)
	// Restore puts that back.
	Restore(s System, was string) error
}

// replacer is a change that, when it is made, takes the place of another.
type replacer interface {
	Change
	Replaces(Change) bool
}

// on returns the device that c is gone with.
func on(c Change) string {
	switch c := c.(type) {
	case Link:
		return c.Device
	case Address:
		return c.Device
	case Route:
		return c.Device
	case Resolved:
		return c.Device
	}
	return ""
}

// Device is a persistent TUN device. It makes no IPv6 address of its own.
// Undoing it takes everything away that is on the device.
type Device struct {
	Name  string `json:"name"`
	Owner string `json:"owner"` // written on the device, so that nobody else's is taken or deleted
}

// Do implements Change.
func (d Device) Do(s System) error { return s.AddDevice(d.Name, d.Owner) }

// Undo implements Change.
func (d Device) Undo(s System) error { return s.DeleteDevice(d.Name, d.Owner) }

func (d Device) String() string { return "tuntap add " + d.Name + " mode tun" }

// Link sets a device up with an MTU. There is no way back but to delete the
// device, which is ours.
type Link struct {
	Device string `json:"device"`
	MTU    int    `json:"mtu"` // octets
}

// Do implements Change.
func (l Link) Do(s System) error {
	if err := s.SetMTU(l.Device, l.MTU); err != nil {
		return err
	}
	return s.SetUp(l.Device)
}

// Undo implements Change.
func (l Link) Undo(System) error { return nil }

func (l Link) String() string { return fmt.Sprintf("link set %s mtu %d up", l.Device, l.MTU) }

// LineUp sets an interface up that was down; its undo sets it down again.
type LineUp struct {
	Interface string `json:"interface"`
}

// Do implements Change.
func (l LineUp) Do(s System) error { return s.SetUp(l.Interface) }

// Undo implements Change.
func (l LineUp) Undo(s System) error { return s.SetDown(l.Interface) }

func (l LineUp) String() string { return "link set " + l.Interface + " up" }

// Address is an address on a device. One that is there already, by somebody
// else, stays when it is undone.
type Address struct {
	Device     string       `json:"device"`
	Address    netip.Prefix `json:"address"`
	Peer       netip.Addr   `json:"peer,omitzero"`        // the other end of a point-to-point link; may be invalid
	Deprecated bool         `json:"deprecated,omitempty"` // no source of new connections
}

// Do implements Change.
func (a Address) Do(s System) error { return s.AddAddress(a) }

// Undo implements Change.
func (a Address) Undo(s System) error { return s.DeleteAddress(a) }

// Look implements keeper.
func (a Address) Look(s System) (string, error) {
	there, err := s.HasAddress(a)
	if there {
		return foreign, err
	}
	return "", err
}

// foreign is what Look tells of what somebody else has made.
const foreign = "foreign"

// Restore implements keeper.
func (a Address) Restore(s System, was string) error {
	if was == foreign {
		return nil
	}
	return a.Undo(s)
}

// Replaces implements replacer: an address that is deprecated is the same one.
func (a Address) Replaces(c Change) bool {
	old, ok := c.(Address)
	old.Deprecated = a.Deprecated
	return ok && old == a
}

func (a Address) String() string {
	text := fmt.Sprintf("addr add %v dev %s", a.Address, a.Device)
	if a.Peer.IsValid() {
		text = fmt.Sprintf("addr add %v peer %v dev %s", a.Address.Addr(), a.Peer, a.Device)
	}
	if a.Deprecated {
		text += " preferred_lft 0"
	}
	return text
}

// Route is a route to a device, or one that tells that there is no way.
type Route struct {
	Device      string       `json:"device,omitempty"` // empty: unreachable
	Destination netip.Prefix `json:"destination"`
	Metric      int          `json:"metric"`
	Source      netip.Addr   `json:"source,omitzero"` // preferred source address; may be invalid
	Table       int          `json:"table,omitempty"` // 0: main
}

// Do implements Change.
func (r Route) Do(s System) error { return s.AddRoute(r) }

// Undo implements Change.
func (r Route) Undo(s System) error { return s.DeleteRoute(r) }

func (r Route) String() string {
	text := fmt.Sprintf("route add %v dev %s metric %d", r.Destination, r.Device, r.Metric)
	if r.Device == "" {
		text = fmt.Sprintf("route add unreachable %v metric %d", r.Destination, r.Metric)
	}
	if r.Source.IsValid() {
		text += fmt.Sprintf(" src %v", r.Source)
	}
	if r.Table != 0 {
		text += fmt.Sprintf(" table %d", r.Table)
	}
	return text
}

// Rule has packets from some addresses look in a routing table.
type Rule struct {
	From     netip.Prefix `json:"from"`
	Table    int          `json:"table"` // 0: main
	Priority int          `json:"priority"`
	Specific bool         `json:"specific,omitempty"` // default routes of the table do not count
}

// Do implements Change.
func (r Rule) Do(s System) error { return s.AddRule(r) }

// Undo implements Change.
func (r Rule) Undo(s System) error { return s.DeleteRule(r) }

func (r Rule) String() string {
	table := "main"
	if r.Table != 0 {
		table = fmt.Sprint(r.Table)
	}
	text := fmt.Sprintf("rule add from %v lookup %s pref %d", r.From, table, r.Priority)
	if r.Specific {
		text += " suppress_prefixlength 0"
	}
	return text
}

// Sysctl is a setting of the kernel.
type Sysctl struct {
	Key   string `json:"key"` // such as net/ipv6/conf/all/forwarding
	Value string `json:"value"`
}

// Do implements Change.
func (c Sysctl) Do(s System) error { return s.SetSysctl(c.Key, c.Value) }

// Undo implements Change. What was there before is not known to the change:
// [Sysctl.Restore] is the way back.
func (c Sysctl) Undo(System) error { return nil }

// Look implements keeper.
func (c Sysctl) Look(s System) (string, error) { return s.Sysctl(c.Key) }

// Restore implements keeper. A value that somebody has set meanwhile stays.
func (c Sysctl) Restore(s System, was string) error {
	now, err := s.Sysctl(c.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its interface is gone
	}
	if err != nil || now != c.Value || was == c.Value {
		return err
	}
	return s.SetSysctl(c.Key, was)
}

func (c Sysctl) String() string { return fmt.Sprintf("sysctl %s=%s", c.Key, c.Value) }

// ConflictError says that a route with the same destination and metric is there
// already, by another device.
type ConflictError struct {
	Route  Route  // ours
	Device string // the other's
}

func (e *ConflictError) Error() string {
	if e.Route.Table != 0 {
		return fmt.Sprintf("another such route is there already in table %d, by %s; give the uplink another table", e.Route.Table, e.Device)
	}
	return fmt.Sprintf("another such route is there already, by %s; give the uplink another metric", e.Device)
}
