package simulator

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pppoectl/concentrator"
)

// Whoever does not read holds up nobody, and learns how much he has missed.
func TestSlowReaderHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := make(chan struct{})
		var got []concentrator.Event
		x := newTeller(func(e concentrator.Event) {
			<-read
			got = append(got, e)
		})
		const n = 3 * tellQueue
		for i := range n {
			x.tell(concentrator.Event{Session: uint16(i + 1)}) // would deadlock if it waited
		}
		close(read)
		x.close()
		missed, told := 0, len(got)
		for _, e := range got {
			var m int
			if e.Kind == NotTold {
				fmt.Sscan(e.Text, &m)
				missed += m
				told--
			}
		}
		if missed == 0 || told+missed < n-1 || told > tellBurst+1 {
			t.Errorf("%d told, %d missed, of %d", told, missed, n)
		}
	})
}

// Hosts that make events all the time fill no disk.
func TestEventsAreToldAtABoundedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told, missed int
		x := newTeller(func(e concentrator.Event) {
			var m int
			if told++; e.Kind == NotTold {
				fmt.Sscan(e.Text, &m)
				missed += m
			}
		})
		const seconds, rate = 60, 5000
		for range seconds * rate {
			x.tell(concentrator.Event{Kind: concentrator.SessionRefused})
			time.Sleep(time.Second / rate)
		}
		x.close()
		// Each that is told may be told with one that says what was left out.
		if most := 2 * (tellBurst + seconds*100); told > most || missed < seconds*rate-most {
			t.Errorf("%d told, %d missed, of %d", told, missed, seconds*rate)
		}
	})
}
