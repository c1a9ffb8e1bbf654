package supervisor_test

import (
	"context"
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
	"pppoectl/session"
)

// A session without its address is of no use to anybody: it is not called up.
func TestRefusedAddressIsToldAndTriedAgain(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		w.refuseAddresses(errors.New("no buffer space available"))
		w.start()
		defer w.end()
		w.pass(10 * time.Second)
		u := w.uplink("bizf")
		if u.State != control.Network || u.LastError == nil || u.LastError.Code != cause.DeviceFailed || !strings.Contains(u.LastError.Message, "no buffer space") {
			t.Errorf("state %s, error %+v", u.State, u.LastError)
		}
		var e *cause.Error
		if err := w.sup.Up(background(), "bizf", time.Second); !errors.As(err, &e) || e.Code != cause.DeviceFailed {
			t.Errorf("up: %v", err)
		}
		id := u.SessionID
		w.refuseAddresses(nil)
		w.pass(5 * time.Second)
		w.expect("bizf", control.Up)
		u = w.uplink("bizf")
		if u.SessionID != id || u.LastError != nil || !strings.Contains(w.show(), "bizf address 203.0.113.7/32") || !strings.Contains(w.show(), "bizf route 0.0.0.0/0 metric 100") {
			t.Errorf("session %d, had %d; error %+v; system:\n%s", u.SessionID, id, u.LastError, w.show())
		}
	})
}

func TestDefaultRouteStepsBackWhileTheLineIsAway(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		w.link(func(s *line.Status) { s.Carrier = false })
		if got := w.show(); !strings.Contains(got, "bizf route 0.0.0.0/0 metric 10100") || !strings.Contains(got, "bizf6 route ::/0 metric 10100") {
			t.Errorf("system:\n%s", got)
		}
		w.link(func(s *line.Status) { s.Carrier = true })
		if got := w.show(); !strings.Contains(got, "bizf route 0.0.0.0/0 metric 100") || strings.Contains(got, "10100") {
			t.Errorf("system:\n%s", got)
		}
	})
}

// Who asks for a restart may go away while the old session ends.
func TestRestartGoesOnWithoutWhoAskedForIt(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame { ac.Forget(); return nil })
		ctx, cancel := context.WithTimeout(background(), 100*time.Millisecond)
		defer cancel()
		if err := w.sup.Restart(ctx, "bizf", time.Minute); err == nil {
			t.Error("restarted within 100 ms at an AC that does not answer")
		}
		w.pass(time.Minute)
		w.expect("bizf", control.Up)
	})
}

// A changed line may also lead to another station: devices and addresses stay.
func TestAnotherStationKeepsTheDevice(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		w.link(func(s *line.Status) { s.Interface.HardwareAddr = []byte{2, 0, 0, 0, 0, 7} })
		if got := w.show(); !strings.Contains(got, "device bizf of bizf") || !strings.Contains(got, "bizf address 203.0.113.7/32") {
			t.Errorf("system:\n%s", got)
		}
		w.pass(5 * time.Second)
		w.expect("bizf", control.Up)
		if n := w.sessions(); n != 2 {
			t.Errorf("%d sessions at the AC", n)
		}
	})
}

func TestMissingInterfaceIsNamed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		w.link(func(s *line.Status) { *s = line.Status{} })
		w.start()
		defer w.end()
		var e *cause.Error
		if err := w.sup.Up(background(), "bizf", time.Second); !errors.As(err, &e) || e.Code != cause.NoInterface || !strings.Contains(e.Message, "there is no interface eth1") {
			t.Errorf("%v", err)
		}
	})
}

// Somebody else's default route is in the way of one family only.
func TestConflictOfOneFamilysRouteLeavesTheOthers(t *testing.T) {
	for taken, want := range map[string]string{
		"0.0.0.0/0": "bizf route ::/0 metric 100", "::/0": "bizf route 0.0.0.0/0 metric 100",
	} {
		t.Run(taken, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, dir)
				u := &w.cfg.Uplinks[0]
				u.Username, u.Password, u.Families = "user@both.example.jp", "secret", []session.Family{session.IPv4, session.IPv6}
				w.cfg.Uplinks = w.cfg.Uplinks[:1]
				w.start()
				defer w.end()
				w.pass(time.Second)
				w.occupy(taken)
				w.link(func(s *line.Status) { s.Carrier = false })
				w.link(func(s *line.Status) { s.Carrier = true })
				w.pass(5 * time.Second)
				w.expect("bizf", control.Up)
				got := w.show()
				if !strings.Contains(got, want) || strings.Contains(got, "route "+taken) {
					t.Errorf("system:\n%s", got)
				}
			})
		})
	}
}
