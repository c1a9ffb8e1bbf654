package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"pppoectl/conformance"
	"pppoectl/pppoe"
)

// report is what a run came to: the JSON of ppptest(8).
type report struct {
	Version   string           `json:"version"`
	Interface string           `json:"interface"`
	Role      conformance.Role `json:"peer_role"`
	Peer      pppoe.MAC        `json:"peer"`              // zero: nobody was heard
	ACName    string           `json:"ac_name,omitempty"` // untrusted
	Families  []string         `json:"families"`
	Seed      uint64           `json:"seed"`
	Began     time.Time        `json:"began"`
	Took      float64          `json:"took_seconds"`
	Planned   int              `json:"planned"`
	Ended     string           `json:"ended,omitempty"` // why before all was played
	Results   []outcome        `json:"results"`
}

// outcome is what came of a case.
type outcome struct {
	Case    string           `json:"case"`
	RFC     string           `json:"rfc"`
	Section string           `json:"section"`
	Says    string           `json:"says"`
	Hostile bool             `json:"hostile,omitempty"`
	Kind    conformance.Kind `json:"kind"`
	Text    string           `json:"text,omitempty"`
	Seconds float64          `json:"took_seconds"`
	Capture string           `json:"capture,omitempty"` // its path
}

func beginReport(p *player, planned int) report {
	return report{Version: version, Interface: p.iface, Role: p.o.Peer, Peer: p.o.Target, Families: p.o.Families, Seed: p.seed, Began: time.Now().Truncate(time.Second), Planned: planned, Results: []outcome{}}
}

func (r *report) add(result conformance.Result, capture string) {
	c := result.Case
	r.Results = append(r.Results, outcome{c.Name, c.RFC, c.Section, c.Says, c.Hostile, result.Kind, result.Text,
		seconds(result.Took), capture})
}

// seconds is d in seconds, to the millisecond.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// count returns how many results are of a kind.
func (r *report) count(k conformance.Kind) int {
	n := 0
	for _, o := range r.Results {
		if o.Kind == k {
			n++
		}
	}
	return n
}

// failed reports whether the peer has not done what it must, or could not be
// asked: an AC that lets nobody in has passed nothing.
func (r *report) failed() bool {
	return r.count(conformance.Fail) > 0 || r.count(conformance.Unreached) > 0 || r.count(conformance.Pass) == 0
}

func (r *report) write(w io.Writer, format string) error {
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case "junit":
		return r.junit(w)
	}
	return r.table(w)
}

func (r *report) table(to io.Writer) error {
	widest := 0
	for _, o := range r.Results {
		widest = max(widest, len(o.Case))
	}
	p := &printer{w: to}
	for _, o := range r.Results {
		p.f("%-9s  %-*s  section %s\n", o.Kind, widest, o.Case, o.Section)
		if o.Kind == conformance.Fail || o.Kind == conformance.Unreached {
			p.f("    %s\n", o.Says)
		}
		if o.Text != "" {
			p.f("    %s\n", o.Text)
		}
	}
	p.f("%s: %d passed, %d failed, %d not asked, %d not reached\n",
		r.who(), r.count(conformance.Pass), r.count(conformance.Fail), r.count(conformance.Skip), r.count(conformance.Unreached))
	return p.err
}

// who is the peer in words.
func (r *report) who() string {
	text := names[r.Role]
	if r.ACName != "" {
		text += fmt.Sprintf(" %q", r.ACName)
	}
	if r.Peer != (pppoe.MAC{}) {
		text += " " + r.Peer.String()
	}
	return text
}

// The elements of JUnit's XML that its readers agree on.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string     `xml:"classname,attr"`
		Name    string     `xml:"name,attr"`
		Time    float64    `xml:"time,attr"`
		Failure *junitText `xml:"failure,omitempty"`
		Error   *junitText `xml:"error,omitempty"`
		Skipped *junitText `xml:"skipped,omitempty"`
	}
	junitText struct {
		Message string `xml:"message,attr"`
		Says    string `xml:",chardata"`
	}
)

func (r *report) junit(w io.Writer) error {
	var all junitSuites
	for _, o := range r.Results {
		name := "RFC " + o.RFC
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != name {
			all.Suites = append(all.Suites, junitSuite{Name: name})
		}
		s := &all.Suites[len(all.Suites)-1]
		s.Tests++
		c := junitCase{Class: "ppptest." + string(r.Role), Name: strings.TrimPrefix(o.Case, o.RFC+"/") + " (section " + o.Section + ")", Time: o.Seconds}
		text := &junitText{o.Text, o.Says}
		switch o.Kind {
		case conformance.Fail:
			s.Failures++
			c.Failure = text
		case conformance.Unreached:
			s.Errors++
			c.Error = text
		case conformance.Skip:
			s.Skipped++
			c.Skipped = text
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
