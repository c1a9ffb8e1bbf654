package control

import (
	"time"

	"pppoectl/cause"
)

// Status is what the daemon tells of itself.
type Status struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`         // the daemon
	Trial   *Trial    `json:"trial,omitempty"` // a configuration that waits to be confirmed
	Uplinks []Uplink  `json:"uplinks"`
}

// State names, and the only ones.
const (
	Disabled       = "disabled"
	WaitingCarrier = "waiting-carrier"
	Discovery      = "discovery"
	LCP            = "lcp"
	Auth           = "auth"
	Network        = "network"
	Up             = "up"
	Suspect        = "suspect"
	Holdoff        = "holdoff"
	Terminating    = "terminating"
	Failed         = "failed"
)

// Uplink is what the daemon tells of one uplink. What does not apply is left
// out.
type Uplink struct {
	Name      string     `json:"name"`
	State     string     `json:"state"`
	Since     time.Time  `json:"since"` // of the state
	Interface string     `json:"interface"`
	Device    string     `json:"device"`
	Families  []string   `json:"families"`
	AC        *AC        `json:"ac,omitempty"`
	SessionID uint16     `json:"session_id,omitempty"`
	UpSince   *time.Time `json:"up_since,omitempty"` // the session's last time of being up
	Resumed   int        `json:"resumed"`
	MTU       int        `json:"mtu,omitempty"`  // octets
	Auth      string     `json:"auth,omitempty"` // pap, chap or none
	IPv4      *IPv4      `json:"ipv4,omitempty"`
	IPv6      *IPv6      `json:"ipv6,omitempty"`
	Echo      *Echo      `json:"echo,omitempty"`
	Rx        Traffic    `json:"rx"`
	Tx        Traffic    `json:"tx"`
	DataPath  *DataPath  `json:"data_path,omitempty"`
	Attempts  int        `json:"attempts"` // dials since the uplink was last up, or wanted up
	Dials     uint64     `json:"dials"`    // since the daemon was started
	LastDrop  *Drop      `json:"last_drop,omitempty"`

	// Drops are the sessions lost since the daemon was started.
	Drops map[cause.Code]uint64 `json:"drops,omitempty"`

	NextTry    *time.Time `json:"next_try"`
	LastError  *Failure   `json:"last_error,omitempty"`
	Rejections int        `json:"rejections,omitempty"` // of the login, in a row
	System     []string   `json:"system,omitempty"`     // what was done to the system, as a person would type it
}

// AC is the access concentrator of a session.
type AC struct {
	Name string `json:"name"` // untrusted
	MAC  string `json:"mac"`
}

// IPv4 is what IPCP gave.
type IPv4 struct {
	Local string   `json:"local,omitempty"` // absent: unnumbered
	Peer  string   `json:"peer,omitempty"`
	DNS   []string `json:"dns"`
}

// IPv6 is what IPv6CP gave, and DHCPv6.
type IPv6 struct {
	Local      string   `json:"local"`
	Peer       string   `json:"peer,omitempty"`
	DNS        []string `json:"dns"`
	Domains    []string `json:"domains,omitempty"`
	NTP        []string `json:"ntp,omitempty"`
	AFTR       string   `json:"aftr,omitempty"`       // of DS-Lite
	Delegation string   `json:"delegation,omitempty"` // what the DHCPv6 client is doing
	Prefixes   []Prefix `json:"prefixes,omitempty"`
	LAN        []LAN    `json:"lan,omitempty"`
}

// Prefix is a delegated prefix. A time that is missing never comes.
type Prefix struct {
	Prefix         string     `json:"prefix"`
	PreferredUntil *time.Time `json:"preferred_until,omitempty"`
	ValidUntil     *time.Time `json:"valid_until,omitempty"`
	T1             *time.Time `json:"t1,omitempty"`         // when it is renewed
	Server         string     `json:"server,omitempty"`     // its DUID
	Deprecated     bool       `json:"deprecated,omitempty"` // no new connections
}

// LAN is an interface's part of a prefix.
type LAN struct {
	Interface  string `json:"interface"`
	Address    string `json:"address,omitempty"`
	Deprecated bool   `json:"deprecated,omitempty"`
	Error      string `json:"error,omitempty"`
}

// Echo is how the AC answers LCP echoes.
type Echo struct {
	RTTms float64 `json:"rtt_ms"`
	Lost  uint64  `json:"lost"`
	Sent  uint64  `json:"sent"`
	Off   string  `json:"off,omitempty"` // why none are sent
}

// Traffic counts IP packets of one direction over all sessions of this daemon.
type Traffic struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	Dropped uint64 `json:"dropped"`
}

// DataPath is how packets are carried.
type DataPath struct {
	Kind string `json:"kind"`
	Note string `json:"note"` // why it is not a faster one, or what of it goes another way
	// Reasons counts packets of the present path that were dropped or took another way, by
	// direction and reason.
	Reasons map[string]uint64 `json:"reasons,omitempty"`
}

// Drop is the last loss of a session.
type Drop struct {
	At           time.Time  `json:"at"`
	Cause        cause.Code `json:"cause"`
	Text         string     `json:"text"`
	AfterSeconds int        `json:"after_seconds"` // how long the session had lasted
}

// Failure is why the last attempt failed.
type Failure struct {
	Code    cause.Code `json:"code"`
	Text    string     `json:"text"`    // the AC's words if it said any (untrusted), else ours
	Message string     `json:"message"` // the whole story in a sentence
}
