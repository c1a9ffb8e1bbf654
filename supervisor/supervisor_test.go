package supervisor_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/control"
	"pppoectl/line"
	"pppoectl/pppoe"
	"pppoectl/state"
)

const bothUp = `bizf address 203.0.113.7/32
bizf route 0.0.0.0/0 metric 100
bizf6 address fe80::`

func TestBothUplinksComeUpAndGoDownWithoutATrace(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		w.expect("bizf", control.Up)
		w.expect("bizf6", control.Up)
		if got := w.show(); !strings.HasPrefix(got, bothUp) || !strings.Contains(got, "bizf6 route ::/0 metric 100") {
			t.Errorf("system:\n%s", got)
		}
		if got := w.passing(); got != "1:ipv4 2:ipv6" && got != "1:ipv6 2:ipv4" {
			t.Errorf("passing %q", got)
		}
		w.sup.Release(cause.Released)
		w.store.Close()
		w.sup = nil
		if got := w.show(); got != "" || w.sessions() != 0 {
			t.Errorf("left over: %d sessions, system:\n%s", w.sessions(), got)
		}
	})
}

// flets.md: 5 s, 30 s, 2 min, 10 min, then each 30 min for a login that has
// worked before, each 60 min for one that never has; for ever.
func TestRejectedLoginIsTriedSlowlyAndForEver(t *testing.T) {
	for _, c := range []struct {
		name     string
		worked   bool
		attempts int // in a day: those of the first quarter of an hour, and the rest
	}{
		{"never worked", false, 5 + 21},
		{"has worked", true, 5 + 42},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.pass(time.Second)
				reject := func(text string) func(*concentrator.AC, time.Duration) []pppoe.Frame {
					return func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame {
						l := ac.Config().Subscribers.Logins["user@bizf.example.jp"]
						l.Reject = text
						ac.Config().Subscribers.Logins["user@bizf.example.jp"] = l
						return nil
					}
				}
				w.do(reject("login limit"))
				if err := w.sup.Down(background(), "bizf"); err != nil {
					t.Fatal(err)
				}
				if !c.worked {
					w.detach()
					if err := reopen(w, func(s *state.Store) error { return s.SaveUplink("bizf", state.Uplink{}) }); err != nil {
						t.Fatal(err)
					}
					w.start()
				}
				padi := w.count(pppoe.PADI)
				err := w.sup.Up(background(), "bizf", 30*time.Second)
				var e *cause.Error
				if !errors.As(err, &e) || e.Code != cause.AuthRejected || e.Code.Exit() != 19 {
					t.Fatalf("up: %v", err)
				}
				want := `bizf: authentication rejected by BAS-TOKYO: "login limit" (PAP)`
				if !strings.HasPrefix(e.Message, want) || !strings.Contains(e.Message, "next try in 5") {
					t.Errorf("message %q, want %q…; next try in 5s", e.Message, want)
				}
				if !c.worked {
					padi = w.count(pppoe.PADI) - 1
				}
				w.pass(24 * time.Hour)
				got := w.count(pppoe.PADI) - padi
				if got < c.attempts || got > c.attempts+3 {
					t.Errorf("%d attempts in a day, want about %d", got, c.attempts)
				}
				w.expect("bizf", control.Holdoff)
				w.expect("bizf6", control.Up)
				w.do(reject(""))
				w.pass(70 * time.Minute)
				w.expect("bizf", control.Up)
			})
		})
	}
}

func reopen(w *world, f func(*state.Store) error) error {
	s, err := state.Open(w.dir, "boot")
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.Close())
}

// A password that is wrong must not be tried more often because the daemon is
// started again and again.
func TestRejectionsAreCountedOverRestarts(t *testing.T) {
	inWorld(t, func(w *world) {
		w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame {
			ac.Config().Subscribers.Logins["user@bizf.example.jp"] = concentrator.Login{Password: "other"}
			ac.Forget()
			return nil
		})
		w.pass(time.Hour)
		n := w.uplink("bizf").Rejections
		padi := w.count(pppoe.PADI)
		for range 10 {
			w.detach()
			w.start()
			w.pass(10 * time.Second)
		}
		if got := w.uplink("bizf").Rejections; got < n {
			t.Errorf("%d rejections known, had %d", got, n)
		}
		if got := w.count(pppoe.PADI) - padi - 10; got > 2 { // bizf6 dials ten times
			t.Errorf("%d dials of a rejected login in ten restarts within 100 s", got)
		}
	})
}

func TestACThatLostTheSessionIsDialledAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(15 * time.Second)
		w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame { ac.Forget(); return nil })
		w.pass(18 * time.Second)
		u := w.uplink("bizf")
		if u.State != control.Up || u.LastDrop == nil || u.LastDrop.Cause != cause.EchoLost {
			t.Fatalf("%s, last drop %+v", u.State, u.LastDrop)
		}
		var dropped bool
		for _, e := range w.events("bizf") {
			dropped = dropped || e.Kind == "dropped" && e.Cause == cause.EchoLost && e.After > 0
		}
		if !dropped {
			t.Errorf("no event tells of the drop: %+v", w.events("bizf"))
		}
	})
}

func TestAddressOutlivesTheSessionAndRouteStepsBack(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame {
			ac.Config().Refuse = "maintenance"
			var out []pppoe.Frame
			for id := range ac.Sessions() {
				out = append(out, pppoe.NewPADT(acMAC, hostMAC, id, ""))
			}
			ac.Forget()
			return out
		})
		w.pass(20 * time.Second)
		w.expect("bizf", control.Holdoff)
		got := w.show()
		if !strings.Contains(got, "bizf address 203.0.113.7/32") || !strings.Contains(got, "bizf route 0.0.0.0/0 metric 10100") {
			t.Errorf("system:\n%s", got)
		}
		if w.passing() != "" {
			t.Errorf("passing %q without a session", w.passing())
		}
		u := w.uplink("bizf")
		if u.LastError.Code != cause.ACRefused || u.LastError.Text != "maintenance" || u.LastDrop.Cause != cause.PADT {
			t.Errorf("%+v, %+v", u.LastError, u.LastDrop)
		}
	})
}

func TestCarrierLossKeepsTheSession(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		id := w.uplink("bizf").SessionID
		padi := w.count(pppoe.PADI)
		w.link(func(s *line.Status) { s.Carrier = false })
		w.expect("bizf", control.Suspect)
		w.pass(20 * time.Second)
		w.link(func(s *line.Status) { s.Carrier = true })
		w.pass(3 * time.Second)
		w.expect("bizf", control.Up)
		if u := w.uplink("bizf"); u.SessionID != id || w.count(pppoe.PADI) != padi {
			t.Errorf("session %d, had %d; %d PADIs", u.SessionID, id, w.count(pppoe.PADI)-padi)
		}
	})
}

func TestCarrierIsAwaitedAndDialsAtOnce(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		w.link(func(s *line.Status) { s.Carrier = false })
		w.start()
		defer w.end()
		w.expect("bizf", control.WaitingCarrier)
		w.pass(time.Hour)
		w.link(func(s *line.Status) { s.Carrier = true })
		w.pass(150 * time.Millisecond) // one after the other
		w.expect("bizf", control.Up)
	})
}

func TestInterfaceRemovedAndMadeAgain(t *testing.T) {
	for _, c := range []struct {
		name string
		mac  pppoe.MAC
		same bool
	}{
		{"same address: the session goes on", hostMAC, true},
		{"another address: a new session, the old one released", pppoe.MAC{2, 0, 0, 0, 0, 9}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.pass(time.Second)
				id := w.uplink("bizf").SessionID
				w.link(func(s *line.Status) { *s = line.Status{} })
				w.expect("bizf", control.Suspect)
				w.pass(5 * time.Second)
				w.link(func(s *line.Status) {
					s.Exists, s.Up, s.Carrier = true, true, true
					s.Interface.Index, s.Interface.Name, s.Interface.HardwareAddr = 9, "eth1", c.mac[:]
				})
				w.pass(5 * time.Second)
				w.expect("bizf", control.Up)
				if same := w.uplink("bizf").SessionID == id; same != c.same {
					t.Errorf("session %d, had %d", w.uplink("bizf").SessionID, id)
				}
				if n := w.sessions(); n != 2 {
					t.Errorf("%d sessions at the AC", n)
				}
			})
		})
	}
}

func TestDownLastsOverRestarts(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		if err := w.sup.Down(background(), "bizf"); err != nil {
			t.Fatal(err)
		}
		w.expect("bizf", control.Disabled)
		if strings.Contains(w.show(), "bizf ") {
			t.Errorf("system:\n%s", w.show())
		}
		w.detach()
		w.start()
		w.pass(time.Minute)
		w.expect("bizf", control.Disabled)
		w.expect("bizf6", control.Up)
		if err := w.sup.Up(background(), "bizf", time.Minute); err != nil {
			t.Fatal(err)
		}
		w.expect("bizf", control.Up)
		if err := w.sup.Up(background(), "bizf", time.Minute); err != nil {
			t.Errorf("up twice: %v", err)
		}
	})
}

func TestWithoutADeviceNobodyLogsIn(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		w.refuse(errors.New("no TUN here"))
		w.start()
		defer w.end()
		w.pass(time.Second)
		w.expect("bizf", control.Failed)
		if w.count(pppoe.PADI) != 0 {
			t.Error("dialled without a device")
		}
		w.refuse(nil)
		w.pass(2 * time.Minute)
		w.expect("bizf", control.Up)
	})
}

func TestLineThatIsDownIsSetUpAndDownAgain(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		w.lineUp = false
		w.link(func(s *line.Status) { s.Up, s.Carrier = false, false })
		w.start()
		defer w.end()
		if got := w.show(); got != "eth1 up" {
			t.Fatalf("system:\n%s", got)
		}
		w.link(func(s *line.Status) { s.Up, s.Carrier = true, true })
		w.pass(time.Second)
		w.expect("bizf", control.Up)
		for _, name := range []string{"bizf", "bizf6"} {
			if !strings.Contains(w.show(), "eth1 up") {
				t.Errorf("set down while %s uses it", name)
			}
			if err := w.sup.Down(background(), name); err != nil {
				t.Fatal(err)
			}
		}
		w.link(func(s *line.Status) { s.Up, s.Carrier = false, false })
		if got := w.show(); got != "" {
			t.Errorf("left over:\n%s", got)
		}
	})
}

func TestReloadTouchesOnlyWhatDiffers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		id4, id6 := w.uplink("bizf").SessionID, w.uplink("bizf6").SessionID
		cfg := configuration()
		cfg.Uplinks[0].MTU = 1400
		w.sup.Reload(cfg)
		w.pass(5 * time.Second)
		w.expect("bizf", control.Up)
		if w.uplink("bizf6").SessionID != id6 || w.uplink("bizf").SessionID == id4 {
			t.Errorf("sessions %d and %d, had %d and %d", w.uplink("bizf").SessionID, w.uplink("bizf6").SessionID, id4, id6)
		}
		cfg = configuration()
		cfg.Uplinks = cfg.Uplinks[1:]
		w.sup.Reload(cfg)
		w.pass(time.Second)
		if _, err := w.sup.Uplink("bizf"); err == nil || w.sessions() != 1 || strings.Contains(w.show(), "bizf ") {
			t.Errorf("bizf is still there: %v, %d sessions", err, w.sessions())
		}
	})
}

func TestRestartDialsAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		id := w.uplink("bizf").SessionID
		if err := w.sup.Restart(background(), "bizf", 10*time.Second); err != nil {
			t.Fatal(err)
		}
		if w.uplink("bizf").SessionID == id {
			t.Error("the session is the same")
		}
	})
}

func TestUpExplainsWhatItWaitsFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		w.loseFrames(true)
		var e *cause.Error
		if err := w.sup.Restart(background(), "bizf", 30*time.Second); !errors.As(err, &e) || e.Code != cause.NoOffer {
			t.Errorf("%v", err)
		} else if !strings.Contains(e.Message, "no access concentrator answers on eth1") {
			t.Errorf("message %q", e.Message)
		}
		w.link(func(s *line.Status) { s.Carrier = false })
		if err := w.sup.Up(background(), "bizf", 30*time.Second); !errors.As(err, &e) || e.Code != cause.NoCarrier || e.Code.Exit() != 24 {
			t.Errorf("%v", err)
		}
		if err := w.sup.Up(background(), "nosuch", time.Second); !errors.As(err, &e) || e.Code != cause.Unknown {
			t.Errorf("%v", err)
		}
	})
}

func TestFlappingACCannotFillTheDisk(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		for range 5000 {
			w.do(func(ac *concentrator.AC, now time.Duration) []pppoe.Frame {
				var out []pppoe.Frame
				for _, s := range ac.Sessions() {
					out = append(out, s.Renegotiate(now)...)
				}
				return out
			})
			w.pass(10 * time.Millisecond)
		}
		if n := len(w.events("bizf")); n > 200 {
			t.Errorf("%d events in a minute", n)
		}
	})
}
