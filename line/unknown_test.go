package line

import (
	"testing"
	"time"

	"pppoectl/pppoe"
)

var (
	ac   = pppoe.MAC{0, 0x1e, 0x13, 0xc2, 0x69, 0xc2}
	host = pppoe.MAC{2, 0, 0, 0, 0, 1}
	born = time.Unix(1000, 0)
)

func echo(id uint16) pppoe.Frame {
	p := pppoe.Packet{SessionID: id, Payload: []byte{0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 1}}
	return pppoe.Frame{Dst: host, Src: ac, EtherType: pppoe.EtherTypeSession, Payload: p.AppendTo(nil)}
}

func TestUnknownSessionsAreReleasedOnceASecond(t *testing.T) {
	s := strangers{wanted: func() bool { return true }, since: born}
	expect := func(what string, f pppoe.Frame, after time.Duration, want bool) {
		t.Helper()
		if _, got := s.answers(f, born.Add(after)); got != want {
			t.Errorf("%s after %v: answered %v, want %v", what, after, got, want)
		}
	}
	const begin = unknownGrace
	expect("a frame while sessions may still be taken over", echo(7), begin-time.Millisecond, false)
	expect("a frame", echo(7), begin, true)
	expect("the next one", echo(7), begin+999*time.Millisecond, false)
	expect("another session's", echo(8), begin+999*time.Millisecond, true)
	expect("the first again", echo(7), begin+time.Second, true)
	expect("a frame without a session", echo(0), begin, false)
	expect("a PADT", pppoe.NewPADT(ac, host, 9, ""), begin, false)
	group := echo(10)
	group.Src = pppoe.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	expect("a frame of nobody", group, begin, false)
	short := echo(11)
	short.Payload = short.Payload[:3]
	expect("half a frame", short, begin, false)
}

func TestFloodOfUnknownSessionsIsBounded(t *testing.T) {
	s := strangers{wanted: func() bool { return true }, since: born}
	n := 0
	for i := range 65535 {
		if _, ok := s.answers(echo(uint16(i)), born.Add(unknownGrace+time.Duration(i)*time.Microsecond)); ok {
			n++
		}
	}
	if n != mostUnknown || len(s.answered) > mostUnknown {
		t.Errorf("%d of 65535 answered, %d remembered; want %d", n, len(s.answered), mostUnknown)
	}
	if _, ok := s.answers(echo(1), born.Add(time.Minute)); !ok {
		t.Error("no answer after the flood")
	}
}

func TestUnknownSessionsAreLeftAloneUnlessToldSo(t *testing.T) {
	for _, s := range []*strangers{{since: born}, {since: born, wanted: func() bool { return false }}} {
		if _, ok := s.answers(echo(7), born.Add(time.Hour)); ok {
			t.Error("answered")
		}
	}
}
