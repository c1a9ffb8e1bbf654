package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pppoectl/conformance"
	"pppoectl/pppoe"
)

// player is a run of cases with one peer, as its flags say.
type player struct {
	selection
	o            conformance.Options
	iface        string
	anyway       bool
	seed         uint64
	yes, verbose bool
	limit        time.Duration // of the whole run
	between      time.Duration
	again        int
	passwordFile string
	peer         string
	address      [2]string // of a client, and ours
	dns          []string
	prefix       string
	start, stop  string // commands
	format       string
	output       string
	captures     string
	report       report
}

// command is one of the two ends that we can be.
type command struct {
	name, short, example string
	peer                 conformance.Role
}

var (
	acCommand = command{"ac", "be the access concentrator that a client dials, and test the client",
		"  ppptest ac -i veth1 --start 'pppd plugin rp-pppoe.so veth0 user u noauth nodetach'", conformance.Client}
	clientCommand = command{"client", "be the client that dials an access concentrator, and test that",
		"  ppptest client -i veth0 --username user@bizf.example.jp --password-file secret", conformance.AC}
)

func newPlay(c command) *cobra.Command {
	p := &player{o: conformance.Options{Peer: c.peer}}
	cmd := &cobra.Command{
		Use: c.name + " -i IFACE", Short: c.short, Example: c.example, Args: noMore,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.complete(); err != nil {
				return usageError{err}
			}
			return p.run(cmd.Context())
		},
	}
	p.selection.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&p.iface, "interface", "i", "", "the `IFACE` that the peer is at")
	f.BoolVar(&p.anyway, "default-route-too", false, "use the interface though it has a default route")
	f.Uint64Var(&p.seed, "seed", 0, "`N` of an earlier run, to choose the same again (default: a new one)")
	f.StringSliceVar(&p.o.Families, "families", []string{"ipv4"}, "ipv4, ipv6: the NCPs to speak")
	f.BoolVar(&p.o.Delegation, "delegation", false, "the peer does DHCPv6 prefix delegation")
	f.StringVar(&p.peer, "peer", "", "only the peer with this `MAC` (default: the first that is heard)")
	f.StringVar(&p.passwordFile, "password-file", "", "the login's password, the first line of `FILE`")
	f.IntVar(&p.o.Rate, "rate", 1000, "frames a second, at most")
	f.DurationVar(&p.limit, "time", time.Hour, "how long it all may take")
	f.IntVar(&p.again, "again", 1, "how often to play a case again that has failed; the last time counts")
	f.DurationVar(&p.between, "between", 100*time.Millisecond, "rest between two cases")
	f.BoolVarP(&p.yes, "yes", "y", false, "do not wait before hostile frames")
	f.BoolVarP(&p.verbose, "verbose", "v", false, "print each frame")
	f.StringVar(&p.start, "start", "", "shell `COMMAND` to run as each case begins; ended with it")
	f.StringVar(&p.stop, "stop", "", "shell `COMMAND` to run when a case is over; it has ten seconds")
	f.StringVar(&p.format, "format", "table", "table, json or junit")
	f.StringVarP(&p.output, "output", "o", "", "write the report to `FILE`")
	f.StringVar(&p.captures, "captures", "", "write a pcapng of each failed case to `DIR`")
	f.StringVar(&p.o.Username, "username", "", "the login's `NAME`; a client's, for cases that look at its responses")
	if c.peer == conformance.AC {
		f.StringVar(&p.o.Service, "service", "", "the Service-Name to ask for")
	} else {
		f.StringVar(&p.o.Auth, "auth", "pap", "pap or chap: what to demand, unless a case needs the other")
		f.StringVar(&p.address[0], "address", "203.0.113.7", "the client's IPv4 address")
		f.StringVar(&p.address[1], "our-address", "203.0.113.1", "ours")
		f.StringSliceVar(&p.dns, "dns", []string{"198.51.100.53", "198.51.100.54"}, "two name servers to tell")
		f.StringVar(&p.prefix, "prefix", "2001:db8:100::/56", "the prefix to delegate")
		f.DurationVar(&p.o.Wait, "wait", time.Minute, "how long to wait for a client to dial")
	}
	return cmd
}

// complete reads what the flags say.
func (p *player) complete() error {
	for _, family := range p.o.Families {
		if family != "ipv4" && family != "ipv6" {
			return fmt.Errorf("--families: %q is neither ipv4 nor ipv6", family)
		}
	}
	if p.o.Delegation && !slices.Contains(p.o.Families, "ipv6") {
		return errors.New("--delegation goes with --families ipv6 only")
	}
	if !slices.Contains([]string{"table", "json", "junit"}, p.format) {
		return fmt.Errorf("--format: %q is none of table, json and junit", p.format)
	}
	if p.o.Rate < 1 || p.limit <= 0 || p.between < 0 {
		return errors.New("--rate and --time must be greater than zero, --between not less")
	}
	if p.peer != "" {
		mac, err := pppoe.ParseMAC(p.peer)
		if err != nil || !mac.Unicast() {
			return fmt.Errorf("--peer: %q is not the Ethernet address of one station", p.peer)
		}
		p.o.Target = mac
	}
	if err := p.login(); err != nil {
		return err
	}
	if p.o.Peer == conformance.Client {
		if err := p.concentrator(); err != nil {
			return err
		}
	}
	for p.seed == 0 {
		p.seed = uint64(rand.Uint32()) // short enough to be typed
	}
	return nil
}

// maxLogin is how long a name or a password may be, in octets (RFC 1334 section 2.2.1).
const maxLogin = 255

// login reads the flags of a login.
func (p *player) login() error {
	if p.o.Peer == conformance.AC && (p.o.Username == "" || p.passwordFile == "") {
		return errors.New("--username and --password-file: which login? An access concentrator lets nobody in without")
	}
	if p.passwordFile != "" {
		b, err := os.ReadFile(p.passwordFile)
		if err != nil {
			return fmt.Errorf("--password-file: %w", err)
		}
		first, _, _ := strings.Cut(string(b), "\n")
		if p.o.Password = strings.TrimSuffix(first, "\r"); p.o.Password == "" {
			return fmt.Errorf("--password-file: the first line of %s is empty", p.passwordFile)
		}
	}
	if len(p.o.Username) > maxLogin || len(p.o.Password) > maxLogin {
		return fmt.Errorf("a user name or password has at most %d octets", maxLogin)
	}
	return nil
}

// concentrator reads the flags of what a client is told.
func (p *player) concentrator() (err error) {
	if p.o.Auth != "pap" && p.o.Auth != "chap" {
		return fmt.Errorf("--auth: %q is neither pap nor chap", p.o.Auth)
	}
	if p.o.Wait <= 0 {
		return errors.New("--wait must be greater than zero")
	}
	if len(p.dns) != 2 {
		return errors.New("--dns: want two addresses, with a comma between them")
	}
	for _, a := range []struct {
		flag, text string
		to         *netip.Addr
	}{
		{"address", p.address[0], &p.o.Address}, {"our-address", p.address[1], &p.o.PeerAddress},
		{"dns", p.dns[0], &p.o.DNS[0]}, {"dns", p.dns[1], &p.o.DNS[1]},
	} {
		if *a.to, err = netip.ParseAddr(a.text); err != nil || !a.to.Is4() {
			return fmt.Errorf("--%s: %q is no IPv4 address", a.flag, a.text)
		}
	}
	if p.o.Prefix, err = netip.ParsePrefix(p.prefix); err != nil || !p.o.Prefix.Addr().Is6() {
		return fmt.Errorf("--prefix: %q is no IPv6 prefix", p.prefix)
	}
	return nil
}
