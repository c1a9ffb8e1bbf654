package dhcpv6

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	wire "github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/insomniacslk/dhcp/rfc1035label"
)

// Bounds of what one message can make us remember.
const (
	maxDUID     = 130 // RFC 8415 section 11.1: type and at most 128 octets
	maxPrefixes = 16
	maxTold     = 8   // name servers, domains, NTP servers
	maxText     = 256 // octets of a status message
	maxNames    = 512 // octets of an option with names
)

// message is what a server says, as far as a client of prefixes cares.
type message struct {
	kind       wire.MessageType
	xid        wire.TransactionID
	client     []byte // Client Identifier; nil: none
	server     []byte // Server Identifier
	preference uint8
	rapid      bool // Rapid Commit
	status     status
	solMaxRT   time.Duration // 0: not told
	ias        []association // IA_PDs, those that make sense
	told       Told
}

// association is an IA_PD (RFC 8415 section 21.21).
type association struct {
	iaid     uint32
	t1, t2   time.Duration
	status   status
	prefixes []delegated
}

// delegated is an IA Prefix (section 21.22).
type delegated struct {
	prefix           netip.Prefix
	preferred, valid time.Duration
	status           status
}

// status is a Status Code (section 21.13). Its text is untrusted.
type status struct {
	code iana.StatusCode
	text string
}

func (s status) ok() bool { return s.code == iana.StatusSuccess }

var (
	errShort   = errors.New("shorter than its header")
	errOverrun = errors.New("an option is longer than what holds it")
	errServer  = errors.New("not exactly one Server Identifier")
)

// options calls f for each option in b. One that is longer than b is an error;
// fewer octets at the end than an option's header has are ignored.
func options(b []byte, f func(code wire.OptionCode, data []byte)) error {
	for len(b) >= 4 {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b)-4 {
			return errOverrun
		}
		f(wire.OptionCode(binary.BigEndian.Uint16(b)), b[4:4+n])
		b = b[4+n:]
	}
	return nil
}

// parse reads a message from a server. What is wrong in one option costs that
// option; what is wrong with the identifiers, or with where options end, costs
// the message (RFC 8415 section 16).
func parse(b []byte) (*message, error) {
	if len(b) < wire.MessageHeaderSize {
		return nil, errShort
	}
	m := &message{kind: wire.MessageType(b[0]), xid: wire.TransactionID(b[1:4])}
	clients, servers := 0, 0
	err := options(b[wire.MessageHeaderSize:], func(code wire.OptionCode, data []byte) {
		switch code {
		case wire.OptionClientID:
			clients++
			m.client = slices.Clone(data)
		case wire.OptionServerID:
			servers++
			m.server = slices.Clone(data)
		default:
			m.option(code, data)
		}
	})
	if err != nil {
		return nil, err
	}
	if servers != 1 || len(m.server) < 3 || len(m.server) > maxDUID {
		return nil, errServer
	}
	if clients > 1 {
		return nil, errors.New("two Client Identifiers")
	}
	return m, nil
}

func (m *message) option(code wire.OptionCode, data []byte) {
	switch code {
	case wire.OptionPreference:
		if len(data) == 1 {
			m.preference = data[0]
		}
	case wire.OptionRapidCommit:
		m.rapid = true
	case wire.OptionStatusCode:
		m.status.read(data)
	case wire.OptionSolMaxRT:
		if len(data) == 4 {
			m.solMaxRT = time.Duration(binary.BigEndian.Uint32(data)) * time.Second
		}
	case wire.OptionIAPD:
		if a, ok := parseAssociation(data); ok {
			m.ias = append(m.ias, a)
		}
	case wire.OptionDNSRecursiveNameServer:
		for _, a := range parseAddresses(data) {
			if !slices.Contains(m.told.DNS, a) && len(m.told.DNS) < maxTold {
				m.told.DNS = append(m.told.DNS, a)
			}
		}
	case wire.OptionDomainSearchList:
		m.told.Domains = append(m.told.Domains, parseNames(data)...)
		m.told.Domains = m.told.Domains[:min(len(m.told.Domains), maxTold)]
	case wire.OptionNTPServer:
		m.told.NTP = append(m.told.NTP, parseNTP(data)...)
		m.told.NTP = m.told.NTP[:min(len(m.told.NTP), maxTold)]
	case wire.OptionAFTRName:
		if names := parseNames(data); len(names) == 1 {
			m.told.AFTR = names[0]
		}
	}
}

func (s *status) read(data []byte) {
	if len(data) < 2 {
		return
	}
	s.code = iana.StatusCode(binary.BigEndian.Uint16(data))
	s.text = string(data[2:min(len(data), 2+maxText)])
}

// parseAssociation reads an IA_PD; false if it is to be ignored.
func parseAssociation(data []byte) (association, bool) {
	if len(data) < 12 {
		return association{}, false
	}
	a := association{iaid: binary.BigEndian.Uint32(data), t1: lifetime(data[4:]), t2: lifetime(data[8:])}
	if a.t1 > a.t2 && a.t2 > 0 {
		return association{}, false
	}
	err := options(data[12:], func(code wire.OptionCode, data []byte) {
		switch code {
		case wire.OptionStatusCode:
			a.status.read(data)
		case wire.OptionIAPrefix:
			p, ok := parsePrefix(data)
			twice := slices.ContainsFunc(a.prefixes, func(q delegated) bool { return q.prefix == p.prefix })
			if ok && !twice && len(a.prefixes) < maxPrefixes {
				a.prefixes = append(a.prefixes, p)
			}
		}
	})
	return a, err == nil
}

// parsePrefix reads an IA Prefix; false if it is to be ignored.
func parsePrefix(data []byte) (delegated, bool) {
	if len(data) < 25 {
		return delegated{}, false
	}
	p := delegated{preferred: lifetime(data), valid: lifetime(data[4:])}
	p.prefix = netip.PrefixFrom(netip.AddrFrom16([16]byte(data[9:25])), int(data[8]))
	if options(data[25:], func(code wire.OptionCode, data []byte) {
		if code == wire.OptionStatusCode {
			p.status.read(data)
		}
	}) != nil {
		return delegated{}, false
	}
	return p, p.preferred <= p.valid && Delegable(p.prefix)
}

// Delegable reports whether p can be a delegated prefix: whole, and of addresses
// that hosts may have.
func Delegable(p netip.Prefix) bool {
	a := p.Addr()
	if !a.Is6() || a.Is4In6() || p.Bits() < leastBits || p != p.Masked() {
		return false
	}
	return !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && !a.IsLinkLocalUnicast()
}

// leastBits is the length of the largest prefix that anybody could delegate. The
// part of it that no LAN has is unreachable: that must not be half the world.
const leastBits = 16

// lifetime reads seconds (section 7.7).
func lifetime(b []byte) time.Duration {
	n := binary.BigEndian.Uint32(b)
	if n == 0xffffffff {
		return Forever
	}
	return time.Duration(n) * time.Second
}

// parseAddresses reads addresses of servers; nil if they are not whole. Those
// that no server has are left out.
func parseAddresses(data []byte) []netip.Addr {
	if len(data)%16 != 0 {
		return nil
	}
	var list []netip.Addr
	for b := range slices.Chunk(data, 16) {
		a := netip.AddrFrom16([16]byte(b))
		if !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && !a.Is4In6() {
			list = append(list, a)
		}
	}
	return list
}

// parseNames reads domain names (section 10); nil unless all of them are host
// names. They must not be compressed.
func parseNames(data []byte) []string {
	if len(data) == 0 || len(data) > maxNames || data[len(data)-1] != 0 {
		return nil
	}
	labels, err := rfc1035label.FromBytes(data)
	if err != nil || slices.ContainsFunc(data, func(b byte) bool { return b >= 0xc0 }) { // compressed
		return nil
	}
	for _, name := range labels.Labels {
		if !isHostName(name) {
			return nil
		}
	}
	return labels.Labels
}

func isHostName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	long := func(label string) bool { return label == "" || len(label) > 63 }
	return len(name) <= 253 && !slices.ContainsFunc(strings.Split(name, "."), long) && strings.Trim(name, letters) == "" &&
		!strings.HasPrefix(name, "-")
}

// parseNTP reads servers of time (RFC 5908): addresses and names.
func parseNTP(data []byte) []string {
	var list []string
	err := options(data, func(code wire.OptionCode, data []byte) {
		switch code {
		case wire.NTPSuboptionSrvAddrCode:
			if a := parseAddresses(data); len(a) == 1 {
				list = append(list, a[0].String())
			}
		case wire.NTPSuboptionSrvFQDNCode:
			if names := parseNames(data); len(names) == 1 {
				list = append(list, names[0])
			}
		}
	})
	if err != nil {
		return nil
	}
	return list[:min(len(list), maxTold)]
}

// dropped says why a message is ignored.
func dropped(m *message, why string) error { return fmt.Errorf("DHCPv6 %v: %s", m.kind, why) }
