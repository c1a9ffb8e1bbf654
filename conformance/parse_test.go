package conformance

import (
	"regexp"
	"strings"
	"testing"
)

// Each case says which section it is from and what the peer must do, and asks
// something.
func TestCasesExplainThemselves(t *testing.T) {
	seen := map[string]bool{}
	section := regexp.MustCompile(`^([0-9]+(\.[0-9]+)*|[A-C])$`)
	for _, c := range cases(t) {
		if seen[c.Name] {
			t.Errorf("%s is there twice", c.Name)
		}
		seen[c.Name] = true
		if !section.MatchString(c.Section) || !strings.HasSuffix(c.Says, ".") && !strings.HasSuffix(c.Says, ")") {
			t.Errorf("%s: section %q, says %q", c.Name, c.Section, c.Says)
		}
		asks := false
		for _, s := range c.Steps {
			asks = asks || s.verb == expect || s.verb == atMost && s.count < 1<<30 || s.verb == reach || s.verb == alive
		}
		if !asks {
			t.Errorf("%s asks nothing", c.Name)
		}
		hostile := strings.Contains(c.Name, "damaged") || strings.Contains(c.Name, "flood")
		if hostile && !c.Hostile {
			t.Errorf("%s does not say that it is hostile", c.Name)
		}
	}
	for _, rfc := range strings.Fields("2516 1661 1332 1877 1334 1994 5072 4638 8415") {
		n := 0
		for name := range seen {
			if strings.HasPrefix(name, rfc+"/") {
				n++
			}
		}
		if n < 3 {
			t.Errorf("RFC %s has %d cases", rfc, n)
		}
	}
}

// A mistake in a file of cases is told with its line.
func TestMistakesAreToldWithTheirLine(t *testing.T) {
	const head = "rfc 1661\ncase a 5.1\n"
	for text, want := range map[string]string{
		"case a 5.1":                            `x:1: "case a 5.1": want ` + "`rfc NUMBER`",
		head + "case a 5.2":                     "x:3:",
		head + "at once":                        `"once" is no stage`,
		head + "peer router":                    "want client or ac",
		head + "needs luck":                     `"luck" is nothing to need`,
		head + "> lcp configure-question 1":     `"configure-question" is no code of lcp`,
		head + "> ppp configure-request 1":      `"ppp" is no protocol`,
		head + "> lcp configure-request 1 mtu=": `"mtu" is no option`,
		head + "< lcp echo-reply within=soon":   `invalid duration`,
		head + "quiet":                          "want how long",
		head + "atmost 3 1s":                    "want how many",
		head + "shout lcp":                      `"shout" is no word of the language`,
		head + `> padi service-name="x`:         "a quote has no end",
		head + "> dhcpv6 discover":              `"discover" is no message`,
	} {
		_, err := Parse("x", text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
