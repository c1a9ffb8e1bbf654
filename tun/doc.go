// Package tun attaches to the TUN device of a session: single queue, no packet
// information, a virtio-net header before each packet. The device itself is made
// and removed by netconf and outlives every process that attaches to it.
package tun
