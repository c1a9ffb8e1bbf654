// Package ppp is the Point-to-Point Protocol's common ground: protocol
// numbers, the codecs for frames, control packets and options, and the
// option-negotiation automaton of RFC 1661 section 4 that LCP, IPCP and
// IPv6CP share.
//
// A control protocol plugs in as a [Policy]: what we ask for, and what we
// think of what the peer asks for. [Automaton] does everything else: the
// transition table, identifiers, the restart timer and its counters, and the
// bounds on endless refusals.
//
// Nothing here knows of sockets, clocks or logs. Time is a duration since
// boot and comes in as an argument; what follows comes out as an [Output].
package ppp
