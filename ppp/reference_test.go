package ppp_test

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"
	"time"

	"pppoectl/ppp"
)

//go:embed testdata/rfc1661-table.txt
var rfcTable string

//go:embed testdata/deviations.txt
var deviationList string

// reference is the automaton once more, made from the text of RFC 1661 section 4
// alone: it interprets the table as it is printed there, and a list of what we do
// otherwise. It sees events, not packets.
type reference struct {
	cells      map[string][]string // of the table, by event
	deviations map[string][]string // by event and kind; empty: as in the table
	v          refVars
	packets    []string // that follow from an event
	layer      []string // likewise, This-Layer-*
	naks       bool     // Max-Failure allows one more
}

// refVars is all that the reference remembers.
type refVars struct {
	state    int
	restart  int           // the Restart counter
	timer    time.Duration // when it expires; 0: it does not run
	open     bool          // our last Configure-Request is unanswered
	refusing int           // refusals of ours since our last Ack
	refused  int           // the peer's since its last Ack
	heard    bool          // the peer was heard since Up
	eager    int           // requests sent before it was
}

// maxRefusals is where a refusal is the end of it.
const maxRefusals = 20

func newReference(t testing.TB) *reference {
	t.Helper()
	r := &reference{cells: map[string][]string{}, deviations: map[string][]string{}}
	for line := range strings.Lines(rfcTable) {
		event, cells, ok := strings.Cut(line, "|")
		if event = strings.TrimSpace(event); ok && event != "" && event != "Events" {
			r.cells[event] = append(r.cells[event], strings.Fields(cells)...)
		}
	}
	for line := range strings.Lines(deviationList) {
		if line[0] == '#' {
			continue
		}
		column := strings.Split(line, "|")
		row := make([]string, 10)
		for _, s := range strings.Fields(column[1]) {
			row[s[0]-'0'] = strings.TrimSpace(column[2])
		}
		r.deviations[strings.TrimSpace(column[0])] = row
	}
	for event, cells := range r.cells {
		if len(r.cells) != 16 || len(cells) != 10 {
			t.Fatalf("%d events, %d cells of %s", len(r.cells), len(cells), event)
		}
	}
	return r
}

// happen is an event at a time. kind is what the deviations need to know of it, as
// far as only its packet tells.
func (r *reference) happen(now time.Duration, event, kind string) {
	r.packets, r.layer = nil, nil
	from := r.v.state
	received := event[0] == 'R' // RCR to RXR
	if received && from < 2 {
		return
	}
	if event == "TO" {
		event = "TO-"
		if r.v.restart > 0 {
			event = "TO+"
		}
	}
	if strings.HasPrefix(event, "RCR") && kind != "broken" {
		kind = r.request(event, kind)
	}
	if (event == "RCA" || event == "RCN") && from >= 6 && kind == "" {
		kind = r.answer(event)
	}
	r.v.heard = r.v.heard || received
	cell := r.cell(event, kind, from)
	if cell == "-" {
		return
	}
	if event == "Up" {
		r.v.heard, r.v.eager = false, 0
	}
	actions, next, ok := strings.Cut(cell, "/")
	if !ok {
		actions, next = "", cell
	}
	terminating := strings.Contains(actions, "str")
	for action := range strings.SplitSeq(actions, ",") {
		r.act(now, action, event, terminating)
	}
	// Section 4.1: the timer runs in states 4 to 8.
	if r.v.state = int(next[0] - '0'); r.v.state < 4 || r.v.state == 9 {
		r.v.timer = 0
	}
}

// cell returns what to do, without the footnotes: there is no passive option and
// no restart option.
func (r *reference) cell(event, kind string, state int) string {
	cell := r.cells[strings.Replace(event, "RCR ", "RCR- ", 1)]
	text := ""
	if cell != nil {
		text = cell[state]
	}
	if row := r.deviations[strings.TrimSpace(event+" "+kind)]; row != nil && row[state] != "" {
		text = row[state]
	}
	if event, ok := strings.CutPrefix(text, "="); ok {
		text = r.cells[event][state]
	}
	return strings.TrimRight(text, "prx")
}

// request counts a Configure-Request (section 4.6, Max-Failure) and returns its kind.
// A negotiation that begins anew counts anew.
func (r *reference) request(event, kind string) string {
	switch r.v.state {
	case 2, 4, 5:
		return ""
	case 3, 9:
		if kind == "again" && event == "RCR+" && r.v.state == 9 {
			return kind
		}
		r.v.refusing, r.v.refused = 0, 0
	}
	r.naks = r.v.refusing < ppp.MaxFailure
	switch {
	case event == "RCR+":
		r.v.refusing = 0
	case kind != "again" || r.v.refusing == 0: // a copy counts once
		r.v.refusing++
	}
	switch {
	case event == "RCR-" && r.v.refusing > maxRefusals:
		return "endless"
	case !r.v.heard && r.v.open:
		return "first"
	}
	return ""
}

// answer counts a good answer to our open request and returns its kind.
func (r *reference) answer(event string) string {
	r.v.open = false
	if event == "RCA" {
		r.v.refused = 0
		if !r.v.heard {
			return "first"
		}
		return ""
	}
	if r.v.refused++; r.v.refused > maxRefusals {
		return "endless"
	}
	return ""
}

// act is section 4.4.
func (r *reference) act(now time.Duration, action, event string, terminating bool) {
	send := func(packet string) { r.packets = append(r.packets, packet) }
	switch action {
	case "":
	case "tlu", "tld", "tls", "tlf":
		r.layer = append(r.layer, action)
	case "irc":
		r.v.restart = ppp.MaxConfigure
		if terminating {
			r.v.restart = ppp.MaxTerminate
		}
	case "zrc":
		r.v.restart, r.v.timer = 0, now+ppp.RestartTimer
	case "scr":
		r.configure(now, event, send)
	case "rst":
		r.v.timer = now + ppp.RestartTimer
	case "rep":
		send("Configure-Request again")
		r.v.timer = now + ppp.RestartTimer
	case "sca":
		send("Configure-Ack")
	case "scn":
		send(map[bool]string{true: "Configure-Nak", false: "Configure-Reject"}[r.naks])
	case "str":
		send(map[bool]string{false: "Terminate-Request", true: "Terminate-Request again"}[event == "TO+"])
		r.v.restart--
		r.v.timer = now + ppp.RestartTimer
	case "sta":
		send("Terminate-Ack")
	case "scj":
		send("Code-Reject")
	case "ser":
		send("Echo-Reply")
	default:
		panic(fmt.Sprintf("no action %q of %s", action, event))
	}
}

// configure is Send-Configure-Request. The request that nobody has answered keeps
// its identifier (section 5.1).
func (r *reference) configure(now time.Duration, event string, send func(string)) {
	if r.v.state < 6 || r.v.state == 9 { // a negotiation begins
		r.v.open, r.v.refused = false, 0
		if event != "RCR-" { // or request has counted it
			r.v.refusing = 0
		}
	}
	send(map[bool]string{false: "Configure-Request", true: "Configure-Request again"}[r.v.open])
	r.v.open = true
	if !r.v.heard && r.v.eager < len(eagerly) {
		r.v.timer = now + eagerly[r.v.eager]
		r.v.eager++
		return
	}
	r.v.eager += map[bool]int{false: 1}[r.v.heard]
	r.v.restart--
	r.v.timer = now + ppp.RestartTimer
}

// eagerly is how long a peer that was not heard yet has for each of the first
// requests. They do not count for Max-Configure.
var eagerly = []time.Duration{
	30 * ms, 30 * ms, 30 * ms, 30 * ms, 30 * ms, 30 * ms, 30 * ms, 30 * ms,
	30 * ms, 30 * ms, 30 * ms, 30 * ms, 30 * ms, 30 * ms, 30 * ms, 30 * ms,
	60 * ms, 120 * ms, 240 * ms, 480 * ms, 960 * ms, 1920 * ms,
}
