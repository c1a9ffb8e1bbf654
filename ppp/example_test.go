package ppp_test

import (
	"fmt"
	"time"

	"pppoectl/ppp"
)

// numbered asks for option 1 with the value 11 and takes whatever the peer asks.
type numbered struct{}

func (numbered) Reset()                               {}
func (numbered) Request() []ppp.Option                { return []ppp.Option{{Type: 1, Data: []byte{0x11}}} }
func (numbered) Refused(ppp.Code, []ppp.Option) error { return nil }

func (numbered) Judge(options []ppp.Option, _ bool) (ppp.Code, []ppp.Option, error) {
	return ppp.ConfigureAck, options, nil
}

// Two automata, joined back to back, open.
func ExampleAutomaton() {
	a, b := ppp.NewAutomaton(numbered{}), ppp.NewAutomaton(numbered{})
	now := time.Hour // since boot
	a.Open(now)
	b.Open(now)
	toB, toA := a.Up(now).Packets, b.Up(now).Packets
	for len(toA)+len(toB) > 0 {
		var fromA, fromB []ppp.Packet
		for _, p := range toB {
			fmt.Printf("a: %v %d %x\n", p.Code, p.ID, p.Data)
			fromB = append(fromB, b.Receive(now, p).Packets...)
		}
		for _, p := range toA {
			fmt.Printf("b: %v %d %x\n", p.Code, p.ID, p.Data)
			fromA = append(fromA, a.Receive(now, p).Packets...)
		}
		toB, toA = fromA, fromB
	}
	fmt.Println(a.State(), b.State())
	// Output:
	// a: Configure-Request 1 010311
	// b: Configure-Request 1 010311
	// a: Configure-Ack 1 010311
	// b: Configure-Ack 1 010311
	// Opened Opened
}

func ExampleParsePacket() {
	protocol, information, err := ppp.ParseFrame([]byte{0xc0, 0x21, 5, 2, 0, 7, 'b', 'y', 'e', 0, 0})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := ppp.ParsePacket(information)
	fmt.Printf("%v %v %d %q %v\n", protocol, p.Code, p.ID, p.Data, err)
	// Output: LCP Terminate-Request 2 "bye" <nil>
}
