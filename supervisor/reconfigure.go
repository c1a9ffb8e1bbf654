package supervisor

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/session"
)

// reconfigure takes a configuration that needs no new login (see
// [configs.Changed]).
func (u *uplink) reconfigure(cfg configs.Uplink) {
	old := u.cfg
	keys, need := configs.Changed(&old, &cfg)
	u.cfg = cfg
	if file := old.WriteDNS; file != cfg.WriteDNS && file != "" && file != configs.ToResolved {
		if err := u.s.servers.set(u.s.journal, file, cfg.Name, servers{}); err != nil {
			u.log.Errorf("%v", err)
		}
	}
	u.changeLANs(old)
	u.changePrefix(old)
	u.changeSession(old)
	if old.DataPath != cfg.DataPath {
		u.noPrograms = ""
		if err := u.configure(); err != nil { // what carries goes on
			u.refused(err)
		} else {
			u.closePath()
			u.carry()
		}
	}
	if old.StandbyFor != cfg.StandbyFor {
		u.startStandby()
	}
	u.refresh()
	u.leaveAsides()
	u.dial()
	u.tell("reconfigured", cause.Reconfigured, u.cfg.Name+": "+strings.Join(keys, ", ")+" changed: "+need.String(), "")
}

// changeLANs follows the interfaces of another list of LANs.
func (u *uplink) changeLANs(old configs.Uplink) {
	if reflect.DeepEqual(old.LAN, u.cfg.LAN) && old.Block == u.cfg.Block {
		return
	}
	for _, l := range old.LAN {
		still := slices.ContainsFunc(u.cfg.LAN, func(n configs.LAN) bool { return n.Interface == l.Interface && n.Advertise })
		if l.Advertise && !still {
			u.s.lans.tell(l.Interface, u.cfg.Name, nil)
		}
	}
	u.unfollow()
	u.follow()
}

// follow begins to follow the interfaces of the LANs.
func (u *uplink) follow() {
	ctx, cancel := context.WithCancel(context.Background())
	clear(u.lanUp)
	u.lans, u.unfollow = u.followLANs(ctx), cancel
}

// changePrefix asks for another prefix, or for none any more.
func (u *uplink) changePrefix(old configs.Uplink) {
	if reflect.DeepEqual(old.Prefix, u.cfg.Prefix) {
		return
	}
	again := u.pd.socket != nil
	u.stopDelegation()
	if old.Prefix.Request != u.cfg.Prefix.Request {
		if u.cfg.Prefix.Request {
			u.pd = u.newDelegation()
		} else {
			u.pd = delegation{}
			u.forgetLease()
		}
	}
	if again || u.pd.client != nil && u.machine != nil && u.machine.Info().IPv6 != nil {
		u.startDelegation()
	}
}

// changeSession has the session know of it. A family that is gone takes its
// addresses along.
func (u *uplink) changeSession(old configs.Uplink) {
	if !slices.Contains(u.cfg.Families, session.IPv4) {
		u.addrs.ipv4 = nil
	}
	if u.machine == nil || u.port == nil {
		return
	}
	u.follows(u.machine.Configure(u.s.env.Now(), u.sessionConfig(u.port.MAC())))
	if !slices.Contains(u.cfg.Families, session.IPv6) {
		u.addrs.ipv6 = nil
		u.stopDelegation()
		u.stopDiscovery()
	}
	u.noRoute = nil
}

// leaveAsides undoes the parts of the system that belong to the uplink no more.
func (u *uplink) leaveAsides() {
	want := map[string]bool{}
	for _, a := range u.asides() {
		want[a.owner] = true
	}
	for _, owner := range u.s.journal.Owners() {
		if name, ok := asideOf(owner); !ok || name != u.cfg.Name || want[owner] {
			continue
		}
		if err := u.s.journal.Apply(owner, nil); err != nil {
			u.log.Errorf("%v", err)
		}
		delete(u.asideErrors, owner)
	}
}
