package main

import (
	"strings"
	"testing"

	"pppoectl/conformance"
)

// Runs of one implementation are one column, whose cell is the worst of those in which the case
// was played; what the peer says cannot break the table.
func TestMarkdown(t *testing.T) {
	of := func(name, section string, k conformance.Kind, text string) outcome {
		rfc, _, _ := strings.Cut(name, "/")
		return outcome{Case: name, RFC: rfc, Section: section, Says: "It is so.", Kind: k, Text: text}
	}
	failed := of("1661/b", "5.10", conformance.Fail, "came: a|b <c>")
	failed.Capture = "docs/captures/x/ac-1661-b.pcapng"
	hostile := of("1661/h", "6", conformance.Pass, "")
	hostile.Hostile = true
	columns := []column{
		{name: "x", runs: []report{
			{Role: conformance.Client, Results: []outcome{of("1661/a", "5.4", conformance.Pass, ""), failed, of("1332/s", "3.3", conformance.Skip, "no")}},
			{Role: conformance.Client, Results: []outcome{of("1661/a", "5.4", conformance.Skip, "no"), of("1661/b", "5.10", conformance.Pass, "")}},
		}},
		{name: "y", runs: []report{{Role: conformance.AC, Results: []outcome{of("1661/a", "5.4", conformance.Unreached, "no"), hostile}}}},
	}
	var b strings.Builder
	if err := markdown(&b, "docs", columns); err != nil {
		t.Fatal(err)
	}
	got := strings.TrimPrefix(b.String(), preface)
	want := `
| | pass | FAIL | - | ? |
|---|---|---|---|---|
| x, client | 1 | 1 | 1 | 0 |
| y, ac | 1 | 0 | 0 | 1 |

## RFC 1332

| section | case | x | y |
|---|---|---|---|
| 3.3 | ` + "`s`" + `: It is so. | - | - |

## RFC 1661

| section | case | x | y |
|---|---|---|---|
| 5.4 | ` + "`a`" + `: It is so. | pass | ? |
| 5.10 | ` + "`b`" + `: It is so. | FAIL [1](#note-1) | - |
| 6 | ` + "`h`" + `: It is so. **hostile** | - | pass |

## Notes

1. <a id="note-1"></a>x, ` + "`1661/b`" + `: came: a\|b &lt;c> ([capture](captures/x/ac-1661-b.pcapng))
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
