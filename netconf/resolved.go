package netconf

import "fmt"

// Resolved tells systemd-resolved the name servers of a device.
type Resolved struct {
	Device  string `json:"device"`
	Servers string `json:"servers"`           // addresses, separated by blanks
	Domains string `json:"domains,omitempty"` // to search, separated by blanks
	Default bool   `json:"default,omitempty"` // for all names, not only those
}

// Do implements Change.
func (r Resolved) Do(s System) error { return s.SetResolved(r) }

// Undo implements Change.
func (r Resolved) Undo(s System) error { return s.RevertResolved(r.Device) }

// Replaces implements replacer.
func (r Resolved) Replaces(c Change) bool {
	old, ok := c.(Resolved)
	return ok && old.Device == r.Device
}

func (r Resolved) String() string { return fmt.Sprintf("resolvectl dns %s %s", r.Device, r.Servers) }
