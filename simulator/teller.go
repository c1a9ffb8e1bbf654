package simulator

import (
	"fmt"
	"sync/atomic"
	"time"

	"pppoectl/concentrator"
	"pppoectl/timer"
)

// Hosts make events, as many as they like: they must fill no disk, and whoever does
// not read what is told must not hold up the line.
const (
	tellBurst    = 1000
	tellInterval = 10 * time.Millisecond
	tellQueue    = 4096
	tellEnd      = time.Second // how long the rest may take at the end
)

// NotTold is the kind of event that says how many others were left out.
const NotTold concentrator.Kind = "not-told"

// teller hands events on, in order, from a goroutine of its own.
type teller struct {
	queue chan concentrator.Event
	left  atomic.Int64 // out
	done  chan struct{}
}

func newTeller(tell func(concentrator.Event)) *teller {
	t := &teller{queue: make(chan concentrator.Event, tellQueue), done: make(chan struct{})}
	go t.run(tell)
	return t
}

// tell never blocks.
func (t *teller) tell(e concentrator.Event) {
	select {
	case t.queue <- e:
	default:
		t.left.Add(1)
	}
}

func (t *teller) run(tell func(concentrator.Event)) {
	defer close(t.done)
	began := time.Now()
	var limit timer.Limiter
	rest := func() {
		if n := t.left.Swap(0); n > 0 {
			tell(concentrator.Event{Kind: NotTold, Text: fmt.Sprintf("%d events, there were too many", n)})
		}
	}
	for e := range t.queue {
		if !limit.Allow(time.Since(began), tellBurst, tellInterval) {
			t.left.Add(1)
			continue
		}
		rest()
		tell(e)
	}
	rest()
}

// close ends the teller; nobody may tell any more.
func (t *teller) close() {
	close(t.queue)
	select {
	case <-t.done:
	case <-time.After(tellEnd):
	}
}
