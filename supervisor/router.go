package supervisor

import (
	"fmt"
	"time"

	"pppoectl/cause"
	"pppoectl/linklocal"
)

// discovery is the search for a router on the uplink's link (RFC 4861 section
// 6.3). On a PPP link there is but one way to go, so that the default route does
// not wait for an advertisement: most concentrators send none. One that says that
// it is no router is believed.
type discovery struct {
	socket Routers           // nil: the link is down
	asked  int               // Router Solicitations since the link is up
	askAt  time.Duration     // when to send the next, since boot; 0: no more
	found  *linklocal.Router // the last advertisement; nil: none
}

// Of RFC 4861 section 10.
const (
	solicitations     = 3
	solicitationPause = 4 * time.Second
)

// found are the advertisements of routers, if the link is up.
func (d *discovery) advertisements() <-chan linklocal.Router {
	if d.socket == nil {
		return nil
	}
	return d.socket.Found()
}

// routerLess reports whether the concentrator has said that it is no router.
func (d *discovery) routerLess() bool { return d.found != nil && d.found.Lifetime == 0 }

// startDiscovery asks for routers on a link that has come up.
func (u *uplink) startDiscovery() {
	info := u.machine.Info()
	if info.IPv6 == nil || u.nd.socket != nil || u.s.env.OpenRouters == nil {
		return
	}
	socket, err := u.s.env.OpenRouters(u.cfg.Ifname)
	if err != nil { // nobody needs it
		u.log.Debugf("%v", err)
		return
	}
	u.nd = discovery{socket: socket, askAt: u.s.env.Now()}
}

func (u *uplink) stopDiscovery() {
	if u.nd.socket != nil {
		u.nd.socket.Close()
	}
	u.nd = discovery{}
}

// solicit asks once more, unless somebody has answered.
func (u *uplink) solicit() {
	u.nd.askAt = 0
	if u.nd.socket == nil || u.nd.found != nil || u.nd.asked == solicitations {
		return
	}
	u.nd.asked++
	u.nd.askAt = u.s.env.Now() + solicitationPause
	if err := u.nd.socket.Solicit(); err != nil {
		u.log.Debugf("router solicitation: %v", err)
	}
}

// routerFound takes an advertisement.
func (u *uplink) routerFound(r linklocal.Router) {
	was, known := u.nd.routerLess(), u.nd.found != nil
	u.nd.found, u.nd.askAt = &r, 0
	switch now := u.nd.routerLess(); {
	case now && !was:
		u.tell("no_router", cause.None, fmt.Sprintf("%s: %v advertises that it is no router; there is no default route by it", u.cfg.Name, r.Address), "")
		u.refresh()
	case !now && was:
		u.tell("router", cause.None, fmt.Sprintf("%s: %v is a router again", u.cfg.Name, r.Address), "")
		u.refresh()
	case !known:
		u.log.Debugf("%v is a router for %v", r.Address, r.Lifetime)
	}
}
