package lcp_test

import (
	"fmt"
	"time"

	"pppoectl/lcp"
	"pppoectl/ppp"
)

// A peer that demands EAP is asked to demand PAP instead.
func ExampleLink() {
	link := lcp.New(lcp.Config{MRU: 1454, Allowed: []lcp.Auth{lcp.AuthPAP}}, lcp.EchoConfig{Interval: 10 * time.Second}, rng(1))
	now := time.Hour // since boot
	link.Up(now)
	demand := ppp.Option{Type: 3, Data: []byte{0xc2, 0x27}}
	out := link.Receive(now, ppp.Packet{Code: ppp.ConfigureRequest, ID: 1, Data: demand.AppendTo(nil)})
	for _, p := range out.Packets {
		fmt.Printf("%v %x\n", p.Code, p.Data)
	}
	// Output: Configure-Nak 0304c023
}
