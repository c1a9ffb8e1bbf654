package pppoe_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"pppoectl/pppoe"
)

// A discovery in two steps; the AC's frames are written by hand.
func ExampleDiscovery() {
	host, ac := pppoe.MAC{2, 0, 0, 0, 0, 1}, pppoe.MAC{0, 0x1e, 0x13, 0xc2, 0x69, 0xc2}
	d := pppoe.NewDiscovery(host, pppoe.Want{}, rand.New(rand.NewPCG(1, 2)))
	now := time.Hour // since boot
	d.Start(now)     // the PADI

	reply := func(code pppoe.Code, session uint16, tags ...pppoe.Tag) pppoe.DiscoveryOutput {
		tags = append(tags, pppoe.Tag{Type: pppoe.HostUniq, Value: d.HostUniq()})
		p := pppoe.Packet{Code: code, SessionID: session, Payload: pppoe.Tags(tags).AppendTo(nil)}
		return d.Receive(now, pppoe.Frame{Dst: host, Src: ac, EtherType: pppoe.EtherTypeDiscovery, Payload: p.AppendTo(nil)})
	}
	out := reply(pppoe.PADO, 0, pppoe.Tag{Type: pppoe.ACName, Value: []byte("BAS-TOKYO")}, pppoe.Tag{Type: pppoe.ServiceName})
	fmt.Println(out.Frames[0].Dst, "gets a PADR")
	reply(pppoe.PADS, 0x18fa)

	offer, session := d.Peer()
	fmt.Printf("session 0x%04x at %q\n", session, offer.Name)
	// Output:
	// 00:1e:13:c2:69:c2 gets a PADR
	// session 0x18fa at "BAS-TOKYO"
}

func ExampleNewPADT() {
	f := pppoe.NewPADT(pppoe.MAC{2, 0, 0, 0, 0, 1}, pppoe.MAC{2, 0, 0, 0, 0, 2}, 0x18fa, "bye")
	fmt.Printf("%x\n", f.AppendTo(nil))
	// Output: 020000000002020000000001886311a718fa000702030003627965
}
