// Package capture writes down what goes over the line for one uplink, as one PPPoE session
// in both directions, in a pcapng file.
//
// A packet socket on the line sees it all, but for one thing: where programs in the kernel
// carry the session, received data has lost its headers before any socket sees it. It is
// seen on the TUN device instead, and is put behind the headers that it came with. Packets
// that the kernel has joined, or has left to the network card to split, are cut into what
// goes over the wire.
//
// A session is dialled again while we listen, and its first frames come before we are told
// that it is ours: frames wait until that is known. Passwords are overwritten.
package capture
