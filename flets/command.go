package flets

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"pppoectl/concentrator"
	"pppoectl/pppoe"
)

// Command is something that is done to a line.
type Command struct {
	text string
	verb *verb

	who     string // a login; "" means all
	ac      string
	span    time.Duration // the command's own
	during  time.Duration // for how long; 0: until `clear`
	share   float64
	address netip.Addr
	prefix  netip.Prefix
	words   string
}

// String returns the command as it was written.
func (c Command) String() string { return c.text }

// UnmarshalYAML reads a command of a scenario.
func (c *Command) UnmarshalYAML(n *yaml.Node) (err error) {
	if *c, err = ParseCommand(n.Value); err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	return nil
}

// verb is a kind of command: its arguments in order, those in brackets may be
// left out, and what it does.
type verb struct {
	name, args, help string
	do               func(l *Line, now time.Duration, c Command) error
}

// verbs are all commands, in the order of the manual.
var verbs []verb

func init() {
	verbs = []verb{
		{"drop", "[LOGIN]", "forget the session without a word", dropSessions},
		{"padt", "[LOGIN]", "end the session by PADT", endSessions},
		{"terminate", "[LOGIN] [TEXT]", "end the session by an LCP Terminate-Request", terminateSessions},
		{"renegotiate", "[LOGIN]", "begin LCP anew in the session, as an LNS does behind a LAC", renegotiateSessions},
		{"forget", "", "lose all sessions and leases, as a restart that takes no time", forget},
		{"restart", "DURATION", "lose all sessions and leases, and be away for a while", restart},
		{"refuse", "WHO DURATION [TEXT]", "turn a login (or all) away, whatever the password", refuseLogin},
		{"full", "DURATION [TEXT]", "answer every PADR with an AC-System-Error", fillUp},
		{"silence", "DURATION", "let nothing pass either way", silence},
		{"delay", "SPAN [DURATION]", "delay each frame, either way", impair(func(w *wire) *effect { return &w.delay })},
		{"slow", "SPAN [DURATION]", "delay what concentrators say, but not data", impair(func(w *wire) *effect { return &w.slow })},
		{"lose", "PERCENT [DURATION]", "lose frames, either way", impair(func(w *wire) *effect { return &w.lose })},
		{"duplicate", "PERCENT [DURATION]", "double frames", impair(func(w *wire) *effect { return &w.duplicate })},
		{"reorder", "PERCENT [DURATION]", "let frames be overtaken", impair(func(w *wire) *effect { return &w.reorder })},
		{"clear", "", "end silence, delays, losses and refusals", clearAll},
		{"address", "LOGIN ADDRESS", "give the login another IPv4 address when it next logs in", changeAddress},
		{"prefix", "LOGIN PREFIX", "give the login another prefix from its next DHCPv6 message on", changePrefix},
		{"rename", "AC NAME", "give a concentrator another name", rename},
		{"on", "AC", "switch a concentrator on", switchOn},
		{"off", "AC", "switch a concentrator off; it forgets its sessions", switchOff},
	}
}

// Usage is the list of all commands.
func Usage() string {
	var b strings.Builder
	for _, v := range verbs {
		fmt.Fprintf(&b, "%-31s %s\n", strings.TrimSpace(v.name+" "+v.args), v.help)
	}
	return b.String()
}

// ParseCommand reads a command such as `drop user@bizf.example.jp`.
func ParseCommand(text string) (Command, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return Command{}, errors.New("there is no command")
	}
	if text = strings.Join(words, " "); strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return Command{}, fmt.Errorf("%q has characters that cannot be printed", text)
	}
	for i := range verbs {
		if verbs[i].name == words[0] {
			c := Command{text: text, verb: &verbs[i]}
			return c, c.parse(words[1:])
		}
	}
	var names []string
	for _, v := range verbs {
		names = append(names, v.name)
	}
	return Command{}, fmt.Errorf("%q is no command; there are: %s", words[0], strings.Join(names, ", "))
}

func (c *Command) parse(words []string) error {
	for _, name := range strings.Fields(c.verb.args) {
		arg, optional := strings.CutPrefix(name, "[")
		arg = strings.TrimSuffix(arg, "]")
		if len(words) == 0 {
			if optional {
				return nil
			}
			return fmt.Errorf("%s: %s is missing; it is used as `%s %s`", c.verb.name, arg, c.verb.name, c.verb.args)
		}
		if arg == "TEXT" {
			c.words, words = strings.Join(words, " "), nil
			continue
		}
		if err := c.argument(arg, words[0], optional); err != nil {
			return fmt.Errorf("%s: %w", c.verb.name, err)
		}
		words = words[1:]
	}
	if len(words) > 0 {
		return fmt.Errorf("%s: %q is too much; it is used as `%s`", c.verb.name, words[0], strings.TrimSpace(c.verb.name+" "+c.verb.args))
	}
	return nil
}

func (c *Command) argument(arg, word string, optional bool) (err error) {
	switch arg {
	case "LOGIN", "WHO":
		if c.who = word; word == "all" && (arg == "WHO" || optional) {
			c.who = ""
		}
	case "AC":
		c.ac = word
	case "NAME":
		c.words = word
		return checkName(word)
	case "DURATION", "SPAN":
		d, err := time.ParseDuration(word)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is no duration such as 10s", word)
		}
		if arg == "SPAN" {
			c.span = d
		} else {
			c.during = d
		}
	case "PERCENT":
		n, err := strconv.ParseFloat(strings.TrimSuffix(word, "%"), 64)
		if err != nil || !(n >= 0 && n <= 100) {
			return fmt.Errorf("%q is no share such as 10%%", word)
		}
		c.share = n / 100
	case "ADDRESS":
		if c.address, err = netip.ParseAddr(word); err != nil || !hostAddress(c.address) {
			return fmt.Errorf("%q is no IPv4 address of a host", word)
		}
	case "PREFIX":
		if c.prefix, err = netip.ParsePrefix(word); err != nil || !c.prefix.Addr().Is6() || c.prefix != c.prefix.Masked() || c.prefix.Bits() < shortestIPv6 {
			return fmt.Errorf("%q is no IPv6 prefix", word)
		}
	}
	return nil
}

// each does f to the sessions that are meant.
func (l *Line) each(now time.Duration, c Command, f func(*concentrator.Session) []pppoe.Frame) error {
	list := l.sessions(c.who)
	if len(list) == 0 && c.who != "" {
		return fmt.Errorf("%s has no session", c.who)
	}
	for _, s := range list {
		l.collect(now, concentrator.Output{Frames: f(s)})
	}
	return nil
}

func dropSessions(l *Line, now time.Duration, c Command) error {
	return l.each(now, c, func(s *concentrator.Session) []pppoe.Frame { s.Drop(); return nil })
}

func endSessions(l *Line, now time.Duration, c Command) error {
	return l.each(now, c, func(s *concentrator.Session) []pppoe.Frame { return s.End(now, "PADT by command") })
}

func terminateSessions(l *Line, now time.Duration, c Command) error {
	return l.each(now, c, func(s *concentrator.Session) []pppoe.Frame { return s.Terminate(now, c.words) })
}

func renegotiateSessions(l *Line, now time.Duration, c Command) error {
	return l.each(now, c, func(s *concentrator.Session) []pppoe.Frame { return s.Renegotiate(now) })
}

func forget(l *Line, _ time.Duration, _ Command) error {
	for _, a := range l.acs {
		a.Forget()
	}
	l.subs.ForgetLeases()
	return nil
}

func restart(l *Line, now time.Duration, c Command) error {
	for _, a := range l.acs {
		if !a.off || a.offBy != 0 {
			a.off, a.offBy = true, now+c.during
		}
	}
	return forget(l, now, c)
}

func refuseLogin(l *Line, now time.Duration, c Command) error {
	if c.who != "" && !l.subs.Known(c.who) {
		return fmt.Errorf("there is no login %s", c.who)
	}
	text := c.words
	if text == "" {
		text = "login limit"
	}
	l.subs.Refuse(c.who, text, now+c.during)
	return nil
}

func fillUp(l *Line, now time.Duration, c Command) error {
	text := c.words
	if text == "" {
		text = "no free session"
	}
	l.refuseAll(text, now+c.during)
	return nil
}

func silence(l *Line, now time.Duration, c Command) error {
	l.wire.silence = now + c.during
	return nil
}

// impair returns what sets one effect of the wire.
func impair(which func(*wire) *effect) func(*Line, time.Duration, Command) error {
	return func(l *Line, now time.Duration, c Command) error {
		e := effect{on: true, by: c.span, share: c.share}
		if c.during != 0 {
			e.until = now + c.during
		}
		*which(&l.wire) = e
		return nil
	}
}

func clearAll(l *Line, _ time.Duration, _ Command) error {
	l.wire.clear()
	l.refuseAll("", 0)
	l.subs.RefuseNobody()
	return nil
}

func (l *Line) change(c Command, f func(*concentrator.Login)) error {
	if !l.subs.Known(c.who) {
		return fmt.Errorf("there is no login %s", c.who)
	}
	l.subs.Change(c.who, f)
	return nil
}

func changeAddress(l *Line, _ time.Duration, c Command) error {
	return l.change(c, func(g *concentrator.Login) { g.IPv4 = c.address })
}

func changePrefix(l *Line, _ time.Duration, c Command) error {
	return l.change(c, func(g *concentrator.Login) { g.Prefix, g.Length, g.IPv6 = c.prefix, 0, true })
}

func (l *Line) station(c Command) (*station, error) {
	if a := l.named(c.ac); a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("there is no concentrator %s", c.ac)
}

func rename(l *Line, _ time.Duration, c Command) error {
	a, err := l.station(c)
	if err != nil {
		return err
	}
	if l.named(c.words) != nil {
		return fmt.Errorf("there is a concentrator %s already", c.words)
	}
	a.Config().Name = c.words
	return nil
}

func switchOn(l *Line, _ time.Duration, c Command) error {
	a, err := l.station(c)
	if err == nil {
		a.off, a.offBy = false, 0
	}
	return err
}

func switchOff(l *Line, _ time.Duration, c Command) error {
	a, err := l.station(c)
	if err == nil {
		a.off, a.offBy = true, 0
		a.Forget()
	}
	return err
}
