package state_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"pppoectl/dhcpv6"
	"pppoectl/lan"
	"pppoectl/session"
	"pppoectl/state"
)

// written is when the files are written: by both clocks.
const written = 50 * time.Hour

var clock = time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)

// delegated is a lease with one prefix for a while and one for ever.
func delegated() dhcpv6.Lease {
	return dhcpv6.Lease{
		Client: []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 1}, IAID: 7, Server: []byte{0, 2, 3}, T1: written + time.Hour, T2: dhcpv6.Forever,
		Prefixes: []dhcpv6.Prefix{
			{Prefix: netip.MustParsePrefix("2001:db8:100::/56"), PreferredUntil: written + 2*time.Hour, ValidUntil: written + 4*time.Hour},
			{Prefix: netip.MustParsePrefix("2001:db8:200::/56"), PreferredUntil: dhcpv6.Forever, ValidUntil: dhcpv6.Forever},
		},
		Told: dhcpv6.Told{DNS: []netip.Addr{netip.MustParseAddr("2001:db8:ffff::53")}, Domains: []string{"example.jp"}},
	}
}

// boots are what can have happened between writing and reading.
var boots = []struct {
	name  string
	boot  string
	now   time.Duration // since boot, when read
	clock time.Duration // how far the wall clock is then
	moved time.Duration // of all times
}{
	{"the same boot", "boot-1", written + time.Hour, time.Hour, 0},
	{"the same boot, with another clock", "boot-1", written + time.Hour, -1000 * time.Hour, 0},
	{"another boot, five minutes later", "boot-2", time.Minute, 5 * time.Minute, time.Minute - 5*time.Minute - written},
	{"another boot, at once", "boot-2", 0, 0, -written},
	{"another boot, a clock that is years behind", "boot-2", time.Minute, -20000 * time.Hour, time.Minute - written},
	{"another boot, a clock that is years ahead", "boot-2", time.Minute, 20000 * time.Hour, time.Minute - written - 20000*time.Hour},
}

// A lease goes on in another boot, where the time since boot begins anew; a clock
// that is wrong makes it no longer than it was.
func TestLeaseOverAnotherBoot(t *testing.T) {
	for _, b := range boots {
		t.Run(b.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, "boot-1")
			if err := s.SaveLease("bizf6", state.Lease{Lease: delegated(), In: session.Stale{Session: 7}, At: written, Clock: clock}); err != nil {
				t.Fatal(err)
			}
			s.Close()
			got, err := open(t, dir, b.boot).LoadLease("bizf6", b.now, clock.Add(b.clock))
			if err != nil {
				t.Fatal(err)
			}
			if got.In != (session.Stale{}) && b.boot != "boot-1" {
				t.Errorf("confirmed in %v, of another boot", got.In)
			}
			want := delegated()
			want.T1 += b.moved
			want.Prefixes[0].PreferredUntil += b.moved
			want.Prefixes[0].ValidUntil += b.moved
			if !reflect.DeepEqual(got.Lease, want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, want)
			}
			if left := got.Lease.Prefixes[0].ValidUntil - b.now; left > 4*time.Hour {
				t.Errorf("%v left of four hours", left)
			}
		})
	}
}

// So does what hosts may have from us.
func TestLANsOverAnotherBoot(t *testing.T) {
	for _, b := range boots {
		t.Run(b.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, "boot-1")
			a, c := netip.MustParsePrefix("2001:db8:100:1::/64"), netip.MustParsePrefix("2001:db8:200:1::/64")
			err := s.SaveLANs(state.LANs{At: written, Clock: clock, Prefixes: map[string][]lan.Stale{
				"eth0": {{Prefix: a, Until: written + time.Hour}, {Prefix: c, Until: written + 90*time.Minute}}, "eth2": nil,
			}})
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			got, err := open(t, dir, b.boot).LoadLANs(b.now, clock.Add(b.clock))
			if err != nil {
				t.Fatal(err)
			}
			want := map[string][]lan.Stale{
				"eth0": {{Prefix: a, Until: written + time.Hour + b.moved}, {Prefix: c, Until: written + 90*time.Minute + b.moved}}, "eth2": nil,
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, want)
			}
		})
	}
}

func TestLeasesAndLANsThatAreMissingOrDamaged(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "b")
	if _, err := s.LoadLease("bizf6", 0, clock); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("lease: %v", err)
	}
	if v, err := s.LoadLANs(0, clock); err != nil || v != nil {
		t.Errorf("LANs: %v, %v", v, err)
	}
	if err := s.RemoveLease("bizf6"); err != nil {
		t.Errorf("remove: %v", err)
	}
	err := errors.Join(s.SaveLease("bizf6", state.Lease{Lease: delegated()}), s.SaveLANs(state.LANs{Prefixes: map[string][]lan.Stale{"eth0": {{}}}}))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"leases/bizf6.json", "lan.json"} {
		file = filepath.Join(dir, file)
		b, err := os.ReadFile(file)
		if err == nil {
			b[len(b)/2] ^= 1
			err = os.WriteFile(file, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if v, err := s.LoadLease("bizf6", 0, clock); !errors.Is(err, state.ErrCorrupt) || len(v.Lease.Prefixes) > 0 {
		t.Errorf("lease: %+v, %v", v, err)
	}
	if v, err := s.LoadLANs(0, clock); !errors.Is(err, state.ErrCorrupt) || len(v) > 0 {
		t.Errorf("LANs: %+v, %v", v, err)
	}
	if err := s.RemoveLease("bizf6"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.LoadLease("bizf6", 0, clock); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after removal: %v", err)
	}
	if err := s.RemoveAll(); err != nil {
		t.Fatal(err)
	}
	if v, err := s.LoadLANs(0, clock); err != nil || v != nil {
		t.Errorf("after all was removed: %v, %v", v, err)
	}
}
