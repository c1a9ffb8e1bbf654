package dhcpv6_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pppoectl/dhcpv6"
)

// Statuses in the message, the IA_PD and the prefix, in each phase.
func TestStatuses(t *testing.T) {
	const unspecFail, noBinding, notOnLink, useMulticast, noPrefixAvail, unknown = 1, 3, 4, 5, 6, 65535
	const words = "the server's words"
	for _, phase := range asking {
		for _, code := range []int{unspecFail, noBinding, notOnLink, useMulticast, noPrefixAvail, unknown} {
			st := status(code, words)
			for where, answer := range map[string][]byte{
				"message": slices.Concat(st, usual()),
				"IA_PD":   pd(st, prefix(given, preferred, valid)),
				"prefix":  pd(prefix(given, preferred, valid, st)),
			} {
				t.Run(fmt.Sprintf("%s/%d in the %s", phase.name, code, where), func(t *testing.T) {
					l := newLink(t)
					phase.to(l)
					before, next := l.c.Phase(), l.next
					l.events = nil
					l.say(reply, rapidCommit(), answer)
					held := before != dhcpv6.Soliciting && before != dhcpv6.Requesting
					switch {
					case where == "prefix" && held: // the server has taken it back
						l.phase(dhcpv6.Soliciting)
						l.has()
						l.told(dhcpv6.Withdrawn)
						if e := l.events[0]; e.Peer != words || e.Text != given {
							t.Errorf("%+v", e)
						}
						return
					case code == noBinding && held: // RFC 8415 section 18.2.10.1
						l.phase(dhcpv6.Requesting)
						l.has(given)
						if m := l.last(request); !bytes.Equal(m.server(), serverA) || fmt.Sprint(m.prefixes()) != "["+given+"]" {
							t.Errorf("Request to %x about %v", m.server(), m.prefixes())
						}
						return
					case before == dhcpv6.Requesting && (where == "prefix" || code != unspecFail && code != useMulticast):
						l.phase(dhcpv6.Soliciting)
					default: // asked again, as if nothing had come
						if l.phase(before); l.next != next {
							t.Errorf("next message at %v, was %v", l.next, next)
						}
					}
					l.told(dhcpv6.Refused)
					if held {
						l.has(given)
					} else {
						l.has()
					}
				})
			}
		}
	}
}

// Section 18.2.10.1: what has a valid lifetime of 0 is discarded, whatever the
// status of its IA_PD says besides.
func TestWithdrawnPrefixBesideAStatusIsDiscarded(t *testing.T) {
	for _, code := range []int{3, 6} { // NoBinding, NoPrefixAvail
		l := newLink(t)
		renewing(l)
		l.say(reply, pd(status(code, "renumbered"), prefix(given, 0, 0)))
		l.has()
	}
}
