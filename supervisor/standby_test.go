package supervisor_test

import (
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// backup is a third uplink on the line.
func backup(standbyFor string) configs.Uplink {
	u := configuration().Uplinks[0]
	u.Name, u.Ifname, u.Metric, u.StandbyFor = "spare", "spare", 200, standbyFor
	u.Username, u.Password = "user@both.example.jp", "secret"
	u.Families = []session.Family{session.IPv4}
	return u
}

// hangUp has the concentrator end an uplink's session.
func (w *world) hangUp(name string) {
	id := w.uplink(name).SessionID
	w.do(func(ac *concentrator.AC, now time.Duration) []pppoe.Frame { return ac.Sessions()[id].End(now, "") })
}

// refuseLogin has the concentrator refuse a login for a while.
func (w *world) refuseLogin(user string, d time.Duration) {
	w.do(func(ac *concentrator.AC, now time.Duration) []pppoe.Frame {
		ac.Config().Subscribers.Refuse(user, "maintenance", now+d)
		return nil
	})
}

func (w *world) expectError(name string, code cause.Code, words string) {
	w.t.Helper()
	e := w.uplink(name).LastError
	if e == nil || e.Code != code || !strings.Contains(e.Message, words) {
		w.t.Errorf("%s: last error %+v, want %s with %q", name, e, code, words)
	}
}

// A line with two sessions is not asked for a third: who has them is told, and when one
// of them ends for good the third uplink has its turn.
func TestSessionLimitOfALine(t *testing.T) {
	inWorldOf(t, append(configuration().Uplinks, backup("")), func(w *world) {
		w.pass(2 * time.Second)
		w.expect("bizf", control.Up)
		w.expect("bizf6", control.Up)
		w.expect("spare", control.Holdoff)
		w.expectError("spare", cause.SessionLimit, "eth1 has a session limit of 2, and its sessions are those of bizf and bizf6; it is dialled when one of them ends")
		if err := w.sup.Up(background(), "spare", time.Second); err == nil || !strings.Contains(err.Error(), "session limit") {
			t.Errorf("up spare: %v", err)
		}
		// A drop that is mended at once does not lose the place.
		padrs := w.count(pppoe.PADR)
		w.hangUp("bizf")
		w.pass(20 * time.Second)
		w.expect("bizf", control.Up)
		w.expect("spare", control.Holdoff)
		if n := w.count(pppoe.PADR) - padrs; n != 1 {
			t.Errorf("%d PADRs", n)
		}
		if err := w.sup.Down(background(), "bizf6"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		w.expect("spare", control.Up)
		w.sup.Up(background(), "bizf6", time.Second)
		w.expectError("bizf6", cause.SessionLimit, "those of bizf and spare")
	}, func(w *world) { w.cfg.Lines = []configs.Line{{Interface: "eth1", SessionLimit: 2}} })
}

// An uplink whose login is refused for long does not keep another one from the line.
func TestSessionLimitIsNotKeptByWhoIsRefused(t *testing.T) {
	inWorldOf(t, append(configuration().Uplinks, backup("")), func(w *world) {
		w.pass(2 * time.Second)
		w.expect("spare", control.Holdoff)
		w.pass(10 * time.Minute)
		w.expect("spare", control.Up)
		w.expect("bizf", control.Holdoff)
		w.pass(2 * time.Hour)
		w.expectError("bizf", cause.SessionLimit, "those of bizf6 and spare")
	}, func(w *world) {
		w.cfg.Lines = []configs.Line{{Interface: "eth1", SessionLimit: 2}}
		w.cfg.Uplinks[0].Password = "wrong"
	})
}

// A session that was taken over counts, too.
func TestSessionLimitOverARestart(t *testing.T) {
	inWorldOf(t, append(configuration().Uplinks, backup("")), func(w *world) {
		w.pass(2 * time.Second)
		ids := w.ids()
		for range 5 {
			w.mortal(0)
			w.killed()
			w.start()
			w.pass(time.Second)
		}
		if w.ids() != ids {
			t.Errorf("%x became %x", ids, w.ids())
		}
		w.expect("spare", control.Holdoff)
	}, func(w *world) { w.cfg.Lines = []configs.Line{{Interface: "eth1", SessionLimit: 2}} })
}

// A standby steps in when its primary stays away, and back when that has been up for a
// minute; a reconnect of seconds does not concern it.
func TestStandbyStepsInAndBack(t *testing.T) {
	inWorldOf(t, append(configuration().Uplinks, backup("bizf")), func(w *world) {
		w.pass(time.Minute)
		w.expect("spare", control.Holdoff)
		w.expectError("spare", cause.Standby, "stands by for bizf, which is up")
		w.hangUp("bizf")
		w.pass(10 * time.Second)
		w.expect("bizf", control.Up)
		w.expect("spare", control.Holdoff)
		w.refuseLogin("user@bizf.example.jp", 5*time.Minute)
		w.hangUp("bizf")
		w.pass(30 * time.Second)
		w.expect("spare", control.Up)
		w.expectEvent("spare", "stepped_in", "spare steps in for bizf, which is not up")
		if !strings.Contains(w.show(), "spare route 0.0.0.0/0") {
			t.Errorf("no route by spare:\n%s", w.show())
		}
		w.sup.Up(background(), "bizf", 0)
		w.pass(45 * time.Minute) // bizf is let in again meanwhile
		w.expect("bizf", control.Up)
		w.expect("spare", control.Holdoff)
		if strings.Contains(w.show(), "spare") {
			t.Errorf("spare has left something:\n%s", w.show())
		}
		w.expectEvent("spare", "down", "stands by")
		// And once more, by hand.
		if err := w.sup.Down(background(), "bizf"); err != nil {
			t.Fatal(err)
		}
		w.pass(20 * time.Second)
		w.expect("spare", control.Up)
		if err := w.sup.Down(background(), "spare"); err != nil {
			t.Fatal(err)
		}
		w.expect("spare", control.Disabled)
	})
}

// A standby that had stepped in goes on over a restart.
func TestStandbyOverARestart(t *testing.T) {
	inWorldOf(t, append(configuration().Uplinks, backup("bizf")), func(w *world) {
		w.pass(30 * time.Second)
		w.expect("spare", control.Up)
		id := w.uplink("spare").SessionID
		w.mortal(0)
		w.killed()
		w.start()
		w.pass(time.Minute)
		w.expect("spare", control.Up)
		if now := w.uplink("spare").SessionID; now != id {
			t.Errorf("session %d became %d", id, now)
		}
	}, func(w *world) { w.cfg.Uplinks[0].Password = "wrong" })
}
