package supervisor_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pppoectl/cause"
	"pppoectl/concentrator"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/pppoe"
)

const login6 = "user@bizf6.example.jp"

// delegating is the configuration with a prefix, and a LAN on eth0.
func delegating() []configs.Uplink {
	uplinks := configuration().Uplinks
	u := &uplinks[1]
	u.Prefix = configs.Prefix{Request: true, DUID: configs.LinkLayerDUID}
	u.LAN = []configs.LAN{{Interface: "eth0", Subnet: 1, Host: netip.MustParseAddr("::1")}}
	u.SourceRoute, u.Table = true, 25601
	return uplinks
}

// system returns the lines of the system that contain a word.
func (w *world) system(word string) string {
	var lines []string
	for _, line := range strings.Split(w.show(), "\n") {
		if strings.Contains(line, word) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// login changes a login of the concentrator.
func (w *world) login(user string, f func(*concentrator.Login)) {
	w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame {
		l := ac.Config().Subscribers.Logins[user]
		f(&l)
		ac.Config().Subscribers.Logins[user] = l
		return nil
	})
}

// The seed of the project: the prefix is routed, by the concentrator and here, and
// all of it is undone again.
func TestPrefixIsDelegatedRoutedAndGivenBack(t *testing.T) {
	inWorldOf(t, delegating(), func(w *world) {
		w.pass(time.Second)
		w.expect("bizf6", control.Up)
		u := w.uplink("bizf6")
		if u.IPv6 == nil || len(u.IPv6.Prefixes) != 1 || u.IPv6.Prefixes[0].Prefix != "2001:db8:100::/56" || u.IPv6.Delegation != "bound" {
			t.Fatalf("%+v", u.IPv6)
		}
		if len(u.IPv6.DNS) != 1 || u.IPv6.DNS[0] != "2001:db8:ffff::53" || u.IPv6.LAN[0].Address != "2001:db8:100:1::1/64" {
			t.Errorf("%+v", u.IPv6)
		}
		for _, want := range []string{
			"unreachable 2001:db8:100::/56",
			"eth0 address 2001:db8:100:1::1/64",
			"bizf6 address 2001:db8:100:ff:",
			"rule add from 2001:db8:100::/56 lookup main pref 25600 suppress_prefixlength 0",
			"rule add from 2001:db8:100::/56 lookup 25601 pref 25601",
			"bizf6 route ::/0 metric 100 table 25601",
			"unreachable ::/0 table 25601",
			"net/ipv6/conf/all/forwarding=1",
		} {
			if w.system(want) == "" {
				t.Errorf("missing: %s; system:\n%s", want, w.show())
			}
		}
		if !w.routed("2001:db8:100::1") {
			t.Error("the concentrator does not route the prefix")
		}
		if err := w.sup.Down(background(), "bizf6"); err != nil {
			t.Fatal(err)
		}
		if got := w.system("6"); strings.Contains(got, "2001:db8:100") || strings.Contains(got, "forwarding") {
			t.Errorf("left over:\n%s", got)
		}
		if w.routed("2001:db8:100::1") || w.delegations(login6) != 0 {
			t.Error("the prefix was not given back")
		}
	})
}

// routed reports whether the concentrator sends an address to a session.
func (w *world) routed(address string) bool {
	w.wire.mu.Lock()
	defer w.wire.mu.Unlock()
	return w.ac.Routed(netip.MustParseAddr(address))
}

func (w *world) delegations(user string) int {
	w.wire.mu.Lock()
	defer w.wire.mu.Unlock()
	return len(w.ac.Config().Subscribers.Delegations(w.wire.now(), user))
}

// The commonest complaint about every other client: after a reconnect the prefix is
// lost. Here it is back at once, and the LAN never loses its addresses.
func TestPrefixIsBackAfterEachReconnectAndTheLANKeepsItsAddresses(t *testing.T) {
	inWorldOf(t, delegating(), func(w *world) {
		w.pass(5 * time.Minute)
		for i := range 10 {
			w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame {
				ac.Forget()
				return nil
			})
			for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); {
				w.pass(100 * time.Millisecond)
				if w.system("eth0 address 2001:db8:100:1::1/64") != "eth0 address 2001:db8:100:1::1/64" {
					t.Fatalf("round %d: the LAN has lost its address; system:\n%s", i, w.show())
				}
			}
			w.expect("bizf6", control.Up)
			if !w.routed("2001:db8:100::1") {
				t.Fatalf("round %d: not routed", i)
			}
		}
	})
}

func TestAnotherPrefixDeprecatesTheOldOneAtOnce(t *testing.T) {
	inWorldOf(t, delegating(), func(w *world) {
		w.pass(time.Second)
		w.login(login6, func(l *concentrator.Login) { l.Prefix = netip.MustParsePrefix("2001:db8:200::/56") })
		w.do(func(ac *concentrator.AC, now time.Duration) []pppoe.Frame {
			ac.Forget()
			return nil
		})
		w.pass(2 * time.Minute)
		w.expect("bizf6", control.Up)
		got := w.system("eth0")
		if want := "eth0 address 2001:db8:200:1::1/64"; !strings.Contains(got, want) || strings.Contains(got, "2001:db8:100:1::1/64\n") {
			t.Errorf("LAN:\n%s", got)
		}
	})
}

// A daemon that starts again has the lease on disk: the LAN's addresses stay, and
// the same prefix is asked for.
func TestLeaseOutlivesTheDaemon(t *testing.T) {
	inWorldOf(t, delegating(), func(w *world) {
		w.pass(time.Second)
		w.detach()
		w.pass(10 * time.Second)
		w.start()
		if w.system("eth0 address 2001:db8:100:1::1/64") == "" {
			t.Errorf("the LAN has lost its address:\n%s", w.show())
		}
		w.pass(5 * time.Second)
		w.expect("bizf6", control.Up)
	})
}

// `up` waits for the prefix, and says why there is none.
func TestUpWithoutAPrefixSaysSo(t *testing.T) {
	uplinks := delegating()
	inWorldOf(t, uplinks, func(w *world) {
		w.login(login6, func(l *concentrator.Login) { l.Prefix = netip.Prefix{} })
		w.pass(time.Second)
		w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame {
			ac.Config().Subscribers.ForgetLeases()
			ac.Forget()
			return nil
		})
		w.pass(time.Minute)
		w.expect("bizf6", control.Network)
		err := w.sup.Up(context.Background(), "bizf6", 30*time.Second)
		var c *cause.Error
		if !errors.As(err, &c) || c.Code != cause.NoPrefix || c.Code.Exit() != 22 || !strings.Contains(c.Message, "NoPrefixAvail") {
			t.Fatalf("%v", err)
		}
		var failed error
		done := make(chan struct{})
		go func() {
			defer close(done)
			failed = w.sup.Up(context.Background(), "bizf6", 3*time.Hour)
		}()
		w.login(login6, func(l *concentrator.Login) { l.Prefix = netip.MustParsePrefix("2001:db8:300::/56") })
		<-done
		if failed != nil {
			t.Errorf("%v", failed)
		}
	})
}

func TestRequiredPrefixIsComplainedOf(t *testing.T) {
	uplinks := delegating()
	uplinks[1].Prefix.Hint, uplinks[1].Prefix.Require = netip.MustParsePrefix("2001:db8:400::/56"), true
	inWorldOf(t, uplinks, func(w *world) {
		w.pass(time.Second)
		u := w.uplink("bizf6")
		if u.State != control.Up || u.LastError == nil || !strings.Contains(u.LastError.Message, "another prefix than the required 2001:db8:400::/56") {
			t.Errorf("%s, %+v", u.State, u.LastError)
		}
		var kinds []string
		for _, e := range w.events("bizf6") {
			kinds = append(kinds, e.Kind)
			if e.Kind == "prefix" && !slices.Equal(e.Prefixes, []string{"2001:db8:100::/56"}) {
				t.Errorf("the event carries %v", e.Prefixes)
			}
		}
		if !slices.Contains(kinds, "prefix_unexpected") {
			t.Errorf("events %v", kinds)
		}
	})
}

// Renewed all the time for a day: nothing changes, and nothing is told.
func TestRenewalsAreSilent(t *testing.T) {
	inWorldOf(t, delegating(), func(w *world) {
		w.pass(time.Minute)
		before, told := w.show(), len(w.events("bizf6"))
		w.pass(24 * time.Hour)
		synctest.Wait()
		if got := w.show(); got != before {
			t.Errorf("system\n%s\nwas\n%s", got, before)
		}
		if got := w.events("bizf6"); len(got) != told {
			t.Errorf("events: %+v", got[told:])
		}
		w.expect("bizf6", control.Up)
	})
}
