package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are what is measured, and how long.
type options struct {
	sizes   []int         // numbers of sessions
	streams int           // the most sessions that carry TCP at once
	idle    time.Duration // how long the daemon is watched while nothing happens
	load    time.Duration // how long TCP flows, each direction
	fresh   time.Duration // how long the sessions may take to come up
	path    string        // the daemon's data path
}

func main() {
	var o options
	sizes := flag.String("sizes", "1,10,100,1000", "numbers of sessions")
	flag.IntVar(&o.streams, "streams", 100, "the most sessions that carry TCP at once")
	flag.DurationVar(&o.idle, "idle", 10*time.Second, "how long the idle daemon is watched; an echo is sent each 10 s")
	flag.DurationVar(&o.load, "time", 5*time.Second, "how long TCP flows, each direction")
	flag.DurationVar(&o.fresh, "patience", 2*time.Minute, "how long the sessions may take to come up")
	flag.StringVar(&o.path, "data-path", "auto", "the daemon's")
	file := flag.String("json", "", "write all figures to this file, too")
	picture := flag.String("plot", "", "draw them in this file (.svg or .png)")
	flag.Parse()
	for _, s := range strings.Split(*sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 9999 {
			fmt.Fprintf(os.Stderr, "benchsessions: %q is no number of sessions from 1 to 9999\n", s)
			os.Exit(2)
		}
		o.sizes = append(o.sizes, n)
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "benchsessions: it makes network namespaces, so it needs root")
		os.Exit(3)
	}
	if err := run(o, *file, *picture); err != nil {
		fmt.Fprintln(os.Stderr, "benchsessions:", err)
		os.Exit(1)
	}
}

// run measures, and tells what has come out.
func run(o options, file, picture string) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	dir, err := os.MkdirTemp("", "benchsessions-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := build(ctx, dir); err != nil {
		return err
	}
	all := figures{Machine: thisMachine()}
	for i, n := range o.sizes {
		fmt.Fprintf(os.Stderr, "%d session(s), %d of %d\n", n, i+1, len(o.sizes))
		f, err := measure(ctx, o, dir, n)
		if err != nil {
			return fmt.Errorf("%d sessions: %w", n, err)
		}
		all.Sizes = append(all.Sizes, f)
	}
	printTable(os.Stdout, all)
	if file != "" {
		b, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	if picture != "" {
		return draw(picture, all)
	}
	return nil
}
