package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"pppoectl/session"
)

// Need is what it takes to make a changed key true.
type Need int

// The needs, the least first.
const (
	Nothing     Need = iota // it counts from the next login, or start, on
	Reconfigure             // the system is changed; the session does not notice
	Renegotiate             // a network protocol is negotiated anew; the session stays
	Login                   // the session ends, and another one begins
	Restart                 // the daemon has to be started again
)

func (n Need) String() string {
	return [...]string{"nothing", "reconfiguration", "renegotiation", "new login", "restart of the daemon"}[n]
}

// needs says what a change of each key of an uplink needs, and which of its
// settings the key is.
var needs = map[string]struct {
	need Need
	of   func(*Uplink) any
}{
	"type":          {Login, func(*Uplink) any { return nil }},
	"enabled":       {Nothing, func(u *Uplink) any { return u.Enabled }},
	"standby-for":   {Reconfigure, func(u *Uplink) any { return u.StandbyFor }},
	"interface":     {Login, func(u *Uplink) any { return u.Interface }},
	"ifname":        {Login, func(u *Uplink) any { return u.Ifname }},
	"username":      {Login, func(u *Uplink) any { return u.Username }},
	"password":      {Nothing, func(u *Uplink) any { return u.Password }},
	"password-file": {Nothing, func(*Uplink) any { return nil }}, // what is in it is the password
	"credential":    {Nothing, func(*Uplink) any { return nil }},
	"auth":          {Nothing, func(u *Uplink) any { return u.Auth }},
	"families":      {Renegotiate, func(u *Uplink) any { return u.Families }},
	"mtu":           {Login, func(u *Uplink) any { return u.MTU }},
	"service-name":  {Nothing, func(u *Uplink) any { return u.Want.ServiceName }},
	"ac-name":       {Nothing, func(u *Uplink) any { return u.Want.ACName }},
	"ac-mac":        {Nothing, func(u *Uplink) any { return u.Want.AC }},
	"address":       {Renegotiate, func(u *Uplink) any { return [2]any{u.Address, u.Unnumbered} }},
	"block":         {Reconfigure, func(u *Uplink) any { return u.Block }},
	"dns.request":   {Renegotiate, func(u *Uplink) any { return u.RequestDNS }},
	"dns.write":     {Reconfigure, func(u *Uplink) any { return u.WriteDNS }},
	"interface-id":  {Renegotiate, func(u *Uplink) any { return u.Identifier }},
	"default-route": {Reconfigure, func(u *Uplink) any { return u.DefaultRoute }},
	"metric":        {Reconfigure, func(u *Uplink) any { return u.Metric }},
	"source-route":  {Reconfigure, func(u *Uplink) any { return u.SourceRoute }},
	"table":         {Reconfigure, func(u *Uplink) any { return u.Table }},
	"firewall":      {Reconfigure, func(u *Uplink) any { return u.Firewall }},
	"nat":           {Reconfigure, func(u *Uplink) any { return u.NAT }},
	"echo":          {Reconfigure, func(u *Uplink) any { return [2]any{u.EchoInterval, u.EchoFailures} }},
	"dead-after":    {Reconfigure, func(u *Uplink) any { return u.DeadAfter }},
	"data-path":     {Reconfigure, func(u *Uplink) any { return u.DataPath }},
	"prefix":        {Reconfigure, func(u *Uplink) any { return u.Prefix }},
	"lan":           {Reconfigure, func(u *Uplink) any { return u.LAN }},
}

// Changed returns the keys in which two configurations of an uplink differ, and the
// most that any of them needs.
func Changed(old, new *Uplink) ([]string, Need) {
	var keys []string
	most := Nothing
	for key, n := range needs {
		if !reflect.DeepEqual(n.of(old), n.of(new)) {
			keys = append(keys, key)
			most = max(most, n.need)
		}
		if key == "families" && joins(old.Families, new.Families) {
			most = Login
		}
	}
	slices.Sort(keys)
	return keys, most
}

// joins reports whether a family is new: its protocol has been rejected in this
// session, and an AC that has taken that in hears of it no more.
func joins(old, new []session.Family) bool {
	return slices.ContainsFunc(new, func(f session.Family) bool { return !slices.Contains(old, f) })
}

// Step is one line of a plan.
type Step struct {
	Uplink string   `json:"uplink,omitempty"` // empty: the daemon
	Action string   `json:"action"`           // add, remove, or what the change needs
	Keys   []string `json:"keys,omitempty"`   // that differ
}

func (s Step) String() string {
	who := s.Uplink
	if who == "" {
		who = "the daemon"
	}
	if len(s.Keys) == 0 {
		return fmt.Sprintf("%s: %s", who, s.Action)
	}
	return fmt.Sprintf("%s: %s (%s)", who, s.Action, strings.Join(s.Keys, ", "))
}

// Actions of a [Step] besides what a change needs.
const (
	Add    = "is new: it is dialled if it is enabled"
	Remove = "is gone: its session is released"
)

// Plan returns what has to be done to get from one configuration to another.
func Plan(old, new *Config) []Step {
	var steps []Step
	daemon := map[string][2]any{
		"run-dir": {old.RunDir, new.RunDir}, "state-dir": {old.StateDir, new.StateDir}, "bpf-dir": {old.BPFDir, new.BPFDir}, "log": {old.Log, new.Log},
		"control-group": {old.ControlGroup, new.ControlGroup}, "hooks": {old.Hooks, new.Hooks}, "metrics": {old.Metrics, new.Metrics},
	}
	if !slices.Equal(old.Lines, new.Lines) {
		steps = append(steps, Step{Action: Reconfigure.String(), Keys: []string{"lines"}})
	}
	var keys []string
	for key, v := range daemon {
		if v[0] != v[1] {
			keys = append(keys, key)
		}
	}
	if slices.Sort(keys); len(keys) > 0 {
		steps = append(steps, Step{Action: Restart.String(), Keys: keys})
	}
	for i := range old.Uplinks {
		u := &old.Uplinks[i]
		v, ok := new.Uplink(u.Name)
		if !ok {
			steps = append(steps, Step{Uplink: u.Name, Action: Remove})
			continue
		}
		if keys, need := Changed(u, v); len(keys) > 0 {
			steps = append(steps, Step{Uplink: u.Name, Action: need.String(), Keys: keys})
		}
	}
	for _, v := range new.Uplinks {
		if _, ok := old.Uplink(v.Name); !ok {
			steps = append(steps, Step{Uplink: v.Name, Action: Add})
		}
	}
	return steps
}
