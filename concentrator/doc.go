// Package concentrator is the other end of the line: an access concentrator made
// of the same protocol packages, sans I/O. It lets subscribers in, gives them
// addresses, delegates prefixes, and carries their packets.
package concentrator
