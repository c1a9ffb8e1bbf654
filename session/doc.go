// Package session is one PPPoE session from the first PADI to the open network
// protocols, as one machine that knows no sockets, no clock and no log.
//
// A [Machine] takes one [Input] at a time (a frame, a command, or nothing when
// its deadline has come) with the time since boot, and returns an [Output]:
// frames to send, events to tell, and when to be called again. All that it
// remembers is plain data ([Snapshot]), so that it can go on in another
// process.
//
//	discovery -> lcp -> auth -> network -> up
//	                ^      |        |       |
//	                +------+--------+-------+   the peer renegotiates in place
//
// Whatever the peer does, no event reports a network protocol as up before
// authentication is done and that protocol is open.
package session
