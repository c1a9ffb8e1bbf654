package netconf_test

import (
	"net/netip"
	"path/filepath"
	"testing"

	"pppoectl/netconf"
)

var forwarding = netconf.Sysctl{Key: "net/ipv6/conf/all/forwarding", Value: "1"}

// Two uplinks need forwarding: it ends with the second, whichever that is, also
// over a crash between.
func TestSettingThatTwoWantEndsWithTheSecond(t *testing.T) {
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		file := filepath.Join(t.TempDir(), "journal")
		f := newFake()
		j := journal(t, file, "b", f)
		apply(t, j, "a", []netconf.Change{forwarding})
		apply(t, j, "b", []netconf.Change{forwarding})
		j.Close()
		j = journal(t, file, "b", f)
		apply(t, j, order[0], nil)
		if v := f.sysctls[forwarding.Key]; v != "1" {
			t.Errorf("%v: %s after the first has left", order, v)
		}
		apply(t, j, order[1], nil)
		f.expect(t, untouched)
	}
}

// Nobody tells when a setting changes: it is looked at from time to time, and put
// back, unless too often.
func TestSettingThatSomebodyChangesIsPutBack(t *testing.T) {
	f := newFake()
	j := journal(t, filepath.Join(t.TempDir(), "journal"), "b", f)
	apply(t, j, "a", []netconf.Change{forwarding})
	for _, may := range []bool{true, false} {
		f.sysctls[forwarding.Key] = "0"
		mended, err := j.MendSettings(func(netconf.Change) bool { return may })
		if err != nil || (len(mended) == 1) != may || (f.sysctls[forwarding.Key] == "1") != may {
			t.Errorf("allowed %v: mended %v, %v; it is %s", may, mended, err, f.sysctls[forwarding.Key])
		}
	}
	f.sysctls[forwarding.Key] = "1"
	if mended, err := j.MendSettings(func(netconf.Change) bool { return true }); err != nil || len(mended) > 0 {
		t.Errorf("mended without need: %v, %v", mended, err)
	}
}

func TestSettingThatWasSoAlreadyStays(t *testing.T) {
	f := newFake()
	f.sysctls[forwarding.Key] = "1"
	before := f.String()
	j := journal(t, filepath.Join(t.TempDir(), "journal"), "b", f)
	apply(t, j, "a", []netconf.Change{forwarding})
	apply(t, j, "a", nil)
	f.expect(t, before)
}

func TestSettingThatSomebodyChangedMeanwhileStays(t *testing.T) {
	f := newFake()
	j := journal(t, filepath.Join(t.TempDir(), "journal"), "b", f)
	apply(t, j, "a", []netconf.Change{forwarding})
	f.sysctls[forwarding.Key] = "2"
	apply(t, j, "a", nil)
	if v := f.sysctls[forwarding.Key]; v != "2" {
		t.Errorf("it is %s", v)
	}
}

var onLAN = netconf.Address{Device: "eth1", Address: netip.MustParsePrefix("2001:db8:100::1/64")}

// An address that somebody has given the LAN by hand is used, and stays.
func TestForeignAddressStays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal")
	f := newFake()
	if err := f.AddAddress(onLAN); err != nil {
		t.Fatal(err)
	}
	before := f.String()
	j := journal(t, file, "b", f)
	apply(t, j, "bizf6", []netconf.Change{onLAN})
	j.Close()
	j = journal(t, file, "b", f)
	apply(t, j, "bizf6", nil)
	f.expect(t, before)
}

// When a prefix is deprecated its address changes in place: deleting it would end
// connections.
func TestAddressIsDeprecatedWithoutBeingDeleted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal")
	f := newFake()
	j := journal(t, file, "b", f)
	apply(t, j, "bizf6", []netconf.Change{onLAN})
	old := onLAN
	old.Deprecated = true
	for _, a := range []netconf.Address{old, onLAN, old} {
		f.calls = nil
		apply(t, j, "bizf6", []netconf.Change{a})
		if len(f.calls) != 1 || f.calls[0] != a.String() {
			t.Errorf("did %q", f.calls)
		}
		if applied := j.Applied("bizf6"); len(applied) != 1 || applied[0] != a {
			t.Errorf("applied %v", applied)
		}
	}
	j.Close()
	j = journal(t, file, "b", f)
	apply(t, j, "bizf6", nil)
	f.expect(t, untouched)
}

var resolvConf = netconf.File{Path: "/etc/resolv.conf", Content: "nameserver 198.51.100.53\n"}

// The old content of a file comes back, also after a boot in between, and however
// often it was changed; what somebody else has written meanwhile stays.
func TestOldContentOfAFileComesBack(t *testing.T) {
	other := resolvConf
	other.Content += "nameserver 2001:db8:ffff::53\n"
	for _, c := range []struct {
		name   string
		before map[string]string
		after  string // the boot of the second run
		during string // somebody else's content
		want   map[string]string
	}{
		{"as it was", map[string]string{resolvConf.Path: "old\n"}, "b", "", map[string]string{resolvConf.Path: "old\n"}},
		{"after a boot", map[string]string{resolvConf.Path: "old\n"}, "c", "", map[string]string{resolvConf.Path: "old\n"}},
		{"there was none", map[string]string{}, "b", "", map[string]string{}},
		{"somebody else's", map[string]string{resolvConf.Path: "old\n"}, "b", "new\n", map[string]string{resolvConf.Path: "new\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "journal")
			f := newFake()
			f.files = c.before
			j := journal(t, file, "b", f)
			apply(t, j, "dns", []netconf.Change{resolvConf})
			apply(t, j, "dns", []netconf.Change{other})
			if f.files[resolvConf.Path] != other.Content {
				t.Errorf("it holds %q", f.files[resolvConf.Path])
			}
			if c.during != "" {
				f.files[resolvConf.Path] = c.during
			}
			j.Close()
			j = journal(t, file, c.after, f)
			apply(t, j, "dns", nil)
			if got, want := f.files[resolvConf.Path], c.want[resolvConf.Path]; got != want || len(f.files) != len(c.want) {
				t.Errorf("it holds %q, want %q", got, want)
			}
		})
	}
}
