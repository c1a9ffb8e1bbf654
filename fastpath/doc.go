// Package fastpath carries PPPoE sessions in the kernel, by programs in BPF.
//
// Down: strip, at the line's XDP hook, takes Ethernet, PPPoE and PPP from an IP packet of a
// session whose family is open and puts a plain Ethernet header before it; the kernel's GRO
// joins what belongs together; hand_over, at the line's tcx ingress, gives it to the TUN
// device of the session. Up: encapsulate, at the TUN device's tcx egress, writes the headers
// and sends it out on the line. A super-packet whose segments are all of one length goes as it
// is, for the kernel copies the headers to each; any other goes through a pair of veths
// where it is split first, and encapsulate_segment writes the headers.
//
// All of it is pinned in a directory of a BPF file system, one for each line, and so goes on
// without us. What the programs do not take comes to the sockets and the TUN device as ever.
//
// The objects are compiled by Debian's clang-14 (`make generate`) and committed.
package fastpath

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel,bpfeb -no-global-types programs pppoe.bpf.c -- -O2 -Wall -Werror -mcpu=v3 -idirafter /usr/include/x86_64-linux-gnu -idirafter /usr/include/aarch64-linux-gnu
