package dhcpv6

import (
	"bytes"
	"math"
	"net/netip"
	"slices"
	"time"
)

// Forever is a time that never comes: that of an infinite lifetime (RFC 8415
// section 7.7).
const Forever = time.Duration(math.MaxInt64)

// Lease is what a server has delegated, and what it told besides. Its times are
// since boot.
type Lease struct {
	Client   []byte        `json:"client"` // our DUID at the time
	IAID     uint32        `json:"iaid"`
	Server   []byte        `json:"server"` // its DUID
	Prefixes []Prefix      `json:"prefixes"`
	T1       time.Duration `json:"t1"` // when to renew
	T2       time.Duration `json:"t2"` // when to rebind
	Told     Told          `json:"told"`
}

// Prefix is one delegated prefix.
type Prefix struct {
	Prefix         netip.Prefix  `json:"prefix"`
	PreferredUntil time.Duration `json:"preferred_until"`
	ValidUntil     time.Duration `json:"valid_until"`
	Server         []byte        `json:"server"` // its DUID
}

// Preferred reports whether new connections may use the prefix.
func (p Prefix) Preferred(now time.Duration) bool { return now < p.PreferredUntil }

// Told is what a server tells besides prefixes. All of it is untrusted, and
// bounded.
type Told struct {
	DNS     []netip.Addr `json:"dns,omitempty"`     // RFC 3646
	Domains []string     `json:"domains,omitempty"` // RFC 3646
	NTP     []string     `json:"ntp,omitempty"`     // RFC 5908: addresses and names
	AFTR    string       `json:"aftr,omitempty"`    // RFC 6334
}

// clone returns a copy that shares nothing.
func (l Lease) clone() Lease {
	l.Client, l.Server, l.Prefixes = slices.Clone(l.Client), slices.Clone(l.Server), slices.Clone(l.Prefixes)
	for i := range l.Prefixes {
		l.Prefixes[i].Server = slices.Clone(l.Prefixes[i].Server)
	}
	l.Told.DNS, l.Told.Domains, l.Told.NTP = slices.Clone(l.Told.DNS), slices.Clone(l.Told.Domains), slices.Clone(l.Told.NTP)
	return l
}

// Shift returns the lease with all its times moved by d, as another boot needs
// it, where the time since boot begins anew.
func (l Lease) Shift(d time.Duration) Lease {
	l = l.clone()
	move := func(t *time.Duration) {
		if *t != Forever {
			*t += d
		}
	}
	move(&l.T1)
	move(&l.T2)
	for i := range l.Prefixes {
		move(&l.Prefixes[i].PreferredUntil)
		move(&l.Prefixes[i].ValidUntil)
	}
	return l
}

// ours are the prefixes that the server of the lease knows of: a message must name
// no others (RFC 8415 section 18.2.4).
func (l *Lease) ours() []netip.Prefix {
	var list []netip.Prefix
	for _, p := range l.Prefixes {
		if bytes.Equal(p.Server, l.Server) {
			list = append(list, p.Prefix)
		}
	}
	return list
}

// has reports whether p is in the lease.
func (l *Lease) has(p netip.Prefix) bool {
	return slices.ContainsFunc(l.Prefixes, func(q Prefix) bool { return q.Prefix == p })
}

// after returns when d has passed; Forever if it never has.
func after(now, d time.Duration) time.Duration {
	if d == Forever {
		return Forever
	}
	return now + d
}

// Shares of the shortest preferred lifetime at which to renew and to rebind when
// the server leaves that to us (RFC 8415 section 14.2).
const (
	shareT1 = 0.5
	shareT2 = 0.8
)

// leastT1 keeps a server from making us renew all the time.
const leastT1 = 2 * time.Second

// times returns the T1 and T2 of what a server has delegated. Those that it gave
// count if they are of use: not zero, and within the lifetimes.
func (a *association) times() (t1, t2 time.Duration) {
	preferred, valid := Forever, Forever
	for _, p := range a.prefixes {
		if p.preferred > 0 {
			preferred = min(preferred, p.preferred)
		}
		if p.valid > 0 {
			valid = min(valid, p.valid)
		}
	}
	preferred = min(preferred, valid)
	t1, t2 = a.t1, a.t2
	if t1 == 0 || t1 >= valid && valid != Forever {
		t1 = share(preferred, shareT1)
		if a.t2 != 0 {
			t1 = min(t1, a.t2)
		}
	}
	t1 = max(t1, leastT1)
	if t2 == 0 || t2 >= valid && valid != Forever {
		t2 = share(preferred, shareT2)
		if t2 <= t1 && valid != Forever { // time to renew before that
			t2 = t1 + (valid-t1)/2
		}
	}
	return t1, max(t2, t1)
}

func share(d time.Duration, of float64) time.Duration {
	if d == Forever {
		return Forever
	}
	return time.Duration(float64(d) * of)
}
