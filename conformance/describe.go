package conformance

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// Describe tells a frame in the words of the language, as far as it has them.
// What comes from the line is printed in hexadecimal only.
func Describe(f pppoe.Frame) string {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		return fmt.Sprintf("frame %s", short(f.Payload))
	}
	if f.EtherType == pppoe.EtherTypeDiscovery {
		return describeTags(p)
	}
	protocol, b, err := ppp.ParseFrame(p.Payload)
	if err != nil {
		return "session data=" + short(p.Payload)
	}
	name := protocolName(protocol)
	if kind, ok := describeDHCP(protocol, b); ok {
		return kind
	}
	c, err := ppp.ParsePacket(b)
	if err != nil || protocol < 0x8000 {
		return name + " data=" + short(b)
	}
	words := []string{name, nameOf(codes(protocol), uint8(c.Code)), fmt.Sprint(c.ID)}
	configures := c.Code >= ppp.ConfigureRequest && c.Code <= ppp.ConfigureReject && protocol != ppp.PAP && protocol != ppp.CHAP
	options, err := ppp.ParseOptions(c.Data)
	switch {
	case configures && err == nil:
		names := (&template{layer: control, protocol: protocol}).fieldNames()
		for _, o := range options {
			words = append(words, describeOption(names, uint16(o.Type), o.Data))
		}
	case protocol == ppp.PAP && c.Code == papRequest:
		words = append(words, "...") // a password
	case protocol == ppp.LCP && c.Code == ppp.ProtocolReject && bytes.HasPrefix(c.Data, []byte{0xc0, 0x23}):
		words = append(words, "data=c023...") // it comes back
	case len(c.Data) > 0:
		words = append(words, "data="+short(c.Data))
	}
	return strings.Join(words, " ")
}

func describeTags(p pppoe.Packet) string {
	words := []string{nameOf(discoveryCodes, p.Code)}
	if p.SessionID != 0 {
		words = append(words, fmt.Sprintf("@session=0x%04x", p.SessionID))
	}
	tags, err := pppoe.ParseTags(p.Payload)
	if err != nil {
		words = append(words, "data="+short(p.Payload))
	}
	for _, t := range tags {
		words = append(words, describeOption(tagNames, uint16(t.Type), t.Value))
	}
	return strings.Join(words, " ")
}

func describeOption(names map[string]named, code uint16, b []byte) string {
	name := optionName(names, code)
	switch f := names[name].form; {
	case f == number2 && len(b) == 2:
		return fmt.Sprintf("%s=%d", name, int(b[0])<<8|int(b[1]))
	case f == address4 && len(b) == 4:
		return fmt.Sprintf("%s=%d.%d.%d.%d", name, b[0], b[1], b[2], b[3])
	}
	return name + "=" + short(b)
}

// short is b in hexadecimal, cut where nobody would read on.
func short(b []byte) string {
	const most = 32
	if len(b) <= most {
		return hex.EncodeToString(b)
	}
	return fmt.Sprintf("%s... (%d octets)", hex.EncodeToString(b[:most]), len(b))
}
