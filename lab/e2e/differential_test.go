package lab_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// The same sequences of packets are played to the real pppd and to our machines, and what both are in afterwards is
// compared from outside: what they repeat, whether they answer an echo, and what they answer to a request.

// end is one that can be left.
type end interface {
	opposite
	leave()
}

// verdict is what was found out, and what was heard on the way to it.
type verdict struct {
	text  string
	heard []string
}

// differential plays sequences to both kinds of the other end, and expects no difference but the known ones. theirs
// makes a session with pppd; nil if there is none. So many are there at once, and of these so many begin.
func differential(t *testing.T, r role, atOnce, beginning int, theirs func() end, ours func() opposite) {
	t.Helper()
	list := sequences()
	door := make(chan struct{}, beginning)
	pppd := func(sequence []string) verdict {
		door <- struct{}{}
		s := script{role: r}
		e := theirs()
		if e != nil {
			defer e.leave()
			s.opposite = e
		}
		begun := e != nil && s.begin()
		<-door
		if !begun {
			return verdict{"no session", nil}
		}
		return verdict{s.run(sequence), s.heard}
	}
	machine := func(sequence []string) verdict {
		s := script{opposite: ours(), role: r}
		s.begin()
		return verdict{s.run(sequence), s.heard}
	}
	// parted returns where a longer sequence has parted in a known way: what comes after is said to ends in two states.
	parted := func(sequence []string) *difference {
		for n := 1; n < len(sequence); n++ {
			if begin := sequence[:n]; tells(begin) {
				if d := known(begin, r.against, pppd(begin).text, machine(begin).text); d != nil {
					return d
				}
			}
		}
		return nil
	}
	verdicts := make([]verdict, len(list))
	var wg sync.WaitGroup
	room := make(chan struct{}, atOnce)
	begin := time.Now()
	for i, sequence := range list {
		wg.Go(func() {
			room <- struct{}{}
			verdicts[i] = pppd(sequence)
			<-room
		})
	}
	wg.Wait()
	met := map[*difference]int{}
	for i, sequence := range list {
		own := machine(sequence)
		d := known(sequence, r.against, verdicts[i].text, own.text)
		// pppd's timers run by the clock of a busy machine: what is new counts if it is so each time.
		for n := 0; n < 2 && verdicts[i].text != own.text && d == nil; n++ {
			t.Logf("once more: %v\n\tpppd: %s\n\tours: %s", sequence, verdicts[i].text, own.text)
			if d = parted(sequence); d == nil {
				verdicts[i] = pppd(sequence)
				d = known(sequence, r.against, verdicts[i].text, own.text)
			}
		}
		switch {
		case verdicts[i].text == own.text:
		case d != nil:
			met[d]++
		default:
			t.Errorf("%v\n\tpppd: %s\n\tours: %s\n\tpppd said %q\n\tours said %q", sequence, verdicts[i].text, own.text, verdicts[i].heard, own.heard)
		}
	}
	differ := 0
	for i := range differences {
		d := &differences[i]
		ofThis := d.only == "" || d.only == r.against
		for n := 0; n < 2 && met[d] == 0 && ofThis; n++ { // nor does it count if it is not so once
			if known(d.example, r.against, pppd(d.example).text, machine(d.example).text) == d {
				met[d]++
			}
		}
		differ += met[d]
		if met[d] == 0 && ofThis {
			t.Errorf("%v: pppd and we do not differ any more as the table says: %q, %q", d.example, d.pppd, d.ours)
		}
	}
	t.Logf("%d sequences in %v; %d differ, as known", len(list), time.Since(begin).Round(100*time.Millisecond), differ)
}

// What pppd does as the concentrator, and ours.
func TestDifferentialConcentrator(t *testing.T) {
	s := newSite(t)
	path := s.path("pppd-ac.guest")
	s.writeFile(path, pppdAC)
	s.boot(path)
	crowd := newCrowd(t, s, nil)
	differential(t, playHost, 40, 4, func() end {
		if a := crowd.join(); a != nil {
			return a
		}
		return nil
	}, func() opposite { return newOurAC() })
}

// What pppd does as the host, and ours.
func TestDifferentialHost(t *testing.T) {
	s := newSite(t)
	path := s.path("pppd-hosts.guest")
	s.writeFile(path, pppdHosts)
	s.boot(path, fmt.Sprintf("HOSTS=%d", hosts))
	d := newDoor(t, s)
	differential(t, playConcentrator, hosts, hosts, func() end {
		if h := d.join(); h != nil {
			return h
		}
		return nil
	}, func() opposite { return newOurHost() })
}
