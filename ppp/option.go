package ppp

import (
	"bytes"
	"fmt"
	"slices"
)

// Option is a configuration option of a control protocol (RFC 1661 section 6):
// a type, a length of one octet, and up to 253 octets of data. What a type
// means is its protocol's affair.
type Option struct {
	Type uint8
	Data []byte
}

// ParseOptions splits b into options, keeping their order and unknown types.
// Data aliases b. Errors match ErrTruncated and name the octet offset; then
// the whole packet is to be dropped, for nothing in it can be trusted.
func ParseOptions(b []byte) ([]Option, error) {
	var options []Option
	for at := 0; at < len(b); {
		rest := b[at:]
		if len(rest) < 2 {
			return nil, fmt.Errorf("option at octet %d: header: %w", at, ErrTruncated)
		}
		n := int(rest[1])
		if n < 2 || n > len(rest) {
			return nil, fmt.Errorf("option %d at octet %d: length %d: %w", rest[0], at, n, ErrTruncated)
		}
		options = append(options, Option{Type: rest[0], Data: rest[2:n]})
		at += n
	}
	return options, nil
}

// AppendTo appends o's wire form to b; it is ParseOptions reversed. Data past
// 253 octets is cut.
func (o Option) AppendTo(b []byte) []byte {
	data := o.Data[:min(len(o.Data), 253)]
	b = append(b, o.Type, byte(2+len(data)))
	return append(b, data...)
}

// AppendOptions appends the wire form of all options to b.
func AppendOptions(b []byte, options []Option) []byte {
	for _, o := range options {
		b = o.AppendTo(b)
	}
	return b
}

// Equal reports whether o and p are the same option with the same value.
func (o Option) Equal(p Option) bool { return o.Type == p.Type && bytes.Equal(o.Data, p.Data) }

// EqualOptions reports whether a and b hold the same options in the same order.
func EqualOptions(a, b []Option) bool { return slices.EqualFunc(a, b, Option.Equal) }
