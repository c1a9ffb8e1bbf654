// Package timer is what all machines need of time, which comes to them as an
// argument: the earliest of deadlines, and a limit of rates.
package timer
