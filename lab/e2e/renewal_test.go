package lab_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"pppoectl/control"
)

// keaStops has the guest's delegation server end once there is a file DIR/stop, and begin anew once
// there is none.
const keaStops = `
( while sleep 0.2; do
  [[ -f DIR/stop ]] || continue
  until kill $(cat /run/kea/pid); do sleep 0.2; done
  while [[ -f DIR/stop ]]; do sleep 0.2; done
  . /run/timers; export T1 T2 PREFERRED VALID; setsid bash /run/pd-start ppp0 &
done 2>/dev/null ) &`

// The times of the lease that this test works with, in seconds.
var shortLease = []string{"T1=5", "T2=8", "PREFERRED=12", "VALID=16"}

// A lease is renewed again and again without a trace. Without a server it is kept
// until it runs out, no longer; and it is back when the server is.
func TestLeaseIsRenewedKeptAndLost(t *testing.T) {
	r := newRouter(t)
	r.boot(r.script(strings.ReplaceAll(keaStops, "DIR", r.dir), "", ""), shortLease...)
	r.run("bizf6")
	r.up("bizf6")
	host := r.address(0, "2001:db8:100::/64")
	r.ping6(0, inside6)

	renewals := 15 * time.Second
	if d, err := time.ParseDuration(os.Getenv("RENEWALS")); err == nil {
		renewals = d // as long as somebody wants to watch
	}
	began := time.Now()
	before := r.system()
	var latest time.Time
	count := 0
	for time.Since(began) < renewals {
		u := r.uplink("bizf6")
		if u.State != control.Up || len(u.IPv6.Prefixes) != 1 {
			t.Fatalf("%v after the start: %s, %+v", time.Since(began), u.State, u.IPv6)
		}
		if until := *u.IPv6.Prefixes[0].ValidUntil; until.Sub(latest) > time.Second {
			latest = until
			count++
		}
		if _, there := r.addresses(0)[host]; !there {
			t.Fatal("the host has lost its address")
		}
		time.Sleep(500 * time.Millisecond) // between two looks
	}
	if want := int(renewals/(6*time.Second)) - 1; count < want {
		t.Errorf("%d renewals in %v, want at least %d", count, renewals, want)
	}
	t.Logf("%d renewals in %v", count, renewals)
	if now := r.system(); now != before {
		t.Errorf("the system is\n%swas\n%s", now, before)
	}

	r.writeFile(r.path("stop"), "")
	r.await("bizf6", "past T2, any server is asked", func(u control.Uplink) bool {
		return u.IPv6 != nil && u.IPv6.Delegation == "rebinding"
	})
	if u := r.uplink("bizf6"); u.State != control.Up || !strings.Contains(r.host.IP("-6", "route", "show", "default"), "bizf6") {
		t.Errorf("while the lease is valid: %s", u.State)
	}
	r.ping6(0, inside6)
	r.await("bizf6", "past the valid lifetime, it is gone", func(u control.Uplink) bool {
		return u.State == control.Network && len(u.IPv6.Prefixes) == 0
	})
	if a := r.host.IP("-6", "address", "show", "dev", "lan0", "scope", "global"); strings.Contains(a, "2001:db8:100") {
		t.Errorf("the router still has %s", a)
	}
	r.eventually("the LAN knows that", func() error {
		deprecated, there := r.addresses(0)[host]
		route := r.hosts[0].IP("-6", "route", "show", "default")
		if there && !deprecated || strings.Contains(route, "default") {
			return errors.New(route)
		}
		return nil
	})
	if res := r.pppoectl("up", "bizf6", "--wait", "1s"); res.code != 22 || !strings.Contains(res.stderr, "bizf6:") {
		t.Errorf("up: exit status %d: %s", res.code, res.stderr)
	} else {
		t.Logf("up: %s", strings.TrimSpace(res.stderr))
	}

	if err := os.Remove(r.path("stop")); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	r.up("bizf6")
	r.ping6(0, inside6)
	t.Logf("back %v after the server", time.Since(back).Round(100*time.Millisecond))
	r.must(0, "stop")
}
