//go:build !race

package lab_test

// buildFlags has the daemon look for data races when the tests do.
var buildFlags []string
