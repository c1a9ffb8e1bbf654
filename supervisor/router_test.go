package supervisor_test

import (
	"net/netip"
	"testing"
	"time"

	"pppoectl/concentrator"
	"pppoectl/control"
	"pppoectl/linklocal"
	"pppoectl/pppoe"
)

var theRouter = netip.MustParseAddr("fe80::21e:13ff:fec2:69c2")

// Most concentrators advertise nothing: the default route is there all the same,
// and they are asked three times (RFC 4861 section 6.3.7).
func TestSilentRouterIsARouter(t *testing.T) {
	inWorldOf(t, delegating(), func(w *world) {
		w.pass(time.Minute)
		w.expect("bizf6", control.Up)
		if w.solicited != 3 || w.system("bizf6 route ::/0 metric 100") == "" {
			t.Errorf("%d solicitations; system:\n%s", w.solicited, w.show())
		}
	})
}

// One that says that it is no router is believed, until it says something else or
// another session begins.
func TestRouterThatIsNoneHasNoDefaultRoute(t *testing.T) {
	inWorldOf(t, delegating(), func(w *world) {
		w.pass(100 * time.Millisecond)
		say := func(lifetime time.Duration) {
			w.routers[len(w.routers)-1].found <- linklocal.Router{Address: theRouter, Lifetime: lifetime}
			w.pass(100 * time.Millisecond)
		}
		routes := func(want string) {
			t.Helper()
			if got := w.system("bizf6 route ::/0"); got != want {
				t.Errorf("routes:\n%s\nwant\n%s", got, want)
			}
		}
		const both = "bizf6 route ::/0 metric 100\nbizf6 route ::/0 metric 100 table 25601"
		say(30 * time.Minute)
		routes(both)
		if w.solicited != 1 {
			t.Errorf("%d solicitations although it has answered", w.solicited)
		}
		say(0)
		routes("bizf6 route ::/0 metric 10100")
		w.expect("bizf6", control.Up)
		say(30 * time.Minute)
		routes(both)
		say(0)
		w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame {
			ac.Forget()
			return nil
		})
		w.pass(2 * time.Minute)
		routes(both)
		open := 0
		for _, r := range w.routers {
			if !r.closed {
				open++
			}
		}
		if open != 1 {
			t.Errorf("%d sockets are open", open)
		}
	})
}
