// Package concentrator is the other end of the line: an access concentrator made
// of the same protocol packages, sans I/O. Tests dial into it; the simulator of a
// Flets line will be built from it.
package concentrator
