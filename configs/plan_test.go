package configs_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pppoectl/configs"
)

var address = netip.MustParseAddr("203.0.113.7")

const planned = `
uplinks:
  bizf: {interface: eth1, username: user@bizf.ocn.ne.jp, password: secret, families: [ipv4]}
  bizf6:
    interface: eth1
    username: user@bizf6.ocn.ne.jp
    password: secret
    families: [ipv6]
    prefix: {request: true}
    lan: [{interface: eth0}]
`

func plan(t *testing.T, old, new string) string {
	t.Helper()
	var lines []string
	for _, s := range configs.Plan(load(t, old), load(t, new)) {
		lines = append(lines, s.String())
	}
	return strings.Join(lines, "\n")
}

// What each change needs is known, and told before it is made.
func TestPlanSaysWhatEachChangeNeeds(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"password: secret, families: [ipv4]", "password: other, families: [ipv4]", "bizf: nothing (password)"},
		{"families: [ipv4]}", "families: [ipv4], enabled: false}", "bizf: nothing (enabled)"},
		{"families: [ipv4]}", "families: [ipv4], ac-name: BAS}", "bizf: nothing (ac-name)"},
		{"families: [ipv4]}", "families: [ipv4], auth: [chap]}", "bizf: nothing (auth)"},
		{"families: [ipv4]}", "families: [ipv4], metric: 7, nat: true}", "bizf: reconfiguration (metric, nat)"},
		{"families: [ipv4]}", "families: [ipv4], echo: {interval: 5s}}", "bizf: reconfiguration (echo)"},
		{"families: [ipv4]}", "families: [ipv4], dns: {write: resolved}}", "bizf: reconfiguration (dns.write)"},
		{"families: [ipv4]}", "families: [ipv4, ipv6]}", "bizf: new login (families)"},
		{"families: [ipv4]}", "families: [ipv4], address: 203.0.113.7}", "bizf: renegotiation (address)"},
		{"families: [ipv4]}", "families: [ipv4], dns: {request: false}, metric: 3}", "bizf: renegotiation (dns.request, metric)"},
		{"interface: eth1, username: user@bizf.", "interface: eth2, username: user@bizf.", "bizf: new login (interface)"},
		{"user@bizf.", "other@bizf.", "bizf: new login (username)"},
		{"families: [ipv4]}", "families: [ipv4], mtu: 1400}", "bizf: new login (mtu)"},
		{"families: [ipv4]}", "families: [ipv4], ifname: wan}", "bizf: new login (ifname)"},
		{"{request: true}", "{request: true, hint: \"2001:db8:100::/56\"}", "bizf6: reconfiguration (prefix)"},
		{"[{interface: eth0}]", "[{interface: eth0}, {interface: eth2, subnet: 1}]", "bizf6: reconfiguration (lan)"},
		{"uplinks:", "log: {level: debug}\nuplinks:", "the daemon: restart of the daemon (log)"},
		{"  bizf: {", "  bizx: {", "bizf: is gone: its session is released\nbizx: is new: it is dialled if it is enabled"},
		{"", "", ""},
	} {
		if got := plan(t, planned, strings.Replace(planned, c.old, c.new, 1)); got != c.want {
			t.Errorf("%s -> %s:\n%s\nwant\n%s", c.old, c.new, got, c.want)
		}
	}
}

func TestFamilyThatGoesNeedsNoLogin(t *testing.T) {
	both := strings.Replace(planned, "[ipv4]", "[ipv4, ipv6]", 1)
	if got := plan(t, both, planned); got != "bizf: renegotiation (families)" {
		t.Error(got)
	}
}

// No setting of an uplink may change without a plan for it.
func TestEverySettingIsPlanned(t *testing.T) {
	for i := range reflect.TypeFor[configs.Uplink]().NumField() {
		f := reflect.TypeFor[configs.Uplink]().Field(i)
		if f.Name == "Name" {
			continue
		}
		u, v := load(t, planned).Uplinks[0], load(t, planned).Uplinks[0]
		field := reflect.ValueOf(&v).Elem().Field(i)
		if !disturb(field) {
			t.Fatalf("%s: the test cannot change a %v", f.Name, f.Type)
		}
		if keys, _ := configs.Changed(&u, &v); len(keys) == 0 {
			t.Errorf("a change of %s is of no key", f.Name)
		}
	}
}

// disturb changes a value.
func disturb(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
	case reflect.Struct:
		if v.Type().String() == "netip.Addr" {
			v.Set(reflect.ValueOf(address))
			return true
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() && disturb(v.Field(i)) {
				return true
			}
		}
		return false
	default:
		return false
	}
	return true
}

func Example() {
	fmt.Println(configs.Step{Uplink: "bizf", Action: configs.Reconfigure.String(), Keys: []string{"metric"}})
	// Output: bizf: reconfiguration (metric)
}
