package simulator

import (
	"os"
	"runtime"
	"testing"
)

// One processor: timers of a synctest bubble that are due on two at once share what the race
// detector knows of one thread, and it crashes (Go 1.26, runtime.(*timer).unlockAndRun).
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(m.Run())
}
