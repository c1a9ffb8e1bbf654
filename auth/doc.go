// Package auth is how the two ends of a link prove who they are: PAP
// (RFC 1334) and CHAP with MD5 (RFC 1994), each as the end that proves itself
// ([PAPClient], [CHAPClient]) and as the end that asks ([PAPServer],
// [CHAPServer]).
//
// The machines are sans I/O. Names and secrets are octets, compared as they
// are; texts from the peer are untrusted and to be printed with %q.
package auth
