package state

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/cause"
	"pppoectl/dhcpv6"
	"pppoectl/lan"
	"pppoectl/session"
)

// version is that of all files of a Store.
const version = 1

// Errors of reading.
var (
	// ErrVersion is matched when a newer pppoectl wrote the file.
	ErrVersion = errors.New("written by a newer version of pppoectl")
	// ErrCorrupt is matched when the file is not what was written.
	ErrCorrupt = errors.New("damaged")
	// ErrInUse is matched when another daemon has the state directory.
	ErrInUse = errors.New("in use by another pppoectl")
)

// Store is the state directory.
type Store struct {
	dir  string
	boot string
	lock *os.File
}

// Open opens the state directory dir, and makes it if it is missing. boot is
// the id of this boot (see [BootID]). Only one process at a time may have it, and none
// that is older than the one which has written there: it would take what it does
// not understand for damaged.
func Open(dir, boot string) (*Store, error) {
	for _, d := range []string{dir, filepath.Join(dir, "sessions"), filepath.Join(dir, "uplinks"), filepath.Join(dir, "leases")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", dir, ErrInUse)
		}
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	s := &Store{dir: dir, boot: boot, lock: lock}
	if err := Understood(dir); err != nil {
		lock.Close()
		return nil, err
	}
	s.makeReserve()
	return s, nil
}

// Understood says which file of a state directory is of a newer version; nil if none is.
// Its errors match [ErrVersion].
func Understood(dir string) error {
	s := &Store{dir: dir}
	files := []string{lanFile, runFile}
	for _, d := range []string{"sessions", "uplinks", "leases"} {
		found, err := filepath.Glob(filepath.Join(s.dir, d, "*.json"))
		if err != nil {
			return err
		}
		for _, f := range found {
			files = append(files, filepath.Join(d, filepath.Base(f)))
		}
	}
	for _, f := range files {
		var body json.RawMessage
		if _, err := s.read(f, &body); errors.Is(err, ErrVersion) {
			return fmt.Errorf("%s: %w; start that version again, or run its `pppoectl clean`", s.dir, err)
		}
	}
	return nil
}

// BootID returns the kernel's id of this boot.
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}

// Close gives the directory free.
func (s *Store) Close() error { return s.lock.Close() }

// Journal returns the path of the undo journal.
func (s *Store) Journal() string { return filepath.Join(s.dir, "journal") }

// envelope is what every file holds around its body.
type envelope struct {
	Version  int             `json:"version"`
	Boot     string          `json:"boot"`
	Checksum string          `json:"checksum"` // SHA-256 of Boot and Body, hexadecimal
	Body     json.RawMessage `json:"body"`
}

func checksum(boot string, b []byte) string {
	sum := sha256.Sum256(append([]byte(boot+"\n"), b...))
	return hex.EncodeToString(sum[:])
}

// write replaces file atomically: after a crash it holds the old content or the
// new, never a part.
func (s *Store) write(file string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	b, err = json.Marshal(envelope{version, s.boot, checksum(s.boot, b), b})
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, file)
	b = append(b, '\n')
	if err = Replace(path, b, 0o600); errors.Is(err, unix.ENOSPC) && s.useReserve() {
		err = Replace(path, b, 0o600)
	}
	if err == nil {
		s.makeReserve()
	}
	return err
}

// Replace replaces file atomically by one with the given content.
func Replace(file string, content []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	d, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// read reads file into body and returns the boot that it belongs to. A file that
// is missing gives os.ErrNotExist.
func (s *Store) read(file string, body any) (boot string, err error) {
	b, err := os.ReadFile(filepath.Join(s.dir, file))
	if err != nil {
		return "", err
	}
	var e envelope
	if err := json.Unmarshal(b, &e); err != nil {
		return "", fmt.Errorf("%s: %w: %v", file, ErrCorrupt, err)
	}
	if e.Version > version {
		return "", fmt.Errorf("%s: %w (format %d; this one knows %d)", file, ErrVersion, e.Version, version)
	}
	if checksum(e.Boot, e.Body) != e.Checksum {
		return "", fmt.Errorf("%s: %w: the checksum is wrong", file, ErrCorrupt)
	}
	if err := json.Unmarshal(e.Body, body); err != nil {
		return "", fmt.Errorf("%s: %w: %v", file, ErrCorrupt, err)
	}
	return e.Boot, nil
}

func (s *Store) remove(file string) error {
	err := os.Remove(filepath.Join(s.dir, file))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Session is what is kept of a session that an AC believes in.
type Session struct {
	Interface string           `json:"interface"`
	Device    string           `json:"device"`
	MTU       int              `json:"mtu"`               // as it was configured, in octets
	UpAt      time.Duration    `json:"up_at,omitempty"`   // since boot; 0: it was not up yet
	Resumed   int              `json:"resumed,omitempty"` // times that another process has taken it over
	Dropped   [2]uint64        `json:"dropped"`           // packets received and to be sent that were not carried
	Snapshot  session.Snapshot `json:"snapshot"`
}

func sessionFile(name string) string { return filepath.Join("sessions", name+".json") }

// SaveSession writes the session of uplink name down.
func (s *Store) SaveSession(name string, v Session) error { return s.write(sessionFile(name), v) }

// LoadSession returns the session of uplink name, and whether it was written
// in this boot. Without one the error is os.ErrNotExist.
func (s *Store) LoadSession(name string) (v Session, sameBoot bool, err error) {
	boot, err := s.read(sessionFile(name), &v)
	return v, err == nil && boot == s.boot, err
}

// HasSession reports whether there is a session of uplink name.
func (s *Store) HasSession(name string) bool {
	_, err := os.Stat(filepath.Join(s.dir, sessionFile(name)))
	return err == nil
}

// RemoveSession forgets the session of uplink name.
func (s *Store) RemoveSession(name string) error { return s.remove(sessionFile(name)) }

// Sessions returns the names of all uplinks that have a session on disk.
func (s *Store) Sessions() ([]string, error) {
	files, err := os.ReadDir(filepath.Join(s.dir, "sessions"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".json"); ok && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	return names, nil
}

// Uplink is what is kept of an uplink for ever.
type Uplink struct {
	Down       bool   `json:"down,omitempty"`       // on the operator's wish
	Worked     bool   `json:"worked,omitempty"`     // the login has been accepted before
	Rejections int    `json:"rejections,omitempty"` // of the login, in a row
	DUID       string `json:"duid,omitempty"`       // of DHCPv6, hexadecimal, once made
	Identifier string `json:"identifier,omitempty"` // the IPv6 interface identifier, once chosen
	Away       bool   `json:"away,omitempty"`       // not up again since a session was lost

	Retry *Retry         `json:"retry,omitempty"` // the wait for the next dial
	Last  *session.Stale `json:"last,omitempty"`  // the last session that has ended
}

// Retry is why an uplink waits before it is dialled again. Its time is since the boot
// in which it was written.
type Retry struct {
	Cause    cause.Code    `json:"cause"`
	Text     string        `json:"text"`
	Message  string        `json:"message"`
	Failures int           `json:"failures"` // in a row
	Wait     time.Duration `json:"wait"`
	At       time.Duration `json:"at"`   // when the wait began, since boot
	Clock    time.Time     `json:"time"` // the same
}

func uplinkFile(name string) string { return filepath.Join("uplinks", name+".json") }

// SaveUplink writes down what is known of uplink name.
func (s *Store) SaveUplink(name string, v Uplink) error { return s.write(uplinkFile(name), v) }

// LoadUplink returns what is known of uplink name, with times in this boot, whose
// time is now, also if it was written in another one; nothing is no error.
func (s *Store) LoadUplink(name string, now time.Duration, clock time.Time) (Uplink, error) {
	var v Uplink
	boot, err := s.read(uplinkFile(name), &v)
	if errors.Is(err, os.ErrNotExist) {
		return Uplink{}, nil
	}
	if r := v.Retry; r != nil && boot != s.boot {
		r.At = now - max(clock.Sub(r.Clock), 0)
	}
	return v, err
}

const runFile = "run.json"

// unfinished is how many runs in a row have dialled and not ended in good order.
type unfinished struct {
	Runs int `json:"runs"`
}

// SetUnfinished writes down how many runs in a row have not ended in good order,
// this one included.
func (s *Store) SetUnfinished(runs int) error {
	if runs == 0 {
		return s.remove(runFile)
	}
	return s.write(runFile, unfinished{runs})
}

// Unfinished returns how many runs before this one have not ended in good order.
func (s *Store) Unfinished() (int, error) {
	var v unfinished
	_, err := s.read(runFile, &v)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	return v.Runs, err
}

// Lease is what is kept of a delegated prefix. Its times are since the boot in
// which it was written.
type Lease struct {
	Lease dhcpv6.Lease  `json:"lease"`
	In    session.Stale `json:"in"`   // the session in which a server has confirmed it last
	At    time.Duration `json:"at"`   // when it was written, since boot
	Clock time.Time     `json:"time"` // the same
}

func leaseFile(name string) string { return filepath.Join("leases", name+".json") }

// SaveLease writes the lease of uplink name down.
func (s *Store) SaveLease(name string, v Lease) error { return s.write(leaseFile(name), v) }

// LoadLease returns the lease of uplink name with its times in this boot, whose
// time is now, also if it was written in another one. Without one the error is
// os.ErrNotExist.
func (s *Store) LoadLease(name string, now time.Duration, clock time.Time) (Lease, error) {
	var v Lease
	boot, err := s.read(leaseFile(name), &v)
	if err != nil {
		return Lease{}, err
	}
	if boot != s.boot { // a clock that went backwards, as without a battery, makes a lease no longer
		passed := max(clock.Sub(v.Clock), 0)
		v.Lease, v.In = v.Lease.Shift(now-passed-v.At), session.Stale{}
	}
	return v, nil
}

// RemoveLease forgets the lease of uplink name.
func (s *Store) RemoveLease(name string) error { return s.remove(leaseFile(name)) }

// LANs are the prefixes that hosts may have from us, by interface.
type LANs struct {
	Prefixes map[string][]lan.Stale `json:"prefixes"`
	At       time.Duration          `json:"at"`   // when it was written, since boot
	Clock    time.Time              `json:"time"` // the same
}

const lanFile = "lan.json"

// SaveLANs writes down what LANs have been told.
func (s *Store) SaveLANs(v LANs) error { return s.write(lanFile, v) }

// LoadLANs returns what LANs have been told, with times in this boot, whose time
// is now, also if it was written in another one. Nothing is no error.
func (s *Store) LoadLANs(now time.Duration, clock time.Time) (map[string][]lan.Stale, error) {
	var v LANs
	boot, err := s.read(lanFile, &v)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if boot != s.boot {
		for _, list := range v.Prefixes {
			for i := range list {
				if list[i].Until != lan.Forever {
					list[i].Until += now - max(clock.Sub(v.Clock), 0) - v.At
				}
			}
		}
	}
	return v.Prefixes, err
}

// RemoveAll removes everything but the lock.
func (s *Store) RemoveAll() error {
	var failed []error
	for _, f := range []string{"sessions", "uplinks", "leases", "history", lanFile, runFile, reserveFile, "journal", "journal.damaged", eventsFile, eventsFile + ".1"} {
		failed = append(failed, os.RemoveAll(filepath.Join(s.dir, f)))
	}
	return errors.Join(failed...)
}
