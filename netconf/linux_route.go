package netconf

import (
	"errors"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// protocolOurs marks our routes and rules, so that others can tell them ("proto
// 112").
const protocolOurs = 112

// AddRoute adds a route.
func (Linux) AddRoute(r Route) error {
	route, err := route(r)
	if err != nil {
		return err
	}
	err = netlink.RouteAdd(route)
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	return conflict(route, r)
}

// conflict looks whether the route that is there already is ours.
func conflict(r *netlink.Route, want Route) error {
	there, err := sameRoutes(r, want)
	if err != nil {
		return err
	}
	other := "another device"
	for _, t := range there {
		if t.Type == r.Type && t.Protocol == protocolOurs && (t.LinkIndex == r.LinkIndex || r.Type == unix.RTN_UNREACHABLE) {
			if t.Src.Equal(r.Src) {
				return nil
			}
			return netlink.RouteReplace(r)
		}
		if link, err := netlink.LinkByIndex(t.LinkIndex); err == nil {
			other = link.Attrs().Name
		}
	}
	return &ConflictError{want, other}
}

// HasRoute reports whether a route is there, by whomever.
func (Linux) HasRoute(r Route) (bool, error) {
	n, err := route(r)
	if err != nil {
		return false, err
	}
	there, err := sameRoutes(n, r)
	return len(there) > 0, err
}

// defaultMetric6 is the metric of an IPv6 route that is given none.
const defaultMetric6 = 1024

// sameRoutes returns what stands where a route is to stand.
func sameRoutes(r *netlink.Route, want Route) ([]netlink.Route, error) {
	f := family(want.Destination.Addr())
	metric := want.Metric
	if metric == 0 && f == netlink.FAMILY_V6 {
		metric = defaultMetric6
	}
	there, err := netlink.RouteListFiltered(f, r, netlink.RT_FILTER_DST|netlink.RT_FILTER_TABLE)
	return slices.DeleteFunc(there, func(t netlink.Route) bool { return t.Priority != metric }), err
}

// DeleteRoute deletes a route.
func (Linux) DeleteRoute(r Route) error {
	route, err := route(r)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return err
	}
	return ignore(netlink.RouteDel(route), unix.ESRCH, unix.ENODEV)
}

func route(r Route) (*netlink.Route, error) {
	n := &netlink.Route{
		Dst: ipNet(r.Destination), Priority: r.Metric, Protocol: protocolOurs, Scope: unix.RT_SCOPE_UNIVERSE,
		Table: table(r.Table), Type: unix.RTN_UNICAST,
	}
	if r.Device == "" {
		n.Type = unix.RTN_UNREACHABLE
		return n, nil
	}
	link, err := netlink.LinkByName(r.Device)
	if err != nil {
		return nil, err
	}
	n.LinkIndex = link.Attrs().Index
	if r.Destination.Addr().Is4() {
		n.Scope = unix.RT_SCOPE_LINK
	}
	if r.Source.IsValid() {
		n.Src = r.Source.AsSlice()
	}
	return n, nil
}

func table(number int) int {
	if number == 0 {
		return unix.RT_TABLE_MAIN
	}
	return number
}

// AddRule adds a rule.
func (Linux) AddRule(r Rule) error { return ignore(netlink.RuleAdd(rule(r)), unix.EEXIST) }

// HasRule reports whether a rule is there.
func (Linux) HasRule(r Rule) (bool, error) {
	want := rule(r)
	all, err := netlink.RuleList(want.Family)
	return slices.ContainsFunc(all, func(t netlink.Rule) bool {
		return t.Priority == want.Priority && t.Table == want.Table && t.Src != nil && t.Src.String() == want.Src.String()
	}), err
}

// DeleteRule deletes a rule.
func (Linux) DeleteRule(r Rule) error {
	return ignore(netlink.RuleDel(rule(r)), unix.ENOENT, unix.ESRCH)
}

func rule(r Rule) *netlink.Rule {
	n := netlink.NewRule()
	n.Family = family(r.From.Addr())
	n.Src = ipNet(r.From)
	n.Table = table(r.Table)
	n.Priority = r.Priority
	n.Protocol = protocolOurs
	if r.Specific {
		n.SuppressPrefixlen = 0
	}
	return n
}

// Advertised returns the interfaces whose routes come from router
// advertisements: those that must accept them while the kernel forwards, too.
func (Linux) Advertised() ([]string, error) {
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V6, &netlink.Route{Protocol: unix.RTPROT_RA}, netlink.RT_FILTER_PROTOCOL)
	var names []string
	for _, r := range routes {
		if link, err := netlink.LinkByIndex(r.LinkIndex); err == nil && !slices.Contains(names, link.Attrs().Name) {
			names = append(names, link.Attrs().Name)
		}
	}
	return names, err
}
