package conformance

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pppoectl/lcp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// play plays a trial against a machine, in no time.
func play(t *testing.T, trial *Trial, m machine) *Result {
	t.Helper()
	now := time.Hour
	its, mine := now, now // when each wants to be called
	var queue []pppoe.Frame
	say := func(f *pppoe.Frame) {
		var out []pppoe.Frame
		out, mine = trial.Step(now, f)
		queue = append(queue, out...)
	}
	for n := 0; trial.Result() == nil; n++ {
		if n > 200000 {
			t.Fatal("the trial has no end")
		}
		var frames []pppoe.Frame
		switch {
		case len(queue) > 0:
			f := queue[0]
			queue = queue[1:]
			if f.Dst == theirs || f.Dst == pppoe.Broadcast {
				frames, its = m.step(now, &f)
			}
		case its != 0 && its <= now:
			frames, its = m.step(now, nil)
		case mine <= now:
			say(nil)
		case its != 0 && its < mine:
			now = its
		default:
			now = mine
		}
		for i := range frames {
			say(&frames[i])
		}
	}
	return trial.Result()
}

func cases(t *testing.T) []Case {
	t.Helper()
	all, err := Cases()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// peer makes one of ours that has what the case needs.
func peer(c *Case, role Role, family string) machine {
	if role == AC {
		if c.needs("chap") {
			return newServer(lcp.AuthCHAPMD5)
		}
		return newServer(lcp.AuthPAP)
	}
	mtu := 1454
	if c.RFC == "4638" {
		mtu = 1500
	}
	return newHost(mtu, session.Family(family))
}

func options(role Role, family string) Options {
	return Options{Peer: role, MAC: ours, Families: []string{family}, Delegation: true, Username: "user@bizf.example.jp", Password: "secret4"}.Complete()
}

// Both ends of ours pass every case that is for them.
func TestOursConforms(t *testing.T) {
	for _, c := range cases(t) {
		for _, role := range []Role{Client, AC} {
			if !c.Asks(role) {
				continue
			}
			t.Run(string(role)+"/"+c.Name, func(t *testing.T) {
				var kinds []Kind
				for _, family := range []string{"ipv4", "ipv6"} {
					r := play(t, New(&c, options(role, family), rand.New(rand.NewPCG(7, 7))), peer(&c, role, family))
					kinds = append(kinds, r.Kind)
					if r.Kind != Pass && r.Kind != Skip {
						t.Errorf("%s: %s", family, r)
						for _, f := range r.Frames[:min(len(r.Frames), 40)] {
							t.Logf("%v %v %s", f.At, map[bool]string{true: ">", false: "<"}[f.Sent], Describe(f.Frame))
						}
					}
				}
				if !slices.Contains(kinds, Pass) {
					t.Errorf("neither family was asked: %v", kinds)
				}
			})
		}
	}
}
