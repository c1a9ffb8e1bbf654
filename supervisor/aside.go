package supervisor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/lan"
	"pppoectl/line"
	"pppoectl/netconf"
	"pppoectl/state"
	"pppoectl/timer"
)

// aside is a part of the system that belongs to an uplink, but without which it
// is of use all the same: a LAN, forwarding. It stands in the journal under a name
// of its own.
type aside struct {
	owner   string
	what    string // for people
	changes []netconf.Change
}

// asidePrefix begins the names of asides in the journal; the uplink's follows.
const asidePrefix = "aside:"

func (u *uplink) asideOwner(what string) string { return asidePrefix + u.cfg.Name + ":" + what }

func (u *uplink) lanOwner(lan string) string { return u.asideOwner("lan:" + lan) }

// asideOf returns the uplink that an owner in the journal belongs to.
func asideOf(owner string) (string, bool) {
	rest, ok := strings.CutPrefix(owner, asidePrefix)
	name, _, _ := strings.Cut(rest, ":")
	return name, ok
}

// asides are what the rest of the system should look like for this uplink.
func (u *uplink) asides() []aside {
	var list []aside
	if len(u.cfg.LAN) > 0 {
		list = append(list, aside{u.asideOwner("forwarding"), "forwarding of IPv6", u.forwarding()})
	}
	if u.cfg.NAT && u.cfg.Block.Interface == "" {
		forwarding := []netconf.Change{netconf.Sysctl{Key: forwarding4, Value: "1"}}
		list = append(list, aside{u.asideOwner("forwarding4"), "forwarding of IPv4", forwarding})
	}
	if b := u.cfg.Block; b.Interface != "" && u.addrs.ipv4 != nil {
		address := netconf.Address{Device: b.Interface, Address: netip.PrefixFrom(b.Host, b.Prefix.Bits())}
		list = append(list,
			aside{u.asideOwner("block"), "LAN " + b.Interface, []netconf.Change{address}},
			aside{u.asideOwner("forwarding4"), "forwarding of IPv4", []netconf.Change{netconf.Sysctl{Key: forwarding4, Value: "1"}}},
		)
	}
	if u.cfg.WriteDNS == configs.ToResolved {
		list = append(list, aside{u.asideOwner("resolved"), "name servers", u.resolved()})
	}
	for i, l := range u.cfg.LAN {
		list = append(list, aside{u.lanOwner(l.Interface), "LAN " + l.Interface, u.lanChanges(i)})
	}
	return list
}

// Settings of the kernel.
const (
	forwarding4 = "net/ipv4/ip_forward"
	forwarding6 = "net/ipv6/conf/all/forwarding"
	acceptRA    = "net/ipv6/conf/%s/accept_ra"
)

// forwarding has the kernel forward IPv6. It would take no router advertisements
// any more then, unless told to: interfaces that live on them, the line with its
// native IPv6 for one, are.
func (u *uplink) forwarding() []netconf.Change {
	owner := u.asideOwner("forwarding")
	var changes []netconf.Change
	for _, c := range u.s.journal.Applied(owner) {
		if s, ok := c.(netconf.Sysctl); ok && s.Key != forwarding6 {
			if _, err := u.s.env.System.Sysctl(s.Key); err == nil { // else its interface is gone
				changes = append(changes, c)
			}
		}
	}
	advertised, err := u.s.env.System.Advertised()
	if err != nil {
		u.log.Warnf("interfaces with router advertisements: %v", err)
	}
	for _, name := range append(advertised, u.cfg.Interface) {
		c := netconf.Sysctl{Key: fmt.Sprintf(acceptRA, name), Value: "2"}
		// Where it is 0, another program takes them.
		if now, err := u.s.env.System.Sysctl(c.Key); err == nil && now == "1" && !slices.Contains(changes, netconf.Change(c)) {
			changes = append(changes, c)
		}
	}
	return append(changes, netconf.Sysctl{Key: forwarding6, Value: "1"})
}

// lanChanges are the addresses that a LAN gets of the delegated prefixes.
func (u *uplink) lanChanges(n int) []netconf.Change {
	var changes []netconf.Change
	l := u.cfg.LAN[n]
	for _, d := range u.prefixes() {
		if subnet, ok := lan.Subnet(d.Prefix, l.Subnet); ok {
			address := netip.PrefixFrom(lan.Host(subnet, l.Host), subnet.Bits())
			changes = append(changes, netconf.Address{Device: l.Interface, Address: address, Deprecated: !d.Preferred(u.s.env.Now())})
		}
	}
	return changes
}

// configureAsides makes the rest of the system look as it should. What fails is
// told, and tried again.
func (u *uplink) configureAsides() {
	u.asideAt = 0
	for _, a := range u.asides() {
		u.asideDone(a.owner, a.what, u.s.journal.Apply(a.owner, a.changes))
	}
	u.asideDone(u.asideOwner("file"), "name servers", u.writeServers(u.knownServers()))
	u.advertise() // what is there by now
}

// asideDone notes whether a part of the system is as it should be.
func (u *uplink) asideDone(owner, what string, err error) {
	if err == nil {
		delete(u.asideErrors, owner)
		return
	}
	u.asideAt = u.s.env.Now() + systemRetry
	if u.asideErrors[owner] == err.Error() {
		return
	}
	u.asideErrors[owner] = err.Error()
	message := fmt.Sprintf("%s: %s: %v; it is tried again", u.cfg.Name, what, err)
	u.add(state.Event{Kind: "system", Cause: cause.DeviceFailed, Message: message}, logrus.WarnLevel)
}

// describe notes what was done to the system, for the status.
func (u *uplink) describe() {
	list := u.s.journal.Describe(u.cfg.Name)
	for _, owner := range u.s.journal.Owners() {
		if name, ok := asideOf(owner); ok && name == u.cfg.Name {
			list = append(list, u.s.journal.Describe(owner)...)
		}
	}
	if file := u.cfg.WriteDNS; file != "" {
		list = append(list, u.s.journal.Describe(filePrefix+file)...)
	}
	u.described = list
}

// undoAsides takes all of it back.
func (u *uplink) undoAsides() {
	for _, owner := range u.s.journal.Owners() {
		if name, ok := asideOf(owner); !ok || name != u.cfg.Name {
			continue
		}
		if err := u.s.journal.Apply(owner, nil); err != nil {
			u.log.Errorf("%v", err)
		}
	}
	if err := u.writeServers(servers{}); err != nil {
		u.log.Errorf("%v", err)
	}
	clear(u.asideErrors)
	for _, l := range u.cfg.LAN {
		if l.Advertise {
			u.s.lans.tell(l.Interface, u.cfg.Name, nil)
		}
	}
}

// routerGrace is how long hosts are not told that the way to the Internet is gone:
// most sessions are back within that time, and what is told cannot be taken back for
// three seconds (RFC 4861's MIN_DELAY_BETWEEN_RAS).
const routerGrace = 5 * time.Second

// advertise has the LANs be told of their prefixes.
func (u *uplink) advertise() {
	lease, confirmed := u.pd.lease()
	now := u.s.env.Now()
	router := confirmed && u.machine != nil && u.machine.Info().IPv6 != nil && u.line.Carrier && !u.nd.routerLess() && (u.cfg.DefaultRoute || u.cfg.SourceRoute)
	switch {
	case router:
		u.routerUntil = now + routerGrace
	case u.wanted && !u.nd.routerLess() && now < u.routerUntil:
		router = true
		u.asideAt = timer.Earliest(u.asideAt, u.routerUntil)
	}
	for _, l := range u.cfg.LAN {
		if !l.Advertise {
			continue
		}
		c := lan.Config{
			Router: router,
			MTU:    u.addrs.mtu, Domains: lease.Told.Domains,
			DNS: slices.DeleteFunc(slices.Clone(lease.Told.DNS), netip.Addr.IsLinkLocalUnicast), // those are of the uplink
		}
		for _, p := range lease.Prefixes {
			c.Routes = append(c.Routes, lan.Prefix{Prefix: p.Prefix, PreferredUntil: p.PreferredUntil, ValidUntil: p.ValidUntil})
			if subnet, ok := lan.Subnet(p.Prefix, l.Subnet); ok {
				c.Prefixes = append(c.Prefixes, lan.Prefix{Prefix: subnet, PreferredUntil: p.PreferredUntil, ValidUntil: p.ValidUntil})
			}
		}
		c.Router = c.Router && len(c.Prefixes) > 0
		u.s.lans.tell(l.Interface, u.cfg.Name, &c)
	}
}

// lanStatus tells of a LAN's interface.
type lanStatus struct {
	name   string
	status line.Status
}

// followLANs tells of all LAN interfaces of the uplink until ctx is done.
func (u *uplink) followLANs(ctx context.Context) <-chan lanStatus {
	all := make(chan lanStatus)
	for _, name := range u.lanNames() {
		follow, end := u.s.env.Follow(name)
		go func() {
			defer end()
			for {
				select {
				case s := <-follow:
					select {
					case all <- lanStatus{name, s}:
					case <-ctx.Done():
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	return all
}

// lanChanged puts back what the kernel has dropped because a LAN's interface was
// set down, or made anew.
func (u *uplink) lanChanged(l lanStatus) {
	owners := []string{u.lanOwner(l.name)}
	if l.name == u.cfg.Block.Interface {
		owners = append(owners, u.asideOwner("block"))
	}
	was := u.lanUp[l.name]
	now := lanIs{l.status.Interface.Index, l.status.Exists && l.status.Up}
	u.lanUp[l.name] = now
	if !l.status.Exists || was.index != 0 && was.index != now.index {
		for _, owner := range owners {
			if err := u.s.journal.Forget(owner); err != nil {
				u.log.Errorf("%v", err)
			}
		}
	}
	if l.status.Exists && now.up && now != was {
		for _, owner := range owners {
			if err := u.s.journal.Redo(owner); err != nil {
				u.log.Warnf("%v", err)
			}
		}
		u.refreshAsides()
		u.describe()
	}
}

// lanIs is what was last seen of a LAN's interface.
type lanIs struct {
	index int
	up    bool
}
