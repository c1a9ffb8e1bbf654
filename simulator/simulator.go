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
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"pppoectl/concentrator"
	"pppoectl/flets"
	"pppoectl/netspace"
	"pppoectl/pppoe"
	"pppoectl/tun"
)

// Simulator is a line that runs. It is safe for concurrent use.
type Simulator struct {
	began     time.Time
	ifi       net.Interface
	home      *os.File // the network namespace of ifi
	teller    *teller
	discovery *packet.Conn
	session   *packet.Conn
	behind    *behind
	readers   sync.WaitGroup
	failed    chan error
	wake      *time.Timer

	mu   sync.Mutex // of the line, and of what it sends: frames stay in order
	line *flets.Line
	head []byte // scratch: a packet behind the device's header
	done bool
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
		s.behind, err = newBehind(cfg, fdPath(s.home), s.line.Destinations(), s.teller.tell)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.readers.Add(3)
	go s.read(s.discovery)
	go s.read(s.session)
	go s.carry()
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

// read takes frames until the socket is closed. An interface that is set down
// makes one read fail.
func (s *Simulator) read(c *packet.Conn) {
	defer s.readers.Done()
	buf := make([]byte, maxFrame)
	for failures := 0; ; {
		n, _, err := c.ReadFrom(buf)
		if errors.Is(err, unix.EBADF) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) { // which one depends on the moment
			return
		}
		if err != nil {
			time.Sleep(pause) // a socket that always fails must not spin
			if !s.exists() {
				err = fmt.Errorf("there is no interface %s any more", s.ifi.Name)
				failures = maxFailures
			}
			if failures++; failures > maxFailures {
				s.failed <- fmt.Errorf("line: %w", err)
				return
			}
			continue
		}
		failures = 0
		f, err := pppoe.ParseFrame(buf[:n])
		if err != nil {
			continue
		}
		s.mu.Lock()
		s.send(s.line.Receive(s.now(), f))
		s.mu.Unlock()
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

// carry takes packets from the network behind until its device is closed.
func (s *Simulator) carry() {
	defer s.readers.Done()
	buf := make([]byte, tun.HeaderLen+maxPacket)
	for {
		n, err := s.behind.device.Read(buf)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			s.failed <- fmt.Errorf("TUN device: %w", err)
			return
		}
		if n < tun.HeaderLen {
			continue
		}
		s.mu.Lock()
		s.send(s.line.Carry(s.now(), buf[tun.HeaderLen:n]))
		s.mu.Unlock()
	}
}

// send sends what follows from one input. A frame that cannot be sent is lost, as
// on any line.
func (s *Simulator) send(out flets.Output) {
	if s.done {
		return
	}
	for _, f := range out.Frames {
		c := s.session
		if f.EtherType == pppoe.EtherTypeDiscovery {
			c = s.discovery
		}
		c.WriteTo(f.AppendTo(nil), &packet.Addr{HardwareAddr: f.Dst[:]})
	}
	for _, p := range out.Packets {
		s.head = append(append(s.head[:0], make([]byte, tun.HeaderLen)...), p...)
		s.behind.device.Write(s.head)
	}
	for _, e := range out.Events {
		s.teller.tell(e)
	}
	if out.Deadline != 0 {
		s.wake.Reset(max(out.Deadline-s.now(), 0))
	}
}
