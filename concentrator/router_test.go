package concentrator_test

import (
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/mdlayher/ndp"

	"pppoectl/concentrator"
)

// advertised returns the router advertisements among what the host was sent since
// the last look.
func (h *host) advertised() []*ndp.RouterAdvertisement {
	h.s.t.Helper()
	var list []*ndp.RouterAdvertisement
	for _, b := range h.ip {
		p := wellFormed(h.s.t, b)
		ip, ok := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
		if !ok || ip.NextHeader != layers.IPProtocolICMPv6 {
			continue
		}
		m, err := ndp.ParseMessage(ip.Payload)
		ra, isRA := m.(*ndp.RouterAdvertisement)
		if err != nil || !isRA {
			continue
		}
		if ip.HopLimit != 255 || !ip.SrcIP.Equal(h.m.Info().IPv6.Peer.AsSlice()) {
			h.s.t.Errorf("from %v with hop limit %d", ip.SrcIP, ip.HopLimit)
		}
		list = append(list, ra)
	}
	h.ip = nil
	return list
}

// solicitation is a Router Solicitation of the host.
func (h *host) solicitation(hops byte) []byte {
	h.s.t.Helper()
	all := addr("ff02::2")
	b, err := ndp.MarshalMessageChecksum(&ndp.RouterSolicitation{}, h.linkLocal(), all)
	if err != nil {
		h.s.t.Fatal(err)
	}
	p := make([]byte, 40, 40+len(b))
	p[0], p[5], p[6], p[7] = 6<<4, byte(len(b)), 58, hops
	copy(p[8:], h.linkLocal().AsSlice())
	copy(p[24:], all.AsSlice())
	return append(p, b...)
}

// RFC 4861 section 6.2: at the beginning, on request, and when something changes.
func TestRouterIsAdvertised(t *testing.T) {
	s := newSegment(t, func(c *concentrator.Config) { c.Advertise, c.RouterLifetime = true, 30*time.Minute })
	h := s.host(user6).up()
	if got := h.advertised(); len(got) != 1 || got[0].RouterLifetime != 30*time.Minute {
		t.Errorf("when IPv6 came up: %+v", got)
	}
	h.send(h.solicitation(255))
	if got := h.advertised(); len(got) != 1 {
		t.Errorf("on a solicitation: %+v", got)
	}
	h.send(h.solicitation(64))
	if got := h.advertised(); len(got) != 0 {
		t.Errorf("on one from off the link: %+v", got)
	}
}

func TestRouterThatAdvertisesNothingSaysNothing(t *testing.T) {
	h := newSegment(t, nil).host(user6).up()
	h.send(h.solicitation(255))
	if got := h.advertised(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
