package conformance

import (
	"bytes"
	"crypto/md5"
	"time"

	"pppoectl/ppp"
)

// authRetry is how long we wait for an answer to our login.
const authRetry = 3 * time.Second

func (c *conversation) heardAuth(protocol ppp.Protocol, p ppp.Packet) {
	client := c.o.Peer == Client
	switch {
	case client && protocol == ppp.PAP && p.Code == papRequest:
		c.papID = p.ID
		c.login = &p
	case client && protocol == ppp.CHAP && p.Code == chapResponse && p.ID == c.challengeID:
		c.login = &p
	case !client && protocol == ppp.CHAP && p.Code == chapChallenge:
		c.challenged = c.takeChallenge(p) || c.challenged
	case !client && protocol == ppp.PAP && p.Code == papAck, !client && protocol == ppp.CHAP && p.Code == chapSuccess:
		c.authed = true
	case !client && protocol == ppp.PAP && p.Code == papNak, !client && protocol == ppp.CHAP && p.Code == chapFailure:
		c.refusal = "authentication refused"
	}
}

// takeChallenge notes what a Challenge asks (RFC 1994 section 4.1); false if it is cut short.
func (c *conversation) takeChallenge(p ppp.Packet) bool {
	if len(p.Data) == 0 || int(p.Data[0]) >= len(p.Data) {
		return false
	}
	c.challengeID, c.challenge = p.ID, bytes.Clone(p.Data[1:1+int(p.Data[0])])
	return true
}

func (c *conversation) saidAuth(protocol ppp.Protocol, p ppp.Packet) {
	client := c.o.Peer == Client
	switch {
	case client && protocol == ppp.PAP && p.Code == papAck, client && protocol == ppp.CHAP && p.Code == chapSuccess:
		c.authed, c.login = true, nil
	case client && (p.Code == papNak || p.Code == chapFailure):
		c.login = nil
	case client && protocol == ppp.CHAP && p.Code == chapChallenge:
		c.takeChallenge(p)
	case !client && protocol == ppp.CHAP && p.Code == chapResponse:
		c.challenged = false
	}
}

// authenticate lets a client in, whatever its password, or logs in at an AC.
func (m *manners) authenticate(now time.Duration) {
	c := m.conversation
	client, p := c.o.Peer == Client, c.demanded
	if p == 0 || m.mutes[p] {
		return
	}
	switch {
	case client && c.login != nil && p == ppp.PAP:
		m.control(p, papAck, c.login.ID, []byte{0})
	case client && c.login != nil:
		m.control(p, chapSuccess, c.login.ID, nil)
	case client && p == ppp.CHAP && !c.authed && now >= c.authAt:
		value := make([]byte, 17)
		for i := range value {
			value[i] = byte(c.rand.Uint32())
		}
		value[0] = 16
		c.authAt = now + authRetry
		m.control(p, chapChallenge, m.id(), append(value, c.acName...))
	case !client && p == ppp.CHAP && c.challenged:
		m.control(p, chapResponse, c.challengeID, c.chapAnswer(c.password()))
	case !client && p == ppp.PAP && !c.authed && now >= c.authAt:
		c.authAt = now + authRetry
		m.control(p, papRequest, m.id(), papLogin(c.o.Username, c.password()))
	}
}

// papLogin is the data of an Authenticate-Request (RFC 1334 section 2.2.1).
func papLogin(name, password string) []byte {
	data := append([]byte{byte(len(name))}, name...)
	return append(append(data, byte(len(password))), password...)
}

// chapAnswer is the data of a Response to the last challenge (RFC 1994 section 4.1).
func (c *conversation) chapAnswer(password string) []byte {
	sum := md5.Sum(append(append([]byte{c.challengeID}, password...), c.challenge...))
	return append(append([]byte{16}, sum[:]...), c.o.Username...)
}

func (c *conversation) password() string {
	if c.badLogin {
		return c.o.Password + " not"
	}
	return c.o.Password
}
