package ipcp_test

import (
	"fmt"
	"net/netip"

	"pppoectl/ipcp"
	"pppoectl/ppp"
)

// A host asks for an address; the access concentrator names it in a Nak.
func ExamplePolicy() {
	host := ipcp.NewPolicy(ipcp.Config{})
	ac := ipcp.NewPolicy(ipcp.Config{Assign: netip.MustParseAddr("203.0.113.7")})
	host.Reset()
	for {
		request := host.Request()
		code, options, err := ac.Judge(request, true)
		fmt.Printf("%x: %v %x\n", request, code, options)
		if code == ppp.ConfigureAck || err != nil {
			break
		}
		if err := host.Refused(code, options); err != nil {
			fmt.Println(err)
			break
		}
	}
	fmt.Println(host.Snapshot().Local)
	// Output:
	// [{3 00000000}]: Configure-Nak [{3 cb007107}]
	// [{3 cb007107}]: Configure-Ack [{3 cb007107}]
	// 203.0.113.7
}
