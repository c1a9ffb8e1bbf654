// Package lan brings a delegated prefix to the LAN: a /64 for each interface, and
// router advertisements.
package lan
