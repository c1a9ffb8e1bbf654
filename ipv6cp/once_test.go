package ipv6cp_test

import (
	"testing"

	"pppoectl/ppp"
)

// RFC 5072 section 4.1: a peer that leaves its identifier out is asked for one, once; what it got a Nak for
// before does not count.
func TestPeerIsAskedOnceForTheIdentifierItLeavesOut(t *testing.T) {
	e, _ := asking(t, hostID, 1)
	for i, c := range []struct {
		in   string
		want ppp.Code
	}{
		{option(hostID), ppp.ConfigureNak}, // ours
		{"", ppp.ConfigureNak},
		{"", ppp.ConfigureAck},
	} {
		if p := only(t, e.Receive(0, packet(t, ppp.ConfigureRequest, uint8(i), c.in))); p.Code != c.want {
			t.Errorf("request %d: %s, want %v", i, tell(p), c.want)
		}
	}
}

// An option of another type is no identifier, whatever its length is.
func TestNakOfAnotherOptionChangesNothing(t *testing.T) {
	e, first := asking(t, hostID, 1)
	p := only(t, e.Receive(0, packet(t, ppp.ConfigureNak, 1, "020a 0102030405060708")))
	if tell(p) != "Configure-Request 2 "+tell(first)[len("Configure-Request 1 "):] {
		t.Errorf("got %s, first %s", tell(p), tell(first))
	}
}
