package fuzz_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"pppoectl/conformance"
	"pppoectl/pppoe"
)

// FuzzCases reads what people may write for ppptest: no panic.
func FuzzCases(f *testing.F) {
	f.Add("rfc 1661\ncase echo 5.8\nat link\n> lcp echo-request 9 data=$magic,0a*3\n< lcp echo-reply 9 | padt within=3s")
	f.Add("rfc 2516\ncase c A\npeer ac\nhostile\n> @length=+3 padi usual host-uniq=\"a b\"\nquiet 2s pado !host-uniq ...")
	f.Fuzz(func(t *testing.T, text string) { conformance.Parse("x", text) })
}

// FuzzTrial is a peer of ppptest's that says anything: no trial panics, each has
// an end, and what it sends goes to that peer.
func FuzzTrial(f *testing.F) {
	cases, err := conformance.Cases()
	if err != nil {
		f.Fatal(err)
	}
	recorded(f, func(frame []byte) { f.Add(uint16(0), true, frame) })
	recorded(f, func(frame []byte) { f.Add(uint16(77), false, frame) })
	tester := pppoe.MAC{2, 0, 0, 0, 0, 7}
	f.Fuzz(func(t *testing.T, which uint16, client bool, b []byte) {
		c := cases[int(which)%len(cases)]
		o := conformance.Options{Peer: conformance.AC, MAC: tester, Families: []string{"ipv4", "ipv6"}, Delegation: true, Username: "u", Password: "p"}
		if client {
			o.Peer = conformance.Client
		}
		if !c.Asks(o.Peer) {
			t.Skip()
		}
		trial := conformance.New(&c, o.Complete(), rand.New(rand.NewPCG(1, 2)))
		var now time.Duration
		for n := 0; trial.Result() == nil; n++ {
			if n > 100000 {
				t.Fatalf("%s has no end", c.Name)
			}
			// Frames of the peer: an octet for the kind, one for the length, the payload.
			var frame *pppoe.Frame
			if len(b) > 2 {
				size := min(int(b[1]), len(b)-2)
				frame = &pppoe.Frame{Dst: tester, Src: ac, EtherType: pppoe.EtherTypeDiscovery, Payload: b[2 : 2+size]}
				if b[0]&1 == 1 {
					frame.EtherType = pppoe.EtherTypeSession
				}
				b = b[2+size:]
			}
			out, next := trial.Step(now, frame)
			for _, f := range out {
				if f.Dst == tester || len(f.Payload) > 1600 {
					t.Fatalf("%s sends %d octets to %v", c.Name, len(f.Payload), f.Dst)
				}
			}
			if trial.Result() == nil && next <= now {
				t.Fatalf("%s: deadline %v at %v", c.Name, next, now)
			}
			if frame == nil {
				now = next
			}
		}
	})
}
