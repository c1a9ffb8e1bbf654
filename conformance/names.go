package conformance

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// The words of the language, as the RFCs have them.

var discoveryCodes = map[string]pppoe.Code{
	"padi": pppoe.PADI, "pado": pppoe.PADO, "padr": pppoe.PADR, "pads": pppoe.PADS, "padt": pppoe.PADT,
}

var protocolNames = map[string]ppp.Protocol{
	"lcp": ppp.LCP, "pap": ppp.PAP, "chap": ppp.CHAP, "ipcp": ppp.IPCP, "ipv6cp": ppp.IPv6CP,
	"ccp": ppp.CCP, "eap": ppp.EAP, "cbcp": 0xc029, "ipv4": ppp.IPv4, "ipv6": ppp.IPv6,
}

// DHCPv6 stands among the protocols, though it is two layers above IPv6.
const dhcpName = "dhcpv6"

// RFC 1661 section 5, RFC 1570 section 2.
var configureCodes = map[string]uint8{
	"configure-request": 1, "configure-ack": 2, "configure-nak": 3, "configure-reject": 4,
	"terminate-request": 5, "terminate-ack": 6, "code-reject": 7,
	"protocol-reject": 8, "echo-request": 9, "echo-reply": 10, "discard-request": 11,
	"identification": 12, "time-remaining": 13,
}

// RFC 1334 section 2.2.
const (
	papRequest = 1
	papAck     = 2
	papNak     = 3
)

var papCodes = map[string]uint8{"authenticate-request": papRequest, "authenticate-ack": papAck, "authenticate-nak": papNak}

// RFC 1994 section 4.
const (
	chapChallenge = 1
	chapResponse  = 2
	chapSuccess   = 3
	chapFailure   = 4
)

var chapCodes = map[string]uint8{"challenge": chapChallenge, "response": chapResponse, "success": chapSuccess, "failure": chapFailure}

// RFC 8415 section 7.3.
const (
	dhcpSolicit   = 1
	dhcpAdvertise = 2
	dhcpRequest   = 3
	dhcpRenew     = 5
	dhcpRebind    = 6
	dhcpReply     = 7
	dhcpRelease   = 8
)

var dhcpCodes = map[string]uint8{
	"solicit": dhcpSolicit, "advertise": dhcpAdvertise, "request": dhcpRequest, "confirm": 4, "renew": dhcpRenew,
	"rebind": dhcpRebind, "reply": dhcpReply, "release": dhcpRelease, "decline": 9, "reconfigure": 10, "information-request": 11,
}

// codes returns the names of a protocol's codes.
func codes(p ppp.Protocol) map[string]uint8 {
	switch p {
	case ppp.PAP:
		return papCodes
	case ppp.CHAP:
		return chapCodes
	}
	return configureCodes
}

// named is what a word stands for.
type named struct {
	code uint16
	form form
}

// RFC 1661 section 6.
var linkOptions = map[string]named{
	"mru": {1, number2}, "auth": {3, method}, "quality": {4, octets}, "magic": {5, octets}, "pfc": {7, octets}, "acfc": {8, octets},
}

// RFC 1332 section 3, RFC 1877 section 1.
var ipcpOptions = map[string]named{
	"addresses": {1, octets}, "compression": {2, octets}, "address": {3, address4},
	"dns1": {129, address4}, "nbns1": {130, address4}, "dns2": {131, address4}, "nbns2": {132, address4},
}

// RFC 5072 section 4.
var ipv6cpOptions = map[string]named{"id": {1, octets}, "compression": {2, octets}}

// RFC 2516 appendix A, RFC 4638.
var tagNames = map[string]named{
	"service-name": {0x0101, octets}, "ac-name": {0x0102, octets}, "host-uniq": {0x0103, octets}, "ac-cookie": {0x0104, octets},
	"vendor-specific": {0x0105, octets}, "relay-session-id": {0x0110, octets}, "ppp-max-payload": {0x0120, number2},
	"service-name-error": {0x0201, octets}, "ac-system-error": {0x0202, octets}, "generic-error": {0x0203, octets},
	"end-of-list": {0x0000, octets},
}

// RFC 8415 section 21.
const (
	optClientID = 1
	optServerID = 2
	optStatus   = 13
	optIAPD     = 25
	optIAPrefix = 26
)

var dhcpOptions = map[string]named{
	"client-id": {optClientID, octets}, "server-id": {optServerID, octets}, "oro": {6, octets}, "elapsed-time": {8, number2},
	"status": {optStatus, number2}, "rapid-commit": {14, octets}, "reconfigure-accept": {20, octets}, "dns": {23, octets},
	"ia-pd": {optIAPD, octets}, "sol-max-rt": {82, octets},
}

// fieldNames returns what a template's fields may be called.
func (t *template) fieldNames() map[string]named {
	switch {
	case t.layer == discovery:
		return tagNames
	case t.layer == dhcp:
		return dhcpOptions
	case t.protocol == ppp.LCP:
		return linkOptions
	case t.protocol == ppp.IPCP:
		return ipcpOptions
	case t.protocol == ppp.IPv6CP:
		return ipv6cpOptions
	}
	return nil
}

// authMethods are the values of LCP's Authentication-Protocol that have a name.
var authMethods = map[string]string{"pap": "c023", "chap": "c22305"}

// nameOf returns the word for code in names, or the number.
func nameOf[T ~uint8](names map[string]T, code T) string {
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if names[name] == code {
			return name
		}
	}
	return strconv.Itoa(int(code))
}

// optionName returns the word for an option or a tag, or its number.
func optionName(names map[string]named, code uint16) string {
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if names[name].code == code {
			return name
		}
	}
	return "0x" + strconv.FormatUint(uint64(code), 16)
}

func protocolName(p ppp.Protocol) string {
	for name, q := range protocolNames {
		if p == q {
			return name
		}
	}
	return "0x" + strings.TrimPrefix(strconv.FormatUint(0x10000+uint64(p), 16), "1")
}
