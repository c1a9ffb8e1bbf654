// Package simulator runs a Flets line in a box on an interface: packet sockets
// towards the hosts, a TUN device to the network behind, a web server and other
// programs there, and a control socket for faults.
package simulator
