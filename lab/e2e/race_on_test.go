//go:build race

package lab_test

// buildFlags has the daemon look for data races when the tests do.
var buildFlags = []string{"-race"}

// mostMemory is how much more memory a flood may cost, in octets, the race detector's included:
// five to ten times as much as what it watches.
const mostMemory = 64 << 20
