package main

import (
	"strings"
	"testing"
	"time"

	"pppoectl/conformance"
	"pppoectl/pppoe"
)

// sample is a report with each kind of result in it, of an AC whose words are not to be trusted.
func sample() *report {
	of := func(name, section string, hostile bool, k conformance.Kind, text string) conformance.Result {
		rfc, _, _ := strings.Cut(name, "/")
		c := conformance.Case{Name: name, RFC: rfc, Section: section, Says: "It is so.", Hostile: hostile}
		return conformance.Result{Case: &c, Kind: k, Text: text, Took: 1477*time.Millisecond + 300}
	}
	r := &report{
		Version: "1", Interface: "eth9", Role: conformance.AC, Peer: pppoe.MAC{2, 0, 0, 0, 0, 1}, ACName: "BAS\n<1>", Families: []string{"ipv4"},
		Seed: 7, Began: time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC), Took: 5.908, Planned: 5, Ended: "interrupted", Results: []outcome{},
	}
	r.add(of("1661/a", "5.4", false, conformance.Pass, ""), "")
	r.add(of("1661/long-name", "5.10", true, conformance.Fail, "`< lcp echo-reply`: nothing came"), "c/ac-1661-long-name.pcapng")
	r.add(of("8415/s", "18.2", false, conformance.Skip, "not asked for a prefix"), "")
	r.add(of("8415/u", "18.2", false, conformance.Unreached, "interrupted"), "")
	return r
}

func TestFormats(t *testing.T) {
	for format, want := range map[string]string{
		"table": `pass       1661/a          section 5.4
fail       1661/long-name  section 5.10
    It is so.
    ` + "`< lcp echo-reply`" + `: nothing came
skip       8415/s          section 18.2
    not asked for a prefix
unreached  8415/u          section 18.2
    It is so.
    interrupted
access concentrator "BAS\n<1>" 02:00:00:00:00:01: 1 passed, 1 failed, 1 not asked, 1 not reached
`,
		"json": `{
  "version": "1",
  "interface": "eth9",
  "peer_role": "ac",
  "peer": "02:00:00:00:00:01",
  "ac_name": "BAS\n<1>",
  "families": [
    "ipv4"
  ],
  "seed": 7,
  "began": "2026-11-26T20:00:00Z",
  "took_seconds": 5.908,
  "planned": 5,
  "ended": "interrupted",
  "results": [
    {
      "case": "1661/a",
      "rfc": "1661",
      "section": "5.4",
      "says": "It is so.",
      "kind": "pass",
      "took_seconds": 1.477
    },
    {
      "case": "1661/long-name",
      "rfc": "1661",
      "section": "5.10",
      "says": "It is so.",
      "hostile": true,
      "kind": "fail",
      "text": "` + "`< lcp echo-reply`" + `: nothing came",
      "took_seconds": 1.477,
      "capture": "c/ac-1661-long-name.pcapng"
    },
    {
      "case": "8415/s",
      "rfc": "8415",
      "section": "18.2",
      "says": "It is so.",
      "kind": "skip",
      "text": "not asked for a prefix",
      "took_seconds": 1.477
    },
    {
      "case": "8415/u",
      "rfc": "8415",
      "section": "18.2",
      "says": "It is so.",
      "kind": "unreached",
      "text": "interrupted",
      "took_seconds": 1.477
    }
  ]
}
`,
		"junit": `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="RFC 1661" tests="2" failures="1" errors="0" skipped="0">
    <testcase classname="ppptest.ac" name="a (section 5.4)" time="1.477"></testcase>
    <testcase classname="ppptest.ac" name="long-name (section 5.10)" time="1.477">
      <failure message="` + "`&lt; lcp echo-reply`" + `: nothing came">It is so.</failure>
    </testcase>
  </testsuite>
  <testsuite name="RFC 8415" tests="2" failures="0" errors="1" skipped="1">
    <testcase classname="ppptest.ac" name="s (section 18.2)" time="1.477">
      <skipped message="not asked for a prefix">It is so.</skipped>
    </testcase>
    <testcase classname="ppptest.ac" name="u (section 18.2)" time="1.477">
      <error message="interrupted">It is so.</error>
    </testcase>
  </testsuite>
</testsuites>
`,
	} {
		var b strings.Builder
		if err := sample().write(&b, format); err != nil {
			t.Error(err)
		}
		if got := b.String(); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", format, got, want)
		}
	}
}

// Whoever lets nobody in has passed nothing, and neither has a peer of which nothing was asked.
func TestFailed(t *testing.T) {
	for _, c := range []struct {
		kinds []conformance.Kind
		want  bool
	}{
		{nil, true},
		{[]conformance.Kind{conformance.Skip}, true},
		{[]conformance.Kind{conformance.Pass, conformance.Unreached}, true},
		{[]conformance.Kind{conformance.Pass, conformance.Fail}, true},
		{[]conformance.Kind{conformance.Pass, conformance.Skip}, false},
	} {
		r := report{}
		for _, k := range c.kinds {
			r.Results = append(r.Results, outcome{Kind: k})
		}
		if got := r.failed(); got != c.want {
			t.Errorf("%v: %v", c.kinds, got)
		}
	}
}
