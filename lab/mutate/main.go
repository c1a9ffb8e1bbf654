package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// options say which mutants are made.
type options struct {
	packages []string
	run      *regexp.Regexp // of what is printed of a mutant
	sample   int            // so many of them; 0: all
	seed     uint64
	alone    bool // without the neighbours' tests
	workers  int
}

func main() {
	var o options
	all := slices.Sorted(maps.Keys(neighbours))
	packages := flag.String("packages", strings.Join(all, ","), "which ones to change")
	run := flag.String("run", "", "only mutants whose line, as it is printed, matches this regular expression")
	flag.IntVar(&o.sample, "sample", 0, "try so many mutants, drawn by -seed; 0: all")
	flag.Uint64Var(&o.seed, "seed", 1, "of the sample")
	flag.BoolVar(&o.alone, "alone", false, "a package's own tests only, not those of its neighbours")
	flag.IntVar(&o.workers, "workers", 2, "how many mutants are tried at once")
	byHand := flag.Bool("hand", false, "try the mutants of hand.txt, and print which tests notice")
	list := flag.Bool("list", false, "print the mutants, and run nothing")
	flag.Parse()
	o.packages = strings.Split(*packages, ",")
	for _, p := range o.packages {
		if !slices.Contains(all, p) {
			fail(2, fmt.Errorf("%q is none of %s", p, strings.Join(all, ", ")))
		}
	}
	var err error
	if o.run, err = regexp.Compile(*run); err != nil {
		fail(2, err)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	try := generated
	switch {
	case *list:
		try = listed
	case *byHand:
		try = handmade
	}
	ok, err := try(ctx, o)
	if err != nil {
		fail(1, err)
	}
	if !ok {
		os.Exit(1)
	}
}

func fail(status int, err error) {
	fmt.Fprintln(os.Stderr, "mutate:", err)
	os.Exit(status)
}

// chosen are the mutants that o asks for.
func chosen(o options) ([]mutant, error) {
	var chosen []mutant
	for _, p := range o.packages {
		found, err := mutants(p)
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			if o.run.MatchString(m.String()) {
				chosen = append(chosen, m)
			}
		}
	}
	if o.sample > 0 && o.sample < len(chosen) {
		r := rand.New(rand.NewPCG(o.seed, 0))
		r.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		chosen = chosen[:o.sample]
	}
	return chosen, nil
}

func listed(_ context.Context, o options) (bool, error) {
	chosen, err := chosen(o)
	for _, m := range chosen {
		fmt.Println(m)
	}
	return true, err
}

// newRunner returns a runner in the current directory, the tree's root, after the tests
// have passed as they are.
func newRunner(ctx context.Context, o options) (*runner, func(), error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return nil, nil, err
	}
	r := &runner{root: root, dir: dir, alone: o.alone, cpu: map[string]time.Duration{}}
	end := func() { os.RemoveAll(dir) }
	for _, p := range o.packages {
		measured := []string{p}
		if !o.alone {
			measured = append(measured, neighbours[p]...)
		}
		if err := r.measure(ctx, measured); err != nil {
			end()
			return nil, nil, err
		}
	}
	return r, end, nil
}

// generated tries the mutants that the operators make.
func generated(ctx context.Context, o options) (bool, error) {
	mutants, err := chosen(o)
	if err != nil {
		return false, err
	}
	known, err := readEquivalents()
	if err != nil {
		return false, err
	}
	r, end, err := newRunner(ctx, o)
	if err != nil {
		return false, err
	}
	defer end()
	outcomes := make([]outcome, len(mutants))
	work := make(chan int)
	var workers sync.WaitGroup
	var mu sync.Mutex // of err
	for w := range o.workers {
		workers.Go(func() {
			for i := range work {
				out, failed := r.try(ctx, w, mutants[i])
				outcomes[i] = out
				if failed != nil {
					mu.Lock()
					err = failed
					mu.Unlock()
				}
				if out == survived && known[mutants[i].key()] == nil {
					fmt.Println(mutants[i])
				}
			}
		})
	}
	for i := range mutants {
		if ctx.Err() != nil {
			break
		}
		work <- i
	}
	close(work)
	workers.Wait()
	if err != nil {
		return false, err
	}
	return report(o, mutants, outcomes, known), nil
}
