package supervisor

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/dataplane"
	"pppoectl/dhcpv6"
	"pppoectl/netconf"
	"pppoectl/session"
)

// Status implements Uplink. Counters are read now; all else is as published.
func (u *uplink) Status() (control.Uplink, <-chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	v := u.status
	c := u.base
	if u.live != nil {
		c = c.Add(u.live.Counters())
	}
	v.Rx, v.Tx = traffic(c)
	if p := v.DataPath; p != nil && u.live != nil {
		v.DataPath = &control.DataPath{Kind: p.Kind, Note: notes(p.Note, u.live.Note()), Reasons: u.live.Reasons()}
		maps.DeleteFunc(v.DataPath.Reasons, func(_ string, n uint64) bool { return n == 0 })
	}
	return v, u.changed
}

// publish makes the present state known, and wakes who waits for it if it is
// another one than before.
func (u *uplink) publish() {
	v := u.compose()
	u.look(v.State)
	u.mu.Lock()
	defer u.mu.Unlock()
	old := u.status
	v.Since = old.Since
	if v.State != old.State {
		v.Since = time.Now()
	}
	u.status, u.live, u.base, u.unwritten = v, u.path, u.traffic, u.hist.sample
	v.Echo = old.Echo // changes too often to wake anybody
	if !reflect.DeepEqual(v, old) {
		close(u.changed)
		u.changed = make(chan struct{})
	}
}

// stateName returns one of the eleven names.
func (u *uplink) stateName(info session.Info) string {
	switch {
	case info.Phase == session.Terminating || u.pd.hangAt != 0:
		return control.Terminating
	case info.Phase != session.Down && info.Suspect:
		return control.Suspect
	case info.Phase == session.Up && (u.broken != nil || u.awaitsPrefix()):
		return control.Network
	case info.Phase != session.Down:
		return string(info.Phase)
	case !u.wanted:
		return control.Disabled
	case !u.line.Carrier:
		return control.WaitingCarrier
	case u.turnAt != 0:
		return control.Discovery // as soon as it is its turn
	case u.nextTry != 0 && u.lastError != nil && u.lastError.Code == cause.DeviceFailed:
		return control.Failed
	}
	return control.Holdoff
}

func (u *uplink) compose() control.Uplink {
	var info session.Info
	if u.machine != nil {
		info = u.machine.Info()
	}
	v := control.Uplink{
		Name: u.cfg.Name, State: u.stateName(info), Interface: u.cfg.Interface, Device: u.cfg.Ifname,
		SessionID: info.SessionID, MTU: info.MTU, Auth: authName(info.Auth), Attempts: u.attempts,
		LastDrop: u.lastDrop, LastError: u.lastError, Rejections: u.record.Rejections, Resumed: u.resumed,
		Dials: u.dials, Drops: maps.Clone(u.drops),
	}
	for _, f := range u.cfg.Families {
		v.Families = append(v.Families, string(f))
	}
	if info.ACName != "" {
		v.AC = &control.AC{Name: info.ACName, MAC: info.AC.String()}
	}
	if a := info.IPv4; a != nil {
		v.IPv4 = &control.IPv4{Local: text(a.Local), Peer: text(a.Peer), DNS: texts(a.DNS)}
	}
	if a := info.IPv6; a != nil {
		v.IPv6 = &control.IPv6{Local: text(a.Local), Peer: text(a.Peer), DNS: []string{}}
	}
	u.composePrefixes(&v)
	v.System = u.described
	if e := info.Echo; e.Sent > 0 || e.Off != "" {
		v.Echo = &control.Echo{RTTms: float64(e.RTT.Microseconds()) / 1000, Lost: e.Lost, Sent: e.Sent, Off: e.Off}
	}
	now := u.s.env.Now()
	if u.upAt != 0 {
		at := time.Now().Add(u.upAt - now).Round(time.Millisecond)
		v.UpSince = u.keep(u.status.UpSince, at)
	}
	if u.nextTry != 0 {
		v.NextTry = u.keep(u.status.NextTry, time.Now().Add(u.nextTry-now).Round(time.Millisecond))
	}
	if u.path != nil {
		v.DataPath = &control.DataPath{Kind: u.path.Kind(), Note: u.pathNote}
	}
	return v
}

// composePrefixes tells of delegated prefixes, also of those that wait for a
// session.
func (u *uplink) composePrefixes(v *control.Uplink) {
	lease, _ := u.pd.lease()
	if v.IPv6 == nil && len(lease.Prefixes) > 0 {
		v.IPv6 = &control.IPv6{DNS: []string{}}
	}
	if v.IPv6 == nil || u.pd.client == nil {
		return
	}
	now := u.s.env.Now()
	v.IPv6.Delegation = string(u.pd.client.Phase())
	v.IPv6.DNS, v.IPv6.Domains = texts(lease.Told.DNS), lease.Told.Domains
	v.IPv6.NTP, v.IPv6.AFTR = lease.Told.NTP, lease.Told.AFTR
	old := map[string]control.Prefix{}
	if was := u.status.IPv6; was != nil {
		for _, p := range was.Prefixes {
			old[p.Prefix] = p
		}
	}
	for _, p := range lease.Prefixes {
		q := old[p.Prefix.String()]
		v.IPv6.Prefixes = append(v.IPv6.Prefixes, control.Prefix{
			Prefix: p.Prefix.String(), Server: hex.EncodeToString(lease.Server), Deprecated: !p.Preferred(now),
			PreferredUntil: u.clock(q.PreferredUntil, p.PreferredUntil), ValidUntil: u.clock(q.ValidUntil, p.ValidUntil),
			T1: u.clock(q.T1, lease.T1),
		})
	}
	for i, l := range u.cfg.LAN {
		n := control.LAN{Interface: l.Interface, Error: u.asideErrors[u.lanOwner(l.Interface)]}
		changes := u.lanChanges(i)
		for _, c := range changes {
			a := c.(netconf.Address)
			n.Address, n.Deprecated = a.Address.String(), a.Deprecated
			v.IPv6.LAN = append(v.IPv6.LAN, n)
		}
		if len(changes) == 0 {
			if len(lease.Prefixes) > 0 && n.Error == "" {
				n.Error = fmt.Sprintf("the prefix has no /64 with the number %d", l.Subnet)
			}
			v.IPv6.LAN = append(v.IPv6.LAN, n)
		}
	}
}

// clock returns the wall time of a time of a lease; nil if it never comes.
func (u *uplink) clock(old *time.Time, at time.Duration) *time.Time {
	if at == dhcpv6.Forever {
		return nil
	}
	return u.keep(old, time.Now().Add(at-u.s.env.Now()).Round(time.Second))
}

// keep returns old if it says nearly the same as now: two clocks that are read
// one after the other must not make a status look changed.
func (u *uplink) keep(old *time.Time, now time.Time) *time.Time {
	if old != nil && now.Sub(*old).Abs() < 2*time.Second {
		return old
	}
	return &now
}

// notes joins what is known of a data path.
func notes(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

func traffic(c dataplane.Counters) (rx, tx control.Traffic) {
	return control.Traffic{Packets: c.RxPackets, Bytes: c.RxBytes, Dropped: c.RxDropped},
		control.Traffic{Packets: c.TxPackets, Bytes: c.TxBytes, Dropped: c.TxDropped}
}

// authName is how the configuration writes an authentication protocol.
func authName(s string) string {
	if s == "CHAP-MD5" {
		return "chap"
	}
	return strings.ToLower(s)
}

func text(a netip.Addr) string {
	if !a.IsValid() || a.IsUnspecified() {
		return ""
	}
	return a.String()
}

func texts(addrs []netip.Addr) []string {
	list := []string{}
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return list
}
