package auth_test

import (
	"testing"
	"time"

	"pppoectl/auth"
)

// A whole authentication, both ends.
func BenchmarkPAP(b *testing.B) {
	check := func(name, password string) auth.Verdict {
		return auth.Verdict{OK: name == "user@bizf.example.jp" && password == "secret4", Text: "Login ok"}
	}
	b.ReportAllocs()
	for b.Loop() {
		ac, host := auth.NewPAPServer(check), auth.NewPAPClient("user@bizf.example.jp", "secret4")
		ac.Start(time.Hour)
		request := host.Start(time.Hour).Packets[0]
		verdict, _ := ac.Receive(time.Hour, request)
		if !host.Receive(time.Hour, verdict.Packets[0]).Done {
			b.Fatal("rejected")
		}
	}
}

func BenchmarkCHAP(b *testing.B) {
	check := func(name string, valid func(secret string) bool) auth.Verdict {
		return auth.Verdict{OK: name == "user@bizf.example.jp" && valid("secret4"), Text: "Login ok"}
	}
	r := rng()
	b.ReportAllocs()
	for b.Loop() {
		ac, host := auth.NewCHAPServer("BAS-TOKYO", check, r), auth.NewCHAPClient("user@bizf.example.jp", "secret4")
		host.Start(time.Hour)
		challenge := ac.Start(time.Hour).Packets[0]
		response := host.Receive(time.Hour, challenge).Packets[0]
		verdict, _ := ac.Receive(time.Hour, response)
		if !host.Receive(time.Hour, verdict.Packets[0]).Done {
			b.Fatal("rejected")
		}
	}
}
