// Package control is the daemon's API: JSON over HTTP on a Unix socket, its types,
// its server and its client.
package control
