package supervisor

import (
	"net/netip"
	"reflect"
	"strings"
	"time"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/dataplane"
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
	return v, u.changed
}

// publish makes the present state known, and wakes who waits for it if it is
// another one than before.
func (u *uplink) publish() {
	v := u.compose()
	u.mu.Lock()
	defer u.mu.Unlock()
	old := u.status
	v.Since = old.Since
	if v.State != old.State {
		v.Since = time.Now()
	}
	u.status, u.live, u.base = v, u.path, u.traffic
	v.Echo = old.Echo // changes too often to wake anybody
	if !reflect.DeepEqual(v, old) {
		close(u.changed)
		u.changed = make(chan struct{})
	}
}

// stateName returns one of the eleven names.
func (u *uplink) stateName(info session.Info) string {
	switch {
	case info.Phase == session.Terminating:
		return control.Terminating
	case info.Phase != session.Down && info.Suspect:
		return control.Suspect
	case info.Phase == session.Up && u.broken != nil:
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
		LastDrop: u.lastDrop, LastError: u.lastError, Rejections: u.record.Rejections,
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
		v.DataPath = &control.DataPath{Kind: u.path.Kind(), Note: "the only one that this version has"}
	}
	return v
}

// keep returns old if it says nearly the same as now: two clocks that are read
// one after the other must not make a status look changed.
func (u *uplink) keep(old *time.Time, now time.Time) *time.Time {
	if old != nil && now.Sub(*old).Abs() < 2*time.Second {
		return old
	}
	return &now
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
