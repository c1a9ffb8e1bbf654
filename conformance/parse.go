package conformance

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"pppoectl/ppp"
)

//go:embed cases/*.cases
var files embed.FS

// Cases returns all cases that come with this package, in the order of their
// RFCs, those with hostile frames last.
func Cases() ([]Case, error) {
	entries, err := files.ReadDir("cases")
	if err != nil {
		return nil, err
	}
	var all []Case
	for _, e := range entries {
		text, err := files.ReadFile(path.Join("cases", e.Name()))
		if err != nil {
			return nil, err
		}
		cases, err := Parse(e.Name(), string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, cases...)
	}
	slices.SortStableFunc(all, func(a, b Case) int {
		if a.Hostile != b.Hostile {
			if a.Hostile {
				return 1
			}
			return -1
		}
		return number(a.RFC) - number(b.RFC)
	})
	return all, nil
}

func number(s string) int { n, _ := strconv.Atoi(s); return n }

// Parse reads cases from text, the content of a file; cases/README.md has
// the language. Errors name file and line.
func Parse(file, text string) ([]Case, error) {
	var cases []Case
	var rfc string
	names := map[string]bool{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words, err := split(line)
		if err == nil {
			switch {
			case words[0] == "rfc" && len(words) == 2 && number(words[1]) > 0:
				rfc = words[1]
			case words[0] == "case" && len(words) == 3 && rfc != "" && !names[words[1]]:
				names[words[1]] = true
				cases = append(cases, Case{Name: rfc + "/" + words[1], RFC: rfc, Section: words[2], At: Session})
			case words[0] == "rfc", words[0] == "case", len(cases) == 0:
				err = fmt.Errorf("want `rfc NUMBER`, then `case NAME SECTION` with a name of its own")
			default:
				err = cases[len(cases)-1].line(line, words)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %q: %w", file, n, line, err)
		}
	}
	return cases, nil
}

// needable are the words that a case may need: what we are told of the peer, and
// what it has to bring itself.
var needable = []string{"ipv4", "ipv6", "pap", "chap", "delegation", "host-uniq", "cookie"}

// line takes a line of a case.
func (c *Case) line(text string, words []string) error {
	rest := words[1:]
	switch words[0] {
	case "says":
		c.Says = strings.TrimSpace(strings.TrimPrefix(text, "says"))
		return nil
	case "peer":
		if len(rest) != 1 || rest[0] != string(Client) && rest[0] != string(AC) {
			return fmt.Errorf("want client or ac")
		}
		c.Peer = Role(rest[0])
		return nil
	case "needs":
		for _, w := range rest {
			if !slices.Contains(needable, w) {
				return fmt.Errorf("%q is nothing to need", w)
			}
		}
		c.Needs = rest
		return nil
	case "hostile":
		c.Hostile = true
		return nil
	case "at":
		var err error
		if len(rest) == 1 {
			c.At, err = parseStage(rest[0])
			return err
		}
		return fmt.Errorf("want one stage")
	}
	s, err := parseStep(words[0], rest)
	s.Text = text
	c.Steps = append(c.Steps, s)
	return err
}

func parseStage(s string) (Stage, error) {
	if i := slices.Index(stageNames, s); i >= 0 {
		return Stage(i), nil
	}
	return 0, fmt.Errorf("%q is no stage; there are %s", s, strings.Join(stageNames, ", "))
}

// How long a step waits, unless it says so. A restart timer is 3 s (RFC 1661
// section 4.6).
const (
	expectPeriod = 4 * time.Second
	reachPeriod  = 20 * time.Second
	alivePeriod  = 6 * time.Second
)

func parseStep(word string, rest []string) (s Step, err error) {
	s.count = 1
	if len(rest) > 0 && word != "atmost" {
		if n, ok := strings.CutPrefix(rest[0], "x"); ok && number(n) > 0 {
			s.count, rest = number(n), rest[1:]
		}
	}
	for i, w := range rest {
		if d, ok := strings.CutPrefix(w, "within="); ok {
			if s.period, err = time.ParseDuration(d); err != nil {
				return s, err
			}
			rest = slices.Delete(slices.Clone(rest), i, i+1)
			break
		}
	}
	period := func(d time.Duration) {
		if s.period == 0 {
			s.period = d
		}
	}
	switch word {
	case ">":
		s.verb = send
		s.packets = make([]template, 1)
		s.packets[0], err = parseTemplate(rest)
		return s, err
	case "<":
		s.verb = expect
		period(expectPeriod)
		s.packets, err = parseTemplates(rest)
		return s, err
	case "given": // as <, but without it the peer is not asked
		s.verb = given
		period(expectPeriod)
		s.packets, err = parseTemplates(rest)
		return s, err
	case "quiet", "wait": // quiet PERIOD [PACKET]; wait is quiet about nothing
		s.verb, s.count = atMost, 0
		if len(rest) == 0 {
			return s, fmt.Errorf("want how long")
		}
		if s.period, err = time.ParseDuration(rest[0]); err != nil {
			return s, err
		}
		if word == "wait" {
			s.count = 1 << 30
		}
		if len(rest) > 1 {
			s.packets, err = parseTemplates(rest[1:])
		}
		return s, err
	case "atmost": // atmost COUNT PERIOD PACKET
		s.verb = atMost
		if len(rest) < 3 {
			return s, fmt.Errorf("want how many, how long, and what")
		}
		s.count = number(rest[0])
		if s.period, err = time.ParseDuration(rest[1]); err == nil {
			s.packets, err = parseTemplates(rest[2:])
		}
		return s, err
	case "reach", "mind":
		s.verb = reach
		if word == "mind" {
			s.verb = mind
		}
		period(reachPeriod)
		if len(rest) != 1 {
			return s, fmt.Errorf("want one stage")
		}
		s.stage, err = parseStage(rest[0])
		return s, err
	case "alive":
		s.verb = alive
		period(alivePeriod)
		return s, nil
	case "mute":
		s.verb = mute
		if len(rest) != 1 {
			return s, fmt.Errorf("want one protocol")
		}
		s.protocol, err = parseProtocol(rest[0])
		return s, err
	case "login":
		s.verb = login
		return s, nil
	case "mutate":
		s.verb = mutate
		return s, nil
	}
	return s, fmt.Errorf("%q is no word of the language", word)
}

func parseProtocol(s string) (ppp.Protocol, error) {
	if p, ok := protocolNames[s]; ok {
		return p, nil
	}
	if n, err := strconv.ParseUint(s, 0, 16); err == nil {
		return ppp.Protocol(n), nil
	}
	return 0, fmt.Errorf("%q is no protocol", s)
}

// parseTemplates reads alternatives: A | B.
func parseTemplates(words []string) (all []template, err error) {
	for {
		i := slices.Index(words, "|")
		if i < 0 {
			i = len(words)
		}
		t, err := parseTemplate(words[:i])
		if err != nil {
			return nil, err
		}
		if all = append(all, t); i == len(words) {
			return all, nil
		}
		words = words[i+1:]
	}
}

// parseTemplate reads a packet: [@NAME=VALUE ...] LAYER [CODE [ID]] [FIELD ...].
func parseTemplate(words []string) (t template, err error) {
	t.at = map[string]string{}
	for len(words) > 0 && strings.HasPrefix(words[0], "@") {
		name, value, _ := strings.Cut(words[0][1:], "=")
		t.at[name] = value
		words = words[1:]
	}
	if len(words) == 0 {
		return t, fmt.Errorf("want a packet")
	}
	word, words := words[0], words[1:]
	code, isDiscovery := discoveryCodes[word]
	switch {
	case isDiscovery:
		t.layer, t.code = discovery, code
	case word == "code": // of RFC 2516, by number
		if len(words) == 0 {
			return t, fmt.Errorf("want a code")
		}
		t.layer, t.code = discovery, pppoeCode(words[0])
		words = words[1:]
	case word == "session":
		t.layer = payload
	case word == dhcpName:
		t.layer = dhcp
		if len(words) == 0 {
			return t, fmt.Errorf("want a message")
		}
		var ok bool
		if t.kind, ok = dhcpCodes[words[0]]; !ok {
			return t, fmt.Errorf("%q is no message of DHCPv6", words[0])
		}
		words = words[1:]
	default:
		if t.protocol, err = parseProtocol(word); err != nil {
			return t, err
		}
		t.layer = information
		if len(words) > 0 && !strings.HasPrefix(words[0], "data=") {
			t.layer = control
			var ok bool
			if t.kind, ok = codes(t.protocol)[words[0]]; !ok {
				n, err := strconv.ParseUint(words[0], 0, 8)
				if err != nil {
					return t, fmt.Errorf("%q is no code of %s", words[0], word)
				}
				t.kind = uint8(n)
			}
			words = words[1:]
			if len(words) > 0 && !strings.ContainsAny(words[0], "=!") && words[0] != "..." {
				t.id, words = words[0], words[1:]
			}
		}
	}
	return t, t.parseFields(words)
}

func (t *template) parseFields(words []string) error {
	names := t.fieldNames()
	for _, w := range words {
		if w == "..." {
			t.rest = true
			continue
		}
		f := field{}
		if w == "same" { // as we have said it
			w = "data=$said"
		}
		f.name, f.value, _ = strings.Cut(w, "=")
		f.name, f.none = strings.TrimPrefix(f.name, "!"), strings.HasPrefix(f.name, "!")
		if n, ok := names[f.name]; ok {
			f.code, f.form = n.code, n.form
		} else if n, err := strconv.ParseUint(f.name, 0, 16); err == nil {
			f.code = uint16(n)
		} else if !slices.Contains([]string{"data", "usual", "length", "pad"}, f.name) {
			return fmt.Errorf("%q is no option, no tag and no part of this packet", f.name)
		}
		t.fields = append(t.fields, f)
	}
	return nil
}

// split cuts a line into words; a word may hold text in double quotes.
func split(line string) ([]string, error) {
	var words []string
	quoted, begin := false, -1
	for i, r := range line {
		switch {
		case r == '"':
			quoted = !quoted
		case r == ' ' && !quoted:
			if begin >= 0 {
				words = append(words, line[begin:i])
			}
			begin = -1
			continue
		}
		if begin < 0 {
			begin = i
		}
	}
	if quoted {
		return nil, fmt.Errorf("a quote has no end")
	}
	return append(words, line[begin:]), nil
}
