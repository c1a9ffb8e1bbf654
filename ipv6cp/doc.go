// Package ipv6cp is the IPv6 Control Protocol (RFC 5072): the interface
// identifiers of both ends, from which their link-local addresses are made.
// It gives no other address; those come by DHCPv6 or router advertisements.
package ipv6cp
