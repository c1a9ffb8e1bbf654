package pppoe

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// TagType says what a tag of a discovery packet is (RFC 2516 appendix A).
type TagType uint16

// The tags that we know.
const (
	EndOfList        TagType = 0x0000
	ServiceName      TagType = 0x0101
	ACName           TagType = 0x0102
	HostUniq         TagType = 0x0103
	ACCookie         TagType = 0x0104
	VendorSpecific   TagType = 0x0105
	RelaySessionID   TagType = 0x0110
	PPPMaxPayload    TagType = 0x0120 // RFC 4638
	ServiceNameError TagType = 0x0201
	ACSystemError    TagType = 0x0202
	GenericError     TagType = 0x0203
)

func (t TagType) String() string {
	switch t {
	case EndOfList:
		return "End-Of-List"
	case ServiceName:
		return "Service-Name"
	case ACName:
		return "AC-Name"
	case HostUniq:
		return "Host-Uniq"
	case ACCookie:
		return "AC-Cookie"
	case VendorSpecific:
		return "Vendor-Specific"
	case RelaySessionID:
		return "Relay-Session-Id"
	case PPPMaxPayload:
		return "PPP-Max-Payload"
	case ServiceNameError:
		return "Service-Name-Error"
	case ACSystemError:
		return "AC-System-Error"
	case GenericError:
		return "Generic-Error"
	}
	return fmt.Sprintf("tag 0x%04x", uint16(t))
}

// Tag is one tag of a discovery packet.
type Tag struct {
	Type  TagType
	Value []byte
}

// AppendTo appends t's wire form to b.
func (t Tag) AppendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(t.Type))
	b = binary.BigEndian.AppendUint16(b, uint16(len(t.Value)))
	return append(b, t.Value...)
}

// Tags is the payload of one discovery packet, in its order. Nothing of it
// must outlive the packet that it came in, but by copying.
type Tags []Tag

// ParseTags splits a discovery payload into tags, up to End-Of-List or its
// end. Values alias b. Errors match ErrTruncated and name the octet offset;
// then the whole packet is to be ignored.
func ParseTags(b []byte) (Tags, error) {
	var tags Tags
	for at := 0; at < len(b); {
		rest := b[at:]
		if len(rest) < 4 {
			return nil, fmt.Errorf("tag at octet %d: header: %w", at, ErrTruncated)
		}
		t := TagType(binary.BigEndian.Uint16(rest))
		n := int(binary.BigEndian.Uint16(rest[2:]))
		if t == EndOfList {
			break
		}
		if n > len(rest)-4 {
			return nil, fmt.Errorf("%v at octet %d: length %d: %w", t, at, n, ErrTruncated)
		}
		tags = append(tags, Tag{t, rest[4 : 4+n]})
		at += 4 + n
	}
	return tags, nil
}

// AppendTo appends the wire form of all tags to b.
func (tags Tags) AppendTo(b []byte) []byte {
	for _, t := range tags {
		b = t.AppendTo(b)
	}
	return b
}

// Get returns the value of the first tag of type t, and whether there is one.
func (tags Tags) Get(t TagType) (value []byte, ok bool) {
	for _, tag := range tags {
		if tag.Type == t {
			return tag.Value, true
		}
	}
	return nil, false
}

// Values returns the values of all tags of type t as text.
func (tags Tags) Values(t TagType) []string {
	var values []string
	for _, tag := range tags {
		if tag.Type == t {
			values = append(values, string(tag.Value))
		}
	}
	return values
}

// only reports whether there is exactly one tag of type t and its value is value.
func (tags Tags) only(t TagType, value []byte) bool {
	n := 0
	for _, tag := range tags {
		if tag.Type == t {
			n++
			if !bytes.Equal(tag.Value, value) {
				return false
			}
		}
	}
	return n == 1
}

// Error returns the first error tag of RFC 2516 appendix A as an error that
// is a *RefusedError, or nil.
func (tags Tags) Error() error {
	for _, tag := range tags {
		switch tag.Type {
		case ServiceNameError, ACSystemError, GenericError:
			return &RefusedError{Tag: tag.Type, Text: string(tag.Value)}
		}
	}
	return nil
}

// RefusedError says that an AC answered with one of the three error tags.
type RefusedError struct {
	Tag  TagType
	Text string // the AC's words, untrusted: print with %q
}

func (e *RefusedError) Error() string {
	if e.Text == "" {
		return e.Tag.String()
	}
	return fmt.Sprintf("%v: %q", e.Tag, e.Text)
}
