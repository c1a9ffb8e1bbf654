package lab_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

var (
	sequenceCount = flag.Int("sequences", 20, "how many sequences of packets are played to pppd and to us; 140 have each word in each state")
	update        = flag.Bool("update", false, "write docs/differential.md")
)

// sequences are what is played: what shows the known differences, then each word alone in each state that a good beginning
// leads to, and words at random, mixed, but the same each time.
func sequences() [][]string {
	var list [][]string
	for _, begin := range [][]string{{}, {"request"}, {"ack"}, {"request", "ack"}, {"login"}, {"login", "request", "ack"}} {
		for _, word := range words {
			list = append(list, append(slices.Clone(begin), word))
		}
	}
	r := rand.New(rand.NewPCG(1661, 1))
	for range max(44, *sequenceCount-len(list)) {
		var s []string
		if r.IntN(3) == 0 {
			s = append(s, "login")
		}
		for range 3 + r.IntN(5) {
			word := words[r.IntN(len(words))]
			if r.IntN(2) == 0 {
				word = []string{"request", "ack", "request", "nak"}[r.IntN(4)]
			}
			s = append(s, word)
		}
		list = append(list, s)
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	var first [][]string
	for _, d := range differences {
		list = slices.DeleteFunc(list, func(s []string) bool { return slices.Equal(s, d.example) })
		first = append(first, d.example)
	}
	list = append(first, list...)
	return list[:max(len(first), min(*sequenceCount, len(list)))]
}

// difference is one that is known, and why it is right. A sequence has it that has its word, and comes to the same.
type difference struct {
	example    []string // that shows it
	word       string   // before or after the login, as in the example
	only       string   // the end that has it; empty: both
	pppd, ours string   // what the verdicts begin with
	theyDo     string
	weDo       string
	why        string
}

var differences = []difference{
	{
		[]string{"terminate"}, "terminate", "", "silence: Configure-Request", "gone",
		"acknowledges, and goes on negotiating", "acknowledge, send a PADT and are done",
		"Section 4.1 has sta/6, as pppd does; section 3.7 has whoever acknowledges wait for the other end to disconnect, a Restart time at least, for " +
			"on a modem line the Ack would be lost. Here it is on the wire before the PADT, which tells the same (RFC 2516 section 5.5), and the " +
			"next dial need not wait. A choice of ours, against the letter.",
	},
	{
		[]string{"request", "ack", "terminate"}, "terminate", "host", "silence: ; echo: ; request: ", "gone",
		"acknowledges, and forgets the session without a word", "acknowledge, send a PADT and are done",
		"RFC 2516 section 5.5: a PADT tells that a session has been terminated. pppd need not send one, but a concentrator that has lost the Ack then " +
			"keeps the session. That we do not wait: as above.",
	},
	{
		[]string{"code-reject-all"}, "code-reject-all", "", "silence: Configure-Request", "gone",
		"takes no notice, as of any Code-Reject", "end the session by a PADT",
		"Section 4.1, RXJ-: tlf/3. Section 5.6: who cannot do without a code that is rejected should drop the connection.",
	},
	{
		[]string{"request", "ack", "code-reject-all"}, "code-reject-all", "", "silence: ; echo: Echo-Reply", "silence: Terminate-Request",
		"takes no notice", "terminate the link",
		"Section 4.1, RXJ- in Opened: tld,irc,str/5.",
	},
	{
		[]string{"login", "code-reject-all"}, "code-reject-all", "",
		"silence: Configure-Request; echo: Echo-Reply", "silence: ; echo: Echo-Reply; request: Configure-Request Configure-Ack",
		"takes no notice", "stop the protocol until the other end asks; the link stays",
		"Section 4.1, RXJ-: tlf/3, and then RCR+ in Stopped: irc,scr,sca/8. Section 3.7: one NCP is no reason to end the link.",
	},
	{
		[]string{"login", "request", "ack", "code-reject-all"}, "code-reject-all", "",
		"silence: ; echo: Echo-Reply; request: Configure-Request", "silence: Terminate-Request; echo: Echo-Reply",
		"takes no notice", "terminate the protocol; the link stays",
		"Section 4.1, RXJ- in Opened: tld,irc,str/5.",
	},
	{
		[]string{"login", "code-reject-all", "ack", "request"}, "code-reject-all", "",
		"silence: ; echo: Echo-Reply; request: Configure-Request", "silence: Configure-Request; echo: Echo-Reply",
		"takes no notice, and is Opened by the Ack and the request", "have stopped; acknowledge the request, and ask anew",
		"Section 4.1, in Stopped: RCA sta/3, RCR+ irc,scr,sca/8.",
	},
	{
		[]string{"login", "request", "ack", "terminate"}, "terminate", "",
		"silence: Terminate-Request", "silence: ; echo: Echo-Reply; request: Configure-Request Configure-Ack",
		"acknowledges, and terminates the link", "acknowledge; the link stays",
		"Section 3.7: that one NCP has closed is no sufficient reason to end the link, even if it was the only one.",
	},
}

// tells reports whether the last word of a sequence is one that makes a difference.
func tells(sequence []string) bool {
	return slices.ContainsFunc(differences, func(d difference) bool { return d.word == sequence[len(sequence)-1] })
}

// known returns the difference that two verdicts on a sequence have; nil if it is not known.
func known(sequence []string, against, pppd, ours string) *difference {
	from := slices.Index(sequence, "login") + 1
	for i, d := range differences {
		login := slices.Index(d.example, "login") + 1
		if (login > 0) == (from > 0) && (d.only == "" || d.only == against) && slices.Contains(sequence[from:], d.word) &&
			strings.HasPrefix(pppd, d.pppd) && strings.HasPrefix(ours, d.ours) {
			return &differences[i]
		}
	}
	return nil
}

// docs/differential.md is the table, in words. That it is true is what the other tests find.
func TestDifferentialPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(differentialPreface)
	for _, d := range differences {
		protocol, example, ends := "LCP", d.example, "both"
		if example[0] == "login" {
			protocol, example = "IPCP", example[1:]
		}
		if d.only != "" {
			ends = "the " + d.only
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s | %s |\n", protocol, strings.Join(example, " "), ends, d.theyDo, d.weDo, d.why)
	}
	const file = "../../docs/differential.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(old) != b.String() {
		t.Errorf("%s says otherwise; `go test ./lab/e2e -short -run Page -update` writes\n%s", file, &b)
	}
}

const differentialPreface = `# Where pppd and we differ

The same sequences of packets are played to the real pppd (2.4.9, with rp-pppoe) and to our machines: as a host to its concentrator and to ours, as a
concentrator to its client and to ours. After each, what the other end is in is found out from outside: what it sends when nobody says
anything, whether it answers an echo, and what it answers to a Configure-Request. 96 sequences have each word (Configure-Request, -Ack,
-Nak, -Reject, Terminate-Request, Code-Reject, a stale Ack, silence and so on) in each state of LCP and IPCP that a good beginning leads to,
the others are random. Where the two do not come to the same, it must stand here; where something stands here that is not so any more, the test fails, too.

	go test ./lab/e2e -run TestDifferential -sequences 140 -v

plays all, in little more than a minute; without ` + "`-sequences`" + ` the examples below and some of the others are played, more than 140 are random ones.
Sections without an RFC's number are RFC 1661's. ` + "`request`" + ` is a good Configure-Request, ` + "`ack`" + ` the Ack of the other end's,
` + "`code-reject-all`" + ` a Code-Reject of Configure-Requests, ` + "`terminate`" + ` a Terminate-Request.

What is compared is the state, not each packet: whether a request that is sent again after its Ack has its old identifier (pppd) or a new one
(ours, section 5.1) is no difference here, nor how often and how soon something is repeated.

| protocol | said | to | pppd | we | why |
| --- | --- | --- | --- | --- | --- |
`
