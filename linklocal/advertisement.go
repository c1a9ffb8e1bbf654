package linklocal

import (
	"net/netip"
	"time"

	"github.com/mdlayher/ndp"
)

// Router is what a router advertisement says of its sender.
type Router struct {
	Address  netip.Addr    // link-local
	Lifetime time.Duration // as a default router; 0: it is none
}

// advertisement reads what came from somebody with a hop limit; false if it is no
// router advertisement that is valid (RFC 4861 section 6.1.2).
func advertisement(b []byte, from netip.Addr, hops int) (Router, bool) {
	if hops != ndp.HopLimit || !from.IsLinkLocalUnicast() {
		return Router{}, false
	}
	m, err := ndp.ParseMessage(b)
	ra, ok := m.(*ndp.RouterAdvertisement)
	if err != nil || !ok || b[1] != 0 { // the code
		return Router{}, false
	}
	return Router{from, ra.RouterLifetime}, true
}
