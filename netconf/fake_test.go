package netconf_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pppoectl/netconf"
)

// fake is a System that prints itself as text, a line each, in the order of
// names.
type fake struct {
	owners map[string]string // of devices; "-" for what is not ours
	mtu    map[string]int
	up     map[string]bool
	on     map[string]bool // addresses and routes, as they print
	fail   string          // the call with this text fails
	calls  []string

	sysctls map[string]string
	feature map[string]bool // of eth1
	files   map[string]string
	after   func() // each call, if set
}

func newFake() *fake {
	return &fake{
		owners: map[string]string{"eth1": "-"}, mtu: map[string]int{"eth1": 1500},
		up: map[string]bool{}, on: map[string]bool{},
		sysctls: map[string]string{"net/ipv6/conf/all/forwarding": "0", "net/ipv4/ip_forward": "0"},
		feature: map[string]bool{"rx-gro": false, "tx-tcp-segmentation": true, "tx-udp-segmentation": false},
		files:   map[string]string{"/etc/resolv.conf": "nameserver 192.0.2.1\n"},
	}
}

func (f *fake) String() string {
	var s []string
	for name, owner := range f.owners {
		s = append(s, fmt.Sprintf("device %s of %s mtu %d up %v", name, owner, f.mtu[name], f.up[name]))
	}
	for line := range f.on {
		s = append(s, line)
	}
	for path, content := range f.files {
		s = append(s, fmt.Sprintf("%s holds %q", path, content))
	}
	for key, value := range f.sysctls {
		s = append(s, key+"="+value)
	}
	for name, on := range f.feature { // as the others are at first
		if on != newFake().feature[name] {
			s = append(s, fmt.Sprintf("eth1 %s %v", name, on))
		}
	}
	slices.Sort(s)
	return strings.Join(s, "\n")
}

func (f *fake) clone() *fake {
	return &fake{owners: maps.Clone(f.owners), mtu: maps.Clone(f.mtu), up: maps.Clone(f.up), on: maps.Clone(f.on), sysctls: maps.Clone(f.sysctls), feature: maps.Clone(f.feature), files: maps.Clone(f.files)}
}

func (f *fake) changed() {
	if f.after != nil {
		f.after()
	}
}

var errFake = errors.New("operation not permitted")

func (f *fake) call(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	f.calls = append(f.calls, call)
	if f.fail != "" && strings.Contains(call, f.fail) {
		return errFake
	}
	return nil
}

func (f *fake) there(device string) error {
	if _, ok := f.owners[device]; !ok {
		return fmt.Errorf("no device %s", device)
	}
	return nil
}

func (f *fake) AddDevice(name, owner string) error {
	defer f.changed()
	if err := f.call("add %s", name); err != nil {
		return err
	}
	if o, ok := f.owners[name]; ok {
		if o != owner {
			return netconf.ErrForeign
		}
		return nil
	}
	f.owners[name], f.mtu[name] = owner, 1500
	return nil
}

func (f *fake) DeleteDevice(name, owner string) error {
	defer f.changed()
	if err := f.call("delete %s", name); err != nil {
		return err
	}
	if f.owners[name] != owner {
		return nil
	}
	delete(f.owners, name)
	delete(f.mtu, name)
	delete(f.up, name)
	f.flush(name, func(string) bool { return true })
	return nil
}

// flush takes away what is on a device.
func (f *fake) flush(device string, which func(line string) bool) {
	for line := range f.on {
		if strings.Contains(line, " dev "+device+" ") && which(line) {
			delete(f.on, line)
		}
	}
}

func (f *fake) SetMTU(device string, mtu int) error {
	defer f.changed()
	if err := errors.Join(f.call("mtu %s", device), f.there(device)); err != nil {
		return err
	}
	f.mtu[device] = mtu
	return nil
}

func (f *fake) SetUp(device string) error {
	defer f.changed()
	if err := errors.Join(f.call("up %s", device), f.there(device)); err != nil {
		return err
	}
	f.up[device] = true
	return nil
}

func (f *fake) IsUp(device string) (bool, error) {
	return f.up[device], nil
}

// SetDown takes the routes away, as Linux does.
func (f *fake) SetDown(device string) error {
	defer f.changed()
	if err := f.call("down %s", device); err != nil {
		return err
	}
	if f.there(device) == nil {
		delete(f.up, device)
		f.flush(device, func(line string) bool { return strings.HasPrefix(line, "route") })
	}
	return nil
}

func (f *fake) AddAddress(a netconf.Address) error {
	defer f.changed()
	if err := errors.Join(f.call("%v", a), f.there(a.Device)); err != nil {
		return err
	}
	f.on[addressLine(a, !a.Deprecated)] = true
	delete(f.on, addressLine(a, a.Deprecated))
	return nil
}

func addressLine(a netconf.Address, preferred bool) string {
	return fmt.Sprintf("address %v peer %v dev %s preferred %v", a.Address, a.Peer, a.Device, preferred)
}

func (f *fake) HasAddress(a netconf.Address) (bool, error) {
	return f.on[addressLine(a, true)] || f.on[addressLine(a, false)], f.there(a.Device)
}

func (f *fake) DeleteAddress(a netconf.Address) error {
	defer f.changed()
	if err := f.call("delete %v", a); err != nil {
		return err
	}
	delete(f.on, addressLine(a, true))
	delete(f.on, addressLine(a, false))
	return nil
}

// AddRoute wants the device to be up, as Linux does.
func (f *fake) AddRoute(r netconf.Route) error {
	defer f.changed()
	if err := f.call("%v", r); err != nil {
		return err
	}
	if r.Device != "" && !f.up[r.Device] {
		return errors.Join(f.there(r.Device), errors.New("network is down"))
	}
	f.on[routeLine(r)] = true
	return nil
}

func routeLine(r netconf.Route) string {
	return fmt.Sprintf("route %v table %d metric %d src %v dev %s ", r.Destination, r.Table, r.Metric, r.Source, r.Device)
}

func (f *fake) DeleteRoute(r netconf.Route) error {
	defer f.changed()
	if err := f.call("delete %v", r); err != nil {
		return err
	}
	delete(f.on, routeLine(r))
	return nil
}

func (f *fake) AddRule(r netconf.Rule) error {
	defer f.changed()
	if err := f.call("%v", r); err != nil {
		return err
	}
	f.on[r.String()] = true
	return nil
}

func (f *fake) DeleteRule(r netconf.Rule) error {
	defer f.changed()
	if err := f.call("delete %v", r); err != nil {
		return err
	}
	delete(f.on, r.String())
	return nil
}

func (f *fake) Sysctl(key string) (string, error) {
	if v, ok := f.sysctls[key]; ok {
		return v, nil
	}
	return "", fmt.Errorf("%s: %w", key, fs.ErrNotExist)
}

func (f *fake) SetSysctl(key, value string) error {
	defer f.changed()
	if err := f.call("sysctl %s=%s", key, value); err != nil {
		return err
	}
	f.sysctls[key] = value
	return nil
}

// uplinkChanges are those of an uplink that is up, in order.
func uplinkChanges(name string, n byte) []netconf.Change {
	local := netip.AddrFrom4([4]byte{203, 0, 113, n})
	return []netconf.Change{
		netconf.LineUp{Interface: "eth1"},
		netconf.Device{Name: name, Owner: name},
		netconf.Link{Device: name, MTU: 1454},
		netconf.Address{Device: name, Address: netip.PrefixFrom(local, 32), Peer: netip.MustParseAddr("203.0.113.1")},
		netconf.Address{Device: name, Address: netip.MustParsePrefix("fe80::1/64")},
		netconf.Route{Device: name, Destination: netip.MustParsePrefix("0.0.0.0/0"), Metric: 100, Source: local},
		netconf.Route{Device: name, Destination: netip.MustParsePrefix("::/0"), Metric: 100},
		netconf.Sysctl{Key: "net/ipv6/conf/all/forwarding", Value: "1"},
		netconf.Offloads{Interface: "eth1", Index: 3},
		netconf.Programs{Interface: "eth1", Index: 3, Directory: "/sys/fs/bpf/pppoectl/01234567/eth1"},
		netconf.Rule{From: netip.PrefixFrom(local, 32), Table: 100 + int(n), Priority: 25600},
		netconf.Route{Destination: netip.MustParsePrefix("0.0.0.0/0"), Metric: 1 << 30, Table: 100 + int(n)},
		netconf.Resolved{Device: name, Servers: "198.51.100.53"},
	}
}

// expect compares the system with text, a line each.
func (f *fake) expect(t *testing.T, want string) {
	t.Helper()
	if got, want := strings.TrimSpace(f.String()), strings.TrimSpace(want); got != want {
		t.Errorf("the system is\n%s\nwant\n%s", got, want)
	}
}

func (f *fake) Advertised() ([]string, error) { return nil, nil }

func (f *fake) SetFirewall(w netconf.Firewall) error {
	defer f.changed()
	if err := f.call("%v", w); err != nil {
		return err
	}
	f.deleteFirewall(w.Table)
	f.on[fmt.Sprintf("%v for %s", w, w.Prefixes)] = true
	return nil
}

func (f *fake) deleteFirewall(table string) {
	maps.DeleteFunc(f.on, func(line string, _ bool) bool { return strings.Contains(line, "table inet "+table+" ") })
}

func (f *fake) DeleteFirewall(table string) error {
	defer f.changed()
	if err := f.call("delete %s", table); err != nil {
		return err
	}
	f.deleteFirewall(table)
	return nil
}

func (f *fake) HasFirewall(w netconf.Firewall) (bool, error) {
	for line := range f.on {
		if strings.Contains(line, "table inet "+w.Table+" ") {
			return true, nil
		}
	}
	return false, nil
}

func (f *fake) HasRoute(r netconf.Route) (bool, error) { return f.on[routeLine(r)], nil }
func (f *fake) HasRule(r netconf.Rule) (bool, error)   { return f.on[r.String()], nil }

func (f *fake) ReadFile(path string) (string, bool, error) {
	content, ok := f.files[path]
	return content, ok, nil
}

func (f *fake) WriteFile(path, content string) error {
	defer f.changed()
	if err := f.call("write %s", path); err != nil {
		return err
	}
	f.files[path] = content
	return nil
}

func (f *fake) RemoveFile(path string) error {
	defer f.changed()
	if err := f.call("remove %s", path); err != nil {
		return err
	}
	delete(f.files, path)
	return nil
}

func (f *fake) SetResolved(r netconf.Resolved) error {
	defer f.changed()
	if err := f.call("%v", r); err != nil {
		return err
	}
	f.on[r.String()] = true
	return nil
}

func (f *fake) RevertResolved(device string) error {
	defer f.changed()
	if err := f.call("revert %s", device); err != nil {
		return err
	}
	maps.DeleteFunc(f.on, func(line string, _ bool) bool { return strings.HasPrefix(line, "resolvectl dns "+device+" ") })
	return nil
}

func (f *fake) UnfitFeatures(device string) (map[string]bool, error) {
	unfit := map[string]bool{}
	for name, on := range f.feature {
		if wanted := name == "rx-gro"; on != wanted {
			unfit[name] = wanted
		}
	}
	return unfit, f.there(device)
}

func (f *fake) SetFeatures(device string, _ int, want map[string]bool) error {
	defer f.changed()
	if err := errors.Join(f.call("%v %v", netconf.Offloads{Interface: device}, want), f.there(device)); err != nil {
		return err
	}
	maps.Copy(f.feature, want)
	return nil
}

func (f *fake) AttachPrograms(p netconf.Programs) error {
	defer f.changed()
	if err := f.call("%v", p); err != nil {
		return err
	}
	f.on[p.String()] = true
	return nil
}

func (f *fake) DetachPrograms(p netconf.Programs) error {
	defer f.changed()
	if err := f.call("delete %v", p); err != nil {
		return err
	}
	delete(f.on, p.String())
	return nil
}
