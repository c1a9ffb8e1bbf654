package lab_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pppoectl/concentrator"
	"pppoectl/flets"
)

const (
	login4 = "user@bizf.example.jp"
	login6 = "user@bizf6.example.jp"
)

func TestFletsimServesPPPDAndDHCP6C(t *testing.T) {
	s := newSite(t)
	c := s.customer()
	wire := newCapture(t, s.line, "ac0")
	for _, auth := range []string{"pap", "chap"} {
		s.part(auth, func() {
			f := s.fletsim("auth: [pap]", "auth: ["+auth+"]")
			v4, v6 := auth+"4", auth+"6" // the names of pppd and its device
			s.part("IPv4", func() { servesIPv4(f, c, v4, auth) })
			s.part("IPv4 once", func() { c.turnedAway(f, auth+"twice") })
			s.part("IPv6 with the prefix once it is delegated", func() { servesIPv6(f, c, v6) })
			s.part("an end at once", func() { endsCleanly(f, c, wire, v4, v6) })
			f.end()
		})
	}
}

func servesIPv4(f *simulated, c *peer, name, auth string) {
	t := f.s.t
	begin := time.Now()
	c.must("dial " + name + " " + login4 + " noipv6 usepeerdns defaultroute")
	for _, text := range []string{
		"local  IP address 203.0.113.7", "remote IP address 203.0.113.1",
		"primary   DNS address 198.51.100.53", "secondary DNS address 198.51.100.54",
		map[string]string{"pap": "rcvd [PAP AuthAck", "chap": "rcvd [CHAP Success"}[auth],
	} {
		t.Logf("pppd: %s", c.says(name, text))
	}
	t.Logf("up after %v", time.Since(begin).Round(10*time.Millisecond))
	c.must("grep 198.51.100.53 /etc/ppp/resolv.conf && grep 198.51.100.54 /etc/ppp/resolv.conf")
	c.must("ping -n -c 2 -i 0.2 -W 20 198.51.100.1")
	c.must(`exec 3<>/dev/tcp/198.51.100.1/80; printf 'GET /bytes?n=300000 HTTP/1.0\r\n\r\n' >&3; (( $(wc -c <&3) > 300000 ))`)
	if e := f.nth(concentrator.NetworkOpen, login4, 1); e.Text != "IPv4 203.0.113.7/32" {
		t.Errorf("fletsim says %v", e)
	}
	o := f.session(login4)
	if fmt.Sprint(o.Routes) != "[203.0.113.7/32]" || o.AC != "BAS-TOKYO" || o.Traffic.RxPackets < 2 || o.Traffic.TxBytes < 300000 {
		t.Errorf("status: %+v", o)
	}
}

// turnedAway expects that another session of the first login is refused.
func (p *peer) turnedAway(f *simulated, name string) {
	t := p.s.t
	t.Helper()
	const text = "already logged in" // fletsim's default
	n := len(f.events(concentrator.TurnedAway, login4))
	p.must("dial " + name + " " + login4 + " noipv6")
	t.Logf("pppd: %s", p.says(name, text))
	// 19 is a rejected login; 16, the AC's end of it, if pppd has begun LCP anew at that moment.
	exit := p.says(name, "exit ")
	if t.Logf("pppd: %s", exit); exit != "exit 19" && exit != "exit 16" {
		t.Error("that is not why")
	}
	if e := f.nth(concentrator.TurnedAway, login4, n+1); e.Text != text {
		t.Errorf("fletsim says %v", e)
	}
}

func servesIPv6(f *simulated, c *peer, name string) {
	t := f.s.t
	const own = "2001:db8:100:ff::99" // within the prefix
	ping := func(from, wait string) string {
		return "ping -n -c 2 -i 0.2 -W " + wait + " -I " + from + " 2001:db8:ffff::1"
	}
	c.must("dial " + name + " " + login6 + " noip +ipv6")
	t.Logf("pppd: %s", c.says(name, "local  LL address fe80::"))
	remote := c.says(name, "remote LL address fe80::")
	t.Logf("pppd: %s", remote)
	c.must("ping -n -c 1 -W 20 " + strings.Fields(remote)[3] + "%" + name)
	c.must("ip -6 addr replace " + own + "/128 dev lan0 nodad; ip -6 route replace default dev " + name)
	if c.do(ping(own, "1")) == "0" {
		t.Error("an answer came before the prefix was delegated")
	}
	if r := f.s.exec("ping", "-n", "-c1", "-W1", own); r.code == 0 {
		t.Error("the prefix is routed before it is delegated")
	}
	if o := f.session(login6); len(o.Routes) > 0 || o.Traffic.Dropped < 2 {
		t.Errorf("status before the delegation: %+v", o)
	}

	client := name + "pd"
	c.must("delegate " + client + " " + name)
	if e := f.nth(concentrator.Delegated, login6, 1); e.Text != "2001:db8:100::/56" {
		t.Errorf("fletsim says %v", e)
	}
	t.Logf("dhcp6c: %s", c.says(client, "add an address 2001:db8:100:"))
	t.Logf("dhcp6c: %s", c.says(client, "nameserver[0] 2001:db8:ffff::53"))
	c.must(ping(own, "20"))
	c.must("lan=$(ip -6 -o addr show dev lan0 scope global | awk '/::99/ {next} {print $4}'); echo LAN $lan; " + ping("${lan%/*}", "20"))
	f.s.ping(own) // from behind
	o := f.session(login6)
	if fmt.Sprint(o.Routes) != "[2001:db8:100::/56]" {
		t.Errorf("status: %+v", o)
	}

	c.must("end " + client + " TERM")
	if e := f.nth(concentrator.Withdrawn, login6, 1); e.Text != "2001:db8:100::/56" || e.Session != o.ID {
		t.Errorf("after dhcp6c's Release fletsim says %v", e)
	}
	c.says(client, "exit ")
}

// endsCleanly expects sessions to be gone at once with their pppd.
func endsCleanly(f *simulated, c *peer, wire *capture, names ...string) {
	t := f.s.t
	for _, o := range f.status().Sessions {
		begin := time.Now()
		c.must("end " + names[0] + " TERM")
		why := f.ended(o.ID)
		took := time.Since(begin)
		t.Logf("session %d of %s ended %v after SIGTERM: %s", o.ID, o.User, took.Round(time.Millisecond), why)
		if took > 5*time.Second { // pppd asks twice, 3 s apart
			t.Error("that is not at once")
		}
		t.Logf("pppd: %s", c.says(names[0], "exit 5")) // as asked by the user
		ours := func(f frame) bool { return f.src == o.Host.String() && f.session == o.ID }
		f.s.eventually("a Terminate-Request on the wire", func() error { // it is captured beside
			if len(wire.find(begin, func(f frame) bool { return ours(f) && f.control(protocolLCP, terminateRequest) })) == 0 {
				return errors.New("there is none")
			}
			return nil
		})
		t.Logf("pppd has sent %d PADTs", len(wire.find(begin, func(f frame) bool { return ours(f) && f.is(padt) })))
		names = names[1:]
	}
	if st := f.status(); len(st.Sessions) != 0 || len(names) != 0 {
		t.Errorf("%d sessions were missing, and there are still %+v", len(names), st.Sessions)
	}
}

func TestFletsimTurnsPPPDAway(t *testing.T) {
	s := newSite(t)
	c := s.customer()
	wire := newCapture(t, s.line, "ac0")
	f := s.fletsim("{interval: 10s, failures: 3}", "{interval: 2s, failures: 15}", "line: 2", "line: 3")
	up := func(name string) flets.SessionStatus {
		begin := time.Now()
		c.must("dial " + name + " " + login4 + " noipv6")
		c.says(name, "local  IP address 203.0.113.7")
		s.t.Logf("pppd %s is up after %v", name, time.Since(begin).Round(10*time.Millisecond))
		c.must("ip route replace 198.51.100.1 dev " + name)
		return f.session(login4)
	}
	ping := func() { c.must("ping -n -c 2 -i 0.2 -W 20 198.51.100.1") }
	// killed ends a pppd that has no time to say anything.
	killed := func(name string) time.Time {
		at := time.Now()
		c.must("end " + name + " KILL")
		c.says(name, "exit 137")
		return at
	}

	var first flets.SessionStatus
	s.part("one session of a login", func() {
		first = up("first")
		ping()
		c.turnedAway(f, "second")
		ping()
		if o := f.session(login4); o.ID != first.ID {
			s.t.Errorf("status: %+v, want session %d alone", o, first.ID)
		}
	})
	s.part("a stale session keeps its login until an echo time-out", func() {
		c.must("dial live " + login6 + " noip +ipv6") // it answers echoes
		live := f.nth(concentrator.LoggedIn, login6, 1)
		at := killed("first")
		c.turnedAway(f, "third")
		if o := f.session(login4); o.ID != first.ID {
			s.t.Errorf("status: %+v, want the stale session %d", o, first.ID)
		}
		why := f.ended(first.ID)
		s.t.Logf("the stale session has ended %v after the kill: %s", time.Since(at).Round(10*time.Millisecond), why)
		if why != "the host answers no echo" {
			s.t.Error("that is not why")
		}
		wire.none("PADT of a killed pppd", at, func(f frame) bool { return f.is(padt) && f.src == first.Host.String() && f.session == first.ID })
		if o := f.session(login6); o.ID != live.Session {
			s.t.Errorf("status: %+v, want session %d, which answers", o, live.Session)
		}
		up("fourth")
		ping()
		c.must("end fourth TERM; end live TERM")
		c.says("fourth", "exit 5")
		c.says("live", "exit 5")
	})
	f.end()
	s.part("busy: replace lets the newer one in", func() {
		f = s.fletsim("busy: refuse", "busy: replace")
		stale := up("fifth")
		at := killed("fifth")
		live := up("sixth")
		ping()
		s.t.Logf("the stale session has ended: %s", f.ended(stale.ID))
		s.eventually("a PADT for the stale session", func() error {
			if got := wire.find(at, func(f frame) bool { return f.is(padt) && f.session == stale.ID }); len(got) != 1 {
				return fmt.Errorf("there are %v", got)
			}
			return nil
		})
		up("seventh")
		ping()
		s.t.Logf("the live session has ended: %s", f.ended(live.ID))
		s.t.Logf("its pppd: %s", c.says("sixth", "Modem hangup"))
		s.t.Logf("its pppd: %s", c.says("sixth", "exit 16"))
		c.must("end seventh TERM")
		c.says("seventh", "exit 5")
		f.end()
	})
	s.part("one session of a line", func() {
		f = s.fletsim("line: 2", "line: 1")
		up("eighth")
		c.must("dial ninth " + login6 + " noip +ipv6")
		s.t.Logf("pppd: %s", c.says("ninth", "PADS: System-Error: session limit of the line"))
		s.t.Logf("pppd: %s", c.says("ninth", "exit "))
		if e := f.nth(concentrator.SessionRefused, "", 1); e.Text != "session limit of the line" {
			s.t.Errorf("fletsim says %v", e)
		}
		ping()
		c.must("end eighth TERM")
		c.says("eighth", "exit 5")
		c.must("dial tenth " + login6 + " noip +ipv6") // the place is free again
		s.t.Logf("pppd: %s", c.says("tenth", "remote LL address"))
		f.end()
	})
}
