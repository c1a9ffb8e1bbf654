package supervisor

import (
	"fmt"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/dhcpv6"
	"pppoectl/session"
	"pppoectl/state"
)

// adopt finds what an earlier run has left: a session that the AC may still
// believe in. It is taken over if that can be, else released before the first dial.
// The line is known by now, but nothing was done with it.
func (u *uplink) adopt() {
	defer u.tidy()
	v, sameBoot, err := u.s.store.LoadSession(u.cfg.Name)
	if err != nil {
		u.forgetInKernel(u.cfg.Interface, u.cfg.Ifname)
		if !isMissing(err) {
			u.add(state.Event{Kind: "state", Cause: cause.Stale, Message: fmt.Sprintf("%s: the session of an earlier run is lost, its concentrator may refuse the login for a while: %v", u.cfg.Name, err)}, logrus.WarnLevel)
			u.forgetSession()
		}
		u.wanted = u.wanted && !u.onlyResume
		return
	}
	peer, ok := v.Snapshot.Peer()
	if !ok {
		u.forgetSession()
		u.wanted = u.wanted && !u.onlyResume
		return
	}
	why := u.unfit(v, sameBoot)
	if why == "" && u.wanted {
		u.takeOver(v)
		return
	}
	u.forgetInKernel(v.Interface, v.Device)
	u.wanted = u.wanted && !u.onlyResume
	if v.Interface != u.cfg.Interface || !u.wanted {
		u.s.releaseOrphan(u.cfg.Name)
		return
	}
	u.hookLost(v)
	u.stale = &peer
	u.stale.MAC = v.Snapshot.MAC
	u.record.Last = u.stale
	if v.UpAt != 0 {
		d := control.Drop{At: time.Now(), Cause: cause.Stale, Text: why}
		if sameBoot {
			d.AfterSeconds = max(1, int((u.s.env.Now() - v.UpAt).Seconds()))
		}
		u.dropped(d)
	}
	u.add(state.Event{Kind: "stale", Cause: cause.Stale, Message: fmt.Sprintf("%s: session 0x%04x at %v of an earlier run cannot be taken over, and is released: %s", u.cfg.Name, peer.Session, peer.AC, why)}, logrus.WarnLevel)
}

// unfit says why the session of an earlier run cannot be taken over; empty if it
// can.
func (u *uplink) unfit(v state.Session, sameBoot bool) string {
	was := v.Snapshot.Config
	switch {
	case !sameBoot:
		return "the machine was booted meanwhile"
	case !v.Snapshot.Resumable():
		return "it was not up yet"
	case v.Interface != u.cfg.Interface:
		return fmt.Sprintf("interface was %s, and is %s now", v.Interface, u.cfg.Interface)
	case v.Device != u.cfg.Ifname:
		return fmt.Sprintf("ifname was %s, and is %s now", v.Device, u.cfg.Ifname)
	case was.Username != u.cfg.Username:
		return "it has another username now"
	case v.MTU != u.cfg.MTU:
		return fmt.Sprintf("mtu was %d, and is %d now", v.MTU, u.cfg.MTU)
	}
	for _, f := range u.cfg.Families {
		if !slices.Contains(was.Families, f) {
			return fmt.Sprintf("it was without %s", f)
		}
	}
	return ""
}

// takeOver goes on with the session of an earlier run: it keeps what the session has
// in the kernel, and asks the AC as soon as the line is there.
func (u *uplink) takeOver(v state.Session) {
	u.machine = session.Resume(v.Snapshot, string(u.cfg.Password), u.rand)
	u.upAt, u.resumed, u.last = v.UpAt, v.Resumed, u.peer()
	info := u.machine.Info()
	u.hist.echo = info.Echo // those are told of already
	u.addrs = addresses{mtu: info.MTU, ipv4: info.IPv4, ipv6: info.IPv6}
	if c, err := u.s.env.Carried(v.Device, u.s.pinDirectory(v.Interface)); err == nil {
		u.traffic = c
	}
	u.traffic.RxDropped, u.traffic.TxDropped = v.Dropped[0], v.Dropped[1]
	u.takeOverLease()
	u.step(session.Input{Command: session.TakenOver})
	u.log.Infof("session 0x%04x at %s (%v) of an earlier run is taken over", info.SessionID, quote(info.ACName), info.AC)
}

// takeOverLease goes on with a lease that was confirmed in the session taken over; any
// other is asked for anew.
func (u *uplink) takeOverLease() {
	if u.pd.client == nil || u.addrs.ipv6 == nil || !u.pd.in.Same(u.peer()) {
		return
	}
	u.pd.client.Configure(u.leaseConfig(u.machine.MAC()))
	u.stepDHCP(dhcpv6.Input{Command: dhcpv6.Resume})
}

// peer is the session that the AC believes in.
func (u *uplink) peer() session.Stale {
	_, ac, id := u.machine.Address()
	return session.Stale{AC: ac, Session: id, MAC: u.machine.MAC()}
}

// resumedAlive tells that a session that was taken over is alive.
func (u *uplink) resumedAlive() {
	info := u.machine.Info()
	u.resumed++
	u.tell("resumed", cause.None, fmt.Sprintf("%s is resumed: session 0x%04x at AC %s (%v), up for %v, RTT %v",
		u.cfg.Name, info.SessionID, quote(info.ACName), info.AC, (u.s.env.Now()-u.upAt).Round(time.Second), info.Echo.RTT.Round(10*time.Microsecond)), "")
	u.saveSession()
}

// tidy undoes what an earlier run has left and this one does not want yet.
func (u *uplink) tidy() {
	undo := func() error { return u.s.journal.Apply(u.cfg.Name, nil) }
	if u.wanted && len(u.s.journal.Applied(u.cfg.Name)) > 0 {
		undo = u.configure
	}
	if err := undo(); err != nil {
		u.log.Warnf("left over from an earlier run: %v", err)
	}
	u.leaveAsides()
	if !u.wanted {
		u.undoAsides()
	}
}
