package flets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode"

	_ "embed" // the example

	"go.yaml.in/yaml/v3"

	"pppoectl/concentrator"
	"pppoectl/lcp"
	"pppoectl/pppoe"
)

// Example is a line with the two logins of a Flets contract, as YAML.
//
//go:embed example.yaml
var Example string

// Config is a line as its YAML file says it.
type Config struct {
	ACs      []AC             `yaml:"acs"`
	Limits   Limits           `yaml:"limits"`
	Lease    Lease            `yaml:"lease"`
	Logins   map[string]Login `yaml:"logins"`
	Realms   map[string]Realm `yaml:"realms"`
	Behind   Behind           `yaml:"behind"`
	Scenario []Act            `yaml:"scenario"`
}

// AC is an access concentrator.
type AC struct {
	Name     string     `yaml:"name"`
	MAC      *pppoe.MAC `yaml:"mac"` // none: the interface's, or one made of it
	Aliases  []string   `yaml:"aliases"`
	Services []string   `yaml:"services"`
	Auth     []string   `yaml:"auth"` // pap, chap
	MRU      int        `yaml:"mru"`
	Echo     Echo       `yaml:"echo"`

	Advertise *time.Duration `yaml:"advertise"` // as a router for so long, 0 as none; absent: not at all
	Address   netip.Addr     `yaml:"address"`
	Off       bool           `yaml:"off"` // until `on NAME`
}

// Echo is how a concentrator finds out that a host is gone.
type Echo struct {
	Interval time.Duration `yaml:"interval"`
	Failures int           `yaml:"failures"`
}

// Limits are how many sessions there may be; 0: any number.
type Limits struct {
	Line  int    `yaml:"line"`
	Login int    `yaml:"login"`
	Busy  string `yaml:"busy"` // refuse or replace
	Text  string `yaml:"text"` // of the refusal
}

// Lease is how long a delegated prefix is kept.
type Lease struct {
	T1          time.Duration `yaml:"t1"`
	T2          time.Duration `yaml:"t2"`
	Preferred   time.Duration `yaml:"preferred"`
	Valid       time.Duration `yaml:"valid"`
	RapidCommit *bool         `yaml:"rapid-commit"`
}

// Login is a user and what he gets.
type Login struct {
	Password     string       `yaml:"password"`
	IPv4         netip.Addr   `yaml:"ipv4"`
	Block        netip.Prefix `yaml:"block"`
	IPv6         bool         `yaml:"ipv6"`
	Prefix       netip.Prefix `yaml:"prefix"`
	PrefixLength int          `yaml:"prefix-length"`
	DNS          []netip.Addr `yaml:"dns"`
	Lease        *Lease       `yaml:"lease"`
}

// Realm is what its users have in common.
type Realm struct {
	Password     string       `yaml:"password"`
	IPv4         netip.Prefix `yaml:"ipv4"`
	IPv6         bool         `yaml:"ipv6"`
	Prefixes     netip.Prefix `yaml:"prefixes"`
	PrefixLength int          `yaml:"prefix-length"`
	DNS          []netip.Addr `yaml:"dns"`
	Lease        *Lease       `yaml:"lease"`
}

// Behind is the network behind the concentrators.
type Behind struct {
	Namespace string         `yaml:"namespace"` // network namespace; made if it is not there; empty: where the line is
	Device    string         `yaml:"device"`
	Addresses []netip.Prefix `yaml:"addresses"`
	Web       bool           `yaml:"web"` // a web server on port 80 of these addresses
	Run       []string       `yaml:"run"` // programs, such as `iperf3 -s`
}

// Act is a fault of a scenario.
type Act struct {
	At time.Duration `yaml:"at"` // after the start
	Do Command       `yaml:"do"`
}

// Parse reads a line's YAML. An error names the line and what would be right.
func Parse(b []byte) (Config, error) {
	var c Config
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, said(err)
	}
	return c, c.check()
}

var (
	unknownField = regexp.MustCompile(`field (\S+) not found in type .*`)
	wrongType    = regexp.MustCompile("cannot unmarshal !!\\w+ `?([^`]*)`? into (\\S+)")
)

// said puts what the YAML library says about Go types into words for whoever
// wrote the file.
func said(err error) error {
	var types *yaml.TypeError
	if !errors.As(err, &types) {
		return errors.New(oneLine(strings.TrimPrefix(err.Error(), "yaml: ")))
	}
	text := unknownField.ReplaceAllString(types.Errors[0], "$1: unknown key")
	text = wrongType.ReplaceAllString(text, "$1 is no $2")
	return errors.New(oneLine(strings.NewReplacer("time.Duration", "duration such as 10s", "flets.", "", "netip.", "").Replace(text)))
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (c *Config) check() error {
	if len(c.ACs) == 0 {
		c.ACs = []AC{{}}
	}
	names, macs := map[string]bool{}, map[pppoe.MAC]bool{}
	for i := range c.ACs {
		a := &c.ACs[i]
		if a.Name == "" {
			a.Name = fmt.Sprintf("BAS-%d", i+1)
		}
		if names[a.Name] {
			return fmt.Errorf("acs: two are called %s", a.Name)
		}
		names[a.Name] = true
		if err := checkName(a.Name); err != nil {
			return fmt.Errorf("acs: %w", err)
		}
		if a.MAC != nil && macs[*a.MAC] {
			return fmt.Errorf("acs: %s: mac: two have %v", a.Name, a.MAC)
		}
		if a.MAC != nil {
			macs[*a.MAC] = true
		}
		if a.MRU != 0 && (a.MRU < 128 || a.MRU > 1500) {
			return fmt.Errorf("acs: %s: mru: %d is not within 128 and 1500", a.Name, a.MRU)
		}
		if a.Echo.Interval > 0 && a.Echo.Interval < leastEcho {
			return fmt.Errorf("acs: %s: echo: interval: %v is less than %v", a.Name, a.Echo.Interval, leastEcho)
		}
		if d := a.Advertise; d != nil && (*d < 0 || *d > mostRouter) {
			return fmt.Errorf("acs: %s: advertise: %v is not within 0s and %v", a.Name, *d, mostRouter)
		}
		if a.Echo.Interval < 0 || a.Echo.Failures < 0 {
			return fmt.Errorf("acs: %s: echo: interval %v, failures %d: neither may be negative", a.Name, a.Echo.Interval, a.Echo.Failures)
		}
		if a.MAC != nil && !a.MAC.Unicast() {
			return fmt.Errorf("acs: %s: mac: %v is no station's address", a.Name, a.MAC)
		}
		if _, err := a.auth(); err != nil {
			return fmt.Errorf("acs: %s: %w", a.Name, err)
		}
		if a.Address.IsValid() && !hostAddress(a.Address) {
			return fmt.Errorf("acs: %s: address: %v is no IPv4 address of a host", a.Name, a.Address)
		}
	}
	if err := c.Lease.lease().Check(); err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	if c.Limits.Line < 0 || c.Limits.Login < 0 {
		return fmt.Errorf("limits: line %d, login %d: neither may be negative", c.Limits.Line, c.Limits.Login)
	}
	if b := c.Limits.Busy; b != "" && b != "refuse" && b != "replace" {
		return fmt.Errorf("limits: busy: %q is neither refuse nor replace", b)
	}
	for name, l := range c.Logins {
		if err := l.check(); err != nil {
			return fmt.Errorf("logins: %s: %w", name, err)
		}
		if name == "" || name == "all" || strings.ContainsAny(name, " \t\n") {
			return fmt.Errorf("logins: %q is no name that a command could say", name)
		}
	}
	for name, r := range c.Realms {
		if err := r.check(); err != nil {
			return fmt.Errorf("realms: %s: %w", name, err)
		}
	}
	for i, act := range c.Scenario {
		if act.Do.verb == nil {
			return fmt.Errorf("scenario: act %d: do is missing", i+1)
		}
		if act.At < 0 || i > 0 && act.At < c.Scenario[i-1].At {
			return fmt.Errorf("scenario: act %d: at: %v is before the act before", i+1, act.At)
		}
	}
	return c.Behind.check()
}

// mostRouter is the longest Router Lifetime (RFC 4861 section 4.2).
const mostRouter = 9000 * time.Second

// leastEcho keeps one session from using up a processor.
const leastEcho = 100 * time.Millisecond

func (b Behind) check() error {
	if len(b.Device) > 15 || strings.ContainsAny(b.Device, "/% \t\n:") || b.Device == "." || b.Device == ".." {
		return fmt.Errorf("behind: device: %q is no name for a device", b.Device)
	}
	if b.Web && len(b.Addresses) == 0 {
		return errors.New("behind: web: true needs addresses")
	}
	return nil
}

// checkName returns an error unless a concentrator may have that name.
func checkName(name string) error {
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || r == ' ' }) {
		return fmt.Errorf("%.80q is no name for a concentrator: 1 to 64 letters without blanks", name)
	}
	return nil
}

// hostAddress reports whether an IPv4 host may have that address.
func hostAddress(a netip.Addr) bool {
	return a.Is4() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// Shorter prefixes than these are mistakes: the network behind would send
// everything to the hosts.
const (
	shortestIPv4 = 8
	shortestIPv6 = 16
)

func (l Login) check() error {
	switch {
	case l.Password == "":
		return errors.New("password is missing")
	case l.IPv4.IsValid() && !hostAddress(l.IPv4):
		return fmt.Errorf("ipv4: %v is no IPv4 address of a host", l.IPv4)
	case l.Block.IsValid() && l.Block.Bits() < shortestIPv4:
		return fmt.Errorf("block: %v is too much: a /%d at most", l.Block, shortestIPv4)
	case l.Block.IsValid() && (!l.Block.Addr().Is4() || !l.IPv4.IsValid()):
		return fmt.Errorf("block: %v needs to be IPv4, and ipv4 to be there", l.Block)
	case !l.IPv4.IsValid() && !l.IPv6 && !l.Prefix.IsValid():
		return errors.New("neither ipv4 nor ipv6: there is nothing to log in for")
	}
	return checkPrefix("prefix", l.Prefix, l.PrefixLength, l.Lease)
}

func (r Realm) check() error {
	switch {
	case r.Password == "":
		return errors.New("password is missing")
	case r.IPv4.IsValid() && !hostAddress(r.IPv4.Addr()):
		return fmt.Errorf("ipv4: %v is no IPv4 prefix of hosts", r.IPv4)
	case r.IPv4.IsValid() && (r.IPv4.Bits() < shortestIPv4 || r.IPv4.Bits() > 29):
		return fmt.Errorf("ipv4: %v is no pool: its length is not within %d and 29", r.IPv4, shortestIPv4)
	case !r.IPv4.IsValid() && !r.IPv6 && !r.Prefixes.IsValid():
		return errors.New("neither ipv4 nor ipv6: there is nothing to log in for")
	case r.Prefixes.IsValid() && r.PrefixLength == 0:
		return errors.New("prefix-length is missing: how long is the prefix of each user? 56, say")
	}
	return checkPrefix("prefixes", r.Prefixes, r.PrefixLength, r.Lease)
}

func checkPrefix(key string, p netip.Prefix, length int, lease *Lease) error {
	if p.IsValid() && (!p.Addr().Is6() || p != p.Masked()) {
		return fmt.Errorf("%s: %v is no IPv6 prefix", key, p)
	}
	if p.IsValid() && p.Bits() < shortestIPv6 {
		return fmt.Errorf("%s: %v is too much: a /%d at most", key, p, shortestIPv6)
	}
	if length != 0 && (!p.IsValid() || length < p.Bits() || length > 64) {
		return fmt.Errorf("prefix-length: %d is not within that of %s and 64", length, key)
	}
	if lease != nil {
		if err := lease.lease().Check(); err != nil {
			return fmt.Errorf("lease: %w", err)
		}
	}
	return nil
}

func (a AC) auth() ([]lcp.Auth, error) {
	var list []lcp.Auth
	for _, s := range a.Auth {
		switch s {
		case "pap":
			list = append(list, lcp.AuthPAP)
		case "chap":
			list = append(list, lcp.AuthCHAPMD5)
		default:
			return nil, fmt.Errorf("auth: %q is neither pap nor chap", s)
		}
	}
	if a.Auth == nil {
		return []lcp.Auth{lcp.AuthPAP}, nil
	}
	return list, nil
}

// lease completes what was left out, which is a Flets line's.
func (l Lease) lease() concentrator.Lease {
	d := concentrator.DefaultLease
	if l.Valid != 0 || l.Preferred != 0 || l.T1 != 0 || l.T2 != 0 {
		d = concentrator.Lease{T1: l.T1, T2: l.T2, Preferred: l.Preferred, Valid: l.Valid}
	}
	d.NoRapidCommit = l.RapidCommit != nil && !*l.RapidCommit
	return d
}

// subscribers returns who may log in.
func (c Config) subscribers() *concentrator.Subscribers {
	s := concentrator.NewSubscribers(nil)
	s.PerLine, s.PerLogin, s.Replace, s.Busy = c.Limits.Line, c.Limits.Login, c.Limits.Busy == "replace", c.Limits.Text
	lease := func(own *Lease) concentrator.Lease {
		if own != nil {
			return own.lease()
		}
		return c.Lease.lease()
	}
	for name, l := range c.Logins {
		dns4, dns6 := servers(l.DNS)
		s.Logins[name] = concentrator.Login{
			Password: l.Password, IPv4: l.IPv4, Block: l.Block, DNS: dns4, IPv6: l.IPv6 || l.Prefix.IsValid(),
			Prefix: l.Prefix, Length: l.PrefixLength, Lease: lease(l.Lease), DNS6: dns6,
		}
	}
	for name, r := range c.Realms {
		dns4, dns6 := servers(r.DNS)
		s.Realms[name] = concentrator.Realm{
			Password: r.Password, IPv4: r.IPv4, DNS: dns4, IPv6: r.IPv6 || r.Prefixes.IsValid(),
			Prefixes: r.Prefixes, Length: r.PrefixLength, Lease: lease(r.Lease), DNS6: dns6,
		}
	}
	return s
}

// servers splits name servers by family: two are for IPCP, the rest for DHCPv6.
func servers(list []netip.Addr) (dns4 [2]netip.Addr, dns6 []netip.Addr) {
	n := 0
	for _, a := range list {
		switch {
		case a.Is6():
			dns6 = append(dns6, a)
		case n < len(dns4):
			dns4[n] = a
			n++
		}
	}
	return dns4, dns6
}
