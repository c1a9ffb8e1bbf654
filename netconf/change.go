package netconf

import (
	"encoding/json"
	"fmt"
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
	AddAddress(device string, a Address) error
	DeleteAddress(device string, a Address) error
	AddRoute(device string, r Route) error
	DeleteRoute(device string, r Route) error
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

// Address is an address on a device.
type Address struct {
	Device  string       `json:"device"`
	Address netip.Prefix `json:"address"`
	Peer    netip.Addr   `json:"peer"` // the other end of a point-to-point link; may be invalid
}

// Do implements Change.
func (a Address) Do(s System) error { return s.AddAddress(a.Device, a) }

// Undo implements Change.
func (a Address) Undo(s System) error { return s.DeleteAddress(a.Device, a) }

func (a Address) String() string {
	if a.Peer.IsValid() {
		return fmt.Sprintf("addr add %v peer %v dev %s", a.Address.Addr(), a.Peer, a.Device)
	}
	return fmt.Sprintf("addr add %v dev %s", a.Address, a.Device)
}

// Route is a route to a device.
type Route struct {
	Device      string       `json:"device"`
	Destination netip.Prefix `json:"destination"`
	Metric      int          `json:"metric"`
	Source      netip.Addr   `json:"source"` // preferred source address; may be invalid
}

// Do implements Change.
func (r Route) Do(s System) error { return s.AddRoute(r.Device, r) }

// Undo implements Change.
func (r Route) Undo(s System) error { return s.DeleteRoute(r.Device, r) }

func (r Route) String() string {
	text := fmt.Sprintf("route add %v dev %s metric %d", r.Destination, r.Device, r.Metric)
	if r.Source.IsValid() {
		text += fmt.Sprintf(" src %v", r.Source)
	}
	return text
}

// ConflictError says that a route with the same destination and metric is there
// already, by another device.
type ConflictError struct {
	Route  Route  // ours
	Device string // the other's
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("another such route is there already, by %s; give the uplink another metric", e.Device)
}

// record is a change as it stands in the journal.
type record struct {
	Owner   string   `json:"owner"`
	Device  *Device  `json:"device,omitempty"`
	Link    *Link    `json:"link,omitempty"`
	LineUp  *LineUp  `json:"line_up,omitempty"`
	Address *Address `json:"address,omitempty"`
	Route   *Route   `json:"route,omitempty"`
}

func newRecord(owner string, c Change) (record, error) {
	r := record{Owner: owner}
	switch c := c.(type) {
	case Device:
		r.Device = &c
	case Link:
		r.Link = &c
	case LineUp:
		r.LineUp = &c
	case Address:
		r.Address = &c
	case Route:
		r.Route = &c
	default:
		return r, fmt.Errorf("netconf: no journal form for %T", c)
	}
	return r, nil
}

// change returns the record's change; nil if it has none that is known here.
func (r record) change() Change {
	switch {
	case r.Device != nil:
		return *r.Device
	case r.Link != nil:
		return *r.Link
	case r.LineUp != nil:
		return *r.LineUp
	case r.Address != nil:
		return *r.Address
	case r.Route != nil:
		return *r.Route
	}
	return nil
}

// line returns the record as a line of the journal.
func (r record) line(undone bool) []byte {
	b, err := json.Marshal(struct {
		record
		Undone bool `json:"undone,omitempty"`
	}{r, undone})
	if err != nil { // all fields have a JSON form
		panic(err)
	}
	return append(b, '\n')
}
