package main

import (
	"errors"
	"fmt"
	"slices"

	"pppoectl/conformance"
)

// errSilent says that there is nobody to ask.
var errSilent = errors.New("nobody is there")

// maxSilent is how many cases in a row may go by without a word of the peer's: it
// may be starting again after one that it has not stood.
const maxSilent = 3

// silence ends a run when nobody is there.
type silence struct {
	*player
	wire  *wire
	heard bool // a peer, ever
	cases int  // in a row that were to no avail, and without a frame of a peer
}

// after takes in what came of a case, and returns why the run is to end. failure
// is of the command that has the peer dial.
func (s *silence) after(r conformance.Result, failure error) error {
	switch {
	case slices.ContainsFunc(r.Frames, func(f conformance.Recorded) bool { return !f.Sent }):
		s.heard, s.cases = true, 0
		return nil
	case r.Kind == conformance.Pass || r.Kind == conformance.Skip:
		return nil
	}
	s.cases++
	// Whoever has never been heard was waited for long enough if there was no session.
	if s.cases < maxSilent && (s.heard || r.Kind != conformance.Unreached) {
		return nil
	}
	return fmt.Errorf("%w: %s", errSilent, s.advice(failure))
}

// advice says what whoever runs this should look at.
func (s *silence) advice(failure error) string {
	who := "the " + names[s.o.Peer]
	if s.peer != "" {
		who += " " + s.o.Target.String()
	}
	switch state := s.wire.state(); {
	case state != nil:
		return state.Error()
	case failure != nil:
		return fmt.Sprintf("--start: %v", failure)
	case s.heard:
		return who + " has fallen silent: does it still run?"
	case s.o.Peer == conformance.AC:
		return fmt.Sprintf("no PADO came: does %s run, and is it at %s?", who, s.iface)
	}
	return fmt.Sprintf("no PADI came: have %s dial on %s again and again, or with --start", who, s.iface)
}
