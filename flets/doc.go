// Package flets is a Flets line in a box, sans I/O: one or more access
// concentrators, the wire to them with all that can go wrong on it, and faults by
// command or by a scenario. cmd/fletsim runs it on an interface; tests run it on
// a clock of their own.
package flets
