package supervisor_test

import (
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/control"
	"pppoectl/pppoe"
)

// After work on the line the login is rejected until NTT has switched it over, for hours:
// it is asked seldom, and is back by itself.
func TestLoginThatIsRejectedForThreeHours(t *testing.T) {
	uplinks := configuration().Uplinks[:1]
	inWorldOf(t, uplinks, func(w *world) {
		w.pass(time.Hour)
		w.expect("bizf", control.Up)
		var login concentrator.Login
		w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame {
			login = ac.Config().Subscribers.Logins[login4]
			other := login
			other.Password = "not yet"
			ac.Config().Subscribers.Logins[login4] = other
			var out []pppoe.Frame
			for id := range ac.Sessions() {
				out = append(out, pppoe.NewPADT(acMAC, hostMAC, id, "line work"))
			}
			ac.Forget()
			return out
		})
		begin := time.Now()
		w.pass(3 * time.Hour)
		var after []time.Duration
		for _, e := range w.events("bizf") {
			if e.Kind == "failed" && e.Cause == cause.AuthRejected {
				after = append(after, e.Time.Sub(begin).Round(time.Second))
			}
		}
		t.Logf("attempts: %v", after)
		// 5 s, 30 s, 2 min and 10 min after one another, then each half hour, and at most a tenth more.
		at := time.Second
		for i, got := range after {
			if most := at + at/9 + 3*time.Second; got < at-time.Second || got > most {
				t.Errorf("attempt %d after %v, want %v to %v", i+1, got, at, most)
			}
			steps := []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}
			if i < len(steps) {
				at += steps[i]
			} else {
				at += 30 * time.Minute
			}
		}
		if len(after) != 10 {
			t.Errorf("%d attempts in three hours, want 10", len(after))
		}
		u := w.uplink("bizf")
		if u.State != control.Holdoff || u.Rejections != 10 || u.NextTry == nil || !strings.Contains(u.LastError.Message, "next try in 3") {
			t.Errorf("%s, %d rejections, next try %v, %+v", u.State, u.Rejections, u.NextTry, u.LastError)
		}
		w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame {
			ac.Config().Subscribers.Logins[login4] = login
			return nil
		})
		w.pass(33 * time.Minute)
		w.expect("bizf", control.Up)
		h, err := w.sup.History("bizf", time.Time{})
		if err != nil || len(h.Drops) != 1 || h.Drops[0].Cause != cause.PADT || h.Drops[0].Away == nil || *h.Drops[0].Away < 3*3600 {
			t.Errorf("history %+v, %v", h, err)
		}
		t.Logf("back after %v by itself; %d dials in all", time.Duration(*h.Drops[0].Away)*time.Second, u.Dials+1)
	})
}

const login4 = "user@bizf.example.jp"

// What `pppoectl history` shows is what happened: over a drop, a kill and a time in which
// the uplink was not wanted.
func TestHistoryTellsWhatHappened(t *testing.T) {
	inWorldOf(t, configuration().Uplinks[:1], func(w *world) {
		w.pass(10 * time.Hour)
		w.mortal(0)
		w.killed() // after the last quarter of an hour was written down
		w.pass(2 * time.Hour)
		w.start()
		w.pass(time.Second)
		w.expect("bizf", control.Up)
		w.pass(2 * time.Hour)
		w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame {
			ac.Config().Refuse = "maintenance"
			ac.Forget()
			return nil
		})
		w.pass(time.Hour)
		w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame { ac.Config().Refuse = ""; return nil })
		w.pass(time.Hour)
		w.expect("bizf", control.Up)
		if err := w.sup.Down(background(), "bizf"); err != nil {
			t.Fatal(err)
		}
		w.pass(5 * time.Hour)
		h, err := w.sup.History("bizf", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if len(h.Drops) != 1 || h.Drops[0].Cause != cause.EchoLost || h.Drops[0].Away == nil || *h.Drops[0].Away < 3300 || *h.Drops[0].Away > 4000 {
			t.Errorf("drops %+v", h.Drops)
		}
		hours := h.Observed / 3600 // ten, and two, one and one after the kill
		if hours < 13.6 || hours > 14.1 {
			t.Errorf("%.2f hours observed, want 14", hours)
		}
		if a := *h.Availability; a < 0.915 || a > 0.935 { // all but an hour
			t.Errorf("up for %.4f of that", a)
		}
		var sent uint64
		for _, e := range h.Hours {
			sent += e.Sent
		}
		if want := uint64(13 * 360); sent < want-200 || sent > want+200 { // one each ten seconds, the dead one's last at most lost
			t.Errorf("%d echoes, want about %d", sent, want)
		}
	})
}
