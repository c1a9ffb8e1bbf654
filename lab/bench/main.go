package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "end" { // this program again, in a namespace
		if err := runEnd(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench: end:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	paths := flag.String("paths", strings.Join(kinds, ","), "what is measured")
	flag.IntVar(&o.rounds, "rounds", 3, "how often TCP of one stream is measured; all else once")
	flag.DurationVar(&o.each, "time", time.Second, "how long each measurement takes")
	flag.BoolVar(&o.tx, "tx", false, "leave checksums to the line, as a network card has it; the paths in user space need those made")
	flag.StringVar(&o.unit, "pppoe-unit", "", "the program lab/pppoe-unit.c, for the path `kernel`: its own PPPoE, at both ends")
	frames := flag.Int("check", 0, "capture so many frames that the path in the kernel sends, and look at each, instead")
	flag.BoolVar(&o.quick, "quick", false, "one TCP stream with IPv4 only")
	file := flag.String("json", "", "write all figures to this file, too")
	flag.Parse()
	o.paths = strings.Split(*paths, ",")
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "bench: it makes network namespaces, so it needs root")
		os.Exit(3)
	}
	if *frames > 0 {
		if err := check(*frames); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	results, err := measure(o)
	if err == nil && *file != "" {
		var b []byte
		if b, err = json.MarshalIndent(results, "", "  "); err == nil {
			err = os.WriteFile(*file, append(b, '\n'), 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	printTable(os.Stdout, results)
	printRatios(os.Stdout, results)
}

// options are what is measured, and how long.
type options struct {
	paths  []string
	rounds int
	each   time.Duration
	quick  bool
	tx     bool
	unit   string
}
