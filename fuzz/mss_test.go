package fuzz_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"pppoectl/dataplane"
)

// tcpChecksum is right if it is 0; at is where TCP begins.
func tcpChecksum(b []byte, at int) uint16 {
	addresses := b[12:20]
	if b[0]>>4 == 6 {
		addresses = b[8:40]
	}
	sum := uint64(6) + uint64(len(b)-at)
	for _, part := range [][]byte{addresses, b[at:]} {
		for i, c := range part {
			sum += uint64(c) << (8 * (1 - i%2))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// FuzzClampMSS: a packet never grows; at most two octets of MSS, which becomes
// less, and the checksum change; and a checksum that was right stays so.
func FuzzClampMSS(f *testing.F) {
	for _, s := range []string{
		"4500002c000740004006000" + "0cb007107c6336401" + "9c4001bb000000010000000060" + "02faf000000000020405b4",
		"6000000000180640" + "20010db8000000000000000000000007" + "20010db8000000000000000000000001" + "9c4001bb00000001000000006002faf000000000020405b4",
		"4500002c0007400040060000cb007107c63364019c4001bb000000010000000060" + "02faf00000000002000000",
		"4f00002c0007400040060000cb007107c63364019c4001bb0000000100000000f002faf000000000020405b4",
	} {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 1454)
		f.Add(b, 1280)
	}
	f.Fuzz(func(t *testing.T, b []byte, mtu int) {
		at := 0 // of TCP
		switch {
		case len(b) >= 40 && b[0]>>4 == 6:
			at = 40
		case len(b) >= 20 && b[0]>>4 == 4:
			at = int(b[0]&15) * 4
		}
		right := false
		if at >= 20 && len(b) >= at+20 { // half of the time the checksum is right
			if len(b)%2 == 0 {
				b[at+16], b[at+17] = 0, 0
				binary.BigEndian.PutUint16(b[at+16:], tcpChecksum(b, at))
			}
			right = tcpChecksum(b, at) == 0
		}
		was := bytes.Clone(b)
		changed := dataplane.ClampMSS(b, mtu)
		if len(b) != len(was) || changed == bytes.Equal(b, was) {
			t.Fatalf("changed %v:\n%x\n%x", changed, was, b)
		}
		if !changed {
			return
		}
		first, last := -1, -1
		for i := range b {
			if b[i] != was[i] && (i < at+16 || i > at+17) {
				if first < 0 {
					first = i
				}
				last = i
			}
		}
		if first < at+20 || last > first+1 || last >= at+int(b[at+12]>>4)*4 {
			t.Fatalf("octets %d to %d changed:\n%x\n%x", first, last, was, b)
		}
		if right && tcpChecksum(b, at) != 0 {
			t.Fatalf("checksum off by %04x:\n%x\n%x", tcpChecksum(b, at), was, b)
		}
		if dataplane.ClampMSS(b, mtu) {
			t.Fatal("lowered twice")
		}
	})
}
