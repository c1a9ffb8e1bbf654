package simulator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/mdlayher/packet"

	"pppoectl/concentrator"
	"pppoectl/flets"
	"pppoectl/netspace"
	"pppoectl/pppoe"
)

// Simulator is a line that runs. It is safe for concurrent use.
type Simulator struct {
	began     time.Time
	ifi       net.Interface
	home      *os.File // the network namespace of ifi
	teller    *teller
	discovery *packet.Conn
	session   *packet.Conn
	raw       syscall.RawConn // of session
	behind    *behind
	readers   sync.WaitGroup
	failed    chan error
	wake      *time.Timer

	mu      sync.Mutex // of what follows
	line    *flets.Line
	scratch []byte
	done    bool

	// Who sends takes one of these while he has mu, so that frames stay in order, and
	// packets; mu itself is not held up by data on its way.
	toLine, toBehind sync.Mutex
}

// New begins a line on an interface of this thread's network namespace. tell is called for events, one at a time. If
// it is slow, or hosts make too many of them, some are left out, and it is told how
// many.
func New(cfg flets.Config, ifi net.Interface, tell func(concentrator.Event)) (*Simulator, error) {
	if len(ifi.HardwareAddr) != 6 {
		return nil, fmt.Errorf("%s is no Ethernet interface", ifi.Name)
	}
	var seed [32]byte
	rand.Read(seed[:]) // never fails
	s := &Simulator{began: time.Now(), ifi: ifi, teller: newTeller(tell), failed: make(chan error, 4)}
	s.line = flets.New(cfg, pppoe.MAC(ifi.HardwareAddr), 0, mrand.New(mrand.NewChaCha8(seed)))
	s.wake = time.AfterFunc(time.Hour, s.tick)
	var err error
	if s.home, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return nil, err
	}
	if s.discovery, err = listen(ifi, pppoe.EtherTypeDiscovery); err == nil {
		s.session, err = listen(ifi, pppoe.EtherTypeSession)
	}
	if err == nil {
		s.raw, err = s.session.SyscallConn()
	}
	if err == nil {
		s.behind, err = newBehind(cfg, fdPath(s.home), s.line.Destinations(), s.teller.tell)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.run(s.signalling)
	s.run(s.upload)
	s.run(s.download)
	s.tick()
	return s, nil
}

// Wait waits until ctx is done, or something that the line needs is gone.
func (s *Simulator) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// Close ends the line without a word and takes away what it made.
func (s *Simulator) Close() error {
	s.mu.Lock()
	s.done = true
	s.wake.Stop()
	s.mu.Unlock()
	var errs []error
	for _, c := range []*packet.Conn{s.discovery, s.session} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	if s.behind != nil {
		errs = append(errs, s.behind.close())
	}
	s.readers.Wait()
	s.teller.close()
	return errors.Join(append(errs, s.home.Close())...)
}

// Do carries out a command.
func (s *Simulator) Do(c flets.Command) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	out, err := s.line.Do(s.now(), c)
	s.send(out)
	if err != nil {
		return err
	}
	return s.behind.route(s.line.Destinations())
}

// Status returns the line as it is now.
func (s *Simulator) Status() flets.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line.Status(s.now())
}

func (s *Simulator) now() time.Duration { return time.Since(s.began) }

func (s *Simulator) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send(s.line.Tick(s.now()))
}

// closing reports whether the line has been ended.
func (s *Simulator) closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// run has f read until the line is ended; else its error ends the line.
func (s *Simulator) run(f func() error) {
	s.readers.Go(func() {
		if err := f(); err != nil {
			s.failed <- err
		}
	})
}

// signalling takes discovery frames, one at a time.
func (s *Simulator) signalling() error {
	buf := make([]byte, maxFrame)
	return s.read(func() error {
		n, _, err := s.discovery.ReadFrom(buf)
		if err != nil {
			return err
		}
		if f, err := pppoe.ParseFrame(buf[:n]); err == nil {
			s.mu.Lock()
			s.send(s.line.Receive(s.now(), f))
			s.mu.Unlock()
		}
		return nil
	})
}

// read calls take, which reads from a socket of the line, until that is closed. An interface
// that is set down makes one read fail.
func (s *Simulator) read(take func() error) error {
	for failures := 0; ; {
		err := take()
		if err == nil {
			failures = 0
			continue
		}
		if s.closing() {
			return nil
		}
		time.Sleep(pause) // a socket that always fails must not spin
		if !s.exists() {
			return fmt.Errorf("line: there is no interface %s any more", s.ifi.Name)
		}
		if failures++; failures > maxFailures {
			return fmt.Errorf("line: %w", err)
		}
	}
}

// exists reports whether the interface is still there.
func (s *Simulator) exists() bool {
	return netspace.Do(fdPath(s.home), func() error {
		_, err := net.InterfaceByIndex(s.ifi.Index)
		return err
	}) == nil
}

// fdPath is where an open file can be opened again.
func fdPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// maxFailures is how many reads in a row may fail, pause apart.
const (
	maxFailures = 50
	pause       = 100 * time.Millisecond
)

// send sends what follows from one input. A frame that cannot be sent is lost, as
// on any line. The caller has mu.
func (s *Simulator) send(out flets.Output) {
	if s.done {
		return
	}
	if len(out.Frames) > 0 {
		s.toLine.Lock()
		for _, f := range out.Frames {
			c := s.session
			if f.EtherType == pppoe.EtherTypeDiscovery {
				c = s.discovery
			}
			s.scratch = f.AppendTo(s.scratch[:0])
			c.WriteTo(s.scratch, &packet.Addr{HardwareAddr: f.Dst[:]})
		}
		s.toLine.Unlock()
	}
	if len(out.Packets) > 0 {
		s.toBehind.Lock()
		for _, p := range out.Packets {
			s.scratch = append(append(s.scratch[:0], make([]byte, concentrator.HeadLen)...), p...)
			s.write([][]byte{s.scratch})
		}
		s.toBehind.Unlock()
	}
	for _, e := range out.Events {
		s.teller.tell(e)
	}
	if out.Deadline != 0 {
		s.wake.Reset(max(out.Deadline-s.now(), 0))
	}
}
