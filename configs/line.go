package configs

import (
	"fmt"
	"slices"
)

// lines reads what is known of lines besides their uplinks.
func (l *loader) lines(raw []rawLine, uplinks []Uplink) []Line {
	var lines []Line
	for i, r := range raw {
		l.at = fmt.Sprintf("lines[%d]", i)
		switch {
		case r.Interface == "":
			l.wrong("interface", "is missing; that of an uplink, such as eth1")
		case !slices.ContainsFunc(uplinks, func(u Uplink) bool { return u.Interface == r.Interface }):
			l.wrong("interface", "%q is the interface of no uplink", r.Interface)
		case slices.ContainsFunc(lines, func(n Line) bool { return n.Interface == r.Interface }):
			l.wrong("interface", "%q stands there twice", r.Interface)
		}
		if r.SessionLimit < 0 {
			l.wrong("session-limit", "%d is less than none; 2 is that of a basic Flets contract, 0 is no limit", r.SessionLimit)
		}
		lines = append(lines, Line(r))
	}
	l.at = ""
	return lines
}

// standbys checks that who stands by does so for another uplink, that does not wait for
// this one in turn.
func (l *loader) standbys(c *Config) {
	for _, u := range c.Uplinks {
		if u.StandbyFor == "" {
			continue
		}
		l.at = "uplinks." + u.Name
		chain := []string{u.Name}
		for next := u.StandbyFor; next != ""; {
			other, ok := c.Uplink(next)
			if !ok {
				if len(chain) == 1 {
					l.wrong("standby-for", "%q is no uplink", next)
				}
				break
			}
			if slices.Contains(chain, next) {
				l.wrong("standby-for", "%q stands by for %s itself", u.StandbyFor, u.Name)
				break
			}
			chain = append(chain, next)
			next = other.StandbyFor
		}
	}
	l.at = ""
}
