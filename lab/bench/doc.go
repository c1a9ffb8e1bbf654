// Command bench measures the data paths beside each other: between two network namespaces
// that a line of 1500 octets joins, the same kind of path at both ends, so that neither is
// the other's bottleneck. Rounds are interleaved, for machines are noisy: what counts is the
// ratio of two things that ran side by side.
package main
