package supervisor_test

import (
	"fmt"
	"testing"
	"time"

	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/pppoe"
)

// many returns uplinks of fletsim's realm load.
func many(n int) []configs.Uplink {
	var list []configs.Uplink
	for i := range n {
		u := configuration().Uplinks[0]
		u.Name = fmt.Sprintf("u%03d", i)
		u.Ifname, u.Username, u.Password, u.DefaultRoute = u.Name, u.Name+"@load.example.jp", "load", false
		list = append(list, u)
	}
	return list
}

// On a slow line many uplinks do not all dial at once, and none dials twice
// because the others have made its answers late.
func TestManyUplinksOfALineTakeTurns(t *testing.T) {
	const n = 100
	inBox(t, []string{"line: 2", "line: 0"}, nil, func(w *world, b *box) {
		w.fault(b, "slow 200ms")
		w.cfg.Uplinks = many(n)
		w.sup.Reload(w.cfg)
		w.pass(100 * time.Millisecond)
		if got := w.count(pppoe.PADI); got < 8 || got > 32 {
			t.Errorf("%d PADIs at once", got)
		}
		w.pass(15 * time.Second)
		up := 0
		for _, u := range w.sup.Status().Uplinks {
			if u.State == control.Up {
				up++
			}
		}
		if padr := w.count(pppoe.PADR); up != n || padr != n || w.count(pppoe.PADT) != 0 {
			t.Errorf("%d up, %d PADRs, %d PADTs", up, padr, w.count(pppoe.PADT))
		}
	})
}

// Where nobody answers, nobody waits for ever for those who dial.
func TestSilentACKeepsNobodyFromAsking(t *testing.T) {
	const n = 100
	inBox(t, []string{"line: 2", "line: 0"}, nil, func(w *world, b *box) {
		w.fault(b, "silence 1h")
		w.cfg.Uplinks = many(n)
		w.sup.Reload(w.cfg)
		w.pass(10 * time.Second)
		asked := map[string]bool{}
		for _, u := range w.sup.Status().Uplinks {
			if u.State == control.Discovery {
				asked[u.Name] = true
			}
		}
		if len(asked) != n {
			t.Errorf("%d of %d ask", len(asked), n)
		}
	})
}

// An uplink that is put down while it waits for its turn gives it up.
func TestUplinkThatIsPutDownLeavesTheQueue(t *testing.T) {
	const n = 40
	inBox(t, []string{"line: 2", "line: 0"}, nil, func(w *world, b *box) {
		w.fault(b, "slow 400ms")
		w.cfg.Uplinks = many(n)
		w.sup.Reload(w.cfg)
		for i := range n - 1 {
			go w.sup.Down(background(), fmt.Sprintf("u%03d", i))
		}
		w.pass(4 * time.Second)
		w.expect(fmt.Sprintf("u%03d", n-1), control.Up)
	})
}
