package lab_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"pppoectl/ppp"
)

// said is something that the other end of a session has said.
type said struct {
	protocol ppp.Protocol // 0: a PADT
	packet   ppp.Packet
}

// opposite is the other end of a session.
type opposite interface {
	say(protocol ppp.Protocol, p ppp.Packet)
	// listen returns what is said within a time, or until the packet that is the last to be waited for.
	listen(d time.Duration, last func(said) bool) []said
}

// silence is longer than the restart timer; patient is how long a busy pppd may take to begin, answering how long to answer.
const (
	silence   = ppp.RestartTimer + 1500*time.Millisecond
	patient   = 10 * time.Second
	answering = 5 * time.Second
)

// fence is a code that nobody knows: it gets a Code-Reject in each state, and changes none (RFC 1661
// section 4.1, RUC). So whatever came before it has been dealt with when that comes.
const fence ppp.Code = 0x7f

// repeated is what the timer sends, whatever was said meanwhile.
const repeated = "repeated"

func anything(said) bool { return false }

// role is which end a script plays: what it says there.
type role struct {
	against string // which end the other one is
	lcp     []byte // options that the other end agrees to
	ipcp    []byte // the same; empty: the other end's Nak says which
	hint    []byte // what the other end's request of IPCP is naked with
	first   string // the word that IPCP begins with
}

var (
	playHost = role{
		against: "concentrator",
		lcp:     []byte{1, 4, 5, 0xd4, 5, 6, 1, 2, 3, 4},
		hint:    []byte{129, 6, 198, 51, 100, 53}, // which it does not ask for
		first:   "bad-request",                    // for an address
	}
	playConcentrator = role{
		against: "host",
		lcp:     []byte{1, 4, 5, 0xd4, 3, 4, 0xc0, 0x23, 5, 6, 1, 2, 3, 4},
		ipcp:    []byte{3, 6, 203, 0, 113, 1},
		hint:    []byte{3, 6, 203, 0, 113, 2},
		first:   "nak", // with an address
	}
)

// Codes of PAP (RFC 1334 section 2.2).
const (
	authenticateRequest ppp.Code = 1
	authenticateAck     ppp.Code = 2
)

// script plays one end by hand.
type script struct {
	opposite
	role
	id       uint8
	protocol ppp.Protocol // that is spoken now
	last     ppp.Packet   // of ours
	asked    ppp.Packet   // the other end's Configure-Request
	secret   ppp.Packet   // the other end's Authenticate-Request
	ended    uint8        // identifier of its Terminate-Request
	good     []byte       // options that it agrees to
	gone     bool
	deaf     bool     // a fence had no answer
	heard    []string // all that it said, in words
}

// words are what a sequence is made of. A word names what is sent in the protocol that is spoken; "login" goes on from LCP to IPCP.
var words = []string{
	"request", "bad-request", "odd-request", "ack", "wrong-ack", "nak", "reject", "terminate", "terminated", "code-reject",
	"code-reject-all", "protocol-reject", "echo", "unknown", "again", "silence",
}

func (s *script) play(word string) {
	s.id++
	switch word {
	case "request":
		s.send(ppp.Packet{Code: ppp.ConfigureRequest, ID: s.id, Data: s.good})
	case "bad-request": // to be naked
		bad := []byte{1, 4, 0, 64}
		if s.protocol == ppp.IPCP {
			bad = []byte{3, 6, 0, 0, 0, 0}
		}
		s.send(ppp.Packet{Code: ppp.ConfigureRequest, ID: s.id, Data: bad})
	case "odd-request": // to be rejected
		s.send(ppp.Packet{Code: ppp.ConfigureRequest, ID: s.id, Data: []byte{0x55, 3, 1}})
	case "ack":
		s.send(ppp.Packet{Code: ppp.ConfigureAck, ID: s.asked.ID, Data: s.asked.Data})
	case "wrong-ack":
		s.send(ppp.Packet{Code: ppp.ConfigureAck, ID: s.asked.ID + 100, Data: s.asked.Data})
	case "nak":
		better := []byte{1, 4, 5, 0x78}
		if s.protocol == ppp.IPCP {
			better = s.hint
		}
		s.send(ppp.Packet{Code: ppp.ConfigureNak, ID: s.asked.ID, Data: better})
	case "reject":
		s.send(ppp.Packet{Code: ppp.ConfigureReject, ID: s.asked.ID, Data: s.optional()})
	case "terminate":
		s.send(ppp.Packet{Code: ppp.TerminateRequest, ID: s.id})
	case "terminated":
		s.send(ppp.Packet{Code: ppp.TerminateAck, ID: s.ended})
	case "code-reject":
		s.send(ppp.Packet{Code: ppp.CodeReject, ID: s.id, Data: []byte{12, 1, 0, 4}})
	case "code-reject-all":
		s.send(ppp.Packet{Code: ppp.CodeReject, ID: s.id, Data: []byte{1, 1, 0, 4}})
	case "protocol-reject": // of one that is not spoken
		s.say(ppp.LCP, ppp.Packet{Code: ppp.ProtocolReject, ID: s.id, Data: []byte{0x80, 0xfd, 1, 1, 0, 4}})
	case "echo":
		s.say(ppp.LCP, ppp.Packet{Code: ppp.EchoRequest, ID: s.id, Data: make([]byte, 4)})
	case "unknown":
		s.send(ppp.Packet{Code: 0x20, ID: s.id})
	case "again":
		s.say(s.protocol, s.last)
	case "silence":
		s.hear(silence, anything)
	case "login":
		s.play("request")
		s.play("ack")
		s.authenticate()
		s.protocol, s.asked, s.good = ppp.IPCP, ppp.Packet{}, s.ipcp
		s.hear(patient, func(h said) bool { return h.protocol == ppp.IPCP && h.packet.Code == ppp.ConfigureRequest })
		s.play(s.first)
		return
	}
	s.finish()
}

// authenticate logs in, or lets the other end in, which begins when LCP opens.
func (s *script) authenticate() {
	if s.ipcp == nil {
		s.say(ppp.PAP, ppp.Packet{Code: authenticateRequest, ID: s.id, Data: []byte("\x04diff\x04diff")})
		return
	}
	if s.secret.Code == 0 {
		s.hear(patient, func(h said) bool { return h.protocol == ppp.PAP && h.packet.Code == authenticateRequest })
	}
	s.say(ppp.PAP, ppp.Packet{Code: authenticateAck, ID: s.secret.ID, Data: []byte{0}})
}

// finish waits until all that was said has been dealt with, and returns the answers. pppd may read its protocols in
// another order than they came.
func (s *script) finish() []string {
	var answers []string
	for _, protocol := range slices.Compact([]ppp.Protocol{ppp.LCP, s.protocol}) {
		if s.gone || s.deaf {
			break
		}
		s.id++
		id := s.id
		s.say(protocol, ppp.Packet{Code: fence, ID: id})
		s.deaf = true
		answers = append(answers, s.hear(answering, func(h said) bool {
			if h.protocol == protocol && h.packet.Code == ppp.CodeReject && bytes.HasPrefix(h.packet.Data, []byte{byte(fence), id}) {
				s.deaf = false
			}
			return !s.deaf
		})...)
	}
	return answers
}

func (s *script) send(p ppp.Packet) {
	s.last = p
	s.say(s.protocol, p)
}

// optional returns the option of the last request of the other end that it can do without.
func (s *script) optional() []byte {
	options, _ := ppp.ParseOptions(s.asked.Data)
	for _, o := range options {
		if s.protocol == ppp.LCP && o.Type == 1 {
			return o.AppendTo(nil)
		}
	}
	return nil
}

// hear takes in what is said within a time, and returns it in words.
func (s *script) hear(d time.Duration, last func(said) bool) []string {
	var list []string
	for _, h := range s.listen(d, func(h said) bool { return h.protocol == 0 || last(h) }) {
		switch {
		case h.protocol == 0:
			s.gone = true
			list = append(list, "PADT")
			continue
		case h.packet.Code == ppp.CodeReject && bytes.HasPrefix(h.packet.Data, []byte{byte(fence)}):
			continue
		case h.protocol == ppp.PAP && h.packet.Code == authenticateRequest:
			s.secret = h.packet
			continue
		case h.protocol != s.protocol && h.protocol != ppp.LCP:
			continue
		}
		name := h.packet.Code.String()
		if h.packet.Code == ppp.ConfigureRequest && h.protocol == s.protocol && h.packet.ID == s.asked.ID && s.asked.Code != 0 {
			name = repeated
		}
		list = append(list, name)
		if h.protocol != s.protocol {
			continue
		}
		switch h.packet.Code {
		case ppp.ConfigureRequest:
			s.asked = h.packet
		case ppp.TerminateRequest:
			s.ended = h.packet.ID
		case ppp.ConfigureNak:
			if s.protocol == ppp.IPCP && s.ipcp == nil {
				s.good = h.packet.Data
			}
		}
	}
	s.heard = append(s.heard, strings.Join(list, ","))
	return list
}

// found is what the other end is found to be in.
func (s *script) found() string {
	once := func(list []string) string { return strings.Join(slices.Compact(list), " ") }
	answers := func(list []string) string {
		return once(slices.DeleteFunc(list, func(name string) bool { return name == repeated }))
	}
	// RFC 1661 section 5.1: a request that was acknowledged, and is sent again since the other end does not ask, has a
	// new identifier. pppd keeps the old one; here both are a request.
	idle := strings.ReplaceAll(strings.Join(s.hear(silence, anything), " "), repeated, ppp.ConfigureRequest.String())
	idle = once(strings.Fields(idle))
	if s.gone {
		return "gone"
	}
	s.id++
	s.say(ppp.LCP, ppp.Packet{Code: ppp.EchoRequest, ID: s.id, Data: make([]byte, 4)})
	echo := answers(s.finish())
	s.id++
	s.say(s.protocol, ppp.Packet{Code: ppp.ConfigureRequest, ID: s.id, Data: s.good})
	answer := answers(s.finish())
	return fmt.Sprintf("silence: %s; echo: %s; request: %s", idle, echo, answer)
}

// begin waits for the other end's first request.
func (s *script) begin() bool {
	s.protocol, s.good = ppp.LCP, s.lcp
	s.hear(patient, func(h said) bool { return h.packet.Code == ppp.ConfigureRequest })
	return s.asked.Code != 0
}

// run plays a sequence and returns the verdict.
func (s *script) run(sequence []string) string {
	for _, word := range sequence {
		if s.play(word); s.gone {
			return "gone"
		}
	}
	return s.found()
}
