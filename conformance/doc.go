// Package conformance asks a PPPoE peer, whoever made it, whether it does what
// the RFCs say, and whether it stands what they do not.
//
// A [Case] is data, in a small language of its own (cases/*.cases): the section
// of the RFC, how far a session is to come first, what is then sent, and what
// must come back. A [Trial] plays one case against one peer. It is sans I/O:
// frames and the time come in, frames and the next deadline go out, so that the
// same cases are played over a wire and against a machine in memory.
//
// We are the other end: towards a client an access concentrator, towards an
// access concentrator a client. Where a case says nothing, we have manners
// (manners.go): a good peer's, as far as the case wants the session to come.
package conformance
