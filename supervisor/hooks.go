package supervisor

import (
	"encoding/json"
	"time"

	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/hooks"
	"pppoectl/session"
	"pppoectl/state"
)

// Hooks runs the operator's programs for one uplink, in order, and never makes anybody
// wait but at the end.
type Hooks interface {
	Add(hooks.Call)
	Close(patience time.Duration)
}

// detachPatience is how long programs may still run when the daemon detaches.
const detachPatience = 2 * time.Second

// told is what a program reads on its standard input.
type told struct {
	Event  string         `json:"event"`
	Uplink control.Uplink `json:"uplink"` // as in status
	Detail *state.Event   `json:"detail,omitempty"`
}

// hookKinds are the events of the history that programs are run for, and what
// those are called for them.
var hookKinds = map[string]string{
	"up": "up", "down": "down", "dropped": "dropped", "failed": "failed", "resumed": "resumed", "stale": "stale",
	"prefix": "prefix", "prefix_withdrawn": "prefix", "prefix_expired": "prefix", "prefix_deprecated": "prefix",
}

// hookEvent has programs run for an event of the history.
func (u *uplink) hookEvent(v state.Event) {
	if name := hookKinds[v.Kind]; name != "" {
		u.hook(name, u.hookLink(""), &v)
	}
	if v.Kind == "failed" && (v.Cause == cause.AuthRejected || v.Cause == cause.StillHeld) {
		u.hook(hooks.AuthFail, u.hookLink(""), &v)
	}
}

// hookNetwork has programs run for a family that has come up or gone down.
func (u *uplink) hookNetwork(f session.Family, up bool) {
	name := map[bool]string{true: hooks.IPUp, false: hooks.IPDown}[up]
	if f == session.IPv6 {
		name = map[bool]string{true: hooks.IPv6Up, false: hooks.IPv6Down}[up]
	}
	l := u.hookLink(f)
	if up && f == session.IPv4 {
		if u.hookLocal != "" && u.hookLocal != l.Local {
			l.OldLocal = u.hookLocal
		}
		u.hookLocal = l.Local
	}
	u.hook(name, l, nil)
}

func (u *uplink) hook(name string, l hooks.Link, detail *state.Event) {
	if u.hooks == nil {
		return
	}
	status := u.compose()
	status.Rx, status.Tx = traffic(u.counters())
	body, err := json.Marshal(told{name, status, detail})
	if err != nil {
		u.log.Errorf("hooks: %v", err)
		return
	}
	u.hooks.Add(hooks.Call{Event: name, Link: l, JSON: append(body, '\n')})
}

// hookLink is what programs are told of the uplink, with the addresses of a family.
func (u *uplink) hookLink(f session.Family) hooks.Link {
	l := hooks.Link{
		Uplink: u.cfg.Name, Device: u.cfg.Ifname, Interface: u.cfg.Interface, User: u.cfg.Username, ACName: u.acName,
	}
	if u.machine != nil {
		l.ACMAC = u.machine.Info().AC.String()
	}
	if v := u.addrs.ipv4; v != nil && f == session.IPv4 {
		l.Local, l.Remote, l.DNS = text(v.Local), text(v.Peer), texts(v.DNS)
	}
	if v := u.addrs.ipv6; v != nil && f == session.IPv6 {
		lease, _ := u.pd.lease()
		l.Local, l.Remote, l.DNS = text(v.Local), text(v.Peer), texts(lease.Told.DNS)
	}
	if u.upAt != 0 {
		l.Seconds = int((u.s.env.Now() - u.upAt).Seconds())
		c := u.counters()
		l.Sent, l.Received = c.TxBytes, c.RxBytes
	}
	return l
}

// hookLost tells programs of the end of a session that an earlier run had, and that nobody
// has told them of.
func (u *uplink) hookLost(v state.Session) {
	if u.hooks == nil || !v.Snapshot.Resumable() {
		return
	}
	info := session.Resume(v.Snapshot, "", u.rand).Info()
	u.addrs = addresses{ipv4: info.IPv4, ipv6: info.IPv6}
	if info.IPv4 != nil {
		u.hookNetwork(session.IPv4, false)
	}
	if info.IPv6 != nil {
		u.hookNetwork(session.IPv6, false)
	}
	u.addrs = addresses{}
}

// endHooks waits for programs that are still to be run.
func (u *uplink) endHooks() {
	if u.hooks == nil {
		return
	}
	patience := detachPatience
	if u.released != cause.None {
		patience = u.hookTime
	}
	u.hooks.Close(patience)
}
