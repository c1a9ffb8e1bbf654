package conformance

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// build makes the frame of a template. An error says that it takes something
// that the conversation has not brought yet.
func (c *conversation) build(t *template) (pppoe.Frame, error) {
	c.talking = t.protocol
	f := pppoe.Frame{Dst: c.them, Src: c.o.MAC, EtherType: pppoe.EtherTypeSession}
	session := c.session
	var body []byte
	var err error
	switch t.layer {
	case discovery:
		f.EtherType = pppoe.EtherTypeDiscovery
		if t.code == pppoe.PADI {
			f.Dst = pppoe.Broadcast
		}
		switch t.code {
		case pppoe.PADS:
			session = c.granted
		case pppoe.PADT, pppoe.SessionData:
		default:
			session = 0
		}
		body, err = c.tags(t)
	case payload:
		body, err = c.parts(t)
	case information:
		body, err = c.parts(t)
		body = ppp.AppendFrame(nil, t.protocol, body)
	case control:
		body, err = c.controlPacket(t)
		body = ppp.AppendFrame(nil, t.protocol, body)
	case dhcp:
		body, err = c.datagram(t)
		body = ppp.AppendFrame(nil, ppp.IPv6, body)
	}
	if err != nil {
		return f, err
	}
	if f.EtherType == pppoe.EtherTypeSession && session == 0 {
		return f, fmt.Errorf("there is no session")
	}
	f.Payload = pppoe.Packet{Code: t.code, SessionID: session, Payload: body}.AppendTo(nil)
	return f, c.unusual(t, &f)
}

// unusual does what a template's attributes say.
func (c *conversation) unusual(t *template, f *pppoe.Frame) error {
	for name, value := range t.at {
		switch name {
		case "from":
			f.Src = c.address(value)
		case "to":
			f.Dst = c.address(value)
		case "version":
			b, err := c.piece(value)
			if err != nil || len(b) != 1 {
				return fmt.Errorf("@version=%s: want an octet", value)
			}
			f.Payload[0] = b[0]
		case "code":
			f.Payload[1] = byte(pppoeCode(value))
		case "session":
			binary.BigEndian.PutUint16(f.Payload[2:], changed(c.session, value))
		case "length":
			binary.BigEndian.PutUint16(f.Payload[4:], changed(binary.BigEndian.Uint16(f.Payload[4:]), value))
		case "cut": // the frame ends early
			f.Payload = f.Payload[:min(number(value), len(f.Payload))]
		case "pad":
			b, err := c.value(octets, value)
			if err != nil {
				return err
			}
			f.Payload = append(f.Payload, b...)
		case "transaction": // see datagram
		default:
			return fmt.Errorf("@%s is nothing to change", name)
		}
	}
	return nil
}

// address returns the address that a word stands for.
func (c *conversation) address(word string) pppoe.MAC {
	switch word {
	case "stranger":
		return c.stranger
	case "broadcast":
		return pppoe.Broadcast
	case "multicast":
		return pppoe.MAC{1, 0, 0x5e, 0, 0, 1}
	case "them":
		return c.them
	}
	return c.o.MAC
}

// changed returns n after what text says: +N and -N from n on, or the number.
func changed(n uint16, text string) uint16 {
	v, _ := strconv.ParseInt(text, 0, 32)
	if strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") {
		return n + uint16(v)
	}
	return uint16(v)
}

// parts joins the values of data fields.
func (c *conversation) parts(t *template) ([]byte, error) {
	var all []byte
	for _, f := range t.fields {
		b, err := c.value(f.form, f.value)
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
	return all, nil
}

// typed is a tag or an option.
type typed struct {
	code uint16
	data []byte
}

// typedList makes a list of tags or options. Usual ones are those of a good peer, of
// which the case may say some otherwise.
func (c *conversation) typedList(t *template, usual []typed, put func(b []byte, one typed) []byte) ([]byte, error) {
	var b []byte
	said := func(code uint16) bool {
		return slices.ContainsFunc(t.fields, func(f field) bool { return f.code == code && f.name != "data" && f.name != "usual" })
	}
	for _, f := range t.fields {
		if f.name == "usual" {
			for _, one := range usual {
				if !said(one.code) {
					b = put(b, one)
				}
			}
			continue
		}
		if f.none {
			continue
		}
		v, err := c.value(f.form, f.value)
		if err != nil {
			return nil, err
		}
		if f.name == "data" {
			b = append(b, v...)
		} else {
			b = put(b, typed{f.code, v})
		}
	}
	return b, nil
}

// tags makes a discovery payload.
func (c *conversation) tags(t *template) ([]byte, error) {
	return c.typedList(t, c.usualTags(t.code), func(b []byte, one typed) []byte {
		return pppoe.Tag{Type: pppoe.TagType(one.code), Value: one.data}.AppendTo(b)
	})
}

func (c *conversation) usualTags(code pppoe.Code) []typed {
	tags := []typed{{uint16(pppoe.ServiceName), c.service}}
	if code == pppoe.PADO {
		tags = append(tags, typed{uint16(pppoe.ACName), []byte(c.acName)})
	}
	if c.hostUniq != nil {
		tags = append(tags, typed{uint16(pppoe.HostUniq), c.hostUniq})
	}
	if c.cookie != nil && (code == pppoe.PADO || code == pppoe.PADR) {
		tags = append(tags, typed{uint16(pppoe.ACCookie), c.cookie})
	}
	if c.relay != nil && code == pppoe.PADR {
		tags = append(tags, typed{uint16(pppoe.RelaySessionID), c.relay})
	}
	return tags
}

func (c *conversation) controlPacket(t *template) ([]byte, error) {
	id, fixed, err := c.identifierOf(t)
	if err != nil {
		return nil, err
	}
	if !fixed {
		c.nextID++
		id = c.nextID
	}
	p := ppp.Packet{Code: ppp.Code(t.kind), ID: id}
	var length string
	var pad []byte
	for _, f := range t.fields {
		if f.name == "length" {
			length = f.value
			continue
		}
		b, err := c.value(f.form, f.value)
		switch {
		case err != nil:
			return nil, err
		case f.name == "data":
			p.Data = append(p.Data, b...)
		case f.name == "pad":
			pad = b
		default:
			p.Data = ppp.Option{Type: uint8(f.code), Data: b}.AppendTo(p.Data)
		}
	}
	b := p.AppendTo(nil)
	if length != "" {
		binary.BigEndian.PutUint16(b[2:], changed(binary.BigEndian.Uint16(b[2:]), length))
	}
	return append(b, pad...), nil
}
