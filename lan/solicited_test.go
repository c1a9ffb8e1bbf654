package lan_test

import (
	"fmt"
	"testing"
	"time"

	"pppoectl/lan"
)

// RFC 4861 section 6.2.6: within half a second, to the asker alone.
func TestSolicitationIsAnsweredToWhoAsked(t *testing.T) {
	delays := map[time.Duration]bool{}
	for seed := range uint64(200) {
		r := newRouter(t, seed)
		r.configure(usual())
		r.pass(100 * time.Second)
		r.forget()
		asked := r.now
		r.ask("fe80::77")
		r.pass(500 * time.Millisecond)
		if len(r.told) != 1 || r.told[0].to.String() != "fe80::77" {
			t.Fatalf("seed %d: %+v", seed, r.told)
		}
		m := r.told[0]
		if m.at-asked >= 500*time.Millisecond {
			t.Errorf("seed %d: answered after %v", seed, m.at-asked)
		}
		delays[m.at-asked] = true
		if p := m.prefix(prefixA); p == nil || p.PreferredLifetime == 0 || m.ra.RouterLifetime == 0 {
			t.Errorf("seed %d: the answer is %+v", seed, m.ra)
		}
	}
	if len(delays) < 100 {
		t.Errorf("only %d different delays of 200: hosts that ask together are answered together", len(delays))
	}
}

// A host that asks three times, as all do, gets one answer for what comes while it
// waits, and another one later.
func TestSameHostIsAnsweredOnceAtATime(t *testing.T) {
	r := newRouter(t, 3)
	r.configure(usual())
	r.pass(100 * time.Second)
	r.forget()
	for range 10 {
		r.ask("fe80::77")
	}
	r.pass(time.Second)
	if len(r.told) > 2 { // the first may have been answered without a delay
		t.Errorf("%d answers", len(r.told))
	}
	r.forget()
	r.ask("fe80::77")
	r.pass(time.Second)
	if len(r.told) != 1 {
		t.Errorf("%d answers to a later question", len(r.told))
	}
}

// A host without an address yet, or with one from elsewhere, is answered to all.
func TestHostsThatCannotBeAddressedAreAnsweredToAll(t *testing.T) {
	for _, from := range []string{"::", "2001:db8:100:1::77", "ff02::1"} {
		t.Run(from, func(t *testing.T) {
			r := newRouter(t, 4)
			r.configure(usual())
			r.pass(100 * time.Second)
			r.forget()
			asked := r.now
			r.ask(from)
			r.pass(500 * time.Millisecond)
			if len(r.told) != 1 || r.told[0].to != allNodes || r.told[0].at-asked >= 500*time.Millisecond {
				t.Errorf("%+v", r.told)
			}
		})
	}
}

// Those that ask right after one to all wait until the next may be sent.
func TestAnswersToAllKeepTheirDistance(t *testing.T) {
	for seed := range uint64(50) {
		r := newRouter(t, seed)
		r.configure(usual())
		for range 400 {
			r.pass(25 * time.Millisecond)
			r.ask("::")
		}
		for i := 1; i < len(r.told); i++ {
			if gap := r.told[i].at - r.told[i-1].at; gap < 3*time.Second || gap > 4*time.Second {
				t.Fatalf("seed %d: number %d came %v after the one before it", seed, i+1, gap)
			}
		}
		if len(r.told) < 3 {
			t.Fatalf("seed %d: %d answers in ten seconds of asking", seed, len(r.told))
		}
	}
}

// After a power cut all hosts ask at once: a few are answered alone, the others
// together.
func TestManyHostsAreAnsweredTogether(t *testing.T) {
	r := newRouter(t, 5)
	r.configure(usual())
	r.pass(100 * time.Second)
	r.forget()
	for i := range 1000 {
		r.ask(fmt.Sprintf("fe80::1:%x", i+1))
	}
	r.pass(time.Second)
	toAll := 0
	for _, m := range r.told {
		if m.to == allNodes {
			toAll++
		}
	}
	if toAll != 1 || len(r.told) > 50 {
		t.Errorf("%d answers, %d of them to all", len(r.told), toAll)
	}
}

// Who floods gets bounded answers, and the rhythm of the others stays.
func TestFloodOfSolicitationsIsBounded(t *testing.T) {
	r := newRouter(t, 6)
	r.configure(usual())
	r.pass(100 * time.Second)
	r.forget()
	for i := range 60000 { // each millisecond for a minute, from ever new addresses
		r.ask(fmt.Sprintf("fe80::%x:%x", i>>16+1, i&0xffff+1))
		r.pass(time.Millisecond)
	}
	if n := len(r.told); n > 60*200 {
		t.Errorf("%d answers to 60000 questions in a minute", n)
	}
	r.forget()
	r.pass(2 * time.Hour)
	if n := len(r.told); n < 7200/600 || n > 7200/200+3 {
		t.Errorf("%d advertisements in the two hours after it", n)
	}
}

func TestIdleRouterSaysNothing(t *testing.T) {
	r := newRouter(t, 7)
	if !r.a.Idle() {
		t.Error("not idle without a configuration")
	}
	for _, ask := range []string{"fe80::77", "::"} {
		r.ask(ask)
	}
	r.step(lan.Input{Restart: true})
	r.pass(time.Hour)
	r.configure(lan.Config{MTU: 1454})
	r.ask("fe80::77")
	r.pass(time.Hour)
	if len(r.told) != 0 || r.deadline != 0 || !r.a.Idle() {
		t.Errorf("said %+v, idle %v, next at %v", r.told, r.a.Idle(), r.deadline)
	}
	r.configure(usual())
	if r.a.Idle() {
		t.Error("idle with a prefix")
	}
}
