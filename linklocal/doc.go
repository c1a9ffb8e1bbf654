// Package linklocal holds the sockets of what speaks on one IPv6 link from
// link-local addresses: DHCPv6 and router discovery.
package linklocal
