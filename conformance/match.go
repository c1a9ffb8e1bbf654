package conformance

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// matches reports whether a frame of the peer's is one of the packets.
func (c *conversation) matches(packets []template, f pppoe.Frame) bool {
	return slices.ContainsFunc(packets, func(t template) bool { return c.match(&t, f) })
}

func (c *conversation) match(t *template, f pppoe.Frame) bool {
	p, err := pppoe.ParsePacket(f.Payload)
	if err != nil {
		return false
	}
	if want, ok := t.at["session"]; ok {
		if other, not := strings.CutPrefix(want, "!"); not == (p.SessionID == changed(c.session, other)) {
			return false
		}
	}
	if to, ok := t.at["to"]; ok && f.Dst != c.address(to) {
		return false
	}
	c.talking = t.protocol
	if t.layer == discovery {
		return f.EtherType == pppoe.EtherTypeDiscovery && p.Code == t.code && c.matchTags(t, p.Payload)
	}
	if f.EtherType != pppoe.EtherTypeSession || p.SessionID != c.session || p.Code != pppoe.SessionData {
		return false
	}
	if t.layer == payload {
		return true
	}
	protocol, b, err := ppp.ParseFrame(p.Payload)
	if err != nil {
		return false
	}
	if t.layer == dhcp {
		return protocol == ppp.IPv6 && c.matchDHCP(t, b)
	}
	if protocol != t.protocol {
		return false
	}
	if t.layer == information {
		return len(t.fields) == 0 || c.matchData(t, b)
	}
	packet, err := ppp.ParsePacket(b)
	if err != nil || uint8(packet.Code) != t.kind {
		return false
	}
	if id, fixed, err := c.identifierOf(t); err != nil || fixed && id != packet.ID {
		return false
	}
	c.talkingID = packet.ID
	switch {
	case len(t.fields) == 0:
		return true
	case t.fields[0].name == "data":
		return c.matchData(t, packet.Data)
	}
	return c.matchOptions(t, packet.Data)
}

// matchData compares octets, the beginning of which may be enough.
func (c *conversation) matchData(t *template, b []byte) bool {
	var want []byte
	for _, f := range t.fields {
		v, err := c.value(f.form, f.value)
		if err != nil {
			return false
		}
		want = append(want, v...)
	}
	if t.rest {
		return bytes.HasPrefix(b, want)
	}
	return bytes.Equal(b, want)
}

// matchField compares one value: *, !VALUE, >NUMBER, or VALUE.
func (c *conversation) matchField(f field, b []byte) bool {
	if f.value == "*" {
		return true
	}
	if bound, ok := strings.CutPrefix(f.value, ">"); ok {
		n, err := strconv.Atoi(bound)
		return err == nil && len(b) == 2 && int(binary.BigEndian.Uint16(b)) > n
	}
	text, other := f.value, false
	if len(text) > 0 && text[0] == '!' {
		text, other = text[1:], true
	}
	v, err := c.value(f.form, text)
	return err == nil && bytes.Equal(v, b) != other
}

// unknown returns what the packets of a step hold that the conversation has not
// brought, and without which they cannot be told from others.
func (c *conversation) unknown(packets []template) error {
	for _, t := range packets {
		c.talking = t.protocol
		id, _, err := c.identifierOf(&t)
		if err != nil {
			return err
		}
		c.talkingID = id
		for _, f := range t.fields {
			if f.value == "*" || strings.HasPrefix(f.value, ">") {
				continue
			}
			if _, err := c.value(f.form, strings.TrimPrefix(f.value, "!")); err != nil {
				return err
			}
		}
	}
	return nil
}

// matchOptions compares options: these and no others in this order, or with
// more about them, in any.
func (c *conversation) matchOptions(t *template, b []byte) bool {
	options, err := ppp.ParseOptions(b)
	if err != nil {
		return false
	}
	fits := func(f field, o ppp.Option) bool { return uint16(o.Type) == f.code && c.matchField(f, o.Data) }
	if !t.rest && !slices.ContainsFunc(t.fields, func(f field) bool { return f.none }) {
		return slices.EqualFunc(t.fields, options, fits)
	}
	for _, f := range t.fields {
		there := slices.ContainsFunc(options, func(o ppp.Option) bool {
			return uint16(o.Type) == f.code && (f.none || c.matchField(f, o.Data))
		})
		if there == f.none {
			return false
		}
	}
	return true
}

// matchTags looks for tags, whose order does not matter (RFC 2516 section 4).
func (c *conversation) matchTags(t *template, b []byte) bool {
	tags, err := pppoe.ParseTags(b)
	if err != nil {
		return false
	}
	for _, f := range t.fields {
		there := slices.ContainsFunc(tags, func(tag pppoe.Tag) bool {
			return uint16(tag.Type) == f.code && (f.none || c.matchField(f, tag.Value))
		})
		if there == f.none {
			return false
		}
	}
	return true
}
