// Package pppoe is PPP over Ethernet (RFC 2516) as a host sees it: frames and
// tags, the discovery automaton that finds an access concentrator (AC) and
// opens a session on it, and PADT. PPP-Max-Payload for links over 1492 octets
// is RFC 4638.
//
// All of it is sans I/O: [Discovery] takes frames and the time since boot and
// returns frames to send.
package pppoe
