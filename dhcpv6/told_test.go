package dhcpv6_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	wire "github.com/insomniacslk/dhcp/dhcpv6"

	"pppoectl/dhcpv6"
)

// name is a domain name as RFC 8415 section 10 has it.
func name(s string) []byte {
	var b []byte
	for _, label := range strings.Split(s, ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return append(b, 0)
}

func addrs(list ...string) []byte {
	var b []byte
	for _, s := range list {
		b = append(b, netip.MustParseAddr(s).AsSlice()...)
	}
	return b
}

func dns(list ...string) []byte { return opt(wire.OptionDNSRecursiveNameServer, addrs(list...)) }

func domains(b ...[]byte) []byte { return opt(wire.OptionDomainSearchList, b...) }

func ntp(b ...[]byte) []byte { return opt(wire.OptionNTPServer, b...) }

func aftr(b ...[]byte) []byte { return opt(wire.OptionAFTRName, b...) }

// NTP's suboptions (RFC 5908).
const ntpAddress, ntpMulticast, ntpName = 1, 2, 3

// told is a bit of everything.
func told() []byte {
	return slices.Concat(
		dns("2001:db8::53", "fe80::53"),
		domains(name("example.jp"), name("flets.example.jp")),
		ntp(opt(ntpAddress, addrs("2001:db8::123")), opt(ntpName, name("ntp.example.jp"))),
		aftr(name("aftr.example.jp")),
	)
}

func TestToldOptions(t *testing.T) {
	want := dhcpv6.Told{
		DNS:     []netip.Addr{netip.MustParseAddr("2001:db8::53"), netip.MustParseAddr("fe80::53")},
		Domains: []string{"example.jp", "flets.example.jp"},
		NTP:     []string{"2001:db8::123", "ntp.example.jp"},
		AFTR:    "aftr.example.jp",
	}
	l := oneAnswer(t, usual(), told())
	if got := l.c.Lease().Told; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	// RFC 8415 section 18.2.10: what is not told any more is not used any more.
	l.run(t1)
	l.say(reply, usual(), domains(name("example.net")))
	if got := l.c.Lease().Told; !reflect.DeepEqual(got, dhcpv6.Told{Domains: []string{"example.net"}}) {
		t.Errorf("%+v after a Renew", got)
	}
}

func TestToldOptionsThatAreWrong(t *testing.T) {
	long := strings.Repeat("a", 63)
	longest := strings.Join([]string{long, long, long, long[2:]}, ".") // 253 letters
	for _, c := range []struct {
		name   string
		option []byte
		want   string // of DNS, domains, NTP and AFTR
	}{
		{"DNS of 0 octets", dns(), "[] [] [] "},
		{"DNS of 15", opt(wire.OptionDNSRecursiveNameServer, make([]byte, 15)), "[] [] [] "},
		{"DNS of 17", opt(wire.OptionDNSRecursiveNameServer, addrs("2001:db8::53"), []byte{0}), "[] [] [] "},
		{"DNS at addresses of nobody", dns("::", "ff02::1", "::1", "::ffff:192.0.2.1", "2001:db8::53"), "[2001:db8::53] [] [] "},
		{"the same DNS server twice", dns("2001:db8::53", "2001:db8::53"), "[2001:db8::53] [] [] "},
		{"the same DNS server in two options", append(dns("2001:db8::53"), dns("2001:db8::53")...), "[2001:db8::53] [] [] "},
		{"empty domain list", domains(), "[] [] [] "},
		{"the root as a domain", domains([]byte{0}), "[] [] [] "},
		{"domain without an end", domains([]byte("\x07example")), "[] [] [] "},
		{"label past the end", domains([]byte("\x20example\x00")), "[] [] [] "},
		{"compressed domain", domains(name("example.jp"), []byte{3, 'w', 'w', 'w', 0xc0, 0, 0}), "[] [] [] "},
		{"compressed domain that ends the list", domains(name("example.jp"), []byte{3, 'w', 'w', 'w', 0xc0, 0}), "[] [] [] "},
		{"compression without an end", domains([]byte{0xc0, 0, 0}), "[] [] [] "},
		{"label of 64 letters", domains(name(long + "a.jp")), "[] [] [] "},
		{"label of 63 letters", domains(name(long + ".jp")), `[] ["` + long + `.jp"] [] `},
		{"name of 253 letters", domains(name(longest)), `[] ["` + longest + `"] [] `},
		{"name of 254 letters", domains(name(longest + "a")), "[] [] [] "},
		{"name of 255 letters", domains(name(longest + "aa")), "[] [] [] "},
		{"domain with a line break", domains(name("a\nnameserver ::1")), "[] [] [] "},
		{"domain with a space", domains(name("a b")), "[] [] [] "},
		{"domain with a zero", domains(name("a\x00b")), "[] [] [] "},
		{"domain like an option", domains(name("-rf")), "[] [] [] "},
		{"domain of UTF-8", domains(name("日本")), "[] [] [] "},
		{"domain list of 512 octets", domains(name("abc.jp"), slices.Repeat(name("a.jp"), 84)), `[] ["abc.jp"` + strings.Repeat(` "a.jp"`, 7) + "] [] "},
		{"domain list of 513 octets", domains(name("abcd.jp"), slices.Repeat(name("a.jp"), 84)), "[] [] [] "},
		{"NTP multicast only", ntp(opt(ntpMulticast, addrs("ff05::101"))), "[] [] [] "},
		{"NTP address of 15 octets", ntp(opt(ntpAddress, make([]byte, 15))), "[] [] [] "},
		{"NTP with two addresses in one", ntp(opt(ntpAddress, addrs("2001:db8::1", "2001:db8::2"))), "[] [] [] "},
		{"NTP with one address twice", ntp(opt(ntpAddress, addrs("2001:db8::1", "2001:db8::1"))), "[] [] [] "},
		{"NTP suboption past the end", ntp(opt(ntpAddress, addrs("2001:db8::1")), []byte{0, 3, 0, 9, 1}), "[] [] [] "},
		{"AFTR empty", aftr(), "[] [] [] "},
		{"AFTR with two names", aftr(name("a.jp"), name("b.jp")), "[] [] [] "},
		{"AFTR with a quote", aftr(name("a'b")), "[] [] [] "},
		{"good ones beside bad ones", slices.Concat(opt(wire.OptionDNSRecursiveNameServer, make([]byte, 15)), told()),
			`[2001:db8::53 fe80::53] ["example.jp" "flets.example.jp"] ["2001:db8::123" "ntp.example.jp"] aftr.example.jp`},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := oneAnswer(t, usual(), c.option)
			l.has(given) // it costs only itself
			got := l.c.Lease().Told
			if text := fmt.Sprintf("%v %q %q %s", got.DNS, got.Domains, got.NTP, got.AFTR); text != c.want {
				t.Errorf("told %s, want %s", text, c.want)
			}
		})
	}
}

func TestToldOptionsAreBounded(t *testing.T) {
	var servers, names, times [][]byte
	for i := range 1000 {
		a := addrs(fmt.Sprintf("2001:db8::1:%x", i))
		servers = append(servers, a)
		times = append(times, opt(ntpAddress, a))
	}
	for i := range 50 {
		names = append(names, name(fmt.Sprintf("d%d.jp", i)))
	}
	one := slices.Concat(opt(wire.OptionDNSRecursiveNameServer, servers...), domains(names...), ntp(times...))
	l := oneAnswer(t, usual(), one, one, dns("2001:db8::53"))
	got := l.c.Lease().Told
	if len(got.DNS) != 8 || len(got.Domains) != 8 || len(got.NTP) != 8 {
		t.Errorf("%d, %d, %d; want 8 of each", len(got.DNS), len(got.Domains), len(got.NTP))
	}
	if got.DNS[0] != netip.MustParseAddr("2001:db8::1:0") || got.DNS[7] != netip.MustParseAddr("2001:db8::1:7") || got.Domains[0] != "d0.jp" {
		t.Errorf("%+v, want the first ones", got)
	}
}

// Copies of one server take no place from another.
func TestCopiesOfANameServerCountOnce(t *testing.T) {
	copies := slices.Repeat([]string{"2001:db8::53"}, 9)
	l := newLink(t)
	requesting(l)
	l.say(reply, usual(), dns(append(copies, "2001:db8::54")...))
	if got := fmt.Sprint(l.c.Lease().Told.DNS); got != "[2001:db8::53 2001:db8::54]" {
		t.Errorf("name servers %s", got)
	}
}
