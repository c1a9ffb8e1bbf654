package session

import (
	"time"

	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// Family is an address family, and with it the network control protocol that
// carries it.
type Family string

// The two families.
const (
	IPv4 Family = "ipv4" // IPCP
	IPv6 Family = "ipv6" // IPv6CP
)

// control returns the NCP of f.
func (f Family) control() ppp.Protocol {
	if f == IPv6 {
		return ppp.IPv6CP
	}
	return ppp.IPCP
}

// minIPv6MTU is the least MTU that carries IPv6 (RFC 8200 section 5), in octets.
const minIPv6MTU = 1280

// Config says what a session is to be. It does not change while the session
// lives.
type Config struct {
	MAC       pppoe.MAC // of the line's interface
	Discovery pppoe.Want
	MTU       int // of the link in octets, the MRU that LCP asks for

	Username string
	Password string     `json:"-"`
	Auth     []lcp.Auth // what the peer may demand, the best first

	Families    []Family
	IPCP        ipcp.Config
	InterfaceID ipv6cp.Identifier // to ask for in IPv6CP

	Echo      lcp.EchoConfig
	Failures  int           // echoes lost in a row that, with an AC answering, end the session
	DeadAfter time.Duration // of silence that end it in any case
}
