package configs

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// DefaultFile is where the configuration is looked for.
const DefaultFile = "/etc/pppoectl/pppoectl.yaml"

// Config is a whole, valid configuration.
type Config struct {
	File         string // where it was read
	RunDir       string // control.sock, lock
	StateDir     string // what outlives the process
	BPFDir       string // where programs in the kernel are pinned, on a BPF file system
	Log          Log
	ControlGroup string // may use the control socket besides root; empty: nobody
	Hooks        Hooks
	Metrics      Metrics
	Lines        []Line
	Uplinks      []Uplink  // by name
	Warnings     []string  // what is accepted but does nothing, a line each
	Unchecked    []string  // passwords that could not be read: good enough to check, not to run
	Modified     time.Time // when the file, or a file with a password, was changed last
}

// Hooks says which programs are run when something happens.
type Hooks struct {
	Dir     string        // empty: none
	Timeout time.Duration // of each
}

// Metrics says where they are served besides the control socket.
type Metrics struct {
	Listen netip.AddrPort // on this machine; invalid: nowhere
}

// Line says what is known of a line besides its uplinks.
type Line struct {
	Interface    string
	SessionLimit int  // how many sessions the contract has; 0: as many as there are uplinks
	PADTUnknown  bool // sessions of our station that nobody here knows are ended
}

// Log says how to log.
type Log struct {
	Level  string // of logrus
	Format string // text or json
}

// Uplink is one session of a line.
type Uplink struct {
	Name       string
	Enabled    bool
	StandbyFor string // dialled only while this uplink is not up; empty: always
	Interface  string // the line
	Ifname     string // of the TUN device
	Username   string
	Password   Secret
	Auth       []lcp.Auth // allowed, the best first
	Families   []session.Family
	MTU        int // octets

	Want pppoe.Want // which AC

	DataPath string // how packets are carried: auto, ebpf, offload or portable

	Address    netip.Addr // fixed IPv4 address; invalid: asked for
	Unnumbered bool       // no IPv4 address at all
	Block      Block      // routed to the session besides
	RequestDNS bool
	WriteDNS   string // where name servers go: empty, ToResolved, or a file
	Identifier Identifier

	DefaultRoute bool
	Metric       int
	SourceRoute  bool // what comes from the uplink's addresses leaves by it
	Table        int  // the routing table for that

	Prefix   Prefix
	LAN      []LAN
	Firewall bool // only what was asked for comes in
	NAT      bool // IPv4 of LANs leaves with the uplink's address

	EchoInterval time.Duration // 0: no echoes
	EchoFailures int
	DeadAfter    time.Duration
}

// Block is a part of the IPv4 Internet that the ISP routes to the session.
type Block struct {
	Prefix    netip.Prefix // invalid: none
	Host      netip.Addr   // our address in it
	Interface string       // the LAN that has it; empty: none, Host alone is used
}

// Prefix says what to ask for by DHCPv6 prefix delegation.
type Prefix struct {
	Request bool
	Hint    netip.Prefix // invalid: any
	Require bool         // complain when it is not Hint
	DUID    DUIDKind
	Fixed   []byte  // with FixedDUID
	IAID    *uint32 // nil: from the uplink's name
}

// DUIDKind is one of the three sources of the client's DUID.
type DUIDKind string

// The sources of a DUID.
const (
	LinkLayerDUID     DUIDKind = "ll"  // the line's MAC
	LinkLayerTimeDUID DUIDKind = "llt" // and when it was made; kept on disk
	FixedDUID         DUIDKind = "fixed"
)

// LAN is an interface that gets a /64 of the delegated prefix.
type LAN struct {
	Interface string
	Subnet    int        // number of the /64 in the prefix
	Host      netip.Addr // our interface identifier there; its upper 64 bits are zero
	Advertise bool       // send router advertisements
}

// ToResolved has systemd-resolved told of name servers.
const ToResolved = "resolved"

// Identifier says where the IPv6 interface identifier comes from.
type Identifier struct {
	Kind  IdentifierKind
	Fixed ipv6cp.Identifier // with FixedIdentifier
}

// IdentifierKind is one of the three sources.
type IdentifierKind string

// The sources of identifiers.
const (
	RandomIdentifier IdentifierKind = "random" // once, then kept on disk
	MACIdentifier    IdentifierKind = "mac"
	FixedIdentifier  IdentifierKind = "fixed"
)

// Uplink returns the uplink called name.
func (c *Config) Uplink(name string) (*Uplink, bool) {
	for i := range c.Uplinks {
		if c.Uplinks[i].Name == name {
			return &c.Uplinks[i], true
		}
	}
	return nil, false
}

// Secret is a password. However it is printed, it does not show.
type Secret string

// Format implements fmt.Formatter, for all verbs.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "(secret)") }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }
