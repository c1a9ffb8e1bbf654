package flets_test

import (
	"testing"
	"time"

	"pppoectl/concentrator"
	"pppoectl/flets"
	"pppoectl/pppoe"
)

// receive hands a frame to the line: all tests take the express for every other one, as far
// as it goes.
func (b *box) receive(f pppoe.Frame) {
	b.t.Helper()
	if b.express = !b.express; b.express {
		if packet := b.l.Forward(b.now, f); packet != nil {
			b.packets = append(b.packets, packet)
			return
		}
	}
	b.take(b.l.Receive(b.now, f))
}

// carry hands a packet to the line in the same way.
func (b *box) carry(packet []byte) {
	b.t.Helper()
	if b.express = !b.express; b.express {
		frame := append(make([]byte, concentrator.HeadLen), packet...)
		if b.l.Deliver(b.now, frame) {
			f, err := pppoe.ParseFrame(frame)
			if err != nil {
				b.t.Fatal(err)
			}
			b.take(flets.Output{Frames: []pppoe.Frame{f}, Deadline: b.next})
			return
		}
	}
	b.take(b.l.Carry(b.now, packet))
}

// passes reports whether data takes the express, which must be the same either way.
func (h *host) passes() bool {
	h.b.t.Helper()
	up := h.b.l.Forward(h.b.now, h.data(ip4(host4, out4, 8))) != nil
	down := h.b.l.Deliver(h.b.now, append(make([]byte, concentrator.HeadLen), ip4(out4, host4, 8)...))
	if up != down {
		h.b.t.Errorf("up %v, down %v", up, down)
	}
	return up
}

func TestNoExpressPastAFault(t *testing.T) {
	for command, past := range map[string]bool{
		"silence 10s": false, "delay 10ms 10s": false, "lose 0% 10s": false, "duplicate 1% 10s": false, "reorder 1% 10s": false,
		"slow 300ms 10s": true, // which is none of data's
	} {
		b := newBox(t, nil)
		h := b.host(user4).up()
		if !h.passes() {
			t.Fatal("there is no express")
		}
		b.do(command)
		if got := h.passes(); got != past {
			t.Errorf("%s: the express goes: %v", command, got)
		}
		b.run(10 * time.Second)
		if !h.passes() {
			t.Errorf("%s: the express does not go again", command)
		}
	}
	for _, command := range []string{"restart 10s", "off BAS-TOKYO", "drop"} {
		b := newBox(t, nil)
		h := b.host(user4).up()
		b.do(command)
		if h.passes() {
			t.Errorf("%s: there is no such session any more", command)
		}
	}
}

// What is due comes before the next frame, even if the timer is late.
func TestNoExpressPastWhatIsDue(t *testing.T) {
	c, err := flets.ParseCommand("drop " + user4)
	if err != nil {
		t.Fatal(err)
	}
	b := newBox(t, func(cfg *flets.Config) { cfg.Scenario = []flets.Act{{At: 30 * time.Second, Do: c}} })
	h := b.host(user4).up()
	if !h.passes() {
		t.Fatal("there is no express")
	}
	b.now += 30 * time.Second // and no tick
	if h.passes() {
		t.Error("data of a session that is due to be dropped passes")
	}
	before := len(b.packets)
	b.receive(h.data(ip4(host4, out4, 8)))
	if len(b.packets) != before {
		t.Error("and by the other way, too")
	}
}

func BenchmarkLine(b *testing.B) {
	x := newBox(b, nil)
	h := x.host(user4).up()
	up, down := h.data(ip4(host4, out4, 200)), ip4(out4, host4, 200)
	frame := append(make([]byte, concentrator.HeadLen), down...)
	for _, c := range []struct {
		name string
		do   func() bool
	}{
		{"up/Forward", func() bool { return x.l.Forward(x.now, up) != nil }},
		{"up/Receive", func() bool { return len(x.l.Receive(x.now, up).Packets) == 1 }},
		{"down/Deliver", func() bool { return x.l.Deliver(x.now, frame) }},
		{"down/Carry", func() bool { return len(x.l.Carry(x.now, down).Frames) == 1 }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !c.do() {
					b.Fatal("it does not pass")
				}
			}
		})
	}
}
