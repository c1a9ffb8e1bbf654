package fuzz

import (
	"runtime"
	"testing"
)

// What an input may cost in memory, in octets: so much in any case, an error's
// text for instance, and so much for each octet of it. A tag of four octets on
// the wire is 32 in a list that doubles as it grows.
const (
	frugalAlways = 16 << 10
	frugalOctet  = 96
)

// Frugal runs f, which takes an input of so many octets, and fails the test if it
// allocates more than that justifies: nobody may fill our memory by a length that
// is only claimed. Nothing else may run meanwhile. Under the race detector, which
// allocates itself, it only runs f.
func Frugal(t testing.TB, octets int, f func()) {
	t.Helper()
	if raceDetector {
		f()
		return
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if n, most := after.TotalAlloc-before.TotalAlloc, uint64(frugalAlways+frugalOctet*octets); n > most {
		t.Fatalf("%d octets allocated for an input of %d; at most %d", n, octets, most)
	}
}
