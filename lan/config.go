package lan

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// Forever is a time that never comes.
const Forever = time.Duration(math.MaxInt64)

// Prefix is a prefix on a LAN, with the times of the lease that it is of.
type Prefix struct {
	Prefix                     netip.Prefix
	PreferredUntil, ValidUntil time.Duration // since boot
}

// Config is what a LAN is told.
type Config struct {
	Router   bool     // the way to the Internet: an uplink carries IPv6
	Prefixes []Prefix // each at most once
	Routes   []Prefix // what is reached by this router even when Router is not set: the delegated prefixes
	MTU      int      // of the uplink, in octets; 0: not told
	DNS      []netip.Addr
	Domains  []string
}

// bounded leaves out what would not fit.
func bounded(c Config) Config {
	c.Prefixes = c.Prefixes[:min(len(c.Prefixes), mostPrefixes)]
	c.Routes = c.Routes[:min(len(c.Routes), mostPrefixes)]
	c.DNS = c.DNS[:min(len(c.DNS), mostServers)]
	var domains []string
	n := 0
	for _, d := range c.Domains {
		d = strings.TrimSuffix(d, ".")
		if n += len(d) + 2; n <= mostNames && tellable(d) {
			domains = append(domains, d)
		}
	}
	c.Domains = domains
	return c
}

// tellable reports whether a search list can hold a domain: an empty label would end
// the list, and one that looks like punycode and is none is never sent.
func tellable(domain string) bool {
	for label := range strings.SplitSeq(domain, ".") {
		if text, err := idna.ToUnicode(label); err != nil || text == "" {
			return false
		}
	}
	return true
}

// Merge makes one configuration of those of several uplinks, by name. As long as
// any of them is the way to the Internet, nobody is to begin anything with a prefix
// of one that is not.
func Merge(parts map[string]Config) Config {
	var c Config
	for _, p := range parts {
		c.Router = c.Router || p.Router
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		p := parts[name]
		if c.Router && !p.Router {
			p.DNS, p.Domains = nil, nil
			p.Prefixes = slices.Clone(p.Prefixes)
			for i := range p.Prefixes {
				p.Prefixes[i].PreferredUntil = 0
			}
		}
		if p.MTU != 0 && (c.MTU == 0 || p.MTU < c.MTU) {
			c.MTU = p.MTU
		}
		c.Prefixes = union(c.Prefixes, p.Prefixes)
		c.Routes = union(c.Routes, p.Routes)
		for _, d := range p.DNS {
			if !slices.Contains(c.DNS, d) {
				c.DNS = append(c.DNS, d)
			}
		}
		for _, d := range p.Domains {
			if !slices.Contains(c.Domains, d) {
				c.Domains = append(c.Domains, d)
			}
		}
	}
	return c
}

// union adds prefixes that are not there; of one that is, the later times count.
func union(list, more []Prefix) []Prefix {
	for _, p := range more {
		i := slices.IndexFunc(list, func(q Prefix) bool { return q.Prefix == p.Prefix })
		if i < 0 {
			list = append(list, p)
			continue
		}
		list[i].PreferredUntil = max(list[i].PreferredUntil, p.PreferredUntil)
		list[i].ValidUntil = max(list[i].ValidUntil, p.ValidUntil)
	}
	slices.SortFunc(list, func(a, b Prefix) int { return a.Prefix.Compare(b.Prefix) })
	return list
}
