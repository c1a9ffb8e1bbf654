// Package ipcp is the IP Control Protocol: the IPv4 addresses of both ends
// (RFC 1332 section 3.3) and the name servers that the peer offers (RFC 1877),
// each optional to the peer.
//
// One [Policy] serves both ends: a host asks for an address and name servers,
// an access concentrator assigns them.
package ipcp
