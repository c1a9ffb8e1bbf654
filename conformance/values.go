package conformance

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

func pppoeCode(s string) pppoe.Code {
	n, _ := strconv.ParseUint(s, 0, 8)
	return pppoe.Code(n)
}

// value returns the octets that text stands for: of a form with a notation of
// its own, or pieces with commas between them, which are hexadecimal, "text",
// $variables, and any of these repeated: 00*300.
func (c *conversation) value(f form, text string) ([]byte, error) {
	switch f {
	case number2:
		if n, err := strconv.ParseUint(text, 10, 16); err == nil {
			return binary.BigEndian.AppendUint16(nil, uint16(n)), nil
		}
	case address4:
		if a, err := netip.ParseAddr(text); err == nil && a.Is4() {
			return a.AsSlice(), nil
		}
	case method:
		if known, ok := authMethods[text]; ok {
			text = known
		}
	}
	var b []byte
	for piece := range strings.SplitSeq(text, ",") {
		piece, times, repeated := strings.Cut(piece, "*")
		n := 1
		if repeated {
			var err error
			if n, err = strconv.Atoi(times); err != nil || n < 0 || n > 4096 {
				return nil, fmt.Errorf("%q is no count", times)
			}
		}
		one, err := c.piece(piece)
		if err != nil {
			return nil, err
		}
		b = append(b, bytes.Repeat(one, n)...)
	}
	return b, nil
}

func (c *conversation) piece(s string) ([]byte, error) {
	switch {
	case s == "":
		return nil, nil
	case s[0] == '"':
		return []byte(strings.Trim(s, `"`)), nil
	case s[0] == '$':
		if v, ok := c.variable(s[1:]); ok {
			return v, nil
		}
		return nil, fmt.Errorf("there is no %s yet", s)
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%q is not hexadecimal", s)
	}
	return b, nil
}

// variable returns what the conversation knows by a name.
func (c *conversation) variable(name string) ([]byte, bool) {
	known := func(b []byte) ([]byte, bool) { return b, b != nil }
	switch name {
	case "magic":
		return binary.BigEndian.AppendUint32(nil, c.magic), true
	case "their-magic":
		return c.theirOption(c.of(ppp.LCP), 5)
	case "id":
		return c.identifier[:], true
	case "their-id":
		return c.theirOption(c.of(ppp.IPv6CP), 1)
	case "our-address":
		return c.ourAddress().AsSlice(), true
	case "their-address":
		return c.theirAddress().AsSlice(), true
	case "asked":
		n := c.of(c.talking)
		return n.theirs.Data, n.asked
	case "said":
		b, ok := c.of(c.talking).said[c.talkingID]
		return b, ok
	case "pap-login":
		return papLogin(c.o.Username, c.o.Password), true
	case "pap-wrong":
		return papLogin(c.o.Username, c.o.Password+" not"), true
	case "chap-answer":
		if c.challenge == nil || c.o.Password == "" {
			return nil, false
		}
		return c.chapAnswer(c.o.Password), true
	case "chap-wrong":
		return append(append([]byte{16}, make([]byte, 16)...), c.o.Username...), true
	case "dns1":
		return c.o.DNS[0].AsSlice(), true
	case "dns2":
		return c.o.DNS[1].AsSlice(), true
	case "user":
		return []byte(c.o.Username), true
	case "password":
		return []byte(c.o.Password), true
	case "host-uniq":
		return known(c.hostUniq)
	case "service-name":
		return c.service, true
	case "ac-name":
		return []byte(c.acName), c.acName != ""
	case "cookie":
		return known(c.cookie)
	case "last":
		return known(c.last)
	case "client-id":
		return known(c.clientID)
	case "server-id":
		return known(c.serverID)
	case "iaid":
		return known(c.iaid)
	case "iaprefix":
		return iaPrefix(c.o.Prefix, 3600, 7200), true
	case "delegated":
		return known(c.prefix)
	case "challenge":
		return known(c.challenge)
	}
	return nil, false
}

// identifierOf reads a template's Identifier: a number, $request for that of
// their last Configure-Request, $mine for that of our last packet, each with
// +N; false for any.
func (c *conversation) identifierOf(t *template) (id uint8, fixed bool, err error) {
	text, plus, _ := strings.Cut(t.id, "+")
	switch text {
	case "", "*":
		return 0, false, nil
	case "$request":
		if !c.of(t.protocol).asked {
			return 0, false, fmt.Errorf("the peer has not sent a Configure-Request of %s", protocolName(t.protocol))
		}
		id = c.of(t.protocol).theirs.ID
	case "$mine":
		id = c.of(t.protocol).lastID
	case "$challenge":
		id = c.challengeID
	case "$pap":
		id = c.papID
	default:
		n, err := strconv.ParseUint(text, 0, 8)
		if err != nil {
			return 0, false, fmt.Errorf("%q is no identifier", t.id)
		}
		id = uint8(n)
	}
	return id + uint8(number(plus)), true, nil
}
