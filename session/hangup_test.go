package session_test

import (
	"testing"
	"time"

	"pppoectl/pppoe"
	"pppoectl/session"
)

// An impatient operator says it twice: the PADS that is on its way gets its PADT all the same.
func TestSecondHangupWhileAPADRIsOut(t *testing.T) {
	l := newLine(t, nil)
	var held []pppoe.Frame
	l.filter = func(f pppoe.Frame) bool {
		if p, _ := pppoe.ParsePacket(f.Payload); p.Code == pppoe.PADS {
			held = append(held, f)
			return false
		}
		return true
	}
	l.command(session.Dial)
	l.run(0)
	l.command(session.Hangup)
	l.command(session.Hangup)
	l.run(100 * time.Millisecond)
	l.filter = nil
	l.inject(held...)
	l.run(0)
	if len(held) == 0 || len(l.ac.Sessions()) != 0 || l.m.Phase() != session.Down {
		t.Errorf("%d PADS held, %d sessions left, phase %q", len(held), len(l.ac.Sessions()), l.m.Phase())
	}
}
