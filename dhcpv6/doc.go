// Package dhcpv6 is a client of DHCPv6 prefix delegation (RFC 8415), sans I/O:
// [Client] takes messages, commands and the time, and returns messages to send,
// events and its next deadline. Messages are those of insomniacslk/dhcp; what
// comes in is read here, for one bad option must not cost the others.
//
// A lease outlives the link: after a reconnect it is asked for again with the
// same DUID and IAID, and only what a server has taken back or what has run out
// is lost.
package dhcpv6
