// Command mutate changes the protocol packages in one small place at a time, and
// runs the tests: what no test notices, none has asked for. Each mutant is laid over
// the tree by go test's -overlay, so nothing in it is touched.
//
//	go run ./lab/mutate -packages ppp,lcp
//	go run ./lab/mutate -sample 200 -seed 7
//	go run ./lab/mutate -hand
//
// A package's own tests come first, then those of its neighbours. Survivors are
// printed as file:line function: before -> after. Those that are listed in
// equivalent.txt, with a reason, are counted only; any other makes the exit status 1,
// and so does an entry of the list that is no mutant any more, or is killed.
//
// With -hand the mutants come from hand.txt: mistakes that somebody might make, in
// words. For each is printed which tests notice.
package main
