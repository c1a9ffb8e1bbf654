package supervisor

import (
	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// sessionConfig is what the session is told of the configuration.
func (u *uplink) sessionConfig(mac pppoe.MAC) session.Config {
	c := u.cfg
	if ifi := u.port.Interface(); ifi.MTU > 0 && c.MTU > ifi.MTU-pppoeOverhead {
		c.MTU = ifi.MTU - pppoeOverhead
		c.Want.MaxPayload = c.MTU
		u.log.Warnf("%s has an MTU of %d, so the session can have %d at most; `ip link set %s mtu %d` makes room for the configured %d",
			u.cfg.Interface, ifi.MTU, c.MTU, u.cfg.Interface, u.cfg.MTU+pppoeOverhead, u.cfg.MTU)
	}
	return session.Config{
		MAC: mac, Discovery: c.Want, MTU: c.MTU, Username: c.Username, Password: string(c.Password),
		Auth: c.Auth, Families: c.Families,
		IPCP:        ipcp.Config{Address: c.Address, Unnumbered: c.Unnumbered, DNS: c.RequestDNS},
		InterfaceID: u.identifier(mac),
		Echo:        lcp.EchoConfig{Interval: c.EchoInterval}, Failures: c.EchoFailures, DeadAfter: c.DeadAfter,
	}
}

// pppoeOverhead is what PPPoE and PPP add to a packet, in octets.
const pppoeOverhead = 8

// identifier returns the interface identifier to ask for. A random one is kept
// on disk, so that the link-local address stays.
func (u *uplink) identifier(mac pppoe.MAC) ipv6cp.Identifier {
	switch u.cfg.Identifier.Kind {
	case configs.MACIdentifier:
		return ipv6cp.FromMAC(mac)
	case configs.FixedIdentifier:
		return u.cfg.Identifier.Fixed
	}
	id, err := ipv6cp.Parse(u.record.Identifier)
	if err != nil {
		id = ipv6cp.Random(u.rand)
		u.record.Identifier = id.String()
		u.saveRecord()
	}
	return id
}

// dial begins a session, if everything that it needs is there.
func (u *uplink) dial() {
	if u.moving || !u.wanted || u.standsBy() || u.released != cause.None || u.nextTry != 0 || !u.line.Carrier || !u.idle() {
		return
	}
	if !u.myTurn() || u.openPort() != nil {
		return
	}
	u.mayHavePrograms()
	had := u.hasPrograms()
	// Without a device a login would be of no use, and may be one too many.
	if err := u.ensureDevice(); err != nil {
		u.failed(cause.DeviceFailed, err.Error(), "", 0)
		return
	}
	if !had && u.hasPrograms() {
		u.resetUntil = u.s.env.Now() + lineReset
	}
	u.attempts++
	u.dials++
	u.upAt, u.resumed = 0, 0
	u.noRoute = nil
	if err := u.s.crashes.dials(); err != nil {
		u.log.Errorf("%v", err)
	}
	u.log.WithField("interface", u.cfg.Interface).Debug("dialling")
	u.step(session.Input{Command: session.Dial})
	if u.stale != nil { // its PADT has gone out
		u.stale = nil
		u.forgetSession()
	}
}
