package auth_test

import (
	"errors"
	"fmt"
	"time"

	"pppoectl/auth"
	"pppoectl/ppp"
)

func ExamplePAPClient() {
	c := auth.NewPAPClient("user@bizf.example.jp", "wrong")
	now := time.Hour // since boot
	request := c.Start(now).Packets[0]
	fmt.Printf("%q\n", request.Data)

	out := c.Receive(now, ppp.Packet{Code: 3, ID: request.ID, Data: []byte("\x0flogin incorrect")})
	fmt.Println(errors.Is(out.Err, auth.ErrRejected), out.Err)
	// Output:
	// "\x14user@bizf.example.jp\x05wrong"
	// true authentication rejected: "login incorrect" (PAP)
}

// Both ends, back to back.
func ExampleCHAPClient() {
	now := time.Hour // since boot
	ac := auth.NewCHAPServer("BAS-TOKYO", func(name string, valid func(secret string) bool) auth.Verdict {
		return auth.Verdict{OK: name == "taro" && valid("secret"), Text: "welcome"}
	}, rng())
	host := auth.NewCHAPClient("taro", "secret")
	host.Start(now)
	challenge := ac.Start(now).Packets[0]
	response := host.Receive(now, challenge).Packets[0]
	out, _ := ac.Receive(now, response)
	fmt.Println(host.Receive(now, out.Packets[0]).Text)
	// Output: welcome
}
