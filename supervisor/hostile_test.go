package supervisor_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"

	"pppoectl/concentrator"
	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// What an AC calls itself, and what it says, comes to an operator's terminal quoted,
// whatever is told of it.
func TestWordsOfTheACAreQuoted(t *testing.T) {
	for name, word := range map[string]string{
		"escapes":       "BAS\x1b]0;owned\a\x1b[2J",
		"line breaks":   "BAS\r\nNov 23 04:05:06 host sshd: accepted",
		"not UTF-8":     "BAS\xff\xfe\x9b2J",
		"right-to-left": "BAS\u202egnp.exe",
		"long":          strings.Repeat("\x07", 400),
	} {
		t.Run(name, func(t *testing.T) {
			named := func(w *world) {
				w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame { ac.Config().Name = word; return nil })
			}
			inWorldOf(t, configuration().Uplinks, func(w *world) {
				w.pass(time.Second)
				for _, end := range []func(s *concentrator.Session, now time.Duration) []pppoe.Frame{
					func(s *concentrator.Session, _ time.Duration) []pppoe.Frame {
						return s.Send(ppp.LCP, ppp.Packet{Code: ppp.Identification, Data: append(make([]byte, 4), word...)})
					},
					func(s *concentrator.Session, now time.Duration) []pppoe.Frame { return s.Terminate(now, word) },
					func(s *concentrator.Session, now time.Duration) []pppoe.Frame {
						s.Drop()
						return []pppoe.Frame{pppoe.NewPADT(acMAC, hostMAC, s.ID, word)}
					},
				} {
					w.do(func(ac *concentrator.AC, now time.Duration) []pppoe.Frame {
						var out []pppoe.Frame
						for _, s := range ac.Sessions() {
							out = append(out, end(s, now)...)
						}
						return out
					})
					w.pass(time.Minute)
				}
				w.do(func(ac *concentrator.AC, _ time.Duration) []pppoe.Frame {
					ac.Config().Refuse = word
					var out []pppoe.Frame
					for id := range ac.Sessions() {
						out = append(out, pppoe.NewPADT(acMAC, hostMAC, id, ""))
					}
					ac.Forget()
					return out
				})
				w.pass(time.Minute)
				kinds := map[string]bool{}
				messages := []string{w.uplink("bizf").LastError.Message}
				for _, e := range w.events("") {
					kinds[e.Kind] = true
					messages = append(messages, e.Message)
				}
				for _, m := range messages {
					if strings.ContainsFunc(m, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
						t.Errorf("told as %q", m)
					}
				}
				for _, kind := range []string{"session", "up", "notice", "dropped", "failed"} {
					if !kinds[kind] {
						t.Errorf("nothing is told of %q: %v", kind, kinds)
					}
				}
			}, named)
		})
	}
}

// The address before goes when LCP is negotiated anew in place and another one comes of it.
func TestAddressThatChangesInASessionIsReplaced(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		id := w.uplink("bizf").SessionID
		w.login("user@bizf.example.jp", func(l *concentrator.Login) { l.IPv4 = netip.MustParseAddr("203.0.113.99") })
		w.do(func(ac *concentrator.AC, now time.Duration) []pppoe.Frame {
			var out []pppoe.Frame
			for _, s := range ac.Sessions() {
				out = append(out, s.Renegotiate(now)...)
			}
			return out
		})
		w.pass(10 * time.Second)
		if got := w.system("bizf address"); got != "bizf address 203.0.113.99/32" {
			t.Errorf("addresses:\n%s", got)
		}
		if u := w.uplink("bizf"); u.SessionID != id || u.IPv4 == nil || u.IPv4.Local != "203.0.113.99" {
			t.Errorf("session %d, was %d; %+v", u.SessionID, id, u.IPv4)
		}
	})
}
