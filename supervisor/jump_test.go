package supervisor_test

import (
	"testing"
	"time"

	"pppoectl/clock"
	"pppoectl/concentrator"
	"pppoectl/control"
	"pppoectl/pppoe"
)

// A machine that wakes up asks for its sessions at once, whatever Go's timers say.
func TestMachineThatWasAsleep(t *testing.T) {
	inWorldOf(t, delegating(), func(w *world) {
		w.pass(5 * time.Second)
		ids := w.ids()
		w.sleep(30 * time.Second) // the AC has not noticed
		w.pass(3 * time.Second)
		w.expect("bizf", control.Up)
		if w.ids() != ids {
			t.Errorf("%x became %x", ids, w.ids())
		}
		w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame { ac.Forget(); return nil })
		w.sleep(8 * time.Hour) // longer than the lease
		w.pass(10 * time.Second)
		w.expect("bizf", control.Up)
		w.expect("bizf6", control.Up)
		w.expectEvent("", "asleep", "asleep for 8h0m0s")
		if d := w.uplink("bizf").LastDrop; d == nil || d.AfterSeconds < 8*3600 {
			t.Errorf("last drop %+v", d)
		}
	})
}

// A lease runs out while the machine sleeps: the LAN's address is gone when it wakes up.
func TestLeaseThatRanOutInSleep(t *testing.T) {
	inWorldOf(t, delegating(), func(w *world) {
		w.pass(5 * time.Second)
		if w.system("eth0 address") == "" {
			t.Fatal(w.show())
		}
		w.loseFrames(true)
		w.sleep(8 * time.Hour)
		if gone := w.system("eth0 address"); gone != "" {
			t.Errorf("still there: %s", gone)
		}
	})
}

// Somebody sets the clock: nothing happens but that it is told, and what is on disk is
// right again.
func TestClockThatIsSet(t *testing.T) {
	inWorldOf(t, delegating(), func(w *world) {
		w.pass(5 * time.Second)
		ids, system, padis := w.ids(), w.show(), w.count(pppoe.PADI)
		for _, by := range []time.Duration{56 * 365 * 24 * time.Hour, -3 * time.Hour} {
			w.jumps <- clock.Jump{Set: by}
			w.pass(time.Minute)
		}
		w.expectEvent("", "clock", "set back by 3h0m0s")
		w.expect("bizf", control.Up)
		if w.ids() != ids || w.show() != system || w.count(pppoe.PADI) != padis {
			t.Errorf("%x became %x, and\n%s\nbecame\n%s", ids, w.ids(), system, w.show())
		}
	})
}
