package dhcpv6

import (
	"encoding/binary"
	"net"
	"time"

	wire "github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// LinkLayerDUID returns a DUID-LL of an Ethernet address (RFC 8415 section
// 11.4).
func LinkLayerDUID(mac net.HardwareAddr) []byte {
	return (&wire.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: mac}).ToBytes()
}

// epoch is when the time of a DUID-LLT begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// LinkLayerTimeDUID returns a DUID-LLT of an Ethernet address, made at a time
// (section 11.2). It is to be kept.
func LinkLayerTimeDUID(mac net.HardwareAddr, at time.Time) []byte {
	seconds := uint32(max(at.Sub(epoch), 0) / time.Second)
	return (&wire.DUIDLLT{HWType: iana.HWTypeEthernet, Time: seconds, LinkLayerAddr: mac}).ToBytes()
}

// asked are the options that we ask for (section 21.7).
var asked = []wire.OptionCode{
	wire.OptionDNSRecursiveNameServer, wire.OptionDomainSearchList, wire.OptionNTPServer,
	wire.OptionAFTRName, wire.OptionSolMaxRT,
}

// build makes the message of the exchange.
func (c *Client) build(now time.Duration) []byte {
	x := &c.exchange
	m := &wire.Message{MessageType: x.kind, TransactionID: x.xid}
	m.AddOption(&wire.OptionGeneric{OptionCode: wire.OptionClientID, OptionData: c.cfg.DUID})
	if x.server != nil {
		m.AddOption(&wire.OptionGeneric{OptionCode: wire.OptionServerID, OptionData: x.server})
	}
	if x.kind != wire.MessageTypeRelease {
		m.AddOption(wire.OptRequestedOption(asked...))
	}
	m.AddOption(wire.OptElapsedTime(min(now-x.began, maxElapsed)))
	if x.kind == wire.MessageTypeSolicit {
		m.AddOption(&wire.OptionGeneric{OptionCode: wire.OptionRapidCommit})
	}
	ia := &wire.OptIAPD{} // its times are the server's to say (section 21.21)
	binary.BigEndian.PutUint32(ia.IaId[:], c.cfg.IAID)
	for _, p := range x.prefixes {
		ia.Options.Add(&wire.OptIAPrefix{Prefix: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 128)}})
	}
	m.AddOption(ia)
	return m.ToBytes()
}

// maxElapsed is the longest time that an Elapsed Time option can tell (section
// 21.9).
const maxElapsed = 0xffff * 10 * time.Millisecond
