package main

import (
	"testing"

	"pppoectl/conformance"
	"pppoectl/pppoe"
)

// The first peer that is heard is the only one: hostile frames go to the station of the warning.
func TestFirstPeerIsTheOnlyOne(t *testing.T) {
	ours, first, second := pppoe.MAC{2, 0, 0, 0, 0, 1}, pppoe.MAC{2, 0, 0, 0, 0, 2}, pppoe.MAC{2, 0, 0, 0, 0, 3}
	p := &player{o: conformance.Options{Peer: conformance.Client, MAC: ours}.Complete()}
	asks := func(who pppoe.MAC) (answered pppoe.MAC) {
		t.Helper()
		trial := p.trial(&waits(t)[0])
		trial.Step(1, nil)
		out, _ := trial.Step(2, &pppoe.Frame{Dst: pppoe.Broadcast, Src: who, EtherType: pppoe.EtherTypeDiscovery,
			Payload: pppoe.Packet{Code: pppoe.PADI, Payload: []byte{1, 1, 0, 0}}.AppendTo(nil)})
		p.meet(trial)
		if len(out) > 0 {
			answered = out[0].Dst
		}
		return answered
	}
	for _, c := range []struct{ who, answered pppoe.MAC }{{first, first}, {second, pppoe.MAC{}}, {first, first}} {
		if got := asks(c.who); got != c.answered || p.report.Peer != first {
			t.Errorf("a PADI of %v: a PADO for %v, want %v; the peer is %v", c.who, got, c.answered, p.report.Peer)
		}
	}
}

// What is random in a case is the same with the same seed, whatever is played before.
func TestSeedChoosesTheSame(t *testing.T) {
	padi := func(seed uint64, name string) string {
		p := &player{seed: seed, o: conformance.Options{Peer: conformance.AC, MAC: pppoe.MAC{2, 0, 0, 0, 0, 1}}.Complete()}
		c := waits(t)[0]
		c.Name = name
		out, _ := p.trial(&c).Step(1, nil)
		if len(out) != 1 {
			t.Fatalf("%d frames", len(out))
		}
		return string(out[0].Payload) // with a Host-Uniq by chance
	}
	same := padi(7, "1661/a")
	if padi(7, "1661/a") != same {
		t.Error("the same seed has chosen another Host-Uniq")
	}
	if padi(8, "1661/a") == same || padi(7, "1661/b") == same {
		t.Error("another seed or another case has the same Host-Uniq")
	}
}
