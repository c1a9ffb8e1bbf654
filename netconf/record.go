package netconf

import (
	"encoding/json"
	"fmt"
)

// record is a change as it stands in the journal.
type record struct {
	Owner  string          `json:"owner"`
	Kind   string          `json:"kind"`
	Change json.RawMessage `json:"change"`
	Was    *string         `json:"was,omitempty"` // what a keeper has seen before
	Undone bool            `json:"undone,omitempty"`
}

// kinds are the changes that the journal can hold, by the names that they have
// there.
var kinds = map[string]func(json.RawMessage) (Change, error){
	"device":  read[Device],
	"link":    read[Link],
	"line_up": read[LineUp],
	"address": read[Address],
	"route":   read[Route],
	"rule":    read[Rule],
	"sysctl":  read[Sysctl],

	"firewall": read[Firewall],
	"file":     read[File],
	"resolved": read[Resolved],
	"offloads": read[Offloads],
	"programs": read[Programs],
}

func read[T Change](raw json.RawMessage) (Change, error) {
	var c T
	err := json.Unmarshal(raw, &c)
	return c, err
}

func kindOf(c Change) string {
	switch c.(type) {
	case Device:
		return "device"
	case Link:
		return "link"
	case LineUp:
		return "line_up"
	case Address:
		return "address"
	case Route:
		return "route"
	case Rule:
		return "rule"
	case Sysctl:
		return "sysctl"
	case Firewall:
		return "firewall"
	case File:
		return "file"
	case Resolved:
		return "resolved"
	case Offloads:
		return "offloads"
	case Programs:
		return "programs"
	}
	return ""
}

// change returns the record's change; nil if it has none that is known here.
func (r record) change() Change {
	if f := kinds[r.Kind]; f != nil {
		if c, err := f(r.Change); err == nil {
			return c
		}
	}
	return nil
}

// line returns an entry as a line of the journal.
func (e entry) line(undone bool) ([]byte, error) {
	kind := kindOf(e.change)
	if kind == "" {
		return nil, fmt.Errorf("netconf: no journal form for %T", e.change)
	}
	raw, err := json.Marshal(e.change)
	if err != nil {
		return nil, err
	}
	r := record{Owner: e.owner, Kind: kind, Change: raw, Undone: undone}
	if e.was != "" {
		r.Was = &e.was
	}
	b, err := json.Marshal(r)
	return seal(append(b, '\n')), err
}
