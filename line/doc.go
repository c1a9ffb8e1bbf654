// Package line is the Ethernet port that PPPoE runs on: packet sockets for
// discovery and PPP control frames, shared by all sessions of the port, and its
// carrier. IP never comes this way: a socket filter leaves it to dataplane.
package line
