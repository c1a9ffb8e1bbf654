package concentrator

import (
	"fmt"
	"time"

	"net/netip"

	"pppoectl/ipcp"
	"pppoectl/lcp"
	"pppoectl/pppoe"
)

// Config says what an access concentrator is.
type Config struct {
	MAC      pppoe.MAC
	Name     string        // AC-Name
	Aliases  []string      // further names: each gets a PADO of its own
	Services []string      // Service-Names offered; none: the empty one
	Auth     []lcp.Auth    // what it demands, the best first; none: nobody has to log in
	MRU      int           // octets; 0: 1492
	Echo     time.Duration // interval of its echoes; 0: none
	Failures int           // unanswered echoes in a row, an interval apart, after which a host is gone; 0: 3
	Address  netip.Addr    // its own, on every session
	Secret   []byte        // of its AC-Cookies
	// Advertise has it send router advertisements (RFC 4861 section 6.2) to hosts with
	// IPv6: as a router for so long, or as none.
	Advertise      bool
	RouterLifetime time.Duration
	// Refuse, if set, is the text of the AC-System-Error that answers every PADR.
	Refuse string
	// Subscribers are who may log in. Concentrators of one line share them.
	Subscribers *Subscribers
}

// failures is how many echoes a host may leave unanswered, unless told otherwise.
const failures = 3

func (c *Config) complete() {
	if len(c.Services) == 0 {
		c.Services = []string{""}
	}
	if c.MRU == 0 {
		c.MRU = pppoe.MaxMTU
	}
	if c.Failures == 0 {
		c.Failures = failures
	}
	if c.Subscribers == nil {
		c.Subscribers = NewSubscribers(nil)
	}
}

// Login is a user that is let in, and what he gets.
type Login struct {
	Password string
	Reject   string        // if set, the text of a refusal whatever the password
	IPv4     netip.Addr    // to be assigned by IPCP; invalid: no IPCP
	Block    netip.Prefix  // routed to him besides: a /29, say; invalid: none
	DNS      [2]netip.Addr // to be told by IPCP
	IPv6     bool          // IPv6CP
	Prefix   netip.Prefix  // to be delegated by DHCPv6; invalid: none
	Length   int           // of what each client gets of Prefix, in bits; 0: all of it
	Lease    Lease         // how long he may keep it
	DNS6     []netip.Addr  // to be told by DHCPv6
}

// addressing returns what IPCP says to a login.
func (a *AC) addressing(l Login) ipcp.Config {
	return ipcp.Config{Address: a.cfg.Address, Assign: l.IPv4, Offer: l.DNS}
}

// Lease is how long a delegated prefix is kept (RFC 8415 section 21.21).
type Lease struct {
	T1, T2           time.Duration // when to renew, and to rebind
	Preferred, Valid time.Duration
	NoRapidCommit    bool // Solicit gets an Advertise, whatever it asks for
}

// DefaultLease is what a Flets line is seen to give.
var DefaultLease = Lease{T1: 2 * time.Hour, T2: 3 * time.Hour, Preferred: 3*time.Hour + 30*time.Minute, Valid: 4 * time.Hour}

// Check returns an error unless the lease's times are in order.
func (l Lease) Check() error {
	if l.T1 > l.T2 && l.T2 != 0 || l.T1 > l.Valid || l.Preferred > l.Valid || l.T2 > l.Valid || l.T1 < 0 || l.T2 < 0 || l.Preferred < 0 {
		return fmt.Errorf("t1 %v, t2 %v, preferred %v, valid %v: each must not be larger than the next", l.T1, l.T2, l.Preferred, l.Valid)
	}
	return nil
}
