// Package supervisor runs uplinks: it decides when to dial, hang up and dial
// again, while the sessions below it decide how. One goroutine owns one uplink.
package supervisor
