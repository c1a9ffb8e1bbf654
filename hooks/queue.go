package hooks

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// Call is one event that programs are run for.
type Call struct {
	Event string
	Link  Link
	JSON  []byte // on standard input
}

// begun is what an event ends. If that has not been told yet, neither is.
var begun = map[string]string{IPDown: IPUp, IPv6Down: IPv6Up, AuthDown: AuthUp}

// mostWaiting bounds what waits for programs that are slower than events.
const mostWaiting = 64

// Queue runs the programs of one uplink, one after the other. Its methods do not
// wait for them, but for Close.
type Queue struct {
	dir   string
	limit time.Duration
	log   *logrus.Entry

	mu      sync.Mutex
	waiting []Call
	closed  bool
	wake    chan struct{}
	done    chan struct{}
	cancel  context.CancelFunc
}

// NewQueue returns a queue for the programs in dir, each of which may take as long as
// limit.
func NewQueue(dir string, limit time.Duration, log *logrus.Entry) *Queue {
	ctx, cancel := context.WithCancel(context.Background())
	q := &Queue{dir: dir, limit: limit, log: log, wake: make(chan struct{}, 1), done: make(chan struct{}), cancel: cancel}
	go q.run(ctx)
	return q
}

// Add has the programs for an event run as soon as those before it have.
func (q *Queue) Add(c Call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if up := begun[c.Event]; up != "" {
		for i := len(q.waiting) - 1; i >= 0; i-- {
			if q.waiting[i].Event == up {
				q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
				return
			}
		}
	}
	if len(q.waiting) >= mostWaiting {
		q.log.Warnf("hooks: %d events wait for programs in %s; %s is left out", mostWaiting, q.dir, c.Event)
		return
	}
	q.waiting = append(q.waiting, c)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Close waits until all that is waiting has been done, but not longer than patience, and
// then ends what runs.
func (q *Queue) Close(patience time.Duration) {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	close(q.wake)
	select {
	case <-q.done:
	case <-time.After(patience):
	}
	q.cancel()
	<-q.done
}

func (q *Queue) run(ctx context.Context) {
	defer close(q.done)
	for {
		q.mu.Lock()
		var next *Call
		if len(q.waiting) > 0 {
			next = &q.waiting[0]
			q.waiting = q.waiting[1:]
		}
		closed := q.closed
		q.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return
		case next != nil:
			q.do(ctx, *next)
		case closed:
			return
		default:
			<-q.wake
		}
	}
}

// do runs the programs for an event.
func (q *Queue) do(ctx context.Context, c Call) {
	list, err := programs(q.dir, c.Event)
	if err != nil {
		q.log.Warnf("hooks: %v", err)
	}
	for _, p := range list {
		if ctx.Err() != nil {
			return
		}
		log := q.log.WithFields(logrus.Fields{"hook": p.path, "event": c.Event})
		if p.err != nil {
			log.Warnf("not run: %v", p.err)
			continue
		}
		begin := time.Now()
		if err := q.execute(ctx, p.path, c, log); err != nil {
			log.Warnf("%v (after %v)", err, time.Since(begin).Round(time.Millisecond))
		}
	}
}

// grace is how long a program has to end once it was asked to.
const grace = 2 * time.Second

func (q *Queue) execute(ctx context.Context, path string, c Call, log *logrus.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, q.limit)
	defer cancel()
	out := &output{log: log}
	cmd := exec.CommandContext(ctx, path, c.Link.arguments(c.Event)...)
	cmd.Env = c.Link.environment(c.Event, os.Getpid())
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(c.JSON)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGTERM) }
	cmd.WaitDelay = grace
	err := cmd.Run()
	if cmd.Process != nil && ctx.Err() != nil {
		unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // and what it has started
	}
	out.flush()
	if ctx.Err() == context.DeadlineExceeded {
		return fmt.Errorf("was ended: it took longer than %v", q.limit)
	}
	return err
}

// What a program says is kept in the log up to so many lines, and octets of each.
const (
	mostLines = 50
	mostLine  = 500
)

// output writes what a program says to the log, line by line.
type output struct {
	log   *logrus.Entry
	rest  []byte
	lines int
}

func (o *output) Write(b []byte) (int, error) {
	for _, c := range b {
		if c == '\n' {
			o.flush()
			continue
		}
		if len(o.rest) < mostLine {
			o.rest = append(o.rest, c)
		}
	}
	return len(b), nil
}

// flush ends the present line.
func (o *output) flush() {
	text := strings.TrimRight(string(o.rest), "\r")
	o.rest = o.rest[:0]
	switch {
	case text == "":
		return
	case o.lines < mostLines:
		o.log.Info(text)
	case o.lines == mostLines:
		o.log.Warn("it says more, which is left out")
	}
	o.lines++
}
