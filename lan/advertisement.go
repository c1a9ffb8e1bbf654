package lan

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/ndp"
)

// lifetime returns how long something that ends at a time may be relied on: never
// longer than limit (RFC 9096 section 3.4).
func lifetime(now, until, limit time.Duration) time.Duration {
	if until == Forever {
		return limit
	}
	return min(max(until-now, 0), limit).Truncate(time.Second)
}

func (a *Advertiser) advertisement(now time.Duration) *ndp.RouterAdvertisement {
	ra := &ndp.RouterAdvertisement{CurrentHopLimit: hopLimit}
	if a.config.Router {
		ra.RouterLifetime = preferredLimit
	}
	longest := time.Duration(0)
	for _, p := range a.config.Prefixes {
		valid := lifetime(now, p.ValidUntil, validLimit)
		longest = max(longest, valid)
		ra.Options = append(ra.Options, information(p.Prefix, min(lifetime(now, p.PreferredUntil, preferredLimit), valid), valid))
	}
	for _, p := range slices.SortedFunc(maps.Keys(a.stale), netip.Prefix.Compare) {
		ra.Options = append(ra.Options, information(p, 0, 0))
	}
	for _, p := range a.config.Routes {
		ra.Options = append(ra.Options, &ndp.RouteInformation{
			PrefixLength: uint8(p.Prefix.Bits()), Prefix: p.Prefix.Addr(), RouteLifetime: lifetime(now, p.ValidUntil, validLimit),
		})
	}
	if a.config.MTU > 0 {
		ra.Options = append(ra.Options, ndp.NewMTU(uint32(a.config.MTU)))
	}
	if a.config.Router && longest > 0 {
		ra.Options = append(ra.Options, a.names(longest)...)
	}
	return a.signed(ra)
}

// names are the options of RFC 8106.
func (a *Advertiser) names(lifetime time.Duration) []ndp.Option {
	var options []ndp.Option
	if len(a.config.DNS) > 0 {
		options = append(options, &ndp.RecursiveDNSServer{Lifetime: lifetime, Servers: a.config.DNS})
	}
	if len(a.config.Domains) > 0 {
		options = append(options, &ndp.DNSSearchList{Lifetime: lifetime, DomainNames: a.config.Domains})
	}
	return options
}

// final says that the router goes away (section 6.2.5).
func (a *Advertiser) final() *ndp.RouterAdvertisement {
	ra := &ndp.RouterAdvertisement{CurrentHopLimit: hopLimit}
	all := maps.Clone(a.stale)
	for _, p := range a.config.Prefixes {
		all[p.Prefix] = 0
	}
	for _, p := range slices.SortedFunc(maps.Keys(all), netip.Prefix.Compare) {
		ra.Options = append(ra.Options, information(p, 0, 0))
	}
	for _, p := range a.config.Routes {
		ra.Options = append(ra.Options, &ndp.RouteInformation{PrefixLength: uint8(p.Prefix.Bits()), Prefix: p.Prefix.Addr()})
	}
	if a.config.Router {
		ra.Options = append(ra.Options, a.names(0)...)
	}
	return a.signed(ra)
}

// signed adds our Ethernet address.
func (a *Advertiser) signed(ra *ndp.RouterAdvertisement) *ndp.RouterAdvertisement {
	if len(a.mac) == 6 {
		ra.Options = append(ra.Options, &ndp.LinkLayerAddress{Direction: ndp.Source, Addr: a.mac})
	}
	return ra
}

func information(p netip.Prefix, preferred, valid time.Duration) ndp.Option {
	return &ndp.PrefixInformation{
		PrefixLength: uint8(p.Bits()), OnLink: true, AutonomousAddressConfiguration: true,
		Prefix: p.Addr(), PreferredLifetime: preferred, ValidLifetime: valid,
	}
}
