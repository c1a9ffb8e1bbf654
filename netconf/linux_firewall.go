package netconf

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// ICMPv6 types. To the router itself those of RFC 4890 section 4.4.1, of which
// Neighbour Discovery is what a line with an access concentrator needs, and no
// Router Solicitation; through it what section 4.3.1 wants and no connection
// accounts for.
var (
	icmp6In      = []byte{1, 2, 3, 4, 128, 129, 130, 131, 132, 143, 134, 135, 136}
	icmp6Through = []byte{128}
	icmp4In      = []byte{3, echo4, 11, 12}
)

// echo4 is the type of an ICMP Echo Request.
const echo4 = 8

// Protocols that hosts may be reached by unasked (RFC 6092, recommendations 21 to
// 26): AH, ESP, HIP, and IKE.
var (
	protocolsThrough = []byte{51, 50, 139}
	portIKE          = uint16(500)
)

var (
	uniqueLocal = netip.MustParsePrefix("fc00::/7")
	linkLocal   = netip.MustParsePrefix("fe80::/10")
	multicast6  = netip.MustParsePrefix("ff00::/8")
)

// policyFail is the code of "Source address failed ingress/egress policy" (RFC
// 4443 section 3.1; RFC 7084 L-14).
const policyFail = 5

// SetFirewall makes a table, or puts it in the place of an older one, at once.
func (Linux) SetFirewall(f Firewall) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	t := &nftables.Table{Name: f.Table, Family: nftables.TableFamilyINet}
	conn.AddTable(t) // deleting one that is not there would be an error
	conn.DelTable(t)
	w := &tableWriter{conn: conn, table: conn.AddTable(t)}
	w.write(f)
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("nftables (is nf_tables in this kernel?): %w", err)
	}
	return nil
}

// DeleteFirewall deletes a table.
func (Linux) DeleteFirewall(table string) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	conn.DelTable(&nftables.Table{Name: table, Family: nftables.TableFamilyINet})
	return ignore(conn.Flush(), unix.ENOENT)
}

// HasFirewall reports whether a table is there, with all of its chains and rules.
func (Linux) HasFirewall(f Firewall) (bool, error) {
	conn, err := nftables.New()
	if err != nil {
		return false, fmt.Errorf("nftables: %w", err)
	}
	t := &nftables.Table{Name: f.Table, Family: nftables.TableFamilyINet}
	want := &tableWriter{conn: conn, table: t} // it is not flushed: only counted
	want.write(f)
	looking, err := nftables.New()
	if err != nil {
		return false, fmt.Errorf("nftables: %w", err)
	}
	all, err := looking.ListChainsOfTableFamily(nftables.TableFamilyINet)
	chains, rules := 0, 0
	for _, c := range all {
		if c.Table.Name != f.Table {
			continue
		}
		list, err := looking.GetRules(t, c)
		if err != nil {
			return false, ignore(err, unix.ENOENT)
		}
		chains, rules = chains+1, rules+len(list)
	}
	return chains == want.chains && rules == want.rules, ignore(err, unix.ENOENT)
}

// tableWriter writes the chains of one table.
type tableWriter struct {
	conn          *nftables.Conn
	table         *nftables.Table
	chains, rules int // written
}

func (w *tableWriter) write(f Firewall) {
	if f.Filter {
		w.filter(f)
	}
	if f.Masquerade {
		w.masquerade(f)
	}
}

func (w *tableWriter) chain(c *nftables.Chain) *nftables.Chain {
	w.chains++
	c.Table = w.table
	return w.conn.AddChain(c)
}

func (w *tableWriter) base(name string, kind nftables.ChainType, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
	return w.chain(&nftables.Chain{Name: name, Type: kind, Hooknum: hook, Priority: priority})
}

// rule adds a rule: its matches, and what is to be done.
func (w *tableWriter) rule(c *nftables.Chain, parts ...[]expr.Any) {
	w.rules++
	w.conn.AddRule(&nftables.Rule{Table: w.table, Chain: c, Exprs: slices.Concat(parts...)})
}

func (w *tableWriter) filter(f Firewall) {
	entering := w.chain(&nftables.Chain{Name: "entering"})
	leaving := w.chain(&nftables.Chain{Name: "leaving"})

	input := w.base("input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter)
	w.rule(input, device(expr.MetaKeyIIFNAME, expr.CmpOpNeq, f.Device), verdict(expr.VerdictAccept))
	w.known(input)
	for _, t := range icmp6In {
		w.rule(input, protocol(unix.IPPROTO_ICMPV6), icmpType(t), verdict(expr.VerdictAccept))
	}
	for _, t := range icmp4In {
		w.rule(input, protocol(unix.IPPROTO_ICMP), icmpType(t), verdict(expr.VerdictAccept))
	}
	w.rule(input, within(source, linkLocal), protocol(unix.IPPROTO_UDP), port(546), verdict(expr.VerdictAccept)) // DHCPv6
	w.rule(input, counted(expr.VerdictDrop))

	forward := w.base("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	w.rule(forward, device(expr.MetaKeyOIFNAME, expr.CmpOpEq, f.Device), version(unix.NFPROTO_IPV6), jump(leaving))
	w.rule(forward, device(expr.MetaKeyIIFNAME, expr.CmpOpEq, f.Device), jump(entering))
	for _, lan := range strings.Fields(f.LANs) {
		w.rule(forward, device(expr.MetaKeyIIFNAME, expr.CmpOpEq, f.Line), device(expr.MetaKeyOIFNAME, expr.CmpOpEq, lan), jump(entering))
	}

	w.rule(leaving, within(destination, uniqueLocal), reject(policyFail))
	for _, p := range f.inside() {
		w.rule(leaving, within(source, p), verdict(expr.VerdictReturn))
	}
	w.rule(leaving, reject(policyFail))

	for _, p := range append(f.inside(), uniqueLocal, multicast6) { // nobody outside has these
		w.rule(entering, within(source, p), counted(expr.VerdictDrop))
	}
	w.known(entering)
	w.rule(entering, translated(), verdict(expr.VerdictAccept))
	for _, t := range icmp6Through {
		w.rule(entering, protocol(unix.IPPROTO_ICMPV6), icmpType(t), verdict(expr.VerdictAccept))
	}
	w.rule(entering, protocol(unix.IPPROTO_ICMP), icmpType(echo4), verdict(expr.VerdictAccept))
	for _, p := range protocolsThrough {
		w.rule(entering, version(unix.NFPROTO_IPV6), protocol(p), verdict(expr.VerdictAccept))
	}
	w.rule(entering, version(unix.NFPROTO_IPV6), protocol(unix.IPPROTO_UDP), port(portIKE), verdict(expr.VerdictAccept))
	w.rule(entering, counted(expr.VerdictDrop))
}

// known lets through what belongs to a connection, and nothing that pretends to.
func (w *tableWriter) known(c *nftables.Chain) {
	w.rule(c, state(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), verdict(expr.VerdictAccept))
	w.rule(c, state(expr.CtStateBitINVALID), counted(expr.VerdictDrop))
}

func (w *tableWriter) masquerade(f Firewall) {
	c := w.base("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	w.rule(c, device(expr.MetaKeyOIFNAME, expr.CmpOpNeq, f.Device), verdict(expr.VerdictReturn))
	w.rule(c, version(unix.NFPROTO_IPV6), verdict(expr.VerdictReturn))
	if f.Block.IsValid() {
		w.rule(c, within(source, f.Block), verdict(expr.VerdictReturn))
	}
	w.rule(c, []expr.Any{&expr.Masq{}})
}

// device matches packets of an interface by its name.
func device(key expr.MetaKey, op expr.CmpOp, name string) []expr.Any {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: b}}
}

// version matches packets of an address family.
func version(family byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{family}}}
}

func protocol(number byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{number}}}
}

// icmpType matches the first octet behind the IP header.
func icmpType(t byte) []expr.Any { return transport(0, []byte{t}) }

// port matches a destination port.
func port(number uint16) []expr.Any {
	return transport(2, binary.BigEndian.AppendUint16(nil, number))
}

func transport(offset uint32, b []byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: uint32(len(b))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: b},
	}
}

// end is one of the two addresses of a packet.
type end int

const (
	source end = iota
	destination
)

// within matches packets of p's family by one of their addresses.
func within(e end, p netip.Prefix) []expr.Any {
	family, offset, size := byte(unix.NFPROTO_IPV4), uint32(12), uint32(4)
	if p.Addr().Is6() {
		family, offset, size = unix.NFPROTO_IPV6, 8, 16
	}
	if e == destination {
		offset += size
	}
	return append(version(family),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size, Mask: ipNet(p).Mask, Xor: make([]byte, size)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()},
	)
}

// state matches packets whose connection is in one of some states.
func state(bits uint32) []expr.Any { return tracked(expr.CtKeySTATE, bits) }

// translated matches packets whose destination somebody has changed on purpose: a
// port that is forwarded.
func translated() []expr.Any {
	const dnat = 1 << 5 // IPS_DST_NAT
	return tracked(expr.CtKeySTATUS, dnat)
}

func tracked(key expr.CtKey, bits uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: key, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

func verdict(k expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: k}} }

func counted(k expr.VerdictKind) []expr.Any {
	return []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: k}}
}

func jump(to *nftables.Chain) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: to.Name}}
}

// reject answers with an ICMPv6 Destination Unreachable.
func reject(code byte) []expr.Any {
	return append(version(unix.NFPROTO_IPV6), &expr.Counter{}, &expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: code})
}
