package conformance

import (
	"math/rand/v2"
	"testing"
	"time"

	"pppoectl/pppoe"
)

// A trial that does not go on has a result, and ends the session that it has opened.
func TestAbandonEndsTheSession(t *testing.T) {
	text := "rfc 1661\n\ncase waits 5.8\nsays It waits.\nat up\nwait 1h\n"
	c, err := Parse("own.cases", text)
	if err != nil {
		t.Fatal(err)
	}
	trial, ac := New(&c[0], options(AC, "ipv4"), rand.New(rand.NewPCG(7, 7))), peer(&c[0], AC, "ipv4")
	queue, now := []*pppoe.Frame{nil}, time.Duration(0)
	for n := 0; len(queue) > 0 && n < 1000; n++ {
		now += time.Millisecond
		out, _ := trial.Step(now, queue[0])
		queue = queue[1:]
		for _, f := range out {
			back, _ := ac.step(now, &f)
			for _, b := range back {
				queue = append(queue, &b)
			}
		}
	}
	out := trial.Abandon(now, "interrupted")
	if len(out) != 1 || out[0].EtherType != pppoe.EtherTypeDiscovery || out[0].Payload[1] != byte(pppoe.PADT) {
		t.Errorf("it says %v, want a PADT", out)
	}
	r := trial.Result()
	if r == nil || r.Kind != Unreached || r.Text != "interrupted" || len(r.Frames) < 10 {
		t.Fatalf("result: %+v", r)
	}
	if more := trial.Abandon(now, "again"); more != nil || trial.Result().Text != "interrupted" {
		t.Errorf("a second time: %v, %v", more, trial.Result())
	}
}
