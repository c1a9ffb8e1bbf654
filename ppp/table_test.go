package ppp

import (
	_ "embed"
	"slices"
	"strings"
	"testing"
)

// rfcTable is RFC 1661 section 4.1, both halves. "p", "r" and "x" are its
// footnotes: the passive option, the restart option, a crossed connection.
//
//go:embed testdata/rfc1661-table.txt
var rfcTable string

// rfcEvents are the events in the table's order, which is ours as well.
var rfcEvents = []string{
	"Up", "Down", "Open", "Close", "TO+", "TO-", "RCR+", "RCR-",
	"RCA", "RCN", "RTR", "RTA", "RUC", "RXJ+", "RXJ-", "RXR",
}

var rfcActions = map[string]action{
	"tlu": tlu, "tld": tld, "tls": tls, "tlf": tlf, "irc": irc, "zrc": zrc,
	"scr": scr, "sca": sca, "scn": scn, "str": str, "sta": sta, "scj": scj, "ser": ser,
}

// parseRFCTable reads rfcTable into rows by event name, ten cells of text each.
func parseRFCTable(t *testing.T) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	for line := range strings.Lines(rfcTable) {
		name, cells, ok := strings.Cut(line, "|")
		if name = strings.TrimSpace(name); ok && slices.Contains(rfcEvents, name) {
			rows[name] = append(rows[name], strings.Fields(cells)...)
		}
	}
	return rows
}

// parseRFCCell reads one cell, such as "irc,scr/6".
func parseRFCCell(t *testing.T, text string) cell {
	t.Helper()
	if text == "-" {
		return never
	}
	actions, next, ok := strings.Cut(strings.TrimRight(text, "prx"), "/")
	if !ok {
		actions, next = "", actions
	}
	if len(next) != 1 || next[0] < '0' || next[0] > '9' {
		t.Fatalf("cell %q has no state", text)
	}
	c := cell{possible: true, next: State(next[0] - '0')}
	for name := range strings.SplitSeq(actions, ",") {
		if name == "" {
			continue
		}
		a, ok := rfcActions[name]
		if !ok {
			t.Fatalf("cell %q: no action %q", text, name)
		}
		c.actions = append(c.actions, a)
	}
	return c
}

func TestTransitionsAreTheRFCs(t *testing.T) {
	rows := parseRFCTable(t)
	if len(rfcEvents) != int(eventCount) || len(rows) != int(eventCount) {
		t.Fatalf("%d rows for %d events, want %d", len(rows), len(rfcEvents), eventCount)
	}
	for e, name := range rfcEvents {
		if len(rows[name]) != 10 {
			t.Fatalf("row %s has %d cells, want 10", name, len(rows[name]))
		}
		for s, text := range rows[name] {
			t.Run(State(s).String()+" "+name, func(t *testing.T) {
				got, want := transitions[e][s], parseRFCCell(t, text)
				if got.possible != want.possible || got.next != want.next || !slices.Equal(got.actions, want.actions) {
					t.Errorf("the RFC says %s; got actions %v to state %d, possible %v", text, got.actions, got.next, got.possible)
				}
			})
		}
	}
}

// RFC 1661 section 4.1: the restart timer runs in these states and no others.
func TestRestartTimerRunsInStatesFourToEight(t *testing.T) {
	for s := Initial; s <= Opened; s++ {
		if got, want := s.timed(), s >= Closing && s <= AckSent; got != want {
			t.Errorf("%v: timed() = %v, want %v", s, got, want)
		}
	}
}

// RFC 1661 section 4.2 numbers them in this order.
func TestStatesAreNamedByTheirNumbers(t *testing.T) {
	names := "Initial Starting Closed Stopped Closing Stopping Req-Sent Ack-Rcvd Ack-Sent Opened"
	for i, want := range strings.Fields(names) {
		if got := State(i).String(); got != want {
			t.Errorf("state %d is %q, want %q", i, got, want)
		}
	}
	if got := State(10).String(); got != "no state" {
		t.Errorf("state 10 is %q", got)
	}
}
