package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/history"
	"pppoectl/netconf"
	"pppoectl/pppoe"
	"pppoectl/state"
)

// Uplink is a way to the Internet that the supervisor looks after.
type Uplink interface {
	// Run looks after the uplink until ctx is done; how it ends is told by
	// Release, or else the uplink is left as it is.
	Run(ctx context.Context)
	// Up wants the uplink up; dial says to forget what is waited for. The status
	// shows it when Up returns; likewise with Down and Release.
	Up(dial bool)
	// Down wants it down. An error is why that will not be known after a restart.
	Down(c cause.Code) error
	// Restart ends the session and dials at once.
	Restart()
	// Configure changes its configuration; what that needs is no new login.
	Configure(configs.Uplink)
	// Release ends the uplink for good and undoes what it did.
	Release(c cause.Code)
	// Unwritten is what the history on disk does not have yet.
	Unwritten() history.Sample
	// Responds reports whether the uplink is looked after, before ctx is done.
	Responds(ctx context.Context) bool
	// Status returns the present status and a channel that is closed at its
	// next change.
	Status() (control.Uplink, <-chan struct{})
}

// Supervisor looks after all uplinks of a configuration.
type Supervisor struct {
	version string
	env     Environment
	log     *logrus.Entry
	store   *state.Store
	events  *state.Events
	journal *netconf.Journal
	lines   lines
	turns   turns
	crashes *crashes
	lans    *advertising
	servers nameServers
	jumps   broadcast
	unmend  context.CancelFunc // ends putting back what others take away, and looking at the clock
	calm    *time.Timer        // when this run has lasted

	reloading sync.Mutex // one at a time

	mu      sync.Mutex
	cfg     *configs.Config
	named   bool // only those that were named are to run
	closing bool
	running map[string]*runner
	stopped chan struct{}
	stop    sync.Once
}

// runner is a running uplink.
type runner struct {
	uplink Uplink
	cfg    configs.Uplink
	cancel context.CancelFunc
	done   chan struct{}

	removed bool // from the configuration
}

// New returns a supervisor. It has the state directory to itself.
func New(version string, cfg *configs.Config, env Environment, store *state.Store, log *logrus.Entry, boot string) (*Supervisor, error) {
	journal, err := netconf.OpenJournal(store.Journal(), boot+" "+netconf.Namespace(), env.System)
	if err != nil {
		return nil, err
	}
	events, err := store.OpenEvents()
	if err != nil {
		journal.Close()
		return nil, err
	}
	s := &Supervisor{
		version: version, env: env, log: log, store: store, events: events, journal: journal,
		cfg: cfg, running: map[string]*runner{}, stopped: make(chan struct{}),
	}
	if s.crashes, err = newCrashes(store, env.Now(), rand.New(env.Random)); err != nil {
		log.Warnf("%v", err)
	}
	if text := journal.Damaged(); text != "" {
		s.Tell("journal", text)
	}
	s.lans = newAdvertising(s)
	return s, nil
}

// Start begins with the uplinks called names, or with all that are enabled if
// there are none, and cleans up after those that are no more.
func (s *Supervisor) Start(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.named = len(names) > 0
	s.configureLines()
	for i := range s.cfg.Uplinks {
		u := s.cfg.Uplinks[i]
		wanted := u.Enabled
		if len(names) > 0 {
			wanted = slices.Contains(names, u.Name)
		}
		s.start(u, wanted, len(names) > 0)
	}
	s.sweep()
	s.lans.resume(s.cfg.Uplinks)
	s.calm = time.AfterFunc(settledAfter, func() {
		if err := s.crashes.calm(); err != nil {
			s.log.Errorf("%v", err)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	s.unmend = cancel
	if s.env.Lost != nil {
		go s.mend(ctx)
	}
	if s.env.Jumps != nil {
		go s.watchClock(ctx)
	}
}

// configureLines has each line know what is configured of it.
func (s *Supervisor) configureLines() {
	lines := map[string]configs.Line{}
	for _, u := range s.cfg.Uplinks {
		lines[u.Interface] = configs.Line{}
	}
	for _, l := range s.cfg.Lines {
		lines[l.Interface] = l
	}
	for name, l := range lines {
		s.turns.configure(name, l.SessionLimit, l.PADTUnknown, s.env.Now())
	}
}

// start begins to look after u. An uplink that the operator has put down stays
// down, unless it is named.
func (s *Supervisor) start(u configs.Uplink, wanted, named bool) {
	record, err := s.store.LoadUplink(u.Name, s.env.Now(), time.Now())
	if err != nil {
		s.log.WithField("uplink", u.Name).Warnf("what was known of the uplink is lost: %v", err)
	}
	if named && wanted && record.Down {
		record.Down = false
		if err := s.store.SaveUplink(u.Name, record); err != nil {
			s.log.WithField("uplink", u.Name).Errorf("%v", err)
		}
	}
	// A session that another process had is not dropped because this one has other
	// uplinks to look after.
	resume := !wanted && s.store.HasSession(u.Name)
	up := newUplink(s, u, record, (wanted || resume) && !record.Down)
	up.onlyResume = resume
	ctx, cancel := context.WithCancel(context.Background())
	r := &runner{uplink: up, cfg: u, cancel: cancel, done: make(chan struct{})}
	s.running[u.Name] = r
	go func() {
		defer close(r.done)
		up.Run(ctx)
	}()
}

// sweep releases sessions and undoes changes of uplinks that are not configured
// any more.
func (s *Supervisor) sweep() {
	names, err := s.store.Sessions()
	if err != nil {
		s.log.Warnf("sessions on disk: %v", err)
	}
	for _, name := range names {
		if s.running[name] == nil {
			s.releaseOrphan(name)
		}
	}
	for _, owner := range s.journal.Owners() {
		if s.owned(owner) {
			continue
		}
		if err := s.journal.Apply(owner, nil); err != nil {
			s.log.WithField("uplink", owner).Warnf("%v", err)
		}
	}
}

// owned reports whether an owner in the journal is still configured.
func (s *Supervisor) owned(owner string) bool {
	if name, ok := asideOf(owner); ok {
		return s.running[name] != nil
	}
	if file, ok := fileOf(owner); ok {
		return slices.ContainsFunc(s.cfg.Uplinks, func(u configs.Uplink) bool { return u.WriteDNS == file })
	}
	line, ok := lineOf(owner)
	if !ok {
		return s.running[owner] != nil
	}
	return slices.ContainsFunc(s.cfg.Uplinks, func(u configs.Uplink) bool { return u.Interface == line })
}

// releaseOrphan sends a PADT for a session of an earlier run.
func (s *Supervisor) releaseOrphan(name string) {
	log := s.log.WithField("uplink", name)
	if err := ReleaseStored(s.store, s.env, name); err != nil {
		log.Warnf("the session of an earlier run could not be released: %v", err)
		return
	}
	log.Info("released the session of an earlier run")
}

// ReleaseStored sends a PADT for the session on disk of uplink name, and
// forgets it.
func ReleaseStored(store *state.Store, env Environment, name string) error {
	v, _, err := store.LoadSession(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errors.Join(err, store.RemoveSession(name))
	}
	if peer, ok := v.Snapshot.Peer(); ok {
		if err := sendPADT(env, v.Interface, v.Snapshot.MAC, peer.AC, peer.Session); err != nil {
			return err
		}
	}
	return store.RemoveSession(name)
}

// sendPADT ends a session at its AC. Only the station that has it may do so.
func sendPADT(env Environment, name string, mac, ac pppoe.MAC, id uint16) error {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	port, err := env.Open(*ifi)
	if err != nil {
		return err
	}
	defer port.Close()
	if ifi.Flags&net.FlagRunning == 0 {
		return fmt.Errorf("%s has no carrier", name)
	}
	if port.MAC() != mac {
		return fmt.Errorf("%s has another address than the session (%v)", name, mac)
	}
	return port.Send(pppoe.NewPADT(mac, ac, id, ""))
}

// Detach ends all uplinks without a word: their sessions stay at the AC, and
// their devices here, for the next start.
func (s *Supervisor) Detach() {
	s.each(func(r *runner) { r.cancel() })
	s.lans.end(false)
	s.close()
}

// Release ends all uplinks and undoes what they did.
func (s *Supervisor) Release(c cause.Code) {
	s.lans.end(true) // while the LANs still have their addresses
	s.each(func(r *runner) { r.uplink.Release(c) })
	s.close()
}

// each does f to all uplinks at once and waits until they have ended.
func (s *Supervisor) each(f func(*runner)) {
	s.mu.Lock()
	s.closing = true
	all := slices.Collect(maps.Values(s.running))
	s.mu.Unlock()
	endAll(all, f)
}

// endAll ends runners with f, all at once.
func endAll(all []*runner, f func(*runner)) {
	var wg sync.WaitGroup
	for _, r := range all {
		wg.Go(func() {
			f(r)
			<-r.done
			r.cancel()
		})
	}
	wg.Wait()
}

func (s *Supervisor) close() {
	if s.calm != nil {
		s.calm.Stop()
	}
	if err := s.crashes.calm(); err != nil {
		s.log.Errorf("%v", err)
	}
	if s.unmend != nil {
		s.unmend()
	}
	s.events.Close()
	s.journal.Close()
}

// Stop asks whoever runs the supervisor to release and end it.
func (s *Supervisor) Stop() { s.stop.Do(func() { close(s.stopped) }) }

// Stopped is closed once Stop was called.
func (s *Supervisor) Stopped() <-chan struct{} { return s.stopped }

func (s *Supervisor) uplink(name string) (Uplink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.running[name]; r != nil {
		return r.uplink, nil
	}
	return nil, cause.Errorf(cause.Unknown, "%s: no such uplink; configured in %s: %v", name, s.cfg.File, s.names())
}

func (s *Supervisor) names() []string {
	var names []string
	for _, u := range s.cfg.Uplinks {
		names = append(names, u.Name)
	}
	return names
}

// Status returns the status of all uplinks, by name.
func (s *Supervisor) Status() control.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := control.Status{Version: s.version}
	for _, u := range s.cfg.Uplinks {
		if r := s.running[u.Name]; r != nil {
			v, _ := r.uplink.Status()
			status.Uplinks = append(status.Uplinks, v)
		}
	}
	return status
}

// Uplink returns the status of the uplink called name.
func (s *Supervisor) Uplink(name string) (control.Uplink, error) {
	u, err := s.uplink(name)
	if err != nil {
		return control.Uplink{}, err
	}
	status, _ := u.Status()
	return status, nil
}

// Up wants the uplink called name up and waits until it is usable, for at most
// the given time. An answer that time will not mend is returned at once.
func (s *Supervisor) Up(ctx context.Context, name string, patience time.Duration) error {
	u, err := s.uplink(name)
	if err != nil {
		return err
	}
	u.Up(false)
	return await(ctx, u, patience)
}

// Restart ends the session of the uplink called name, dials at once, and waits
// like Up.
func (s *Supervisor) Restart(ctx context.Context, name string, patience time.Duration) error {
	u, err := s.uplink(name)
	if err != nil {
		return err
	}
	u.Restart()
	return await(ctx, u, patience)
}

// Down wants the uplink called name down and waits until it is.
func (s *Supervisor) Down(ctx context.Context, name string) error {
	u, err := s.uplink(name)
	if err != nil {
		return err
	}
	kept := u.Down(cause.Released)
	if err := settled(ctx, u); err != nil || kept == nil {
		return err
	}
	return cause.Errorf(cause.Internal, "%s is down, but that could not be written down, and does not last over a restart: %v", name, plain(kept))
}

// Tell adds an event that concerns no single uplink.
func (s *Supervisor) Tell(kind, message string) {
	s.log.WithField("event", kind).Warn(message)
	if err := s.events.Add(state.Event{Time: time.Now(), Kind: kind, Message: message}); err != nil {
		s.log.Errorf("history: %v", err)
	}
}

// History sums up what has happened to the uplink called name since a time.
func (s *Supervisor) History(name string, since time.Time) (history.Summary, error) {
	u, err := s.uplink(name)
	if err != nil {
		return history.Summary{}, err
	}
	records, err := s.store.History(name, since)
	if err != nil {
		return history.Summary{}, err
	}
	if v := u.Unwritten(); v.Observed > 0 {
		records = append(records, history.Record{At: time.Now(), Sample: &v})
	}
	return history.Summarize(name, records, time.Local), nil
}

// Events returns the events of one uplink, or of all, and what follows it.
func (s *Supervisor) Events(name string) ([]state.Event, <-chan state.Event, func(), error) {
	if name != "" {
		if _, err := s.uplink(name); err != nil {
			return nil, nil, nil, err
		}
	}
	return s.events.Follow(name)
}
