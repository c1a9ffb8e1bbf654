// Package state is what pppoectl keeps on disk: the sessions that access
// concentrators believe in, what is known of each uplink, and the history of
// events. Files are replaced atomically and carry a version, a checksum and the
// boot that they belong to.
package state
