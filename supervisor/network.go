package supervisor

import (
	"errors"
	"fmt"
	"time"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/dataplane"
	"pppoectl/line"
	"pppoectl/netconf"
	"pppoectl/session"
)

// configure makes the system look like changes. A default route that somebody
// else's is in the way of is done without.
func (u *uplink) configure() error {
	for {
		err := u.s.journal.Apply(u.cfg.Name, u.changes())
		var programs *netconf.ProgramsError
		if errors.As(err, &programs) && dataplane.Kind(u.cfg.DataPath) == dataplane.Auto {
			u.refuses(programs)
			continue
		}
		var conflict *netconf.ConflictError
		if !errors.As(err, &conflict) || u.noRoute[placeOf(conflict.Route)] {
			return err
		}
		if u.noRoute == nil {
			u.noRoute = map[place]bool{}
		}
		u.noRoute[placeOf(conflict.Route)] = true
		u.tell("no_route", cause.None, fmt.Sprintf("%s: no route %v: %v", u.cfg.Name, conflict.Route.Destination, err), "")
	}
}

// systemRetry is how long to wait before the system is asked again for what it
// has refused.
const systemRetry = 2 * time.Second

// refresh makes the system follow a change of the session or the line, and tries
// again later what cannot be done now.
func (u *uplink) refresh() {
	defer u.describe()
	u.refreshAsides()
	if u.idle() && (!u.wanted || len(u.s.journal.Applied(u.cfg.Name)) == 0) {
		return // nothing is there, and nothing has to be
	}
	if err := u.configure(); err != nil {
		u.refused(err)
		return
	}
	u.broken, u.againAt = nil, 0
}

// refreshAsides makes the rest of the system follow, as long as the uplink is
// wanted: a lease outlives its session.
func (u *uplink) refreshAsides() {
	if u.wanted || !u.idle() {
		u.configureAsides()
	}
}

// refused notes that the system does not do what it must.
func (u *uplink) refused(err error) {
	if u.broken == nil || u.broken.Error() != err.Error() {
		u.tell("system", cause.DeviceFailed, fmt.Sprintf("%s: %v; it is tried again", u.cfg.Name, err), "")
	}
	u.broken = err
	u.againAt = u.s.env.Now() + systemRetry
	u.lastError = &control.Failure{Code: cause.DeviceFailed, Text: err.Error(), Message: fmt.Sprintf("%s: %v", u.cfg.Name, err)}
}

// again tries what the system has refused.
func (u *uplink) again() {
	u.againAt = 0
	u.takeLine()
	if u.port == nil && u.line.Carrier {
		u.carrierBack()
	}
	if u.port == nil || u.idle() {
		return
	}
	u.refresh()
	if u.broken == nil && u.machine.Phase() == session.Up {
		if u.lastError != nil && u.lastError.Code == cause.DeviceFailed {
			u.lastError = nil
		}
		u.carry()
		u.startIPv6()
	}
}

// deviceChanged puts back what the kernel has dropped because somebody has set
// the device down and up again.
func (u *uplink) deviceChanged(s line.Status) {
	was := u.deviceUp
	u.deviceUp = s.Exists && s.Up
	if u.deviceUp && !was && u.device != nil {
		if err := u.s.journal.Redo(u.cfg.Name); err != nil {
			u.refused(err)
		}
	}
}

// ensureDevice makes the TUN device and attaches to it.
func (u *uplink) ensureDevice() error {
	if err := u.configure(); err != nil {
		return err
	}
	if u.device != nil {
		return nil
	}
	d, err := u.s.env.Attach(u.cfg.Ifname)
	if err != nil {
		return err
	}
	u.device = d
	return nil
}

// networkChanged opens or shuts the data path for one family.
func (u *uplink) networkChanged(e session.Event) {
	info := u.machine.Info()
	if e.Kind == session.NetworkDown {
		u.pass(info)
		if e.Family == session.IPv6 {
			u.stopDelegation()
			u.stopDiscovery()
		}
		u.refresh()
		u.hookNetwork(e.Family, false)
		u.tell(string(e.Kind), cause.None, fmt.Sprintf("%s is down%s", e.Family, colon(e.Text)), "")
		return
	}
	if e.Family == session.IPv4 && info.IPv4 == nil || e.Family == session.IPv6 && info.IPv6 == nil {
		return // it is down again already, as a later event tells
	}
	u.addrs.mtu = info.MTU
	var what string
	if e.Family == session.IPv4 {
		u.addrs.ipv4 = info.IPv4
		what = fmt.Sprintf("%v peer %v", info.IPv4.Local, info.IPv4.Peer)
	} else {
		u.addrs.ipv6 = info.IPv6
		what = fmt.Sprintf("%v peer %v", info.IPv6.Local, info.IPv6.Peer)
	}
	u.refresh()
	u.carry()
	u.hookNetwork(e.Family, true)
	u.tell(string(e.Kind), cause.None, fmt.Sprintf("%s is up: %s", e.Family, what), "")
	if e.Family == session.IPv6 {
		u.startIPv6()
	}
}

// startIPv6 begins with what an open IPv6CP makes possible, as far as that is not
// done.
func (u *uplink) startIPv6() {
	if u.machine == nil || u.machine.Info().IPv6 == nil {
		return
	}
	u.startDelegation()
	u.startDiscovery()
}

func colon(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

// carry has the session's data path run, with the families that are open.
func (u *uplink) carry() {
	u.carryAt = 0
	if u.machine == nil || u.port == nil {
		return
	}
	info := u.machine.Info()
	if info.IPv4 == nil && info.IPv6 == nil {
		return
	}
	want := dataplane.Session{
		Interface: u.port.Interface(), MAC: u.port.MAC(), AC: info.AC, ID: info.SessionID, MTU: info.MTU,
		Device: u.cfg.Ifname, Programs: u.pins, NoPrograms: u.noPrograms,
	}
	if u.path != nil && !samePath(u.pathFor, want) {
		u.closePath()
	}
	if u.path == nil {
		if err := u.openPath(want); err != nil {
			u.carryAt = u.s.env.Now() + pathRetry
			u.tell("data_path", cause.DeviceFailed, fmt.Sprintf("%s: no data path: %v; it is tried again", u.cfg.Name, err), "")
			return
		}
	}
	u.pass(info)
}

func (u *uplink) openPath(want dataplane.Session) error {
	if u.device == nil {
		if err := u.ensureDevice(); err != nil {
			return err
		}
	}
	p, note, err := u.s.env.NewPath(dataplane.Kind(u.cfg.DataPath), want, u.device)
	if err != nil {
		return err
	}
	u.path, u.pathFor, u.pathNote, u.carried = p, want, note, u.s.env.Now()
	if dataplane.Kind(p.Kind()) != dataplane.EBPF { // an earlier run's may have been
		u.forgetInKernel(u.cfg.Interface, u.cfg.Ifname)
	}
	return nil
}

func (u *uplink) closeDevice() {
	if u.device != nil {
		u.device.Close()
		u.device = nil
	}
}

func samePath(a, b dataplane.Session) bool {
	return a.Interface.Index == b.Interface.Index && a.MAC == b.MAC && a.AC == b.AC && a.ID == b.ID && a.MTU == b.MTU && a.Programs == b.Programs
}

// pass lets exactly the open families flow.
func (u *uplink) pass(info session.Info) {
	if u.path != nil {
		u.path.Pass(info.IPv4 != nil, info.IPv6 != nil)
	}
}

func (u *uplink) closePath() { u.endPath(dataplane.Path.Close) }

// leavePath leaves what carries packets without us as it is.
func (u *uplink) leavePath() { u.endPath(dataplane.Path.Leave) }

func (u *uplink) endPath(end func(dataplane.Path) error) {
	if u.path == nil {
		return
	}
	if err := end(u.path); err != nil {
		u.log.Warnf("data path: %v", err)
	}
	u.traffic = u.traffic.Add(u.path.Counters())
	u.path = nil
}

// pathRetry is how long to wait before a data path is tried again.
const pathRetry = time.Second

// pathFailed makes the device again that somebody has deleted, and what belongs
// on it.
func (u *uplink) pathFailed(err error) {
	u.tell("data_path", cause.DeviceFailed, fmt.Sprintf("%s: the data path failed (%v); it is set up again", u.cfg.Name, err), "")
	u.closePath()
	u.closeDevice()
	if err := u.s.journal.Redo(u.cfg.Name); err != nil {
		u.refused(err)
	}
	if u.pd.socket != nil { // it was bound to the device that is gone
		u.stopDelegation()
		u.startDelegation()
	}
	if u.nd.socket != nil {
		u.stopDiscovery()
		u.startDiscovery()
	}
	if u.s.env.Now()-u.carried < pathRetry { // it fails at once: not again and again
		u.carryAt = u.s.env.Now() + pathRetry
		return
	}
	u.carry()
}
