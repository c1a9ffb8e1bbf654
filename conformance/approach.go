package conformance

import (
	"fmt"
	"slices"
	"time"
)

// firstWord is how long we wait for a peer's first Configure-Request.
const firstWord = 4 * time.Second

// approach brings the session to the stage of the case.
func (t *Trial) approach(now time.Duration) bool {
	reached := t.m.stage() >= t.c.At && t.m.isStarted()
	if reached && !t.m.spoken(t.c.At) && now < t.until {
		t.until = min(t.until, now+firstWord)
		return false
	}
	switch {
	case reached && t.lacks() == "":
		t.next()
		return true
	case t.m.refusal != "":
		t.finish(now, Unreached, t.m.refusal)
	case t.lacks() != "":
		t.finish(now, Skip, t.lacks())
	case t.m.ended:
		t.finish(now, Unreached, fmt.Sprintf("the peer ended the session at stage %v", t.m.stage()))
	case !t.m.isStarted() && now >= t.began+t.m.o.Wait:
		t.finish(now, Unreached, fmt.Sprintf("no PADI within %v", t.m.o.Wait))
	case now >= t.until:
		t.finish(now, Unreached, fmt.Sprintf("the session came to stage %v, not to %v%s", t.m.stage(), t.c.At, t.came()))
	}
	return false
}

// lacks says what the peer has shown not to do that the case needs.
func (t *Trial) lacks() string {
	if t.m.isStarted() && t.m.stage() >= t.c.At {
		if t.c.needs("host-uniq") && len(t.m.hostUniq) == 0 {
			return "the peer sends no Host-Uniq"
		}
		if t.c.needs("cookie") && t.m.cookie == nil {
			return "the peer sends no AC-Cookie"
		}
	}
	for _, ncp := range t.m.ncps() {
		if t.m.of(ncp.protocol).rejected && t.c.needs(ncp.family) {
			return "the peer does not speak " + protocolName(ncp.protocol)
		}
	}
	return ""
}

// reachTime is how long the peer may take to come to the stage of the case.
func (t *Trial) reachTime() time.Duration {
	if t.m.o.Peer == Client {
		return t.m.o.Wait + reachPeriod
	}
	return reachPeriod
}

// unfit says why the peer is not asked at all.
func (t *Trial) unfit() string {
	for _, n := range t.c.Needs {
		switch n {
		case "ipv4", "ipv6":
			if !slices.Contains(t.m.o.Families, n) {
				return "not asked for " + n
			}
		case "delegation":
			if !t.m.o.Delegation || !slices.Contains(t.m.o.Families, "ipv6") {
				return "not asked for a prefix"
			}
		}
	}
	return ""
}
