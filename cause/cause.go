// Package cause is the one list of reasons why a session is not up: events,
// status, metrics and exit statuses all use its codes.
package cause

import "fmt"

// Code is a reason, as it stands in JSON and metrics labels.
type Code string

// The reasons.
const (
	None             Code = ""
	NoInterface      Code = "no_interface"       // the line's interface does not exist
	NoCarrier        Code = "no_carrier"         // the interface is down or has no carrier
	NoOffer          Code = "no_offer"           // no PADI was answered
	ACRefused        Code = "ac_refused"         // the AC answered with an error tag
	NegotiationError Code = "negotiation_failed" // LCP came to no end
	Loopback         Code = "loopback"           // the line returns what we send
	AuthRejected     Code = "auth_rejected"      // the AC did not like login or password
	StillHeld        Code = "still_held"         // the AC refuses the login because it holds an earlier session of it
	AuthTimeout      Code = "auth_timeout"       // the AC came to no verdict
	NetworkFailed    Code = "network_failed"     // no network protocol that we asked for opened
	NoPrefix         Code = "no_prefix"          // the session is up, but no prefix was delegated
	EchoLost         Code = "echo_lost"          // the AC went silent
	PADT             Code = "padt"               // the AC ended the session with a PADT
	Terminated       Code = "terminated"         // the AC ended the session with a Terminate-Request
	DeviceFailed     Code = "device_failed"      // the TUN device could not be made or used
	Released         Code = "released"           // the operator wished it
	Detached         Code = "detached"           // the daemon ended, the session stays at the AC
	Stale            Code = "stale"              // a session of an earlier run that could not be taken over
	Reconfigured     Code = "reconfigured"       // the configuration changed
	NotRunning       Code = "not_running"        // there is no daemon
	SessionLimit     Code = "session_limit"      // other uplinks have all the line's sessions
	Standby          Code = "standby"            // the uplink stands by for another one
	Crashed          Code = "crashed"            // pppoectl itself has ended unexpectedly, several times
	Disabled         Code = "disabled"           // the uplink is down on the operator's wish
	WaitTimeout      Code = "wait_timeout"       // the uplink did not come up in the time given
	Unknown          Code = "unknown_uplink"     // no such name in the configuration
	Forbidden        Code = "forbidden"          // the user may not do that
	Usage            Code = "usage"              // the request makes no sense
	Internal         Code = "internal"           // ours to explain
)

// Exit statuses of the command line that belong to no single reason. Numbers
// below 20 are pppd's where pppd has the same case.
const (
	ExitOK        = 0
	ExitFailed    = 1
	ExitUsage     = 2 // usage or configuration
	ExitPrivilege = 3 // missing privilege or device node
)

// entry says what a code means.
type entry struct {
	exit int
	text string
}

var entries = map[Code]entry{
	NoInterface:      {ExitFailed, "the interface does not exist"},
	NoCarrier:        {24, "no carrier"},
	NoOffer:          {20, "no access concentrator answers"},
	ACRefused:        {21, "refused by the access concentrator"},
	NegotiationError: {10, "LCP negotiation failed"},
	Loopback:         {10, "the line is looped back"},
	AuthRejected:     {19, "authentication rejected"},
	StillHeld:        {21, "the access concentrator still holds an earlier session"},
	AuthTimeout:      {10, "the access concentrator did not finish authentication"},
	NetworkFailed:    {10, "no network protocol came up"},
	NoPrefix:         {22, "no prefix was delegated"},
	EchoLost:         {15, "the access concentrator went silent"},
	PADT:             {16, "the access concentrator ended the session (PADT)"},
	Terminated:       {16, "the access concentrator ended the session (Terminate-Request)"},
	DeviceFailed:     {ExitFailed, "the TUN device failed"},
	Released:         {ExitOK, "released by the operator"},
	Detached:         {ExitOK, "the daemon ended; the session stays at the access concentrator"},
	Stale:            {ExitFailed, "left over from an earlier run"},
	Reconfigured:     {ExitOK, "the configuration changed"},
	NotRunning:       {23, "pppoectl is not running"},
	SessionLimit:     {21, "the line's sessions are all taken"},
	Standby:          {ExitOK, "stands by for another uplink"},
	Crashed:          {ExitFailed, "pppoectl has ended unexpectedly several times"},
	Disabled:         {ExitFailed, "down on the operator's wish"},
	WaitTimeout:      {24, "timed out waiting"},
	Unknown:          {ExitUsage, "no such uplink"},
	Forbidden:        {ExitPrivilege, "not allowed"},
	Usage:            {ExitUsage, "wrong usage"},
	Internal:         {ExitFailed, "internal error"},
}

// Exit returns the exit status that tells of c; ExitFailed for unknown codes.
func (c Code) Exit() int {
	if e, ok := entries[c]; ok {
		return e.exit
	}
	return ExitFailed
}

// Text says in words what c means.
func (c Code) Text() string {
	if e, ok := entries[c]; ok {
		return e.text
	}
	return string(c)
}

// Error is a reason with its story.
type Error struct {
	Code    Code
	Message string
}

// Errorf returns an Error with the given code.
func Errorf(c Code, format string, args ...any) *Error {
	return &Error{c, fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Message }
