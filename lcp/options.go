package lcp

import (
	"encoding/binary"
	"fmt"

	"pppoectl/ppp"
)

// Option types (RFC 1661 section 6).
const (
	optMRU   = 1
	optAuth  = 3
	optMagic = 5
)

// Auth is a value of the Authentication-Protocol option (RFC 1661 section
// 6.2): a protocol and, for CHAP, its algorithm. The zero Auth is none.
type Auth struct {
	Protocol  ppp.Protocol `json:"protocol,omitempty"`
	Algorithm uint8        `json:"algorithm,omitempty"` // CHAP only (RFC 1994 section 3)
}

// The authentication protocols that we speak.
var (
	AuthPAP     = Auth{Protocol: ppp.PAP}
	AuthCHAPMD5 = Auth{Protocol: ppp.CHAP, Algorithm: 5}
)

func (a Auth) String() string {
	switch {
	case a == Auth{}:
		return "none"
	case a.Protocol != ppp.CHAP:
		return a.Protocol.String()
	case a.Algorithm == 5:
		return "CHAP-MD5"
	case a.Algorithm == 0x80:
		return "MS-CHAP"
	case a.Algorithm == 0x81:
		return "MS-CHAP-v2"
	}
	return fmt.Sprintf("CHAP algorithm %d", a.Algorithm)
}

// parseAuth reads the option's data: two octets of protocol, and exactly one of
// algorithm with CHAP.
func parseAuth(b []byte) (Auth, error) {
	if len(b) < 2 {
		return Auth{}, fmt.Errorf("Authentication-Protocol of %d octets: %w", len(b), ppp.ErrTruncated)
	}
	a := Auth{Protocol: ppp.Protocol(binary.BigEndian.Uint16(b))}
	switch {
	case a.Protocol == ppp.CHAP && len(b) != 3:
		return a, fmt.Errorf("CHAP without an algorithm: %w", ppp.ErrTruncated)
	case a.Protocol == ppp.CHAP:
		a.Algorithm = b[2]
	case a.Protocol == ppp.PAP && len(b) != 2:
		return a, fmt.Errorf("PAP with data: %w", ppp.ErrTruncated)
	}
	return a, nil
}

func (a Auth) value() []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(a.Protocol))
	if a.Protocol == ppp.CHAP {
		b = append(b, a.Algorithm)
	}
	return b
}

func mruOption(mru int) ppp.Option {
	return ppp.Option{Type: optMRU, Data: binary.BigEndian.AppendUint16(nil, uint16(mru))}
}

func magicOption(magic uint32) ppp.Option {
	return ppp.Option{Type: optMagic, Data: binary.BigEndian.AppendUint32(nil, magic)}
}

func authOption(a Auth) ppp.Option { return ppp.Option{Type: optAuth, Data: a.value()} }
