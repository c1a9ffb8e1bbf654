package supervisor

import (
	"net/netip"
	"slices"
	"strings"

	"pppoectl/lan"
	"pppoectl/netconf"
	"pppoectl/session"
)

// addresses are what the device has. They outlive the session: a line with a
// fixed address keeps its TCP connections while it is dialled anew.
type addresses struct {
	mtu  int
	ipv4 *session.IPv4Info
	ipv6 *session.IPv6Info
}

// stepBackMetric is added to the metric of a default route whose session is
// gone: any other default route serves then, and without one it still holds the
// place.
const stepBackMetric = 10000

// lastMetric is that of a route which serves when nothing else does.
const lastMetric = 1<<31 - 1

// Priorities of the rules that send packets out by the uplink that their source
// address is of. Routes to somewhere in particular come first, or traffic from
// one LAN to another would leave by the uplink.
const (
	prioritySpecific = 25600
	prioritySource   = 25601
)

var (
	everywhere4 = netip.MustParsePrefix("0.0.0.0/0")
	everywhere6 = netip.MustParsePrefix("::/0")
)

// place is where a route stands: in a table, with others to the same destination.
type place struct {
	table int
	to    netip.Prefix
}

func placeOf(r netconf.Route) place { return place{r.Table, r.Destination} }

// plan gathers what the system should look like for an uplink.
type plan struct {
	u       *uplink
	changes []netconf.Change
	sourced map[bool]bool // families that have a table of their own
}

func (p *plan) add(c ...netconf.Change) { p.changes = append(p.changes, c...) }

// changes is what the system should look like for this uplink.
func (u *uplink) changes() []netconf.Change {
	p := plan{u: u, sourced: map[bool]bool{}}
	name := u.cfg.Ifname
	mtu := u.addrs.mtu
	if mtu == 0 {
		mtu = u.cfg.MTU
	}
	p.programs()
	p.add(netconf.Device{Name: name, Owner: u.cfg.Name}, netconf.Link{Device: name, MTU: mtu})
	p.firewall()
	var info session.Info
	if u.machine != nil {
		info = u.machine.Info()
	}
	if u.addrs.ipv4 != nil {
		p.ipv4(info.IPv4 != nil && u.line.Carrier)
	}
	p.ipv6(info.IPv6 != nil && u.line.Carrier)
	return p.changes
}

// firewall stands before everything that it guards: without it, there is nothing.
func (p *plan) firewall() {
	u := p.u
	if !u.cfg.Firewall && !u.cfg.NAT {
		return
	}
	var inside []string
	for _, d := range u.prefixes() {
		inside = append(inside, d.Prefix.String())
	}
	p.add(netconf.Firewall{
		Table: netconf.FirewallTable(u.cfg.Name), Device: u.cfg.Ifname, Filter: u.cfg.Firewall,
		Prefixes: strings.Join(inside, " "), Masquerade: u.cfg.NAT,
		Block: u.cfg.Block.Prefix, Line: u.cfg.Interface, LANs: strings.Join(u.lanNames(), " "),
	})
}

// lanNames are the interfaces of the uplink's LANs, in order.
func (u *uplink) lanNames() []string {
	var names []string
	for _, l := range u.cfg.LAN {
		names = append(names, l.Interface)
	}
	if b := u.cfg.Block.Interface; b != "" && !slices.Contains(names, b) {
		names = append(names, b)
	}
	return names
}

func (p *plan) ipv4(up bool) {
	v := p.u.addrs.ipv4
	source := netip.Addr{}
	if v.Local.IsValid() && !v.Local.IsUnspecified() {
		source = v.Local
		p.add(netconf.Address{Device: p.u.cfg.Ifname, Address: netip.PrefixFrom(source, 32), Peer: v.Peer})
		p.source(netip.PrefixFrom(source, 32), up)
	}
	if b := p.u.cfg.Block; b.Prefix.IsValid() {
		if !source.IsValid() {
			source = b.Host
		}
		p.add(
			netconf.Route{Destination: b.Prefix, Metric: lastMetric}, // what no LAN has does not go back to the ISP
			netconf.Address{Device: loopback, Address: netip.PrefixFrom(b.Host, 32)},
		)
		p.source(b.Prefix, up)
	}
	p.looseFilter()
	p.defaultRoute(everywhere4, source, up)
}

// loopback has addresses that belong to no link.
const loopback = "lo"

// looseFilter keeps the kernel from dropping what comes by an uplink that answers
// would not leave by: without routes by source, that is for others to see to.
func (p *plan) looseFilter() {
	const strict, loose = "1", "2"
	if p.u.cfg.SourceRoute {
		return
	}
	c := netconf.Sysctl{Key: "net/ipv4/conf/" + p.u.cfg.Ifname + "/rp_filter", Value: loose}
	for _, device := range []string{"all", p.u.cfg.Ifname} { // the higher of both counts
		if now, err := p.u.s.env.System.Sysctl("net/ipv4/conf/" + device + "/rp_filter"); err == nil && now == strict {
			p.add(c)
			return
		}
	}
	if slices.Contains(p.u.s.journal.Applied(p.u.cfg.Name), netconf.Change(c)) {
		p.add(c)
	}
}

// ipv6 adds what belongs to the delegated prefixes, also while there is no
// session: nothing from the LAN is to leave by another uplink.
func (p *plan) ipv6(up bool) {
	u := p.u
	if v := u.addrs.ipv6; v != nil {
		p.add(netconf.Address{Device: u.cfg.Ifname, Address: netip.PrefixFrom(v.Local, 64)})
	}
	if u.pd.client != nil {
		up = up && u.pd.client.Confirmed()
	}
	up = up && !u.nd.routerLess()
	source := netip.Addr{}
	for _, d := range u.prefixes() {
		deprecated := !d.Preferred(u.s.env.Now())
		p.add(netconf.Route{Destination: d.Prefix, Metric: lastMetric})
		if host := u.interfaceID(); host.IsValid() {
			own := lan.Own(d.Prefix, host)
			p.add(netconf.Address{Device: u.cfg.Ifname, Address: netip.PrefixFrom(own, 128), Deprecated: deprecated})
			if !source.IsValid() && !deprecated {
				source = own
			}
		}
		p.source(d.Prefix, up)
	}
	if u.addrs.ipv6 != nil {
		p.defaultRoute(everywhere6, source, up)
	}
}

// defaultRoute adds the main table's default route.
func (p *plan) defaultRoute(to netip.Prefix, source netip.Addr, up bool) {
	u := p.u
	if !u.cfg.DefaultRoute || u.noRoute[place{0, to}] {
		return
	}
	metric := u.cfg.Metric
	if !up {
		metric += stepBackMetric
	}
	p.add(netconf.Route{Device: u.cfg.Ifname, Destination: to, Metric: metric, Source: source})
}

// source has packets from a prefix leave by this uplink, or not at all.
func (p *plan) source(from netip.Prefix, up bool) {
	u := p.u
	if !u.cfg.SourceRoute {
		return
	}
	to := everywhere4
	if from.Addr().Is6() {
		to = everywhere6
	}
	if !p.sourced[from.Addr().Is6()] {
		p.sourced[from.Addr().Is6()] = true
		if up && !u.noRoute[place{u.cfg.Table, to}] {
			p.add(netconf.Route{Device: u.cfg.Ifname, Destination: to, Metric: u.cfg.Metric, Table: u.cfg.Table})
		}
		p.add(netconf.Route{Destination: to, Metric: lastMetric, Table: u.cfg.Table})
	}
	p.add(
		netconf.Rule{From: from, Priority: prioritySpecific, Specific: true},
		netconf.Rule{From: from, Priority: prioritySource, Table: u.cfg.Table},
	)
}
