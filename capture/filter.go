package capture

import (
	"math"

	"golang.org/x/net/bpf"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// Offsets in an untagged Ethernet frame of a PPPoE session (RFC 2516 section 4).
const (
	offEtherType = 12
	offPPPoE     = 14
	offLength    = 18
	offProtocol  = 20
	headerLen    = 22 // octets before what PPP carries
)

// Linux's kinds of frames, as a filter sees them: for us, and from us.
const (
	packetHost     = 0
	packetOutgoing = 4
)

// control is the least PPP protocol number of control packets (RFC 1661 section 2).
const control = 0x8000

// lineFilter admits, untagged and to or from us, discovery and the control packets of all
// sessions, for whose session it is may not be known yet; and the data of one session, if
// its id is not 0. Of that, received frames are left out if they are looked for elsewhere.
func lineFilter(data uint16, sentOnly bool) []bpf.Instruction {
	p := []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtVLANTagPresent}}
	p = append(p, only(0)...)
	p = append(p, bpf.LoadExtension{Num: bpf.ExtType})
	p = append(p, only(packetHost, packetOutgoing)...)
	p = append(p, bpf.LoadAbsolute{Off: offEtherType, Size: 2})
	p = append(p, admitIf(bpf.JumpEqual, uint32(pppoe.EtherTypeDiscovery))...)
	p = append(p, only(uint32(pppoe.EtherTypeSession))...)
	p = append(p, bpf.LoadAbsolute{Off: offProtocol, Size: 2})
	p = append(p, admitIf(bpf.JumpGreaterOrEqual, control)...)
	if data == 0 {
		return append(p, reject)
	}
	p = append(p, only(uint32(ppp.IPv4), uint32(ppp.IPv6))...)
	p = append(p, bpf.LoadAbsolute{Off: offPPPoE, Size: 4}) // version, type, code, session
	p = append(p, only(0x1100<<16|uint32(data))...)
	if sentOnly {
		p = append(p, bpf.LoadExtension{Num: bpf.ExtType})
		p = append(p, only(packetOutgoing)...)
	}
	return append(p, admit)
}

// deviceFilter admits what a TUN device has received.
func deviceFilter() []bpf.Instruction {
	p := []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtType}}
	return append(append(p, only(packetHost)...), admit)
}

var (
	admit  = bpf.RetConstant{Val: math.MaxUint32} // whole
	reject = bpf.RetConstant{Val: 0}
)

// only goes on if the value is one of those, and else rejects.
func only(values ...uint32) []bpf.Instruction {
	var p []bpf.Instruction
	for i, v := range values {
		p = append(p, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: uint8(len(values) - i)})
	}
	return append(p, reject)
}

// admitIf admits if the value is so, and else goes on.
func admitIf(cond bpf.JumpTest, value uint32) []bpf.Instruction {
	return []bpf.Instruction{bpf.JumpIf{Cond: cond, Val: value, SkipFalse: 1}, admit}
}
