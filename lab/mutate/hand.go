package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed hand.txt
var hand string

// mistake is an entry of hand.txt.
type mistake struct {
	words    string // what is wrong
	file     string
	old, new string
}

// readMistakes reads hand.txt: paragraphs of what is wrong, after a #, the file, lines
// that are there, after a -, and lines in their place, after a +. The last line may
// be the beginning of one.
func readMistakes() []mistake {
	var list []mistake
	for paragraph := range strings.SplitSeq(strings.TrimSpace(hand), "\n\n") {
		var m mistake
		var old, new []string
		for line := range strings.SplitSeq(paragraph, "\n") {
			switch line[0] {
			case '#':
				m.words = strings.TrimSpace(line[1:])
			case '-':
				old = append(old, line[1:])
			case '+':
				new = append(new, line[1:])
			default:
				m.file = line
			}
		}
		m.old, m.new = strings.Join(old, "\n"), strings.Join(new, "\n")
		list = append(list, m)
	}
	return list
}

// mutant finds the place of m, which must be the only one.
func (m mistake) mutant() (mutant, error) {
	src, err := os.ReadFile(m.file)
	if err != nil {
		return mutant{}, err
	}
	if n := strings.Count(string(src), m.old); n != 1 {
		return mutant{}, fmt.Errorf("hand.txt: %s: what is to be changed is there %d times in %s", m.words, n, m.file)
	}
	start := strings.Index(string(src), m.old)
	return mutant{file: m.file, start: start, end: start + len(m.old), text: m.new}, nil
}

// mostNames is how many tests are named that notice a mistake.
const mostNames = 6

// handmade tries the mutants of hand.txt, and prints which tests notice.
func handmade(ctx context.Context, o options) (bool, error) {
	mistakes := readMistakes()
	changes := make([]mutant, len(mistakes))
	for i, m := range mistakes {
		var err error
		if changes[i], err = m.mutant(); err != nil {
			return false, err
		}
	}
	r, end, err := newRunner(ctx, o)
	if err != nil {
		return false, err
	}
	defer end()
	ok := true
	for i, m := range mistakes {
		if !o.run.MatchString(m.file + ": " + m.words) {
			continue
		}
		own := filepath.Dir(m.file)
		out, _ := r.with(ctx, 0, changes[i], false, append([]string{own}, neighbours[own]...)...)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		names := failures(out)
		if strings.Contains(out, "[build failed]") {
			return false, fmt.Errorf("%s: it does not compile:\n%s", m.words, out)
		}
		if len(names) == 0 {
			ok = false
			names = []string{"NO TEST NOTICES"}
		}
		if more := len(names) - mostNames; more > 0 {
			names = append(names[:mostNames], fmt.Sprintf("and %d more", more))
		}
		fmt.Printf("%s: %s\n\t%s\n", m.file, m.words, strings.Join(names, ", "))
	}
	return ok, nil
}
