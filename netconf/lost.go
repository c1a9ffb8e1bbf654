package netconf

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
)

// Lost is something that was taken away in the kernel, by whomever.
type Lost struct {
	Prefix   netip.Prefix // the destination of a route, the source of a rule
	Table    int          // of a route or rule; 0: main
	Priority int          // a route's metric, a rule's priority
	Rule     bool         // it is a rule
	Address  netip.Addr   // of a device
	Firewall string       // a table of nftables
}

// is reports whether c may be what was lost.
func (l Lost) is(c Change) bool {
	switch c := c.(type) {
	case Route:
		return !l.Rule && l.Prefix.IsValid() && l.Prefix == c.Destination && l.Table == c.Table && l.Priority == c.Metric
	case Rule:
		return l.Rule && l.Prefix == c.From && l.Table == c.Table && l.Priority == c.Priority
	case Address:
		return l.Address.IsValid() && l.Address == c.Address.Addr()
	case Firewall:
		return l.Firewall != "" && l.Firewall == c.Table
	}
	return false
}

// there is a change that can be looked for.
type there interface {
	Change
	There(System) (bool, error)
}

// There reports whether the address is on its device.
func (a Address) There(s System) (bool, error) { return s.HasAddress(a) }

// There reports whether the route is in the kernel.
func (r Route) There(s System) (bool, error) { return s.HasRoute(r) }

// There reports whether the rule is in the kernel.
func (r Rule) There(s System) (bool, error) { return s.HasRule(r) }

// There reports whether the table is in the kernel.
func (f Firewall) There(s System) (bool, error) { return s.HasFirewall(f) }

// There reports whether the setting is as it is wanted. One that is gone with its
// interface is not missed.
func (c Sysctl) There(s System) (bool, error) {
	now, err := s.Sysctl(c.Key)
	return now == c.Value || errors.Is(err, fs.ErrNotExist), err
}

// MendSettings makes settings of the kernel again that somebody has changed: nobody
// tells of those.
func (j *Journal) MendSettings(may func(Change) bool) ([]Mended, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var mended []Mended
	var failed []error
	for _, e := range j.applied.all() {
		if _, ok := e.change.(Sysctl); ok {
			list, err := j.mend(e, may)
			mended, failed = append(mended, list...), append(failed, err)
		}
	}
	return mended, errors.Join(failed...)
}

// Mended is a change that somebody has undone and that was made again.
type Mended struct {
	Owner  string
	Change Change
}

// Mend makes what was lost again, if it is ours and may be made again just now.
func (j *Journal) Mend(l Lost, may func(Change) bool) ([]Mended, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var mended []Mended
	var failed []error
	for _, e := range j.applied.all() {
		if !l.is(e.change) {
			continue
		}
		list, err := j.mend(e, may)
		mended, failed = append(mended, list...), append(failed, err)
		if l.Address.IsValid() && len(list) > 0 { // routes go with an address, and not all of them are told of
			for _, e := range j.applied.of(e.owner) {
				list, err := j.mend(e, may)
				mended, failed = append(mended, list...), append(failed, err)
			}
		}
	}
	return mended, errors.Join(failed...)
}

// mend makes one change again if it is gone.
func (j *Journal) mend(e entry, may func(Change) bool) ([]Mended, error) {
	c, ok := e.change.(there)
	if !ok || e.was == foreign {
		return nil, nil
	}
	if there, err := c.There(j.system); there || err != nil || !may(c) {
		return nil, nil
	}
	if err := c.Do(j.system); err != nil {
		return nil, fmt.Errorf("%v: %w", c, err)
	}
	return []Mended{{e.owner, c}}, nil
}
