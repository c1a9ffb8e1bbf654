// Command benchsessions measures what sessions cost: one pppoectl to one fletsim over one
// cable between two network namespaces, with ever more sessions. For each number of them it
// tells how long they take to come up, the memory and CPU of the daemon, and the TCP
// throughput of up to 100 of them at once. Everything is built from this checkout, and all that
// it makes is gone when it ends.
package main
