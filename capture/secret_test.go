package capture

import (
	"bytes"
	"testing"

	"pppoectl/lab/captures"
)

// In a capture of a real line no password is left, and nothing else is changed.
func TestPasswordsAreOverwritten(t *testing.T) {
	hidden := 0
	for i, frame := range captures.Read(t, "pap.pcap") {
		was := bytes.Clone(frame)
		hideSecrets(frame)
		for _, password := range []string{"secret4", "secret6"} {
			if bytes.Contains(frame, []byte(password)) {
				t.Errorf("frame %d: %q", i+1, frame)
			}
			if bytes.Contains(was, []byte(password)) {
				hidden++
				was = bytes.ReplaceAll(was, []byte(password), []byte("xxxxxxx"))
			}
		}
		if !bytes.Equal(frame, was) {
			t.Errorf("frame %d: % x,\nwant % x", i+1, frame, was)
		}
	}
	if hidden < 3 {
		t.Errorf("%d passwords were there", hidden)
	}
	for i, frame := range captures.Read(t, "chap.pcap") {
		was := bytes.Clone(frame)
		if hideSecrets(frame); !bytes.Equal(frame, was) {
			t.Errorf("CHAP, frame %d is changed", i+1)
		}
	}
}

// Lengths that lie, and packets that are cut off, leave no password either.
func TestPasswordsBehindWrongLengths(t *testing.T) {
	pap := func(data string) string { return "\x01\x01\x00\x10" + data }
	for name, c := range map[string]struct {
		protocol uint16
		packet   string
		is       string
	}{
		"as it should be":        {0xc023, pap("\x02me\x06secret"), pap("\x02me\x06xxxxxx")},
		"empty name":             {0xc023, pap("\x00\x06secret"), pap("\x00\x06xxxxxx")},
		"password length lies":   {0xc023, pap("\x02me\x01secret"), pap("\x02me\x01xxxxxx")},
		"name length lies":       {0xc023, pap("\xffme\x06secret"), pap("\xffxxxxxxxxx")},
		"rejected, and returned": {0xc021, "\x08\x01\x00\x20\xc0\x23" + pap("\x02me\x06secret"), "\x08\x01\x00\x20\xc0\x23" + pap("\x02me\x06xxxxxx")},
		"cut off":                {0xc023, pap("\x02me"), pap("\x02xx")},
		"nothing":                {0xc023, "\x01", "\x01"},
		"Ack":                    {0xc023, "\x02\x01\x00\x08\x03yes", "\x02\x01\x00\x08\x03yes"},
	} {
		f := append(make([]byte, offProtocol), byte(c.protocol>>8), byte(c.protocol))
		f = append(f, c.packet...)
		hideSecrets(f)
		if got := string(f[headerLen:]); got != c.is {
			t.Errorf("%s: %q, want %q", name, got, c.is)
		}
	}
	hideSecrets(nil)
	hideSecrets(make([]byte, headerLen-1))
}
