package line

import (
	"golang.org/x/net/bpf"

	"pppoectl/pppoe"
)

// Offsets in an untagged Ethernet frame with a PPPoE session header.
const (
	offPPPoECode   = 15
	offPPPProtocol = 20
)

// maxFrame is the largest frame that a filter lets through, in octets: an
// Ethernet header and 1500 octets of payload, and room for RFC 4638.
const maxFrame = 2048

// discoveryFilter admits untagged discovery frames for us. A frame
// with a VLAN tag belongs to that VLAN's device, not to ours.
func discoveryFilter() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 1, SkipTrue: 3},
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: packetHost, SkipFalse: 1},
		bpf.RetConstant{Val: maxFrame},
		bpf.RetConstant{Val: 0},
	}
}

// controlFilter admits untagged PPPoE session frames whose PPP protocol is
// 0x8000 or more: control, not data. Data is dataplane's.
func controlFilter() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 1, SkipTrue: 7},
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: packetHost, SkipFalse: 5},
		bpf.LoadAbsolute{Off: offPPPoECode, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(pppoe.SessionData), SkipFalse: 3},
		bpf.LoadAbsolute{Off: offPPPProtocol, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: 0x8000, SkipFalse: 1},
		bpf.RetConstant{Val: maxFrame},
		bpf.RetConstant{Val: 0},
	}
}

// packetHost is Linux's PACKET_HOST: for us. Not our own frames, nor others', nor
// those of a VLAN that has no device here, which Linux marks as others'.
const packetHost = 0
