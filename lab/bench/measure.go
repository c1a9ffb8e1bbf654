package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// test is one thing that is measured.
type test struct {
	Name string   `json:"name"`
	Down bool     `json:"down"` // from the far end to the near one
	Unit string   `json:"unit"`
	args []string // of iperf3

	ratio bool // measured in each round, others in the first one only
}

// tests are all of them: TCP throughput, and packets of UDP.
func tests(quick bool) []test {
	var list []test
	for _, down := range []bool{true, false} {
		direction := map[bool]string{true: "down", false: "up"}[down]
		for _, family := range []string{"4", "6"} {
			for _, streams := range []string{"1", "8"} {
				list = append(list, test{fmt.Sprintf("IPv%s, TCP, %s stream(s), %s", family, streams, direction), down, "Gbit/s", []string{"-" + family, "-P", streams}, streams == "1"})
				if quick {
					break
				}
			}
			if quick {
				break
			}
			largest := map[string]int{"4": 1426, "6": 1406}[family]
			for _, size := range []int{64, 512, largest} {
				list = append(list, test{fmt.Sprintf("IPv%s, UDP, %d octets, %s", family, size, direction), down, "kpps", []string{"-" + family, "-u", "-b", "0", "-l", strconv.Itoa(size)}, false})
			}
		}
	}
	return list
}

// result is what was measured of one test on one path.
type result struct {
	test
	Path   string    `json:"path"`
	Values []float64 `json:"values"`       // one a round
	CPU    []float64 `json:"cpu_s_per_gb"` // of both ends and iperf3, for TCP
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// measure measures everything, round by round.
func measure(o options) ([]*result, error) {
	s, err := newSite(o)
	defer s.close()
	if err != nil {
		return nil, err
	}
	stop, err := s.serve("5201")
	if err != nil {
		return nil, err
	}
	defer stop()
	var results []*result
	for _, t := range tests(o.quick) {
		for _, p := range o.paths {
			results = append(results, &result{test: t, Path: p})
		}
	}
	for round := range o.rounds {
		for i, r := range results {
			if round > 0 && !r.ratio {
				continue
			}
			value, cpu, err := s.once(r.test, slices.Index(o.paths, r.Path), o.each)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", r.Path, r.Name, err)
			}
			r.Values = append(r.Values, value)
			if cpu > 0 {
				r.CPU = append(r.CPU, cpu)
			}
			fmt.Fprintf(os.Stderr, "\rround %d of %d, %d of %d ", round+1, o.rounds, i+1, len(results))
		}
	}
	fmt.Fprintln(os.Stderr)
	for n, p := range o.paths {
		for _, load := range []bool{false, true} {
			r, err := s.ping(p, n, load)
			if err != nil {
				return nil, err
			}
			results = append(results, r...)
		}
		if o.quick {
			break
		}
	}
	return results, nil
}

// report is what iperf3 says, as far as it is looked at.
type report struct {
	Error string `json:"error"`
	End   struct {
		Sum struct {
			Packets float64 `json:"packets"`
			Lost    float64 `json:"lost_packets"`
			Seconds float64 `json:"seconds"`
		} `json:"sum"`
		Received struct {
			Rate  float64 `json:"bits_per_second"`
			Bytes float64 `json:"bytes"`
		} `json:"sum_received"`
	} `json:"end"`
}

// once runs one test on the n-th path: the rate, and for TCP the seconds of CPU for each GB.
func (s *site) once(t test, n int, each time.Duration) (value, cpu float64, err error) {
	far4, far6 := addresses(n, true)
	to := far4
	if slices.Contains(t.args, "-6") {
		to = far6
	}
	args := append([]string{"iperf3", "-c", to, "-J", "-t", fmt.Sprint(each.Seconds())}, t.args...)
	if !slices.Contains(t.args, "-u") {
		args = append(args, "-O", "1")
	}
	if t.Down {
		args = append(args, "-R")
	}
	before := busy()
	out, err := exec.Command("ip", in(s.near, args...)...).Output()
	spent := busy() - before
	var r report
	if e := json.Unmarshal(out, &r); e != nil || r.Error != "" {
		return 0, 0, fmt.Errorf("iperf3: %v %v %q", err, e, r.Error)
	}
	if t.Unit == "kpps" {
		return (r.End.Sum.Packets - r.End.Sum.Lost) / r.End.Sum.Seconds / 1000, 0, nil
	}
	share := each.Seconds() / (each.Seconds() + 1) // the first second is left out of the bytes
	return r.End.Received.Rate / 1e9, spent * share / (r.End.Received.Bytes / 1e9), nil
}

// busy is how long all processors have been busy, in seconds.
func busy() float64 {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	var ticks float64
	for i, f := range strings.Fields(line) {
		if v, err := strconv.ParseFloat(f, 64); err == nil && i != 4 && i != 5 { // idle, waiting
			ticks += v
		}
	}
	return ticks / 100
}

// ping measures round trips, idle or under load.
func (s *site) ping(path string, n int, load bool) ([]*result, error) {
	far4, _ := addresses(n, true)
	name := "ping, idle"
	if load {
		name = "ping, under load"
		iperf := exec.Command("ip", in(s.near, "iperf3", "-c", far4, "-t", "6")...)
		if err := iperf.Start(); err != nil {
			return nil, err
		}
		defer iperf.Wait()
	}
	out, err := exec.Command("ip", in(s.near, "ping", "-n", "-i", "0.01", "-c", "400", far4)...).Output()
	if err != nil {
		return nil, fmt.Errorf("%s: ping: %w", path, err)
	}
	var times []float64
	for line := range strings.Lines(string(out)) {
		if _, v, ok := strings.Cut(line, "time="); ok {
			if ms, err := strconv.ParseFloat(strings.Fields(v)[0], 64); err == nil {
				times = append(times, 1000*ms)
			}
		}
	}
	slices.Sort(times)
	var list []*result
	for _, p := range []int{50, 95, 99} {
		if len(times) == 0 {
			break
		}
		list = append(list, &result{test: test{Name: fmt.Sprintf("%s, %d %%", name, p), Unit: "us"}, Path: path, Values: []float64{times[(len(times)-1)*p/100]}})
	}
	return list, nil
}
