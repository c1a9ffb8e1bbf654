package supervisor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/line"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// killed ends the supervisor as kill -9 does: nothing more is sent or written.
func (w *world) killed() {
	w.t.Helper()
	w.mu().Lock()
	if !w.dead {
		w.dead, w.last = true, 0
		w.died()
	}
	w.mu().Unlock()
	w.detach()
	w.mu().Lock()
	defer w.mu().Unlock()
	if err := os.RemoveAll(w.dir); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(w.dir+".then", w.dir); err != nil {
		w.t.Fatal(err)
	}
	w.dead = false
}

// mortal has the world ready for killed; after frames more of the host, if that is not
// 0, it happens by itself.
func (w *world) mortal(frames int) {
	w.mu().Lock()
	defer w.mu().Unlock()
	w.last = frames
	w.died = func() {
		if err := os.CopyFS(w.dir+".then", os.DirFS(w.dir)); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) ids() [2]uint16 {
	return [2]uint16{w.uplink("bizf").SessionID, w.uplink("bizf6").SessionID}
}

// saved changes the session on disk of an uplink, as a text.
func (w *world) saved(name string, change func(string) string) {
	w.t.Helper()
	file := filepath.Join(w.dir, "sessions", name+".json")
	b, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte(change(string(b))), 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) expectEvent(name, kind, words string) {
	w.t.Helper()
	var all []string
	for _, e := range w.events(name) {
		if e.Kind == kind && strings.Contains(e.Message, words) {
			return
		}
		all = append(all, e.Kind+": "+e.Message)
	}
	w.t.Errorf("no event %s with %q:\n%s", kind, words, strings.Join(all, "\n"))
}

// A daemon that was killed finds its sessions alive: the AC hears an echo, and no PADI.
func TestKilledDaemonResumesItsSessions(t *testing.T) {
	inWorldOf(t, delegating(), func(w *world) {
		w.pass(3 * time.Second)
		w.expect("bizf6", control.Up)
		ids, system, padis := w.ids(), w.show(), w.count(pppoe.PADI)
		delegations := w.delegations(login6)
		for round := range 5 {
			w.mortal(0)
			w.killed()
			if now := w.show(); now != system {
				t.Errorf("the dead have changed\n%s\ninto\n%s", system, now)
			}
			w.pass(5 * time.Second)
			w.start()
			for _, name := range []string{"bizf", "bizf6"} {
				w.expect(name, control.Up)
				if u := w.uplink(name); u.Resumed != round+1 {
					t.Errorf("%s was resumed %d times, want %d", name, u.Resumed, round+1)
				}
			}
			if now := w.show(); now != system {
				t.Errorf("from\n%s\nto\n%s", system, now)
			}
			w.pass(time.Minute)
			w.expect("bizf", control.Up)
		}
		if now := w.ids(); now != ids {
			t.Errorf("sessions %x became %x", ids, now)
		}
		if w.count(pppoe.PADI) != padis || w.count(pppoe.PADT) != 0 {
			t.Errorf("%d PADIs and %d PADTs", w.count(pppoe.PADI)-padis, w.count(pppoe.PADT))
		}
		if n := w.delegations(login6); n != delegations {
			t.Errorf("the prefix was asked for %d times more", n-delegations)
		}
		if up := w.uplink("bizf").UpSince; up == nil || time.Since(*up) < 5*time.Minute {
			t.Errorf("up since %v, %v ago", up, time.Since(*up))
		}
		w.expectEvent("bizf", "resumed", "session 0x")
	})
}

// From PADS on nothing is left at the AC, whenever the daemon is killed.
func TestKilledBeforeAnyFrameLeavesNothingAtTheAC(t *testing.T) {
	for frames := 1; frames < 40; frames++ {
		t.Run(fmt.Sprint(frames), func(t *testing.T) {
			inWorldOf(t, delegating(), func(w *world) {
				w.pass(10 * time.Second)
				if w.dead {
					w.killed()
					w.pass(time.Second)
					w.start()
					w.pass(20 * time.Second)
				}
				w.expect("bizf", control.Up)
				w.expect("bizf6", control.Up)
				if n := w.sessions(); n != 2 {
					t.Errorf("%d sessions at the AC, want 2", n)
				}
			}, func(w *world) { w.mortal(frames) })
		})
	}
}

// What cannot be taken over is released before the login, and the reason is told.
func TestSessionThatCannotBeTakenOver(t *testing.T) {
	change := func(f func(u *configs.Uplink)) func(w *world) {
		return func(w *world) { f(&w.cfg.Uplinks[0]) }
	}
	for _, c := range []struct {
		why    string
		change func(w *world)
	}{
		{"it has another username now", change(func(u *configs.Uplink) { u.Username = "user@both.example.jp"; u.Password = "secret" })},
		{"mtu was 1454, and is 1400 now", change(func(u *configs.Uplink) { u.MTU = 1400 })},
		{"ifname was bizf, and is ppp0 now", change(func(u *configs.Uplink) { u.Ifname = "ppp0" })},
		{"it was without ipv6", change(func(u *configs.Uplink) { u.Families = append(u.Families, session.IPv6) })},
		{"the machine was booted meanwhile", func(w *world) { w.boot = "boot-2"; w.kernel.reboot() }},
	} {
		t.Run(c.why, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.pass(3 * time.Second)
				id := w.uplink("bizf").SessionID
				w.mortal(0)
				w.killed()
				c.change(w)
				w.start()
				w.pass(5 * time.Second)
				w.expect("bizf", control.Up)
				w.expectEvent("bizf", "stale", fmt.Sprintf("session 0x%04x", id))
				w.expectEvent("bizf", "stale", c.why)
				if n := w.sessions(); n != 2 {
					t.Errorf("%d sessions at the AC, want 2", n)
				}
				if d := w.uplink("bizf").LastDrop; d == nil || d.Cause != cause.Stale || d.Text != c.why {
					t.Errorf("last drop: %+v", d)
				}
			})
		})
	}
}

// An AC that has lost the session while nobody looked is found out within two seconds,
// and dialled anew.
func TestACThatForgotWhileTheDaemonWasDown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(15 * time.Second) // an echo is overdue, as far as the disk knows
		w.mortal(0)
		w.killed()
		w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame { ac.Forget(); return nil })
		before := w.env.Now()
		w.start()
		w.expect("bizf", control.Suspect)
		w.pass(1600 * time.Millisecond)
		w.expectEvent("bizf", "dropped", "it has lost ours")
		w.pass(200 * time.Millisecond) // one after the other
		w.expect("bizf", control.Up)
		t.Logf("up again after %v", w.env.Now()-before)
	})
}

// Without any answer at all the line is down, as far as anybody knows: the session is
// kept, and still there when the line is back.
func TestLineIsDownWhenTheDaemonStarts(t *testing.T) {
	for _, how := range []string{"silent", "without carrier"} {
		t.Run(how, func(t *testing.T) {
			inWorldOf(t, delegating(), func(w *world) {
				w.pass(3 * time.Second)
				ids := w.ids()
				w.mortal(0)
				w.killed()
				if how == "silent" {
					w.loseFrames(true)
				} else {
					w.status.Carrier = false
				}
				w.start()
				w.pass(10 * time.Second)
				w.expect("bizf", control.Suspect)
				w.loseFrames(false)
				if how != "silent" {
					w.pass(time.Hour)
					w.wire.link(func(s *line.Status) { s.Carrier = true })
				}
				w.pass(2 * time.Second)
				w.expect("bizf", control.Up)
				w.expect("bizf6", control.Up)
				if now := w.ids(); now != ids {
					t.Errorf("sessions %x became %x", ids, now)
				}
				if w.uplink("bizf").Resumed != 1 {
					t.Error("not resumed")
				}
			})
		})
	}
}

// Settings that need no login are changed in the session that is taken over.
func TestConfigurationChangesOverARestart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(3 * time.Second)
		ids := w.ids()
		w.mortal(0)
		w.killed()
		w.cfg.Uplinks[0].Metric = 50
		w.cfg.Uplinks[0].RequestDNS = false
		w.start()
		w.pass(time.Second)
		w.expect("bizf", control.Up)
		if now := w.ids(); now != ids {
			t.Errorf("sessions %x became %x", ids, now)
		}
		if w.system("metric 50") == "" {
			t.Errorf("the route is as before:\n%s", w.show())
		}
		if dns := w.uplink("bizf").IPv4.DNS; len(dns) > 0 {
			t.Errorf("name servers %v", dns)
		}
	})
}

// An uplink that this start has nothing to do with keeps its session all the same, but
// not one that the operator has put down.
func TestSessionOfAnUplinkThatWasNotNamed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(3 * time.Second)
		ids := w.ids()
		w.mortal(0)
		w.killed()
		w.start("bizf")
		w.pass(time.Second)
		w.expect("bizf6", control.Up)
		if now := w.ids(); now != ids {
			t.Errorf("sessions %x became %x", ids, now)
		}
	})
}

// A session file that was damaged is told of, and dialled anew.
func TestDamagedSessionFile(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"truncated":   func(s string) string { return s[:len(s)/2] },
		"bit flipped": func(s string) string { return strings.Replace(s, `"bizf"`, `"bjzf"`, 1) },
		"empty":       func(string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.pass(3 * time.Second)
				w.mortal(0)
				w.killed()
				w.saved("bizf", change)
				w.start()
				w.pass(5 * time.Second)
				w.expect("bizf", control.Up)
				w.expect("bizf6", control.Up)
				w.expectEvent("bizf", "state", "sessions/bizf.json: damaged")
			})
		})
	}
}

// A daemon that dies again and again is no login after the other; sessions that are
// alive are resumed without delay all the same.
func TestCrashLoopIsNoLoginLoop(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		begin, padis := w.env.Now(), w.count(pppoe.PADI)
		for range 600 {
			w.mortal(0)
			w.killed()
			for _, name := range []string{"bizf", "bizf6"} { // as if it always died before the end of LCP
				os.Remove(filepath.Join(w.dir, "sessions", name+".json"))
			}
			w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame { ac.Forget(); return nil })
			w.start()
			w.pass(time.Second)
		}
		n := w.count(pppoe.PADI) - padis
		t.Logf("%d PADIs of two uplinks in %v", n, w.env.Now()-begin)
		if n > 30 {
			t.Errorf("%d PADIs in %v", n, w.env.Now()-begin)
		}
		if e := w.uplink("bizf").LastError; e == nil || e.Code != cause.Crashed {
			t.Errorf("last error %+v", e)
		}
		w.pass(20 * time.Minute)
		w.expect("bizf", control.Up)
	})
}

// After an end in good order, however often, nothing is waited for.
func TestRestartsInGoodOrderDialAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 10 {
			w.pass(time.Second)
			w.sup.Release(cause.Released)
			w.store.Close()
			w.start()
		}
		w.pass(time.Second)
		w.expect("bizf", control.Up)
	})
}

// A wait goes on over a restart, in this boot and in another one.
func TestWaitsOutliveTheDaemon(t *testing.T) {
	for _, boot := range []string{"boot", "boot-2"} {
		t.Run(boot, func(t *testing.T) {
			inWorldOf(t, configuration().Uplinks, func(w *world) {
				w.pass(time.Second)
				w.expect("bizf", control.Holdoff)
				w.pass(time.Hour) // 30 minutes apart by now
				padis := w.count(pppoe.PADI)
				for range 10 {
					w.mortal(0)
					w.killed()
					w.boot = boot
					w.pass(10 * time.Second)
					w.start()
				}
				w.expect("bizf", control.Holdoff)
				if n := w.count(pppoe.PADI) - padis; n > 1 {
					t.Errorf("%d PADIs", n)
				}
				e := w.uplink("bizf").LastError
				if e == nil || e.Code != cause.AuthRejected || !strings.Contains(e.Message, "before pppoectl was started again") {
					t.Errorf("last error %+v", e)
				}
			}, func(w *world) { w.cfg.Uplinks[0].Password = "wrong" })
		})
	}
}
