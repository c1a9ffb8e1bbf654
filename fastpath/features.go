package fastpath

import "github.com/safchain/ethtool"

// Features returns which features of an interface are asked for, by the names that
// `ethtool -k` has; those that cannot be changed are left out.
func Features(name string) (map[string]bool, error) {
	e, err := ethtool.NewEthtool()
	if err != nil {
		return nil, err
	}
	defer e.Close()
	states, err := e.FeaturesWithState(name)
	if err != nil {
		return nil, err
	}
	features := map[string]bool{}
	for f, s := range states {
		if s.Available && !s.NeverChanged {
			features[f] = s.Requested
		}
	}
	return features, nil
}

// SetFeatures switches features of an interface on and off.
func SetFeatures(name string, want map[string]bool) error {
	if len(want) == 0 {
		return nil
	}
	e, err := ethtool.NewEthtool()
	if err != nil {
		return err
	}
	defer e.Close()
	return e.Change(name, want)
}

// wanted are the features that a line must have and must not have: GRO, for the packets that
// strip has stripped; no segmentation by the network card, which would copy one PPPoE length
// to all segments; no checksums by one that looks for IP right behind Ethernet; and no VLAN
// tags taken off, for strip would not know a frame of a VLAN then.
var wanted = map[string]bool{
	"rx-gro":                       true,
	"tx-tcp-segmentation":          false,
	"tx-tcp6-segmentation":         false,
	"tx-tcp-ecn-segmentation":      false,
	"tx-tcp-mangleid-segmentation": false,
	"tx-udp-segmentation":          false,
	"tx-gso-list":                  false,
	"tx-checksum-ipv4":             false,
	"tx-checksum-ipv6":             false,
	"rx-vlan-hw-parse":             false,
	"rx-vlan-stag-hw-parse":        false,
}

// anyChecksum is the feature of making checksums wherever they stand.
const anyChecksum = "tx-checksum-ip-generic"

// Wanted returns which features of an interface are to be switched on and off for the
// programs; those that are as they should be are left out.
func Wanted(name string) (map[string]bool, error) {
	now, err := Features(name)
	if err != nil {
		return nil, err
	}
	change := map[string]bool{}
	for f, on := range wanted {
		if is, there := now[f]; there && is != on {
			change[f] = on
		}
	}
	// A veth only leaves checksums to whoever is behind it, who may not expect that of PPPoE.
	if driver, err := driver(name); err == nil && driver == "veth" && now[anyChecksum] {
		change[anyChecksum] = false
	}
	return change, nil
}

func driver(name string) (string, error) {
	e, err := ethtool.NewEthtool()
	if err != nil {
		return "", err
	}
	defer e.Close()
	return e.DriverName(name)
}
