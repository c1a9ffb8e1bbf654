// Command bench measures the data paths beside each other: between two network namespaces
// that a line of 1500 octets joins, with the fastest path at the far end, so that what is
// measured is the near one's. Rounds are interleaved, for machines are noisy: what counts is the
// ratio of two things that ran side by side.
package main
