package ipv6cp_test

import (
	"fmt"

	"pppoectl/ipv6cp"
)

func ExampleParse() {
	id, err := ipv6cp.Parse("fd61:ff9b:eb97:1f93")
	fmt.Println(id.LinkLocal(), err)
	// Output: fe80::fd61:ff9b:eb97:1f93 <nil>
}

// A host that wants the identifier that the peer has is told another.
func ExamplePolicy() {
	same := ipv6cp.FromMAC([6]byte{2, 0, 0, 0, 0, 1})
	host, ac := ipv6cp.NewPolicy(same, rng(1)), ipv6cp.NewPolicy(same, rng(2))
	host.Reset()
	ac.Reset()
	code, options, _ := ac.Judge(host.Request(), true)
	fmt.Println(code)
	if err := host.Refused(code, options); err != nil {
		fmt.Println(err)
	}
	code, _, _ = ac.Judge(host.Request(), true)
	fmt.Println(code)
	// Output:
	// Configure-Nak
	// Configure-Ack
}
