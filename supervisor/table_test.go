package supervisor

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
)

// jitter is the least or the most that a random part of a wait can be.
type jitter uint64

func (j jitter) Uint64() uint64 { return uint64(j) }

const (
	least jitter = 1 << 33
	most  jitter = 1<<64 - 1
)

// span is the wait after the n-th failure in a row, from the least to the most.
func span(c cause.Code, n int, worked bool) string {
	from, to := delay(c, n, worked, rand.New(least)), delay(c, n, worked, rand.New(most))
	if to == 0 {
		return "at once"
	}
	return fmt.Sprintf("%v to %v", from.Round(100*time.Millisecond), to.Round(100*time.Millisecond))
}

// scheduled are the causes in the order of a session's life, and what is said of them.
var scheduled = []struct {
	cause cause.Code
	note  string
}{
	{cause.ACRefused, "an error tag in PADO or PADS, or no session id; the text is the AC's"},
	{cause.NegotiationError, "LCP comes to no end within a minute, or is refused"},
	{cause.Loopback, "our own magic number comes back"},
	{cause.AuthRejected, "for ever; counted over restarts until a login is accepted. The last wait is 30 minutes (and up to a tenth) for a login that has worked before"},
	{cause.StillHeld, "the AC's words say that it holds an earlier session; that session's PADT is sent again each time"},
	{cause.AuthTimeout, "no verdict within a minute"},
	{cause.NetworkFailed, "neither IPCP nor IPv6CP opened; one alone that fails is tried again in the session after 1 to 5 minutes"},
	{cause.EchoLost, "the AC offers new sessions but does not know ours, or nothing was heard for `dead-after`"},
	{cause.PADT, ""},
	{cause.Terminated, "an LCP Terminate-Request"},
	{cause.DeviceFailed, "the TUN device, or a change to the system; no login is tried without it"},
	{cause.Crashed, "pppoectl itself ended unexpectedly, twice or more in a row, within 5 minutes of its first dial; sessions that live are taken over all the same"},
}

// The table from cause to delay is in docs/schedule.md.
func TestScheduleIsDocumented(t *testing.T) {
	var b strings.Builder
	b.WriteString(schedulePreface)
	told := map[cause.Code]bool{}
	for _, s := range scheduled {
		told[s.cause] = true
		cells := []string{"`" + string(s.cause) + "`", s.cause.Text(), span(s.cause, 1, false), span(s.cause, 2, false), span(s.cause, 3, false), span(s.cause, 1000, false), s.note}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	b.WriteString(scheduleEnd)
	for c := range waits {
		if !told[c] {
			t.Errorf("%s has a wait, and is not in the table", c)
		}
	}
	for c := range refusals {
		if !told[c] {
			t.Errorf("%s has a wait, and is not in the table", c)
		}
	}
	const file = "../docs/schedule.md"
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(old) != b.String() {
		t.Errorf("%s says otherwise; `go test ./supervisor -run Schedule -update` writes\n%s", file, &b)
	}
}

const schedulePreface = `# When it dials again

A session that is lost, or that does not come up, is dialled again for ever. When depends on why. The waits below are those after the
first, second and third failure in a row and after many, and random between the two times, so that the customers of an AC that was away
do not come back all at once (after a refusal of the login at most a tenth is added). A session that was up for two minutes makes the
next failure the first one again. Counts and waits are on disk: neither a restart of pppoectl nor a crash has an AC hear more
of us. ` + "`pppoectl restart NAME`" + ` dials at once, whatever is waited for, and so does a changed configuration.

| cause | | 1st | 2nd | 3rd | many | |
|---|---|---|---|---|---|---|
`

const scheduleEnd = `
Not in the table, because nothing is waited for but an answer:

| what | when |
|---|---|
| ` + "`no_carrier`, `no_interface`" + ` | dialled as soon as the line is there, unless a wait of the table goes on |
| ` + "`no_offer`" + `: no PADO | PADIs go on for ever: the next after 1, 2, 4, ... 60 s, and up to a quarter more; status and events tell |
| no PADS | the PADR is sent again after 1, 2 and 4 s, and up to a quarter more; after another 8 s discovery begins again with a PADI |
| a lost session that is only suspected | an echo a second; see "Suspicion" in ARCHITECTURE.md |

Dials of one line begin one after the other, 100 ms apart, so that an AC does not have to judge the two logins of a line at the same
moment; with many uplinks at most 16 sessions are in the making at once. ` + "`lines: [{interface: eth1, session-limit: 2}]`" + ` makes
further uplinks wait until one of the line's sessions ends; an uplink that waits for longer than a minute does not keep its place.
An uplink with ` + "`standby-for: bizf`" + ` is dialled once bizf has not been up for 15 s, and steps back when bizf has been up
for a minute.
`
