package ppp

import (
	"slices"
	"strings"
	"testing"
)

// rfcTable is RFC 1661 section 4.1, both halves. "p", "r" and "x" are its
// footnotes: the passive option, the restart option, a crossed connection.
const rfcTable = `
      | State
      |    0         1         2         3         4         5
Events| Initial   Starting  Closed    Stopped   Closing   Stopping
------+-----------------------------------------------------------
 Up   |    2     irc,scr/6     -         -         -         -
 Down |    -         -         0       tls/1       0         1
 Open |  tls/1       1     irc,scr/6     3r        5r        5r
 Close|    0       tlf/0       2         2         4         4
      |
  TO+ |    -         -         -         -       str/4     str/5
  TO- |    -         -         -         -       tlf/2     tlf/3
      |
 RCR+ |    -         -       sta/2 irc,scr,sca/8   4         5
 RCR- |    -         -       sta/2 irc,scr,scn/6   4         5
 RCA  |    -         -       sta/2     sta/3       4         5
 RCN  |    -         -       sta/2     sta/3       4         5
      |
 RTR  |    -         -       sta/2     sta/3     sta/4     sta/5
 RTA  |    -         -         2         3       tlf/2     tlf/3
      |
 RUC  |    -         -       scj/2     scj/3     scj/4     scj/5
 RXJ+ |    -         -         2         3         4         5
 RXJ- |    -         -       tlf/2     tlf/3     tlf/2     tlf/3
      |
 RXR  |    -         -         2         3         4         5

      | State
      |    6         7         8           9
Events| Req-Sent  Ack-Rcvd  Ack-Sent    Opened
------+-----------------------------------------
 Up   |    -         -         -           -
 Down |    1         1         1         tld/1
 Open |    6         7         8           9r
 Close|irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4
      |
  TO+ |  scr/6     scr/6     scr/8         -
  TO- | tlf/3p    tlf/3p    tlf/3p         -
      |
 RCR+ |  sca/8   sca,tlu/9   sca/8   tld,scr,sca/8
 RCR- |  scn/6     scn/7     scn/6   tld,scr,scn/6
 RCA  | irc/7     scr/6x  irc,tlu/9   tld,scr/6x
 RCN  |irc,scr/6  scr/6x  irc,scr/8   tld,scr/6x
      |
 RTR  |  sta/6     sta/6     sta/6   tld,zrc,sta/5
 RTA  |    6         6         8       tld,scr/6
      |
 RUC  |  scj/6     scj/7     scj/8       scj/9
 RXJ+ |    6         6         8           9
 RXJ- | tlf/3     tlf/3     tlf/3   tld,irc,str/5
      |
 RXR  |    6         7         8       ser/9`

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

func TestStateNames(t *testing.T) {
	if got := AckRcvd.String() + ", " + State(10).String(); got != "Ack-Rcvd, no state" {
		t.Errorf("got %q", got)
	}
}
