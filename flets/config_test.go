package flets_test

import (
	"strings"
	"testing"

	"pppoectl/flets"
)

func TestTheExampleIsGood(t *testing.T) {
	c, err := flets.Parse([]byte(flets.Example))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.ACs) != 2 || len(c.Logins) != 3 || !c.ACs[1].Off || c.Limits.Line != 2 {
		t.Errorf("%+v", c)
	}
}

func TestWrongConfigurationsSayWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"acss: []":                                     "line 1: acss: unknown key",
		"limits: {line: many}":                         `line 1: many is no int`,
		"acs: [{echo: {interval: 10}}]":                "line 1: 10 is no duration such as 10s",
		"acs: [{mru: 9000}]":                           "acs: BAS-1: mru: 9000 is not within 128 and 1500",
		"acs: [{mac: \"01:00:5e:00:00:01\"}]":          "acs: BAS-1: mac: 01:00:5e:00:00:01 is no station's address",
		"acs: [{auth: [eap]}]":                         `acs: BAS-1: auth: "eap" is neither pap nor chap`,
		"acs: [{name: A}, {name: A}]":                  "acs: two are called A",
		"lease: {t1: 3h, t2: 2h, valid: 4h}":           "lease: t1 3h0m0s, t2 2h0m0s, preferred 0s, valid 4h0m0s: each must not be larger than the next",
		"lease: {t1: 1h}":                              "lease: t1 1h0m0s, t2 0s, preferred 0s, valid 0s: each must not be larger than the next",
		"acs: [{echo: {interval: 10s, failures: -1}}]": "acs: BAS-1: echo: interval 10s, failures -1: neither may be negative",
		"acs: [{echo: {interval: -10s}}]":              "acs: BAS-1: echo: interval -10s, failures 0: neither may be negative",
		"limits: {line: -1}":                           "limits: line -1, login 0: neither may be negative",
		"scenario: [{at: 2s}]":                         "scenario: act 1: do is missing",
		"scenario: [{at: 2s, do: }]":                   "scenario: act 1: do is missing",
		"scenario: [{at: -2s, do: forget}]":            "scenario: act 1: at: -2s is before the act before",
		"acs: [{name: \"A B\"}]":                       `acs: "A B" is no name for a concentrator`,
		"acs: [{name: \"\\e[31m\"}]":                   `acs: "\x1b[31m" is no name for a concentrator`,
		"acs: [{mac: \"02:00:00:00:00:01\"}, {mac: \"02:00:00:00:00:01\"}]": "acs: BAS-2: mac: two have 02:00:00:00:00:01",
		"acs: [{echo: {interval: 1ns}}]":                                    "acs: BAS-1: echo: interval: 1ns is less than 100ms",
		"logins: {all: {password: p, ipv6: true}}":                          `logins: "all" is no name that a command could say`,
		"logins: {u: {password: p, ipv4: 127.0.0.1}}":                       "logins: u: ipv4: 127.0.0.1 is no IPv4 address of a host",
		"logins: {u: {password: p, ipv4: 192.0.2.1, block: 0.0.0.0/0}}":     "logins: u: block: 0.0.0.0/0 is too much: a /8 at most",
		"logins: {u: {password: p, prefix: \"::/0\"}}":                      "logins: u: prefix: ::/0 is too much: a /16 at most",
		"realms: {r: {password: p, ipv4: 0.0.0.0/0}}":                       "realms: r: ipv4: 0.0.0.0/0 is no IPv4 prefix of hosts",
		"realms: {r: {password: p, ipv4: 192.0.2.0/32}}":                    "realms: r: ipv4: 192.0.2.0/32 is no pool: its length is not within 8 and 29",
		"behind: {device: a/b}":                                             `behind: device: "a/b" is no name for a device`,
		"behind: {web: true}":                                               "behind: web: true needs addresses",
		"limits: {busy: maybe}":                                             `limits: busy: "maybe" is neither refuse nor replace`,
		"logins: {u: {ipv4: 1.2.3.4}}":                                      "logins: u: password is missing",
		"logins: {u: {password: p}}":                                        "logins: u: neither ipv4 nor ipv6: there is nothing to log in for",
		"logins: {u: {password: p, prefix: 2001:db8:1::/32}}":               "logins: u: prefix: 2001:db8:1::/32 is no IPv6 prefix",
		"realms: {r: {password: p, prefixes: 2001:db8::/32}}":               "realms: r: prefix-length is missing: how long is the prefix of each user? 56, say",
		"scenario: [{at: 2s, do: forget}, {at: 1s, do: forget}]":            "scenario: act 2: at: 1s is before the act before",
		"scenario: [{at: 2s, do: explode}]":                                 `line 1: "explode" is no command; there are: drop,`,
		"scenario:\n- {at: 2s, do: silence}":                                "line 2: silence: DURATION is missing; it is used as `silence DURATION`",
	} {
		_, err := flets.Parse([]byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestCommands(t *testing.T) {
	for text, want := range map[string]string{
		"drop":                       "",
		"drop user@bizf.example.jp":  "",
		"terminate all go away now":  "",
		"refuse all 30s login limit": "",
		"lose 10% 30s":               "",
		"lose 10":                    "",
		"  silence   30s ":           "",
		"":                           "there is no command",
		"drop a b":                   `drop: "b" is too much; it is used as ` + "`drop [LOGIN]`",
		"lose 110%":                  `lose: "110%" is no share such as 10%`,
		"lose NaN":                   `lose: "NaN" is no share such as 10%`,
		"rename A \x1b[31m":          `"rename A \x1b[31m" has characters that cannot be printed`,
		"address u 0.0.0.0":          `address: "0.0.0.0" is no IPv4 address of a host`,
		"prefix u ::/0":              `prefix: "::/0" is no IPv6 prefix`,
		"silence 30":                 `silence: "30" is no duration such as 10s`,
		"silence -1s":                `silence: "-1s" is no duration such as 10s`,
		"address u 2001:db8::1":      `address: "2001:db8::1" is no IPv4 address of a host`,
		"prefix u 2001:db8::1/56":    `prefix: "2001:db8::1/56" is no IPv6 prefix`,
		"refuse":                     "refuse: WHO is missing; it is used as `refuse WHO DURATION [TEXT]`",
	} {
		c, err := flets.ParseCommand(text)
		if want == "" && (err != nil || c.String() != strings.Join(strings.Fields(text), " ")) || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%q: %v, %v, want %s", text, c, err, want)
		}
	}
	if !strings.Contains(flets.Usage(), "refuse WHO DURATION [TEXT]") {
		t.Error(flets.Usage())
	}
}
