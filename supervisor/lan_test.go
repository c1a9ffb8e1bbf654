package supervisor_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pppoectl/concentrator"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/line"
	"pppoectl/pppoe"
)

// advertising is the configuration with a prefix and two LANs that are told of it.
func advertising() []configs.Uplink {
	uplinks := delegating()
	uplinks[1].LAN = []configs.LAN{
		{Interface: "eth0", Subnet: 1, Host: netip.MustParseAddr("::1"), Advertise: true},
		{Interface: "eth2", Subnet: 2, Host: netip.MustParseAddr("::1"), Advertise: true},
	}
	return uplinks
}

// What is said on both LANs while the uplink is up.
const (
	usualEth0 = "router 2700, 2001:db8:100:1:: 2700/5400"
	usualEth2 = "router 2700, 2001:db8:100:2:: 2700/5400"
)

const (
	addressEth0 = "eth0 address 2001:db8:100:1::1/64"
	addressEth2 = "eth2 address 2001:db8:100:2::1/64"
)

// another has the concentrator give another prefix from now on, to whoever asks for
// it in a new session.
func (w *world) another(prefix string) {
	w.login(login6, func(l *concentrator.Login) { l.Prefix = netip.MustParsePrefix(prefix) })
	w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame {
		ac.Config().Subscribers.ForgetLeases()
		ac.Forget()
		return nil
	})
}

func TestTwoLANsOfOneUplink(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		w.start()
		w.pass(5 * time.Second)
		w.expect("bizf6", control.Up)
		if got := w.system("eth0 address"); got != addressEth0 {
			t.Errorf("eth0: %q", got)
		}
		if got := w.system("eth2 address"); got != addressEth2 {
			t.Errorf("eth2: %q", got)
		}
		l.says("eth0", usualEth0)
		l.says("eth2", usualEth2)
		began := w.env.Now()
		l.ask("eth2", "fe80::77")
		w.pass(500 * time.Millisecond)
		if got := l.on("eth2", began); !slices.ContainsFunc(got, func(m announced) bool { return m.to.String() == "fe80::77" && m.String() == usualEth2 }) {
			t.Errorf("the answer to a question is %v", got)
		}
		for _, m := range l.on("eth0", 0) {
			if m.to.String() == "fe80::77" {
				t.Error("what was asked on one LAN is answered on the other")
			}
		}
	})
}

// An interface may be made long after the daemon has begun: the other LAN has no
// need to wait for it.
func TestLANInterfaceThatAppearsLater(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		later := l.status["eth2"]
		l.status["eth2"] = line.Status{}
		w.start()
		w.pass(10 * time.Minute)
		w.expect("bizf6", control.Up)
		l.says("eth0", usualEth0)
		if got := w.system("eth2"); got != "" || len(l.on("eth2", 0)) > 0 {
			t.Errorf("eth2: %q", got)
		}
		l.link("eth2", func(s *line.Status) { *s = later; s.Up, s.Carrier = false, false })
		l.link("eth2", func(s *line.Status) { *s = later; s.Carrier = false })
		w.pass(time.Minute)
		l.link("eth2", func(s *line.Status) { *s = later })
		w.pass(3 * time.Second)
		if got := w.system("eth2 address"); got != addressEth2 {
			t.Errorf("eth2: %q", got)
		}
		l.says("eth2", usualEth2)
	})
}

func TestLANInterfaceThatIsSetDownAndUp(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		w.start()
		w.pass(10 * time.Minute)
		for range 3 {
			l.link("eth0", func(s *line.Status) { s.Up, s.Carrier = false, false })
			w.pass(time.Minute)
			up := w.env.Now()
			l.link("eth0", func(s *line.Status) { s.Up, s.Carrier = true, true })
			w.pass(3 * time.Second)
			if got := w.system("eth0 address"); got != addressEth0 {
				t.Errorf("eth0: %q", got)
			}
			if got := l.on("eth0", up); len(got) == 0 || got[0].String() != usualEth0 {
				t.Errorf("on eth0: %v", got)
			}
			w.pass(time.Minute)
		}
		if got := w.system("eth2 address"); got != addressEth2 {
			t.Errorf("eth2: %q", got)
		}
	})
}

func TestLANInterfaceThatIsDeletedAndMadeAgain(t *testing.T) {
	for name, steps := range map[string][]func(*line.Status){
		"slowly": {
			func(s *line.Status) { *s = line.Status{} },
			func(s *line.Status) { s.Exists, s.Interface.Name, s.Interface.Index = true, "eth0", 77 },
			func(s *line.Status) { s.Up, s.Interface.HardwareAddr = true, []byte{2, 0, 0, 0, 1, 77} },
			func(s *line.Status) { s.Carrier = true },
		},
		// Whoever follows an interface sees the newest status only.
		"before anybody looks": {
			func(s *line.Status) { s.Interface.Index, s.Interface.HardwareAddr = 77, []byte{2, 0, 0, 0, 1, 77} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			inLAN(t, advertising(), func(w *world, l *lans) {
				w.start()
				w.pass(10 * time.Minute)
				for _, step := range steps {
					l.link("eth0", step)
				}
				made := w.env.Now()
				w.pass(10 * time.Second)
				if got := w.system("eth0 address"); got != addressEth0 {
					t.Errorf("eth0: %q", got)
				}
				if got := l.on("eth0", made); len(got) == 0 || got[0].String() != usualEth0 {
					t.Errorf("on eth0: %v", got)
				}
				if err := w.sup.Down(background(), "bizf6"); err != nil {
					t.Fatal(err)
				}
				if got := w.system("eth0 address"); got != "" {
					t.Errorf("after down: %q", got)
				}
			})
		})
	}
}

// "It is tried again", says the message.
func TestRefusedLANAddressIsTriedAgain(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		l.refuse("eth0", errors.New("IPv6 is disabled on this device"))
		w.start()
		w.pass(time.Minute)
		w.expect("bizf6", control.Up) // it is of use all the same
		if got := w.uplink("bizf6").IPv6.LAN[0].Error; !strings.Contains(got, "IPv6 is disabled") {
			t.Errorf("status: %q", got)
		}
		if got := w.system("eth2 address"); got != addressEth2 {
			t.Errorf("eth2: %q", got)
		}
		l.refuse("eth0", nil)
		w.pass(10 * time.Second)
		if got := w.system("eth0 address"); got != addressEth0 {
			t.Errorf("eth0: %q", got)
		}
	})
}

// The same for a /proc/sys that is read-only for a while.
func TestRefusedForwardingIsTriedAgain(t *testing.T) {
	const key = "net/ipv6/conf/all/forwarding"
	inLAN(t, advertising(), func(w *world, l *lans) {
		l.fail(key, errors.New("read-only file system"))
		w.start()
		w.pass(time.Minute)
		w.expect("bizf6", control.Up)
		told := 0
		for _, e := range w.events("bizf6") {
			if strings.Contains(e.Message, "forwarding of IPv6: ") && strings.Contains(e.Message, "read-only file system") {
				told++
			}
		}
		if told != 1 {
			t.Errorf("told %d times", told)
		}
		l.fail(key, nil)
		w.pass(10 * time.Second)
		if w.system(key+"=1") == "" {
			t.Errorf("system:\n%s", w.show())
		}
	})
}

// A delegation of one /64 is enough for one LAN; the other one is told why it has
// none, and is not told of a router that it has no address for.
func TestSingle64IsForTheFirstSubnetOnly(t *testing.T) {
	uplinks := advertising()
	uplinks[1].LAN[0].Subnet = 0
	inLAN(t, uplinks, func(w *world, l *lans) {
		w.login(login6, func(l *concentrator.Login) { l.Prefix = netip.MustParsePrefix("2001:db8:100:42::/64") })
		w.start()
		w.pass(5 * time.Second)
		w.expect("bizf6", control.Up)
		if got := w.system("eth0 address"); got != "eth0 address 2001:db8:100:42::1/64" {
			t.Errorf("eth0: %q", got)
		}
		l.says("eth0", "router 2700, 2001:db8:100:42:: 2700/5400")
		if u := w.uplink("bizf6"); u.IPv6.LAN[1].Error != "the prefix has no /64 with the number 2" || w.system("eth2 address") != "" {
			t.Errorf("%+v; system:\n%s", u.IPv6.LAN, w.show())
		}
		gone := w.env.Now()
		w.link(func(s *line.Status) { s.Carrier = false })
		w.pass(3 * time.Second)
		if all := l.on("eth2", 0); len(all) > 0 && all[len(all)-1].ra.RouterLifetime != 0 {
			t.Errorf("on eth2, %v after the line went: %v", w.env.Now()-gone, all)
		}
	})
}
