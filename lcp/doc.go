// Package lcp is the Link Control Protocol as PPPoE uses it: the options
// Maximum-Receive-Unit, Authentication-Protocol and Magic-Number (RFC 1661
// section 6), loop detection, and the echo keepalive that measures the round
// trip and notices a peer that is gone.
//
// Protocol-Field-Compression, Address-and-Control-Field-Compression and
// FCS-Alternatives are refused, as RFC 2516 section 7 demands.
package lcp
