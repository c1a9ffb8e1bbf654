package lab_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/lab/captures"
)

// victim is a session as its line knows it.
type victim struct {
	host, ac []byte // Ethernet addresses
	id       uint16
	uniq     []byte // the Host-Uniq that its PADS had
}

// Tags of discovery.
const (
	serviceName, acName, hostUniq, genericError = 0x0101, 0x0102, 0x0103, 0x0203
)

// listens hears what passes a device of the line's from now on. What it returns gives the
// sessions that have been opened meanwhile, by their ids.
func (s *site) listens(device string) (opened func() map[uint16]victim) {
	s.t.Helper()
	var fd int
	var err error
	s.line.Do(func() { fd, err = listen(device) })
	if err != nil {
		s.t.Fatal(err)
	}
	return func() map[uint16]victim {
		defer unix.Close(fd)
		all := map[uint16]victim{}
		b := make([]byte, 1<<16)
		for {
			n, err := unix.Read(fd, b)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil { // all has been read
				return all
			}
			if n < 20 || !parse(time.Time{}, b[:n]).is(pads) {
				continue
			}
			f := bytes.Clone(b[:n])
			v := victim{host: f[:6], ac: f[6:12], id: binary.BigEndian.Uint16(f[16:])}
			for tags := f[20:]; len(tags) >= 4; {
				size := int(binary.BigEndian.Uint16(tags[2:]))
				if binary.BigEndian.Uint16(tags) == hostUniq {
					v.uniq = tags[4 : 4+size]
				}
				tags = tags[4+size:]
			}
			all[v.id] = v
		}
	}
}

// ethernet is a frame between two stations.
func ethernet(to, from []byte, etherType uint16, payload []byte) []byte {
	f := slices.Concat(to, from)
	f = binary.BigEndian.AppendUint16(f, etherType)
	return append(f, payload...)
}

// pppoePacket is a PPPoE packet that says that its length is size.
func pppoePacket(code byte, id uint16, size int, payload []byte) []byte {
	b := []byte{0x11, code}
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	return append(b, payload...)
}

// says is a frame of discovery from the AC.
func (v victim) says(code byte, id uint16, tags []byte) []byte {
	return ethernet(v.host, v.ac, 0x8863, pppoePacket(code, id, len(tags), tags))
}

// carries is a frame of the session from the AC.
func (v victim) carries(payload []byte) []byte {
	return ethernet(v.host, v.ac, 0x8864, pppoePacket(0, v.id, len(payload), payload))
}

// tag is a tag of discovery that says that its length is size.
func tag(kind uint16, size int, value string) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	return append(b, value...)
}

// escapes is what a terminal had better not be shown.
const escapes = "\x1b[2J\x1b]0;gone\x07\r\n\x9b31m"

// inSession are PPP frames that a session lives through, in hexadecimal, by what they are.
// The octets after a + are text.
var inSession = map[string]string{
	"nothing":                          "",
	"one octet":                        "c0",
	"LCP, nothing else":                "c021",
	"LCP, half a header":               "c021 0101",
	"LCP length 0":                     "c021 0101 0000",
	"LCP length 3":                     "c021 0901 0003",
	"LCP length beyond the frame":      "c021 0101 ffff 0104 05d4",
	"option of length 0":               "c021 0101 0008 0100 0000",
	"option of length 1":               "c021 0101 0008 0101 0000",
	"option beyond the packet":         "c021 0101 0008 01ff 05d4",
	"half an option":                   "c021 0101 0005 01",
	"Ack of no request":                "c021 02ee 0004",
	"Ack of no request, options":       "c021 02ee 000e 0104 05d4 0506 12345678",
	"Nak of no request":                "c021 03ee 0008 0104 0000",
	"Reject of no request":             "c021 04ee 000a 0506 12345678",
	"Echo-Request":                     "c021 0901 0008 00000000",
	"Echo-Request, cut":                "c021 0902 0006 0000",
	"Echo-Request, long":               "c021 0903 05a0 00000000" + strings.Repeat("ff", 1432),
	"Echo-Reply of no request":         "c021 0aee 0008 00000000",
	"Echo-Reply, cut":                  "c021 0aee 0004",
	"Discard-Request":                  "c021 0b01 0008 00000000",
	"Identification, escapes":          "c021 0c01 001c 00000000 +" + escapes,
	"Identification, long":             "c021 0c02 05a0 00000000" + strings.Repeat("1b5b", 716),
	"Time-Remaining":                   "c021 0d01 000c 00000000 00000000",
	"Protocol-Reject of nothing":       "c021 0801 0004",
	"Protocol-Reject of an octet":      "c021 0802 0005 80",
	"Protocol-Reject, not spoken":      "c021 0803 000a 4001 0101 0004",
	"Protocol-Reject of EAP":           "c021 0804 000a c227 0101 0004",
	"Code-Reject of nothing":           "c021 0701 0004",
	"Code-Reject of an unknown code":   "c021 0702 0008 2001 0004",
	"code 0":                           "c021 0001 0004",
	"code 32":                          "c021 2001 0004",
	"code 255, long":                   "c021 ff01 05a0" + strings.Repeat("00", 1436),
	"IPCP length beyond the frame":     "8021 0101 00ff 0306 cb007107",
	"IPCP option of length 0":          "8021 0101 000a 0300 cb007107",
	"IPCP Ack of no request":           "8021 02ee 000a 0306 cb007199",
	"IPCP Nak of no request":           "8021 03ee 000a 0306 cb007199",
	"IPCP Reject of no request":        "8021 04ee 000a 0306 cb007199",
	"IPCP code 255":                    "8021 ff01 0004",
	"IPv6CP length 0":                  "8057 0101 0000",
	"IPv6CP option of length 1":        "8057 0101 000e 0101 0290 1a00 41a3 d3f3",
	"IPv6CP Nak of no request":         "8057 03ee 000e 010a 0290 1a00 41a3 d3f3",
	"PAP Ack":                          "c023 0201 0005 00",
	"PAP Ack, other identifier":        "c023 02ee 000d 08 +" + escapes[:8],
	"PAP Nak":                          "c023 0301 000d 08 +" + escapes[:8],
	"PAP Nak, length beyond the frame": "c023 0301 ffff ff",
	"CHAP Challenge":                   "c223 0107 0019 10 000102030405060708090a0b0c0d0e0f 41414141",
	"CHAP Challenge, value beyond":     "c223 0108 0009 ff 41414141",
	"CHAP Failure":                     "c223 0407 000c +" + escapes[:8],
	"EAP, CVE-2020-8597":               "c227 0107 0142 04 10" + strings.Repeat("00", 16) + strings.Repeat("41", 300),
	"CBCP, CVE-2004-1002":              "c029 0101 0008 0201 0000",
	"LQR":                              "c025 0101 0004",
	"CCP":                              "80fd 0101 0004",
	"unknown protocol":                 "4001 0101 0004",
	"no protocol's number":             "ffff 0101 0004",
	"compressed protocol field":        "2145 0000",
	"IPv4, nothing else":               "0021",
	"IPv4 of version 6":                "0021 6500 001c 0000 0000 4011 0000 0a000001 0a000002 0009 270f 0008 0000",
	"IPv4 of four words":               "0021 4400 001c 0000 0000 4011 0000 0a000001 0a000002 0009 270f 0008 0000",
	"IPv4 longer than the frame":       "0021 4500 05dc 0000 0000 4011 0000 0a000001 0a000002 0009 270f 0008 0000",
	"IPv4 shorter than its header":     "0021 4500 0013 0000 0000 4011 0000 0a000001 0a000002 0009 270f 0008 0000",
	"IPv6 of version 4":                "0057 4000 0000 0000 3aff" + strings.Repeat("00", 32),
	"IPv6 longer than the frame":       "0057 6000 0000 0500 3aff" + strings.Repeat("00", 32),
	"IPv6, half a header":              "0057 6000 0000 0000 3aff",
}

// octets reads an entry of these lists.
func octets(t *testing.T, text string) []byte {
	t.Helper()
	digits, said, _ := strings.Cut(text, "+")
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return append(b, said...)
}

// hostile are frames that come to the host's port, none of which may harm the session, by
// what they are.
func (v victim) hostile(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for name, text := range inSession {
		all[name] = v.carries(octets(t, text))
	}
	other := func(b []byte, at int) []byte { // another station, or session
		b = bytes.Clone(b)
		b[at] ^= 0x40
		return b
	}
	echo := v.carries(octets(t, inSession["Echo-Request"]))
	all["session, other id"] = other(echo, 16)
	all["session, other AC"] = other(echo, 10)
	all["session, broadcast"] = slices.Concat(bytes.Repeat([]byte{0xff}, 6), echo[6:])
	all["session, from a group"] = slices.Concat(echo[:6], []byte{0xff}, echo[7:])
	all["session, version 2"] = other(echo, 14)
	all["session, a code"] = other(echo, 15)
	all["session, LEN 0"] = ethernet(v.host, v.ac, 0x8864, pppoePacket(0, v.id, 0, echo[20:]))
	all["session, LEN 1"] = ethernet(v.host, v.ac, 0x8864, pppoePacket(0, v.id, 1, echo[20:]))
	all["session, LEN beyond the frame"] = ethernet(v.host, v.ac, 0x8864, pppoePacket(0, v.id, 0xffff, echo[20:]))
	all["session, half a header"] = echo[:17]
	all["session, nothing"] = echo[:14]

	end := v.says(padt, v.id, nil)
	all["PADT, other id"] = other(end, 17)
	all["PADT, other AC"] = other(end, 11)
	all["PADT, broadcast"] = slices.Concat(bytes.Repeat([]byte{0xff}, 6), end[6:])
	all["PADT, session 0"] = v.says(padt, 0, nil)
	all["PADT, version 2"] = other(end, 14)
	all["PADT, LEN beyond the frame"] = ethernet(v.host, v.ac, 0x8863, pppoePacket(padt, v.id, 100, nil))
	all["PADT, half a header"] = end[:18]
	all["PADT as session"] = ethernet(v.host, v.ac, 0x8864, pppoePacket(padt, v.id, 0, nil))

	uniq := string(v.uniq)
	offer := slices.Concat(tag(serviceName, 0, ""), tag(acName, len(escapes), escapes))
	for name, tags := range map[string][]byte{
		"right Host-Uniq":           tag(hostUniq, len(uniq), uniq),
		"wrong Host-Uniq":           tag(hostUniq, len(uniq), strings.Repeat("x", len(uniq))),
		"no Host-Uniq":              nil,
		"empty Host-Uniq":           tag(hostUniq, 0, ""),
		"begin of Host-Uniq":        tag(hostUniq, len(uniq)-1, uniq[:len(uniq)-1]),
		"Host-Uniq and more":        tag(hostUniq, len(uniq)+1, uniq+"x"),
		"Host-Uniq twice":           slices.Concat(tag(hostUniq, len(uniq), uniq), tag(hostUniq, 1, "x")),
		"Host-Uniq beyond":          tag(hostUniq, 0xffff, uniq),
		"half a tag":                append(tag(hostUniq, len(uniq), uniq), 1, 1, 0),
		"an error":                  slices.Concat(tag(hostUniq, len(uniq), uniq), tag(genericError, len(escapes), escapes)),
		"tags without end, 360":     bytes.Repeat(tag(0x0105, 0, ""), 360),
		"a name that fills a frame": tag(acName, 1400, strings.Repeat("\x1b[A", 467)[:1400]),
	} {
		all["PADO, "+name] = v.says(pado, 0, append(offer[:len(offer):len(offer)], tags...))
		all["PADS, "+name] = v.says(pads, v.id+0x400, append(offer[:len(offer):len(offer)], tags...))
	}
	all["PADI"] = v.says(padi, 0, offer)
	all["PADR"] = v.says(padr, 0, offer)
	all["discovery, unknown code"] = v.says(0x42, v.id, offer)
	return all
}

// mutants are n frames of real ACs, addressed to the sessions and changed at random, of which
// none is rightful.
func mutants(t *testing.T, rand *rand.Rand, n int, victims ...victim) [][]byte {
	t.Helper()
	const acOfCaptures = "\x02\x00\x5e\x10\x00\x0a"
	var said [][]byte
	for _, name := range []string{"pap.pcap", "chap.pcap", "wrong-password.pcap", "service-error.pcap", "discovery.pcap"} {
		for _, f := range captures.Read(t, name) {
			if string(f[6:12]) == acOfCaptures {
				said = append(said, f)
			}
		}
	}
	var list [][]byte
	for len(list) < n {
		f := bytes.Clone(said[rand.IntN(len(said))])
		v := victims[rand.IntN(len(victims))]
		copy(f, v.host)
		copy(f[6:], v.ac)
		if binary.BigEndian.Uint16(f[16:]) != 0 {
			binary.BigEndian.PutUint16(f[16:], v.id)
		}
		for range 1 + rand.IntN(6) {
			f[14+rand.IntN(len(f)-14)] = byte(rand.Uint32())
		}
		switch rand.IntN(4) {
		case 0:
			f = f[:14+rand.IntN(len(f)-13)]
		case 1:
			f = append(f, make([]byte, rand.IntN(64))...)
		}
		if !slices.ContainsFunc(victims, func(v victim) bool { return v.mayEnd(f) }) {
			list = append(list, f)
		}
	}
	return list
}

// mayEnd reports whether a frame may be one by which the AC ends the session or negotiates anew.
func (v victim) mayEnd(b []byte) bool {
	f := parse(time.Time{}, b)
	if f.session != v.id || !bytes.Equal(b[6:12], v.ac) {
		return false
	}
	if f.etherType == 0x8863 {
		return f.code == padt
	}
	const configureRequest, terminateRequest, protocolReject = 1, 5, 8 // between the last: Terminate-Ack, Code-Reject
	switch f.protocol {
	case protocolLCP, 0x8021, 0x8057:
		code := append(f.payload, 0)[0]
		return code == configureRequest || code >= terminateRequest && code <= protocolReject
	}
	return false
}
