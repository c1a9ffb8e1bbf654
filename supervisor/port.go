package supervisor

import (
	"fmt"
	"time"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/line"
	"pppoectl/session"
)

// lineChanged follows the line's interface.
func (u *uplink) lineChanged(s line.Status) {
	old := u.line
	u.line = s
	if !u.lineSeen {
		u.lineSeen = true
		u.adopt()
		u.startStandby()
	}
	if !s.Exists || old.Interface.Index != s.Interface.Index {
		u.lineTaken = false
		u.strangeBy = u.s.env.Now() + grace
	}
	if !s.Exists && u.wanted && u.idle() && u.nextTry == 0 {
		text := fmt.Sprintf("there is no interface %s", u.cfg.Interface)
		u.lastError = &control.Failure{Code: cause.NoInterface, Text: text, Message: u.cfg.Name + ": " + text + "; it is dialled as soon as there is one"}
	}
	if u.port != nil && (!s.Exists || s.Interface.Index != u.port.Interface().Index ||
		s.Interface.HardwareAddr.String() != u.port.MAC().String()) {
		u.closeLine()
	}
	if u.strange() {
		u.againAt = u.strangeBy
		return
	}
	u.takeLine()
	switch {
	case old.Carrier && !s.Carrier:
		u.carrierLost()
	case s.Carrier && (!old.Carrier || u.port == nil):
		u.carrierBack()
	}
}

// grace is how long an interface that was made again may have another Ethernet
// address than the session knows: whoever made it may be about to set that.
const grace = 2 * time.Second

// strange reports whether the line is a new interface on which the session
// could not go on, and may still become one on which it can.
func (u *uplink) strange() bool {
	return !u.idle() && u.port == nil && u.line.Exists && u.s.env.Now() < u.strangeBy &&
		u.line.Interface.HardwareAddr.String() != u.machine.MAC().String()
}

// closeLine gives the port up: the interface is gone, or is another one now. The
// session stays; openPort sees whether it can go on.
func (u *uplink) closeLine() {
	u.closePath()
	u.port.Close()
	u.port = nil
	u.carrierLost()
}

// carrierLost keeps a session that is up, and ends one in the making.
func (u *uplink) carrierLost() {
	if u.machine == nil {
		return
	}
	defer u.refresh()
	u.step(session.Input{Command: session.LineLost})
	switch u.machine.Phase() {
	case session.Up, session.Network, session.Down:
	default:
		if u.s.env.Now() < u.resetUntil {
			u.abandonReset()
			return
		}
		u.step(session.Input{Command: session.Abandon, Cause: cause.NoCarrier, Text: cause.NoCarrier.Text()})
	}
}

// carrierBack asks whether the session is still there, or dials at once.
func (u *uplink) carrierBack() {
	if !u.wanted && u.idle() || u.openPort() != nil {
		return
	}
	defer u.refresh()
	u.step(session.Input{Command: session.LineBack})
	u.carry()
	u.startIPv6()
	if waiting := u.nextTry != 0 && u.lastError != nil && u.lastError.Code != cause.NoCarrier; !waiting {
		u.nextTry = 0
		u.dial()
	}
}

// openPort opens the line, if that is not done.
func (u *uplink) openPort() error {
	if u.port != nil {
		return nil
	}
	port, err := u.s.env.Open(u.line.Interface)
	if err != nil {
		if u.idle() {
			u.failed(cause.DeviceFailed, fmt.Sprintf("%s: %v", u.cfg.Interface, err), "", 0)
		} else {
			u.refused(err)
		}
		return err
	}
	u.port = port
	name := u.cfg.Interface // whoever reads the port asks, while u.cfg may be changed
	port.ReleaseUnknown(func() bool { return u.s.turns.endsUnknown(name) })
	if u.machine != nil && u.machine.MAC() != port.MAC() {
		u.renameStation()
	}
	if u.machine != nil { // it may have been changed meanwhile
		u.follows(u.machine.Configure(u.s.env.Now(), u.sessionConfig(port.MAC())))
	}
	if u.machine == nil {
		u.machine = session.New(u.sessionConfig(port.MAC()), u.rand)
		if u.stale != nil {
			u.machine.SetStale(*u.stale)
		}
	}
	u.setAddress()
	return nil
}

// renameStation ends a session whose station has another Ethernet address now:
// to its AC it does not exist any more. The PADT still carries the old one.
func (u *uplink) renameStation() {
	stale, ok := u.stalePeer()
	stale.MAC = u.machine.MAC()
	u.moving = true
	u.step(session.Input{Command: session.Abandon, Cause: cause.NoInterface, Text: "the line has another Ethernet address now"})
	u.moving = false
	u.machine = nil
	if ok {
		u.stale = &stale
	}
}

// setAddress tells the port which frames are for this session.
func (u *uplink) setAddress() {
	if u.port == nil || u.machine == nil {
		return
	}
	uniq, ac, id := u.machine.Address()
	u.port.SetAddress(line.Address{HostUniq: string(uniq), AC: ac, Session: id})
}
