package dataplane

import (
	"encoding/binary"

	"golang.org/x/net/bpf"

	"pppoectl/ppp"
)

// dataFilter admits only IP of this session, from its AC to us, untagged.
func dataFilter(s Session) []bpf.Instruction {
	const reject = 16 // index of the last instruction
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		jumpUnless(0, 1, reject),
		bpf.LoadAbsolute{Off: 0, Size: 4}, // destination
		jumpUnless(binary.BigEndian.Uint32(s.MAC[:]), 3, reject),
		bpf.LoadAbsolute{Off: 4, Size: 4}, // its end, and the begin of the source
		jumpUnless(uint32(s.MAC[4])<<24|uint32(s.MAC[5])<<16|uint32(s.AC[0])<<8|uint32(s.AC[1]), 5, reject),
		bpf.LoadAbsolute{Off: 8, Size: 4},
		jumpUnless(binary.BigEndian.Uint32(s.AC[2:]), 7, reject),
		bpf.LoadAbsolute{Off: 14, Size: 4}, // version, type, code, session
		jumpUnless(0x1100<<16|uint32(s.ID), 9, reject),
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: packetHost, SkipFalse: reject - 12},
		bpf.LoadAbsolute{Off: 20, Size: 2}, // PPP protocol
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(ppp.IPv4), SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(ppp.IPv6), SkipFalse: 1},
		bpf.RetConstant{Val: maxFrame},
		bpf.RetConstant{Val: 0},
	}
	return program
}

// packetHost is Linux's PACKET_HOST: for us. Not our own frames, nor those of a VLAN that
// has no device here, which Linux marks as others'.
const packetHost = 0

// jumpUnless, as instruction number at, goes to reject unless the value is val.
func jumpUnless(val uint32, at, reject int) bpf.JumpIf {
	return bpf.JumpIf{Cond: bpf.JumpEqual, Val: val, SkipFalse: uint8(reject - at - 1)}
}
