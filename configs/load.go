package configs

import (
	_ "embed"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// Reference is a configuration file that documents every key.
//
//go:embed reference.yaml
var Reference string

// dataPaths are the ways to carry packets, the default first.
var dataPaths = []string{"auto", "ebpf", "offload", "portable"}

// Defaults of an uplink.
const (
	DefaultMTU       = 1454 // of Flets: PPPoE inside L2TP
	DefaultMetric    = 100
	DefaultInterval  = 10 * time.Second
	DefaultFailures  = 5
	DefaultDeadAfter = 60 * time.Second

	DefaultHookTimeout = 30 * time.Second
)

// Default directories.
const (
	defaultRunDir   = "/run/pppoectl"
	defaultStateDir = "/var/lib/pppoectl"
	defaultBPFDir   = "/sys/fs/bpf/pppoectl"
	defaultHooksDir = "/etc/pppoectl/hooks.d"
)

// Errors are the mistakes of a configuration, a line each.
type Errors []string

func (e Errors) Error() string { return strings.Join(e, "\n") }

// LoadToRun is Load for who is going to dial: without a password there is no
// configuration.
func LoadToRun(file string) (*Config, error) {
	c, err := Load(file)
	if err == nil && len(c.Unchecked) > 0 {
		return nil, Errors(c.Unchecked)
	}
	return c, err
}

// Load reads and checks the configuration in file. The error is an Errors.
func Load(file string) (*Config, error) {
	r, mistakes := readRaw(file)
	l := loader{file: file, mistakes: mistakes}
	if r == nil {
		return nil, Errors(l.mistakes)
	}
	c := l.config(r)
	if len(l.mistakes) > 0 {
		return nil, Errors(l.mistakes)
	}
	return c, nil
}

// loader turns raw settings into a Config and collects mistakes.
type loader struct {
	file      string
	at        string // the key of the uplink being read
	mistakes  []string
	warnings  []string
	unchecked []string
	modified  time.Time
}

// seen notes when a file that counts was changed.
func (l *loader) seen(info os.FileInfo) {
	if info.ModTime().After(l.modified) {
		l.modified = info.ModTime()
	}
}

func (l *loader) wrong(key, format string, args ...any) {
	if l.at != "" {
		key = l.at + "." + key
	}
	l.mistakes = append(l.mistakes, fmt.Sprintf("%s: %s: %s", l.file, key, fmt.Sprintf(format, args...)))
}

func (l *loader) warn(key, format string, args ...any) {
	l.warnings = append(l.warnings, fmt.Sprintf("%s: %s.%s: %s", l.file, l.at, key, fmt.Sprintf(format, args...)))
}

// cannotCheck notes a password that is not to be had here and now.
func (l *loader) cannotCheck(key, format string, args ...any) {
	l.unchecked = append(l.unchecked, fmt.Sprintf("%s: %s.%s: %s", l.file, l.at, key, fmt.Sprintf(format, args...)))
}

func (l *loader) config(r *raw) *Config {
	c := &Config{
		File: l.file, RunDir: r.RunDir, StateDir: r.StateDir, BPFDir: r.BPFDir, ControlGroup: r.ControlGroup,
		Log: Log{r.Log.Level, r.Log.Format},
	}
	setDefault(&c.RunDir, defaultRunDir)
	setDefault(&c.StateDir, defaultStateDir)
	setDefault(&c.BPFDir, defaultBPFDir)
	setDefault(&c.Log.Level, "info")
	setDefault(&c.Log.Format, "text")
	for _, d := range []struct{ key, dir string }{{"run-dir", c.RunDir}, {"state-dir", c.StateDir}, {"bpf-dir", c.BPFDir}} {
		if !filepath.IsAbs(d.dir) {
			l.wrong(d.key, "%q is not an absolute path", d.dir)
		}
	}
	if _, err := logrus.ParseLevel(c.Log.Level); err != nil {
		l.wrong("log.level", "%q is none; one of error, warning, info, debug, trace", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		l.wrong("log.format", "%q is none; text or json", c.Log.Format)
	}
	c.Hooks = l.hooks(r.Hooks)
	c.Metrics = l.metrics(r.Metrics)
	for _, name := range sortedKeys(r.Uplinks) {
		l.at = "uplinks." + name
		if r.Uplinks[name] == nil {
			l.mistakes = append(l.mistakes, fmt.Sprintf("%s: %s: is empty; it needs at least interface, username and a password", l.file, l.at))
			continue
		}
		c.Uplinks = append(c.Uplinks, l.uplink(name, r.Uplinks[name]))
	}
	l.at = ""
	if len(r.Uplinks) == 0 {
		l.wrong("uplinks", "none is configured")
	}
	l.unique(c.Uplinks)
	c.Lines = l.lines(r.Lines, c.Uplinks)
	l.standbys(c)
	l.tables(c.Uplinks)
	if info, err := os.Stat(l.file); err == nil {
		l.seen(info)
	}
	c.Warnings, c.Unchecked, c.Modified = l.warnings, l.unchecked, l.modified
	return c
}

// unique checks that no two uplinks share a TUN device, one with a line, or the
// place of a default route.
func (l *loader) unique(uplinks []Uplink) {
	owner, routes := map[string]string{}, map[string]string{}
	for _, u := range uplinks {
		l.at = "uplinks." + u.Name
		if other, ok := owner[u.Ifname]; ok {
			l.wrong("ifname", "%q is the TUN device of uplinks.%s already", u.Ifname, other)
		}
		owner[u.Ifname] = u.Name
		for _, f := range u.Families {
			route := fmt.Sprintf("%s metric %d", f, u.Metric)
			if other, ok := routes[route]; ok && u.DefaultRoute {
				l.wrong("metric", "%d is that of the %s default route of uplinks.%s already; give one of them another", u.Metric, f, other)
			}
			if u.DefaultRoute {
				routes[route] = u.Name
			}
		}
		for _, v := range uplinks {
			if v.Interface == u.Ifname {
				l.wrong("ifname", "%q is the line of uplinks.%s", u.Ifname, v.Name)
			}
			for i, n := range u.LAN {
				if n.Interface == v.Interface && v.Name != u.Name || n.Interface == v.Ifname && v.Name != u.Name {
					l.wrong(fmt.Sprintf("lan[%d].interface", i), "%q is of uplinks.%s, not a LAN", n.Interface, v.Name)
				}
			}
		}
	}
	l.at = ""
}

var (
	uplinkName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,14}$`)
	deviceName = regexp.MustCompile(`^[^/:\s]{1,15}$`)
)

func (l *loader) uplink(name string, r *rawUplink) Uplink {
	u := Uplink{
		Name: name, Enabled: r.Enabled == nil || *r.Enabled, Interface: r.Interface, Ifname: r.Ifname,
		Username: r.Username, StandbyFor: r.StandbyFor, DefaultRoute: r.DefaultRoute, Metric: DefaultMetric, MTU: DefaultMTU,
		RequestDNS: true, EchoInterval: DefaultInterval, EchoFailures: DefaultFailures, DeadAfter: DefaultDeadAfter, DataPath: dataPaths[0],
	}
	if r.Type != "" && r.Type != "pppoe" {
		l.wrong("type", "%q is none; pppoe", r.Type)
	}
	setDefault(&u.Ifname, name)
	if !deviceName.MatchString(u.Ifname) || u.Ifname == "." || u.Ifname == ".." {
		l.wrong("ifname", "%q is no name of a network device", u.Ifname)
	}
	switch {
	case u.Interface == "":
		l.wrong("interface", "is missing; the line's Ethernet interface, such as eth1")
	case !deviceName.MatchString(u.Interface):
		l.wrong("interface", "%q is no name of a network device", u.Interface)
	}
	if u.Username == "" {
		l.wrong("username", "is missing; such as user@bizf.ocn.ne.jp")
	}
	if len(u.Username) > 255 {
		l.wrong("username", "is longer than 255 octets")
	}
	u.Password = l.password(r)
	u.Auth = l.auth(r.Auth)
	u.Families = l.families(r.Families)
	l.link(&u, r)
	l.selection(&u, r)
	l.addressing(&u, r)
	l.keepalive(&u, r)
	l.routing(&u, r)
	l.prefix(&u, r.Prefix)
	l.lan(&u, r)
	return u
}

func (l *loader) auth(names []string) []lcp.Auth {
	if names == nil {
		return []lcp.Auth{lcp.AuthCHAPMD5, lcp.AuthPAP}
	}
	var auth []lcp.Auth
	for i, n := range names {
		switch n {
		case "pap":
			auth = append(auth, lcp.AuthPAP)
		case "chap":
			auth = append(auth, lcp.AuthCHAPMD5)
		default:
			l.wrong(fmt.Sprintf("auth[%d]", i), "%q is not known; pap or chap", n)
		}
	}
	if len(names) == 0 {
		l.wrong("auth", "allows nothing; [pap, chap] allows both")
	}
	return auth
}

func (l *loader) families(names []string) []session.Family {
	var families []session.Family
	for i, n := range names {
		f := session.Family(n)
		switch {
		case f != session.IPv4 && f != session.IPv6:
			l.wrong(fmt.Sprintf("families[%d]", i), "%q is not known; ipv4 or ipv6", n)
		case slices.Contains(families, f):
			l.wrong(fmt.Sprintf("families[%d]", i), "%q stands there twice", n)
		default:
			families = append(families, f)
		}
	}
	if len(names) == 0 {
		l.wrong("families", "is missing; [ipv4] asks for IPCP, [ipv6] for IPv6CP, [ipv4, ipv6] for both")
	}
	return families
}

func (l *loader) link(u *Uplink, r *rawUplink) {
	if r.MTU != nil {
		u.MTU = *r.MTU
	}
	least := 576
	if slices.Contains(u.Families, session.IPv6) {
		least = 1280
	}
	if u.MTU < least || u.MTU > 1500 {
		l.wrong("mtu", "%d is not between %d and 1500; Flets has 1454", u.MTU, least)
	}
}

func (l *loader) selection(u *Uplink, r *rawUplink) {
	u.Want = pppoe.Want{ServiceName: r.ServiceName, ACName: r.ACName, MaxPayload: u.MTU}
	if r.ACMAC != "" {
		mac, err := pppoe.ParseMAC(r.ACMAC)
		if err != nil || !mac.Unicast() {
			l.wrong("ac-mac", "%q is no Ethernet address of a station, such as 00:1e:13:c2:69:c2", r.ACMAC)
		}
		u.Want.AC = mac
	}
	for _, v := range []struct{ key, text string }{{"service-name", r.ServiceName}, {"ac-name", r.ACName}} {
		if len(v.text) > 255 {
			l.wrong(v.key, "is longer than 255 octets")
		}
	}
}

func (l *loader) addressing(u *Uplink, r *rawUplink) {
	has4 := slices.Contains(u.Families, session.IPv4)
	switch r.Address {
	case "":
	case "none":
		u.Unnumbered = true
	default:
		a, err := netip.ParseAddr(r.Address)
		if err != nil || !a.Is4() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
			l.wrong("address", "%q is no IPv4 address of a host, nor none", r.Address)
		}
		u.Address = a
	}
	if r.Address != "" && !has4 && len(u.Families) > 0 {
		l.wrong("address", "needs ipv4 among the families")
	}
	l.block(u, r.Block)
	if r.DNS != nil {
		u.RequestDNS = r.DNS.Request == nil || *r.DNS.Request
		switch w := r.DNS.Write; {
		case w == "" || w == "none":
		case w != ToResolved && !filepath.IsAbs(w):
			l.wrong("dns.write", "%q is none; none, resolved, or a file such as /etc/resolv.conf", w)
		default:
			u.WriteDNS = w
		}
	}
	u.Identifier = Identifier{Kind: RandomIdentifier}
	switch r.InterfaceID {
	case "", "random":
	case "mac":
		u.Identifier.Kind = MACIdentifier
	default:
		id, err := ipv6cp.Parse(r.InterfaceID)
		if err != nil {
			l.wrong("interface-id", "%v; or random, or mac", err)
		}
		u.Identifier = Identifier{FixedIdentifier, id}
	}
}

// block reads which addresses the ISP routes to the session: those of a contract
// for eight or sixteen.
func (l *loader) block(u *Uplink, r *rawBlock) {
	if r == nil {
		return
	}
	p, err := netip.ParsePrefix(r.Prefix)
	if err != nil || !p.Addr().Is4() || p != p.Masked() || p.Bits() < 8 {
		l.wrong("block.prefix", "%q is no IPv4 prefix such as 60.32.85.216/29", r.Prefix)
		return
	}
	u.Block = Block{Prefix: p, Interface: r.Interface}
	u.Block.Host, err = netip.ParseAddr(r.Host)
	if r.Host == "" {
		u.Block.Host, err = p.Addr().Next(), nil
	}
	if err != nil || !p.Contains(u.Block.Host) {
		l.wrong("block.host", "%q is no address in %v", r.Host, p)
	}
	switch {
	case r.Interface != "" && !deviceName.MatchString(r.Interface):
		l.wrong("block.interface", "%q is no name of a network device", r.Interface)
	case r.Interface == u.Interface || r.Interface == u.Ifname:
		l.wrong("block.interface", "%q is the line, not a LAN", r.Interface)
	}
	if !slices.Contains(u.Families, session.IPv4) && len(u.Families) > 0 {
		l.wrong("block", "needs ipv4 among the families")
	}
}

func (l *loader) keepalive(u *Uplink, r *rawUplink) {
	if e := r.Echo; e != nil {
		if e.Interval != nil {
			u.EchoInterval = *e.Interval
		}
		if e.Failures != nil {
			u.EchoFailures = *e.Failures
		}
	}
	if r.DataPath != "" {
		u.DataPath = r.DataPath
		if !slices.Contains(dataPaths, u.DataPath) {
			l.wrong("data-path", "%q is none of %s", u.DataPath, strings.Join(dataPaths, ", "))
		}
	}
	if r.DeadAfter != nil {
		u.DeadAfter = *r.DeadAfter
	}
	if u.EchoInterval != 0 && (u.EchoInterval < time.Second || u.EchoInterval > time.Hour) {
		l.wrong("echo.interval", "%v is neither 0 (no echoes) nor between 1s and 1h", u.EchoInterval)
	}
	if u.EchoFailures < 1 || u.EchoFailures > 100 {
		l.wrong("echo.failures", "%d is not between 1 and 100", u.EchoFailures)
	}
	if u.DeadAfter < 5*time.Second || u.DeadAfter > 24*time.Hour {
		l.wrong("dead-after", "%v is not between 5s and 24h", u.DeadAfter)
	}
}

func setDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

func sortedKeys(m map[string]*rawUplink) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// readable checks that file is a secret: only its owner and group may read it.
func readable(info os.FileInfo) error {
	if info.Mode().Perm()&0o007 != 0 {
		return fmt.Errorf("may be read by everybody (mode %04o); chmod 600 it", info.Mode().Perm())
	}
	return nil
}
