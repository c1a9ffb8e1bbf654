package flets_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"pppoectl/cause"
	"pppoectl/flets"
	"pppoectl/pppoe"
	"pppoectl/session"
)

func TestCommandsThatEndSessions(t *testing.T) {
	for _, c := range []struct {
		command string
		which   string // ends the sessions of: user4, or all
		cause   cause.Code
		peer    string
	}{
		{"padt " + user4, user4, cause.PADT, ""},
		{"padt", "", cause.PADT, ""},
		{"padt all", "", cause.PADT, ""},
		{"terminate " + user4, user4, cause.Terminated, ""},
		{"terminate " + user4 + " see  you", user4, cause.Terminated, "see you"},
		{"terminate all good bye", "", cause.Terminated, "good bye"},
	} {
		b := newBox(t, nil)
		four, six := b.host(user4).up(), b.host(user6).up()
		b.do(c.command)
		b.run(time.Second)
		four.expectDown(c.cause, c.peer)
		if c.which == "" {
			six.expectDown(c.cause, c.peer)
		} else if six.m.Phase() != session.Up {
			t.Errorf("%s: the other is in phase %q", c.command, six.m.Phase())
		}
		want := map[string]int{"": 0, user4: 1}[c.which]
		if n := len(b.l.Status(b.now).Sessions); n != want {
			t.Errorf("%s: %d sessions are left", c.command, n)
		}
		if got := b.faults(); len(got) != 1 || got[0] != strings.Join(strings.Fields(c.command), " ") {
			t.Errorf("%s: events %q", c.command, got)
		}
	}
}

func TestSessionsThatAreForgotten(t *testing.T) {
	for command, left := range map[string]int{"drop " + user4: 1, "drop": 0, "forget": 0, "restart 5s": 0} {
		b := newBox(t, nil)
		four, six := b.host(user4).up(), b.host(user6).up()
		b.frames = nil
		b.do(command)
		if n := len(b.l.Status(b.now).Sessions); n != left || len(b.frames) != 0 {
			t.Errorf("%s: %d sessions are left, %d frames said", command, n, len(b.frames))
		}
		if four.m.Phase() != session.Up || six.m.Phase() != session.Up {
			t.Errorf("%s: a host has noticed", command)
		}
		b.carry(ip4(out4, host4, 8))
		if len(four.ip) != 0 {
			t.Errorf("%s: packets still go to it", command)
		}
		again := b.host(user4)
		again.dial()
		if up := again.m.Phase() == session.Up; up == strings.HasPrefix(command, "restart") {
			t.Errorf("%s: a new session is in phase %q", command, again.m.Phase())
		}
		b.run(20 * time.Second)
		if again.m.Phase() != session.Up {
			t.Errorf("%s: after 20 s a new session is in phase %q", command, again.m.Phase())
		}
	}
}

// A lease outlives its session, but not a restart of the concentrators.
func TestForgottenLeases(t *testing.T) {
	for command, known := range map[string]bool{"drop": true, "padt": true, "forget": false, "restart 1s": false} {
		b := newBox(t, nil)
		b.host(user6).up().delegated()
		b.do(command)
		b.run(time.Second)
		h := b.hosts[0]
		if h.m.Phase() == session.Up { // it has not noticed
			h.do(session.Input{Command: session.Abandon})
		}
		h.up()
		if ia := h.dhcp(dhcpv6.MessageTypeRebind); (len(ia.Options.Prefixes()) == 1) != known || (ia.Options.Status() == nil) != known {
			t.Errorf("%s: %v", command, ia)
		}
	}
}

// A restart switches nothing on that was off, and `on` ends it early.
func TestRestartAndSwitches(t *testing.T) {
	b := newBox(t, nil)
	off := func() string {
		var list []string
		for _, a := range b.l.Status(b.now).ACs {
			list = append(list, fmt.Sprint(a.Off))
		}
		return strings.Join(list, " ")
	}
	for _, c := range []struct{ command, want, later string }{
		{"restart 5s", "true true", "false true"},
		{"on BAS-OSAKA", "false false", "false false"},
		{"restart 5s", "true true", "false false"},
		{"off BAS-TOKYO", "true false", "true false"},
		{"restart 5s", "true true", "true false"},
		{"on BAS-TOKYO", "false false", "false false"},
	} {
		b.do(c.command)
		got := off()
		b.run(5 * time.Second)
		if got != c.want || off() != c.later {
			t.Errorf("%s: %s, later %s; want %s, later %s", c.command, got, off(), c.want, c.later)
		}
	}
	b.do("restart 1h")
	b.do("on BAS-TOKYO")
	b.do("restart 5s")
	if got := off(); got != "true true" {
		t.Errorf("%s", got)
	}
	b.run(5 * time.Second)
	if got := off(); got != "false false" {
		t.Errorf("a second, shorter restart: %s", got)
	}
}

func TestRenegotiateKeepsTheSession(t *testing.T) {
	for _, command := range []string{"renegotiate " + both, "renegotiate"} {
		b := newBox(t, nil)
		h := b.host(both).up()
		id := h.m.Info().SessionID
		b.do(command)
		b.run(time.Second)
		if h.m.Phase() != session.Up || h.m.Info().SessionID != id || h.count(session.LinkUp) != 2 {
			t.Errorf("%s: phase %q, %v", command, h.m.Phase(), h.events)
		}
	}
}

func TestRefuseALogin(t *testing.T) {
	for _, c := range []struct{ command, text string }{
		{"refuse " + user4 + " 30s", "login limit"}, {"refuse " + user4 + " 30s contract  ended", "contract ended"}, {"refuse all 30s maintenance", "maintenance"},
	} {
		b := newBox(t, nil)
		h, other := b.host(user4), b.host(user6)
		b.do(c.command)
		h.dial()
		h.expectDown(cause.AuthRejected, c.text)
		other.dial()
		if up := other.m.Phase() == session.Up; up == strings.Contains(c.command, " all ") {
			t.Errorf("%s: the other is in phase %q", c.command, other.m.Phase())
		}
		b.run(28 * time.Second)
		h.up()
	}
}

func TestFullConcentrators(t *testing.T) {
	for _, c := range []struct{ command, text string }{{"full 30s", "no free session"}, {"full 30s go  away", "go away"}} {
		b := newBox(t, nil)
		h := b.host(user4)
		b.do(c.command)
		h.dial()
		h.expectDown(cause.ACRefused, c.text)
		b.run(29 * time.Second)
		h.up()
	}
}

// A driver's timer may be late: what is over is over all the same.
func TestWhatIsOverEndsBeforeTheNextFrame(t *testing.T) {
	for _, command := range []string{"full 30s", "restart 30s"} {
		b := newBox(t, nil)
		h := b.host(user4)
		b.do(command)
		b.now += 31 * time.Second // and no tick
		h.do(session.Input{Command: session.Dial})
		b.run(0)
		if h.m.Phase() != session.Up {
			t.Errorf("%s: phase %q, %v", command, h.m.Phase(), h.events)
		}
	}
}

func TestClearEndsWhatIsOnTheWireAndRefusals(t *testing.T) {
	b := newBox(t, nil)
	h := b.host(user4)
	for _, command := range []string{"full 1h", "refuse all 1h", "silence 1h", "delay 1s", "slow 1s", "lose 100%", "duplicate 50%", "reorder 50%"} {
		b.do(command)
	}
	want := "silence, delay 1s, slow 1s, lose 100%, duplicate 50%, reorder 50%"
	if got := strings.Join(b.l.Status(b.now).Faults, ", "); got != want {
		t.Errorf("faults %s", got)
	}
	h.dial()
	if h.m.Phase() != session.Discovery {
		t.Errorf("phase %q", h.m.Phase())
	}
	b.do("clear")
	if got := b.l.Status(b.now).Faults; len(got) != 0 {
		t.Errorf("faults %q", got)
	}
	b.run(time.Minute)
	if h.m.Phase() != session.Up {
		t.Errorf("phase %q after clear", h.m.Phase())
	}
}

func TestChangedAddress(t *testing.T) {
	b := newBox(t, nil)
	h := b.host(user4).up()
	b.do("address " + user4 + " 203.0.113.77")
	if h.m.Info().IPv4.Local != netip.AddrFrom4(host4) {
		t.Errorf("%v", h.m.Info().IPv4)
	}
	b.do("renegotiate " + user4)
	b.run(time.Second)
	if got := h.m.Info().IPv4.Local.String(); got != "203.0.113.77" {
		t.Errorf("it has %s", got)
	}
	if !slices.Contains(b.l.Destinations(), netip.MustParsePrefix("203.0.113.77/32")) {
		t.Errorf("%v", b.l.Destinations())
	}
}

func TestChangedPrefix(t *testing.T) {
	b := newBox(t, nil)
	h := b.host(user6).up()
	if got := h.delegated(); got != "2001:db8:100::/56" {
		t.Errorf("at first %s", got)
	}
	b.do("prefix " + user6 + " 2001:db8:300::/60")
	if got := h.delegated(); got != "2001:db8:300::/60" {
		t.Errorf("then %s", got)
	}
	if got := fmt.Sprint(b.l.Status(b.now).Sessions[0].Routes); got != "[2001:db8:300::/60]" {
		t.Errorf("routes %s", got)
	}
}

// A prefix for a login that had none makes it one with IPv6, as in the YAML.
func TestPrefixForALoginWithoutOne(t *testing.T) {
	b := newBox(t, nil)
	b.do("prefix " + user4 + " 2001:db8:300::/60")
	h := b.hostWith(session.Config{Username: user4, Password: "secret4", Families: []session.Family{session.IPv4, session.IPv6}}).up()
	if h.m.Info().IPv6 == nil {
		t.Fatal("no IPv6CP")
	}
	if got := h.delegated(); got != "2001:db8:300::/60" {
		t.Errorf("it gets %s", got)
	}
}

func TestRename(t *testing.T) {
	b := newBox(t, nil)
	b.do("rename BAS-TOKYO BAS-TOKYO-2")
	if got := b.host(user4).up().m.Info().ACName; got != "BAS-TOKYO-2" {
		t.Errorf("%q", got)
	}
	if err := b.try("off BAS-TOKYO"); err == nil {
		t.Error("the old name is still good")
	}
}

func TestCommandsWithoutAnObject(t *testing.T) {
	b := newBox(t, nil)
	for command, want := range map[string]string{
		"drop nobody":                   "nobody has no session",
		"padt " + user4:                 user4 + " has no session",
		"terminate nobody":              "nobody has no session",
		"renegotiate nobody":            "nobody has no session",
		"refuse nobody 10s":             "there is no login nobody",
		"address nobody 1.2.3.4":        "there is no login nobody",
		"prefix nobody 2001:db8::/56":   "there is no login nobody",
		"rename BAS-KYOTO BAS":          "there is no concentrator BAS-KYOTO",
		"rename BAS-TOKYO BAS-OSAKA":    "there is a concentrator BAS-OSAKA already",
		"on BAS-KYOTO":                  "there is no concentrator BAS-KYOTO",
		"off BAS-KYOTO":                 "there is no concentrator BAS-KYOTO",
		"drop":                          "",
		"padt all":                      "",
		"refuse me@load.example.jp 10s": "",
	} {
		err := b.try(command)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v, want %q", command, err, want)
		}
		if told := slices.Contains(b.faults(), command); told != (want == "") {
			t.Errorf("%s: told as done: %v", command, told)
		}
	}
}

func TestStatus(t *testing.T) {
	b := newBox(t, nil)
	empty, err := json.Marshal(b.l.Status(b.now))
	want := `{"acs":[{"name":"BAS-TOKYO","mac":"00:1e:13:c2:69:c2","off":false,"sessions":0},` +
		`{"name":"BAS-OSAKA","mac":"02:1e:13:c2:69:c3","off":true,"sessions":0}],"faults":[],"sessions":[]}`
	if err != nil || string(empty) != want {
		t.Errorf("%s, %v", empty, err)
	}
	b.do("on BAS-OSAKA")
	osaka := b.hostWith(session.Config{Username: user6, Password: "secret6", Families: []session.Family{session.IPv6}, Discovery: pppoe.Want{ACName: "BAS-OSAKA"}}).up()
	tokyo := b.host(user4).up()
	b.carry(ip4(out4, host4, 8))
	b.do("lose 7%")
	b.do("delay 5ms 1m")
	s := b.l.Status(b.now)
	if got := strings.Join(s.Faults, ", "); got != "delay 5ms, lose 7%" {
		t.Errorf("faults %s", got)
	}
	if len(s.Sessions) != 2 || s.ACs[0].Sessions != 1 || s.ACs[1].Sessions != 1 || s.ACs[1].Off {
		t.Fatalf("%+v", s)
	}
	first, second := s.Sessions[0], s.Sessions[1]
	if first.AC != "BAS-TOKYO" || first.User != user4 || first.Host != tokyo.mac || first.ID != tokyo.m.Info().SessionID ||
		first.Seconds != 1 || fmt.Sprint(first.Routes) != "[203.0.113.7/32]" || first.Traffic.TxPackets != 1 || first.Traffic.TxBytes != 28 {
		t.Errorf("%+v", first)
	}
	if second.AC != "BAS-OSAKA" || second.User != user6 || second.Host != osaka.mac || second.Seconds != 2 {
		t.Errorf("%+v", second)
	}
	text, _ := json.Marshal(second)
	if !strings.Contains(string(text), `"routes":[]`) {
		t.Errorf("%s", text)
	}
	b.run(time.Minute)
	if got := strings.Join(b.l.Status(b.now).Faults, ", "); got != "lose 7%" {
		t.Errorf("faults a minute later: %s", got)
	}
}

// Every command of the manual is in one of these tests.
func TestNoCommandIsLeftOut(t *testing.T) {
	var names []string
	for line := range strings.Lines(flets.Usage()) {
		names = append(names, strings.Fields(line)[0])
	}
	want := "drop padt terminate renegotiate forget restart refuse full silence delay slow lose duplicate reorder clear address prefix rename on off"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("commands %s", got)
	}
}
