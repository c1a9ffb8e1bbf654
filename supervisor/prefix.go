package supervisor

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/dhcpv6"
	"pppoectl/pppoe"
	"pppoectl/session"
	"pppoectl/state"
	"pppoectl/timer"
)

// delegation is an uplink's delegated prefix. The lease outlives sessions and
// daemons: each new session asks for it again, and until it runs out the LAN
// keeps its addresses.
type delegation struct {
	client   *dhcpv6.Client // nil: no prefix is asked for
	socket   Datagrams      // nil: the link is down
	deadline time.Duration  // the client's
	hangAt   time.Duration  // when to hang up although the server has not confirmed a Release; 0: not
	saves    timer.Limiter  // of the lease on disk
	in       session.Stale  // the session in which the lease on disk was confirmed
}

// newDelegation returns what the uplink needs to get a prefix, with the lease of
// an earlier run.
func (u *uplink) newDelegation() delegation {
	if !u.cfg.Prefix.Request {
		return delegation{}
	}
	d := delegation{client: dhcpv6.New(dhcpv6.Config{}, u.rand)}
	lease, err := u.s.store.LoadLease(u.cfg.Name, u.s.env.Now(), time.Now())
	switch {
	case err == nil:
		d.client.Restore(lease.Lease)
		d.in = lease.In
		u.routerUntil = u.s.env.Now() + routerGrace // as an earlier run has told
		d.deadline = u.s.env.Now()                  // what has run out meanwhile
	case !isMissing(err):
		u.log.Warnf("the lease of an earlier run is lost: %v", err)
	}
	return d
}

// messages are those of the server, if the link is up.
func (d *delegation) messages() <-chan []byte {
	if d.socket == nil {
		return nil
	}
	return d.socket.Messages()
}

// lease returns what is delegated, and whether that has been confirmed in this
// session.
func (d *delegation) lease() (lease dhcpv6.Lease, confirmed bool) {
	if d.client == nil {
		return lease, false
	}
	return d.client.Lease(), d.client.Confirmed()
}

// awaitsPrefix reports whether the session is of no use yet for want of a prefix.
// Where IPv6 has failed and the session goes on without it, it waits for nothing.
func (u *uplink) awaitsPrefix() bool {
	return u.pd.client != nil && !u.pd.client.Confirmed() && u.machine != nil && u.machine.Info().IPv6 != nil
}

// startDelegation asks for a prefix on a link that has come up.
func (u *uplink) startDelegation() {
	info := u.machine.Info()
	if u.pd.client == nil || info.IPv6 == nil || u.pd.socket != nil || u.port == nil {
		return
	}
	socket, err := u.s.env.OpenDHCP(u.cfg.Ifname, info.IPv6.Local)
	if err != nil {
		u.refused(err)
		return
	}
	u.pd.socket = socket
	if u.pd.client.Phase() != dhcpv6.Down { // it goes on
		return
	}
	u.pd.client.Configure(u.leaseConfig(u.port.MAC()))
	u.stepDHCP(dhcpv6.Input{Command: dhcpv6.Start})
}

// stopDelegation ends asking on a link that has gone down; the lease stays.
func (u *uplink) stopDelegation() {
	if u.pd.socket == nil {
		return
	}
	u.stepDHCP(dhcpv6.Input{Command: dhcpv6.Stop})
	u.pd.socket.Close()
	u.pd.socket = nil
}

// leaseConfig says who asks for a prefix, on a line whose address is mac.
func (u *uplink) leaseConfig(mac pppoe.MAC) dhcpv6.Config {
	return dhcpv6.Config{DUID: u.duid(mac), IAID: u.iaid(), Hint: u.cfg.Prefix.Hint}
}

// duid returns the DUID of the client (RFC 8415 section 11).
func (u *uplink) duid(mac pppoe.MAC) []byte {
	switch u.cfg.Prefix.DUID {
	case configs.FixedDUID:
		return u.cfg.Prefix.Fixed
	case configs.LinkLayerTimeDUID:
		if b, err := hex.DecodeString(u.record.DUID); err == nil && len(b) > 0 {
			return b
		}
		b := dhcpv6.LinkLayerTimeDUID(mac[:], time.Now())
		u.record.DUID = hex.EncodeToString(b)
		u.saveRecord()
		return b
	}
	return dhcpv6.LinkLayerDUID(mac[:])
}

// iaid returns the identifier of the IA_PD: the same one for ever, and another
// one for each uplink (RFC 8415 section 12).
func (u *uplink) iaid() uint32 {
	if id := u.cfg.Prefix.IAID; id != nil {
		return *id
	}
	h := fnv.New32a()
	h.Write([]byte(u.cfg.Name))
	return h.Sum32()
}

// stepDHCP feeds the client and does what follows. Events come before messages: a
// prefix that is given back is not used any more by then.
func (u *uplink) stepDHCP(in dhcpv6.Input) {
	out := u.pd.client.Step(u.s.env.Now(), in)
	u.pd.deadline = out.Deadline
	for _, e := range out.Events {
		u.prefixEvent(e)
	}
	for _, m := range out.Messages {
		if u.pd.socket == nil {
			break
		}
		if err := u.pd.socket.Send(m); err != nil {
			u.log.Debugf("DHCPv6: %v", err)
		}
	}
}

func (u *uplink) prefixEvent(e dhcpv6.Event) {
	switch e.Kind {
	case dhcpv6.Dropped:
		u.log.WithField("reason", e.Text).Trace("message ignored")
	case dhcpv6.Delegated:
		u.delegated()
	case dhcpv6.Deprecated:
		u.saveLease(true)
		u.refresh()
		u.tell(string(e.Kind), cause.None, fmt.Sprintf("%s: no new connections from now on: %s", u.cfg.Name, e.Text), "")
	case dhcpv6.Renewed:
		u.log.Debugf("DHCPv6: %s is renewed", e.Text)
		u.saveLease(false)
		u.advertise()
	case dhcpv6.Withdrawn, dhcpv6.Expired:
		u.saveLease(true)
		u.refresh()
		gone := []string{e.Text}
		what := "has run out"
		if e.Kind == dhcpv6.Withdrawn {
			what = "is taken back by the server"
		}
		u.add(state.Event{Kind: string(e.Kind), Cause: cause.NoPrefix, Message: fmt.Sprintf("%s: the prefix %s %s", u.cfg.Name, e.Text, what), Peer: e.Peer, Deprecated: gone}, logrus.WarnLevel)
	case dhcpv6.Refused, dhcpv6.Unanswered:
		u.noPrefix(e)
	case dhcpv6.Released:
		if u.pd.hangAt != 0 {
			u.hangUp()
		}
	}
}

// delegated routes what has been delegated, and tells of it.
func (u *uplink) delegated() {
	u.saveLease(true)
	u.refresh()
	lease, confirmed := u.pd.lease()
	if !confirmed {
		return
	}
	now := u.s.env.Now()
	var fresh, old []string
	for _, p := range lease.Prefixes {
		if p.Preferred(now) {
			fresh = append(fresh, p.Prefix.String())
		} else {
			old = append(old, p.Prefix.String())
		}
	}
	text := fmt.Sprintf("%s: %s is delegated by server %s, to be renewed %s", u.cfg.Name, join(fresh), hex.EncodeToString(lease.Server), until(lease.T1, now))
	if len(old) > 0 {
		text += fmt.Sprintf("; %s is deprecated", join(old))
	}
	if u.lastError != nil && u.lastError.Code == cause.NoPrefix {
		u.lastError = nil
	}
	u.add(state.Event{Kind: "prefix", Message: text, Prefixes: fresh, Deprecated: old}, logrus.InfoLevel)
	u.complain(lease)
}

func join(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	text := list[0]
	for _, s := range list[1:] {
		text += " and " + s
	}
	return text
}

// until says when a time of a lease is.
func until(at, now time.Duration) string {
	if at == dhcpv6.Forever {
		return "never"
	}
	return in(max(at-now, 0))
}

// complain tells that the contract's prefix was not the one that came.
func (u *uplink) complain(lease dhcpv6.Lease) {
	want := u.cfg.Prefix
	came := slices.ContainsFunc(lease.Prefixes, func(p dhcpv6.Prefix) bool { return p.Prefix == want.Hint })
	if !want.Require || came {
		return
	}
	text := fmt.Sprintf("another prefix than the required %v was delegated; what came is routed all the same", want.Hint)
	u.lastError = &control.Failure{Code: cause.NoPrefix, Text: text, Message: u.cfg.Name + ": " + text}
	u.add(state.Event{Kind: "prefix_unexpected", Cause: cause.NoPrefix, Message: u.lastError.Message}, logrus.WarnLevel)
}

// noPrefix tells why there is no prefix, or why the one that there is will not be
// renewed.
func (u *uplink) noPrefix(e dhcpv6.Event) {
	said := ""
	if e.Peer != "" {
		said = fmt.Sprintf(": %q", e.Peer)
	}
	text := "DHCPv6: " + e.Text
	message := fmt.Sprintf("%s: %s%s; it is asked again", u.cfg.Name, text, said)
	if u.awaitsPrefix() {
		u.lastError = &control.Failure{Code: cause.NoPrefix, Text: text, Message: message}
	}
	u.add(state.Event{Kind: string(e.Kind), Cause: cause.NoPrefix, Message: message, Peer: e.Peer}, logrus.WarnLevel)
}

// A lease that is renewed all the time is written down at most so often; one that
// has changed always.
const (
	leaseBurst    = 5
	leaseInterval = time.Minute
)

func (u *uplink) saveLease(changed bool) {
	now := u.s.env.Now()
	if !changed && !u.pd.saves.Allow(now, leaseBurst, leaseInterval) {
		return
	}
	lease, confirmed := u.pd.lease()
	u.pd.in = session.Stale{}
	if confirmed && u.machine != nil {
		u.pd.in = u.peer()
	}
	err := u.s.store.SaveLease(u.cfg.Name, state.Lease{Lease: lease, In: u.pd.in, At: now, Clock: time.Now()})
	if err != nil {
		u.log.Errorf("the lease could not be written down: %v", err)
	}
}

// releasePatience is how long the server has to confirm that a prefix is given
// back, before the session is ended all the same.
const releasePatience = time.Second

// giveBack gives the prefix back, on the operator's wish, and reports whether the
// session is to be ended only after that.
func (u *uplink) giveBack() bool {
	if u.pd.client == nil {
		return false
	}
	asking := u.pd.client.Confirmed() && u.pd.socket != nil && u.line.Carrier
	if !asking {
		u.pd.client.Restore(dhcpv6.Lease{})
		u.forgetLease()
		return false
	}
	u.pd.hangAt = u.s.env.Now() + releasePatience
	u.forgetLease()
	u.stepDHCP(dhcpv6.Input{Command: dhcpv6.Release})
	u.refresh()
	return u.pd.hangAt != 0
}

func (u *uplink) forgetLease() {
	if err := u.s.store.RemoveLease(u.cfg.Name); err != nil {
		u.log.Errorf("%v", err)
	}
}

// hangUp ends the session once the prefix is given back.
func (u *uplink) hangUp() {
	u.pd.hangAt = 0
	u.stopDelegation()
	u.step(session.Input{Command: session.Hangup, Cause: cause.Released, Text: "User request"})
}

// prefixes are those that may still be used.
func (u *uplink) prefixes() []dhcpv6.Prefix {
	lease, _ := u.pd.lease()
	return lease.Prefixes
}

// interfaceID returns the address whose lower half is our interface identifier.
func (u *uplink) interfaceID() netip.Addr {
	if u.addrs.ipv6 == nil {
		return netip.Addr{}
	}
	return u.addrs.ipv6.Local
}
