package main

import (
	"errors"
	"net"
	"strings"
	"testing"

	"pppoectl/conformance"
)

// A run ends when nobody is there, and not when somebody only says nothing to a case.
func TestSilence(t *testing.T) {
	heard := []conformance.Recorded{{Sent: true}, {}}
	unheard := heard[:1]
	for _, c := range []struct {
		name  string
		cases []conformance.Result
		ends  int // with which case; 0: not
	}{
		{"never heard", []conformance.Result{{Kind: conformance.Unreached, Frames: unheard}}, 1},
		{"never heard, but nothing was waited for", []conformance.Result{{Kind: conformance.Fail}, {Kind: conformance.Pass}, {Kind: conformance.Fail}, {Kind: conformance.Fail}}, 4},
		{"not asked", []conformance.Result{{Kind: conformance.Skip}, {Kind: conformance.Skip}, {Kind: conformance.Skip}, {Kind: conformance.Skip}}, 0},
		{"starts again", []conformance.Result{{Kind: conformance.Fail, Frames: heard}, {Kind: conformance.Unreached}, {Kind: conformance.Unreached}, {Kind: conformance.Pass, Frames: heard}, {Kind: conformance.Unreached}}, 0},
		{"has crashed", []conformance.Result{{Kind: conformance.Fail, Frames: heard}, {Kind: conformance.Unreached}, {Kind: conformance.Skip}, {Kind: conformance.Unreached}, {Kind: conformance.Unreached}}, 5},
		{"lets nobody in", []conformance.Result{{Kind: conformance.Unreached, Frames: heard}, {Kind: conformance.Unreached, Frames: heard}, {Kind: conformance.Unreached, Frames: heard}, {Kind: conformance.Unreached, Frames: heard}}, 0},
	} {
		s := silence{player: &player{}, wire: &wire{ifi: &net.Interface{Index: 1, Name: "lo"}}}
		ended := 0
		for i, r := range c.cases {
			if err := s.after(r, nil); err != nil && ended == 0 {
				ended = i + 1
				if !errors.Is(err, errSilent) {
					t.Errorf("%s: %v", c.name, err)
				}
			}
		}
		if ended != c.ends {
			t.Errorf("%s: ended with case %d, want %d", c.name, ended, c.ends)
		}
	}
}

// What the command that has the peer dial said is told, where it explains the silence.
func TestSilenceOfACommandThatFails(t *testing.T) {
	start, err := begin("echo no such uplink >&2; exit 3", false)
	if err != nil {
		t.Fatal(err)
	}
	<-start.done
	s := silence{player: &player{}, wire: &wire{ifi: &net.Interface{Index: 1, Name: "lo"}}}
	err = s.after(conformance.Result{Kind: conformance.Unreached}, start.end())
	if err == nil || !strings.Contains(err.Error(), `exit status 3, "no such uplink"`) {
		t.Error(err)
	}
}
