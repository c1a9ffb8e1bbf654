package fuzz_test

import (
	"encoding/binary"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// field is a length field of a packet: where it stands, and of how many octets.
type field struct{ at, octets int }

// lengths finds the length fields of a PPPoE packet that is right: its own, its
// tags', or its control packet's, with those of options and of what PAP and CHAP
// count.
func lengths(b []byte, discovery bool) []field {
	if len(b) < pppoe.HeaderLen {
		return nil
	}
	list := []field{{4, 2}}
	if discovery {
		for at := pppoe.HeaderLen; at+4 <= len(b); at += 4 + int(binary.BigEndian.Uint16(b[at+2:])) {
			list = append(list, field{at + 2, 2})
		}
		return list
	}
	const packet = pppoe.HeaderLen + 2 // where the control packet begins
	const data = packet + ppp.HeaderLen
	if len(b) < data {
		return list
	}
	list = append(list, field{packet + 2, 2})
	switch ppp.Protocol(binary.BigEndian.Uint16(b[pppoe.HeaderLen:])) {
	case ppp.PAP, ppp.CHAP:
		for at := data; at < len(b) && len(list) < 4; at += 1 + int(b[at]) {
			list = append(list, field{at, 1})
		}
	default:
		for at := data; at+2 <= len(b) && len(list) < 12; at += max(2, int(b[at+1])) {
			list = append(list, field{at + 1, 1})
		}
	}
	return list
}

// stretch changes a length field of a packet: which says the field, by how much it
// grows, 128 and more meaning that it shrinks.
func stretch(b []byte, discovery bool, which, by byte) {
	list := lengths(b, discovery)
	if len(list) == 0 {
		return
	}
	f := list[int(which)%len(list)]
	if f.octets == 1 {
		b[f.at] += by
		return
	}
	n := binary.BigEndian.Uint16(b[f.at:]) + uint16(int8(by))
	if by == 127 {
		n = 0xffff
	}
	binary.BigEndian.PutUint16(b[f.at:], n)
}
