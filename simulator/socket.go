package simulator

import (
	"errors"
	"net"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"

	"pppoectl/rawsocket"
)

// The largest frame and IP packet that are read, in octets: a kernel whose GRO knows
// PPPoE merges many frames into one.
const (
	maxFrame  = 1 << 16
	maxPacket = 1 << 16
)

// packetOutgoing is Linux's PACKET_OUTGOING: our own frames.
const packetOutgoing = 4

// receiveBuffer is how much a socket holds while we are busy, in octets: a
// thousand hosts that begin at the same moment.
const receiveBuffer = 16 << 20

// listen opens a socket for all untagged frames of an EtherType, whomever they
// are for: concentrators have Ethernet addresses of their own.
func listen(ifi net.Interface, etherType uint16) (*packet.Conn, error) {
	c, err := rawsocket.Listen(ifi, etherType, []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 1, SkipTrue: 3},
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: packetOutgoing, SkipTrue: 1},
		bpf.RetConstant{Val: maxFrame},
		bpf.RetConstant{Val: 0},
	}, receiveBuffer)
	if err != nil {
		return nil, err
	}
	if err := c.SetPromiscuous(true); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
