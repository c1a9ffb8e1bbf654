//go:build !race

package lab_test

// buildFlags has the daemon look for data races when the tests do.
var buildFlags []string

// mostMemory is how much more memory a flood may cost, in octets.
const mostMemory = 16 << 20
