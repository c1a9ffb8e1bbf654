package supervisor_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/line"
	"pppoectl/session"
)

// Without a way to the Internet the router is none, at once; the prefix stays.
func TestRouterLifetimeFollowsTheSession(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		w.start()
		w.pass(10 * time.Minute)
		for range 3 {
			gone := w.env.Now()
			w.link(func(s *line.Status) { s.Carrier = false })
			w.pass(time.Second)
			if got := l.on("eth0", gone); len(got) == 0 || !strings.HasPrefix(got[0].String(), "router 0, 2001:db8:100:1:: 2700/") {
				t.Fatalf("within a second: %v", got)
			}
			w.pass(30 * time.Second)
			back := w.env.Now()
			w.link(func(s *line.Status) { s.Carrier = true })
			w.pass(10 * time.Second)
			w.expect("bizf6", control.Up)
			if got := l.on("eth0", back); len(got) == 0 || got[len(got)-1].String() != usualEth0 {
				t.Fatalf("back: %v", got)
			}
			w.pass(time.Minute)
		}
	})
}

// A session that the concentrator has forgotten is dialled anew; what hosts hear
// of their prefix stays the same all the time.
func TestHostsKeepTheirPrefixOverReconnects(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		w.start()
		w.pass(10 * time.Minute)
		for range 3 {
			w.another("2001:db8:100::/56") // the same
			w.pass(10 * time.Minute)
			w.expect("bizf6", control.Up)
		}
		for _, m := range l.on("eth0", 0) {
			if !strings.Contains(m.String(), "2001:db8:100:1:: 2700/5400") {
				t.Errorf("after %v: %v", m.at-hour, m)
			}
		}
		l.says("eth0", usualEth0)
	})
}

func TestAnotherPrefixIsToldAndTheOldOneIsDeprecated(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		w.start()
		w.pass(10 * time.Minute)
		w.another("2001:db8:200::/56")
		w.pass(3 * time.Minute)
		w.expect("bizf6", control.Up)
		all := l.on("eth0", 0)
		last := all[len(all)-1].String()
		if !strings.HasPrefix(last, "router 2700, ") || !strings.Contains(last, "2001:db8:200:1:: 2700/5400") || !strings.Contains(last, "2001:db8:100:1:: 0/") {
			t.Errorf("on eth0: %s", last)
		}
	})
}

// `down` gives the prefix back: nobody may use it any more.
func TestAfterDownThePrefixIsStale(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		w.start()
		w.pass(10 * time.Minute)
		down := w.env.Now()
		if err := w.sup.Down(background(), "bizf6"); err != nil {
			t.Fatal(err)
		}
		w.pass(3 * time.Second)
		l.says("eth0", "router 0, 2001:db8:100:1:: 0/0")
		l.says("eth2", "router 0, 2001:db8:100:2:: 0/0")
		w.pass(89 * time.Minute)
		if got := l.on("eth0", down+80*time.Minute); len(got) == 0 {
			t.Error("it is not told for as long as hosts may have it")
		}
		l.says("eth0", "router 0, 2001:db8:100:1:: 0/0")
		w.pass(12 * time.Minute)
		over := w.env.Now()
		w.pass(12 * time.Hour)
		if got := l.on("eth0", over); len(got) > 0 {
			t.Errorf("still told of: %v", got)
		}
		if err := w.sup.Up(background(), "bizf6", time.Minute); err != nil {
			t.Fatal(err)
		}
		w.pass(10 * time.Second)
		l.says("eth0", usualEth0)
	})
}

// SIGTERM is for an update of the daemon: hosts notice nothing.
func TestDetachSaysNothing(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		w.start()
		w.pass(10 * time.Minute)
		began := w.env.Now()
		w.detach()
		w.pass(time.Hour)
		if got := l.on("eth0", began); len(got) > 0 {
			t.Errorf("said %v", got)
		}
		if len(l.sockets) > 0 {
			t.Errorf("%d sockets are open", len(l.sockets))
		}
	})
}

// And the one that begins then does not frighten them either.
func TestHostsNoticeNothingOfAnUpdate(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		w.start()
		for range 5 {
			w.pass(10 * time.Minute)
			w.detach()
			w.pass(10 * time.Second)
			again := w.env.Now()
			w.start()
			w.pass(time.Minute)
			w.expect("bizf6", control.Up)
			for _, name := range []string{"eth0", "eth2"} {
				for _, m := range l.on(name, again) {
					if !strings.Contains(m.String(), " 2700/5400") {
						t.Errorf("%v after the start: %v", m.at-again, m)
					}
				}
			}
			l.says("eth0", usualEth0)
		}
	})
}

// A crash, and another prefix after it: hosts still have the old one (RFC 9096
// section 3.5), however long the run was that told them of it.
func TestPrefixOfBeforeACrashIsToldAsStale(t *testing.T) {
	for _, ran := range []time.Duration{10 * time.Minute, 10 * time.Hour} {
		t.Run(ran.String(), func(t *testing.T) {
			inLAN(t, advertising(), func(w *world, l *lans) {
				w.start()
				w.pass(ran)
				l.says("eth0", usualEth0)
				w.detach()
				if err := w.forgetLease(); err != nil {
					t.Fatal(err)
				}
				w.another("2001:db8:200::/56")
				w.pass(time.Minute)
				w.start()
				w.pass(3 * time.Minute)
				w.expect("bizf6", control.Up)
				l.says("eth0", "router 2700, 2001:db8:200:1:: 2700/5400, 2001:db8:100:1:: 0/0")
				l.says("eth2", "router 2700, 2001:db8:200:2:: 2700/5400, 2001:db8:100:2:: 0/0")
				w.pass(93 * time.Minute)
				w.pass(10 * time.Minute)
				l.says("eth0", "router 2700, 2001:db8:200:1:: 2700/5400")
			})
		})
	}
}

// Two uplinks with a prefix each: a host has an address of both, and a router as
// long as one of them works.
func TestTwoUplinksOnOneLAN(t *testing.T) {
	uplinks := advertising()
	uplinks[1].LAN = uplinks[1].LAN[:1]
	first := uplinks[1]
	first.Name, first.Ifname, first.Metric, first.Table, first.MTU = "bizf", "bizf", 200, 25602, 1400
	first.Username, first.Password, first.Families = "user@both.example.jp", "secret", []session.Family{session.IPv6}
	first.LAN = []configs.LAN{{Interface: "eth0", Subnet: 7, Host: netip.MustParseAddr("::1"), Advertise: true}}
	uplinks[0] = first
	const (
		one  = "2001:db8:100:1:: 2700/5400"
		both = one + ", 2001:db8:700:7:: 2700/5400"
	)
	inLAN(t, uplinks, func(w *world, l *lans) {
		w.loginPrefix("user@both.example.jp", "2001:db8:700::/56")
		w.start()
		w.pass(10 * time.Second)
		w.expect("bizf", control.Up)
		w.expect("bizf6", control.Up)
		l.says("eth0", "router 2700, "+both)
		if got := w.system("eth0 address"); got != addressEth0+"\neth0 address 2001:db8:700:7::1/64" {
			t.Errorf("eth0: %q", got)
		}
		if err := w.sup.Down(background(), "bizf"); err != nil {
			t.Fatal(err)
		}
		w.pass(3 * time.Second)
		l.says("eth0", "router 2700, "+one+", 2001:db8:700:7:: 0/0")
		if got := w.system("eth0 address"); got != addressEth0 || w.system("forwarding=1") == "" {
			t.Errorf("eth0: %q; system:\n%s", got, w.show())
		}
		if err := w.sup.Up(background(), "bizf", time.Minute); err != nil {
			t.Fatal(err)
		}
		w.pass(3 * time.Second)
		l.says("eth0", "router 2700, "+both)
		w.link(func(s *line.Status) { s.Carrier = false })
		w.pass(3 * time.Second)
		l.says("eth0", "router 0, "+both)
	})
}

// A new configuration moves the LAN to another interface.
func TestReloadWithAnotherLAN(t *testing.T) {
	uplinks := advertising()
	uplinks[1].LAN = uplinks[1].LAN[:1]
	inLAN(t, uplinks, func(w *world, l *lans) {
		w.start()
		w.pass(10 * time.Minute)
		next := *w.cfg
		next.Uplinks = advertising()
		next.Uplinks[1].LAN = next.Uplinks[1].LAN[1:]
		w.sup.Reload(&next)
		w.pass(time.Minute)
		w.expect("bizf6", control.Up)
		l.says("eth0", "router 0, 2001:db8:100:1:: 0/0")
		l.says("eth2", usualEth2)
		if w.system("eth0 address") != "" || w.system("eth2 address") != addressEth2 {
			t.Errorf("system:\n%s", w.show())
		}
		none := next
		none.Uplinks = next.Uplinks[:1]
		w.sup.Reload(&none)
		w.pass(10 * time.Second)
		l.says("eth2", "router 0, 2001:db8:100:2:: 0/0")
		if got := w.system("2001:db8"); got != "" || w.system("forwarding") != "" {
			t.Errorf("left over:\n%s", w.show())
		}
		synctest.Wait()
	})
}
