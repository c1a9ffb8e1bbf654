// Package dataplane moves IP packets between the line and a session's TUN device.
// It takes no PPP decisions: it carries the families that it is told to carry, for
// one session, and counts. It borrows the TUN device and never closes it.
package dataplane
