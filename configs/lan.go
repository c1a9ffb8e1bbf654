package configs

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math"
	"net/netip"
	"slices"
	"strings"

	"pppoectl/dhcpv6"
	"pppoectl/session"
)

// The routing tables that uplinks have unless the configuration says otherwise.
// Which one depends on the uplink's name, so that another uplink changes nothing.
const (
	FirstTable = 25600
	tableCount = 4096
)

// routing reads how packets find their way to the uplink.
func (l *loader) routing(u *Uplink, r *rawUplink) {
	if r.Metric != nil {
		u.Metric = *r.Metric
	}
	if u.Metric < 0 || u.Metric > 1<<30 {
		l.wrong("metric", "%d is not between 0 and %d", u.Metric, 1<<30)
	}
	u.SourceRoute = r.SourceRoute == nil || *r.SourceRoute
	u.Firewall, u.NAT = r.Firewall != nil && *r.Firewall, r.NAT
	if u.NAT && !slices.Contains(u.Families, session.IPv4) && len(u.Families) > 0 {
		l.wrong("nat", "needs ipv4 among the families; no address of IPv6 is translated")
	}
	if r.Table == nil {
		return
	}
	u.Table = *r.Table
	if u.Table < 1 || u.Table > math.MaxInt32 || u.Table >= 253 && u.Table <= 255 {
		l.wrong("table", "%d is not between 1 and %d, or is one of the kernel's own (253 to 255)", u.Table, math.MaxInt32)
	}
}

// tables gives each uplink a routing table that no other has.
func (l *loader) tables(uplinks []Uplink) {
	taken := map[int]string{}
	for _, u := range uplinks {
		if other, ok := taken[u.Table]; ok && u.Table != 0 {
			l.at = "uplinks." + u.Name
			l.wrong("table", "%d is that of uplinks.%s already", u.Table, other)
			l.at = ""
		}
		taken[u.Table] = u.Name
	}
	for i := range uplinks {
		u := &uplinks[i]
		h := fnv.New32a()
		h.Write([]byte(u.Name))
		for n := int(h.Sum32() % tableCount); u.Table == 0; n = (n + 1) % tableCount {
			if _, ok := taken[FirstTable+n]; !ok {
				u.Table = FirstTable + n
				taken[u.Table] = u.Name
			}
		}
	}
}

// prefix reads what prefix delegation is to ask for.
func (l *loader) prefix(u *Uplink, r *rawPrefix) {
	u.Prefix.DUID = LinkLayerDUID
	if u.DefaultRoute && slices.Contains(u.Families, session.IPv6) && (r == nil || !r.Request) {
		l.warn("prefix", "is not asked for: the line has link-local addresses only, and nothing comes back to any other; prefix: {request: true} asks")
	}
	if r == nil {
		return
	}
	u.Prefix.Request, u.Prefix.Require = r.Request, r.Require
	if r.Hint != "" {
		x, err := netip.ParsePrefix(r.Hint)
		switch {
		case err != nil || !x.Addr().Is6():
			l.wrong("prefix.hint", "%q is no prefix", r.Hint)
		case x.Bits() == 0:
			l.wrong("prefix.hint", "%q is everything; a hint has a length of 1 to 128", r.Hint)
		case x != x.Masked():
			l.wrong("prefix.hint", "%q has bits behind its length; %v has not", r.Hint, x.Masked())
		case !x.Addr().IsUnspecified() && !dhcpv6.Delegable(x): // ::/56 asks for a length
			l.wrong("prefix.hint", "%q is no prefix that hosts can have addresses of", r.Hint)
		}
		u.Prefix.Hint = x
	}
	if r.Require && !dhcpv6.Delegable(u.Prefix.Hint) {
		l.wrong("prefix.require", "needs the prefix of the contract as prefix.hint")
	}
	l.duid(u, r.DUID)
	if r.IAID != nil {
		if *r.IAID < 0 || int64(*r.IAID) > math.MaxUint32 {
			l.wrong("prefix.iaid", "%d is not between 0 and %d", *r.IAID, uint32(math.MaxUint32))
		}
		iaid := uint32(*r.IAID)
		u.Prefix.IAID = &iaid
	}
	if !slices.Contains(u.Families, session.IPv6) && len(u.Families) > 0 {
		l.wrong("prefix", "needs ipv6 among the families")
	}
}

func (l *loader) duid(u *Uplink, text string) {
	switch kind := DUIDKind(text); kind {
	case "":
	case LinkLayerDUID, LinkLayerTimeDUID:
		u.Prefix.DUID = kind
	default:
		b, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
		if err != nil || len(b) < 3 || len(b) > 130 {
			l.wrong("prefix.duid", "%q is none; ll, llt, or 3 to 130 octets such as 00:03:00:01:00:1e:13:c2:69:c2", text)
		}
		u.Prefix.DUID, u.Prefix.Fixed = FixedDUID, b
	}
}

// mostSubnet is the largest number of a /64, in a /48.
const mostSubnet = 0xffff

// lan reads which interfaces get a part of the prefix.
func (l *loader) lan(u *Uplink, r *rawUplink) {
	for i, raw := range r.LAN {
		key := fmt.Sprintf("lan[%d]", i)
		n := LAN{Interface: raw.Interface, Subnet: raw.Subnet, Host: netip.MustParseAddr("::1"), Advertise: raw.Advertise}
		switch {
		case n.Interface == "":
			l.wrong(key+".interface", "is missing")
		case !deviceName.MatchString(n.Interface):
			l.wrong(key+".interface", "%q is no name of a network device", n.Interface)
		case n.Interface == u.Interface || n.Interface == u.Ifname:
			l.wrong(key+".interface", "%q is the line, not a LAN", n.Interface)
		}
		if raw.Host != "" {
			a, err := netip.ParseAddr(raw.Host)
			if err != nil || !isHost(a) {
				l.wrong(key+".host", "%q is no host part of an IPv6 address, such as ::1", raw.Host)
			}
			n.Host = a
		}
		if n.Subnet < 0 || n.Subnet > mostSubnet {
			l.wrong(key+".subnet", "%d is not between 0 and %d", n.Subnet, mostSubnet)
		}
		for j, other := range u.LAN {
			if other.Subnet == n.Subnet {
				l.wrong(key+".subnet", "%d is that of lan[%d] already", n.Subnet, j)
			}
			if other.Interface == n.Interface {
				l.wrong(key+".interface", "%q is that of lan[%d] already", n.Interface, j)
			}
		}
		if n.Advertise && r.Firewall == nil {
			l.wrong("firewall", "is missing; with lan[%d].advertise each host there is reachable from everywhere unless it is true", i)
		}
		u.LAN = append(u.LAN, n)
	}
	if len(r.LAN) > 0 && !u.Prefix.Request {
		l.wrong("lan", "needs prefix: {request: true}")
	}
}

// isHost reports whether a has a host part and nothing else.
func isHost(a netip.Addr) bool {
	b := a.As16()
	return a.Is6() && !a.Is4In6() && a.Zone() == "" && [8]byte(b[:8]) == [8]byte{} && [8]byte(b[8:]) != [8]byte{}
}
