// Package netconf changes the system: devices, addresses, routes. Each change
// knows its way back, which goes to a journal on disk before the change is made,
// so that nothing of ours is ever left behind that nobody knows of.
package netconf
