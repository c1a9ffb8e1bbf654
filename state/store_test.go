package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pppoectl/concentrator"
	"pppoectl/lcp"
	"pppoectl/pppoe"
	"pppoectl/session"
	"pppoectl/state"
)

func open(t testing.TB, dir, boot string) *state.Store {
	t.Helper()
	s, err := state.Open(dir, boot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// liveSession returns a session that is up, as it would be kept.
func liveSession(t testing.TB) state.Session {
	t.Helper()
	mac := pppoe.MAC{2, 0, 0, 0, 0, 1}
	cfg := session.Config{
		MAC: mac, MTU: 1454, Auth: []lcp.Auth{lcp.AuthPAP}, Families: []session.Family{session.IPv6},
		Username: "u", Password: "hunter22", Echo: lcp.EchoConfig{Interval: 10 * time.Second}, DeadAfter: time.Minute,
	}
	cfg.InterfaceID[7] = 1
	m := session.New(cfg, rand.New(rand.NewPCG(1, 2)))
	ac := concentrator.New(concentrator.Config{
		MAC: pppoe.MAC{2, 0, 0, 0, 0, 2}, Name: "BAS\x00\xff", Auth: cfg.Auth,
		Subscribers: concentrator.NewSubscribers(map[string]concentrator.Login{"u": {Password: "hunter22", IPv6: true}}),
	}, rand.New(rand.NewPCG(3, 4)))
	now := time.Hour
	frames := m.Step(now, session.Input{Command: session.Dial}).Frames
	for len(frames) > 0 {
		f := frames[0]
		frames = frames[1:]
		if f.Src == mac {
			frames = append(frames, ac.Step(now, &f).Frames...)
		} else {
			frames = append(frames, m.Step(now, session.Input{Frame: &f}).Frames...)
		}
	}
	if m.Phase() != session.Up {
		t.Fatalf("phase %q", m.Phase())
	}
	return state.Session{Interface: "eth1", Device: "bizf", Snapshot: m.Snapshot()}
}

func TestSessionComesBackAsItWas(t *testing.T) {
	dir := t.TempDir()
	want := liveSession(t)
	s := open(t, dir, "boot-1")
	if err := s.SaveSession("bizf", want); err != nil {
		t.Fatal(err)
	}
	got, same, err := s.LoadSession("bizf")
	if err != nil || !same {
		t.Fatalf("same boot %v, %v", same, err)
	}
	if !reflect.DeepEqual(got.Snapshot.Discovery.Session, want.Snapshot.Discovery.Session) || got.Interface != "eth1" || got.Device != "bizf" {
		t.Errorf("got %+v", got)
	}
	if peer, ok := got.Snapshot.Peer(); !ok || peer != (session.Stale{AC: pppoe.MAC{2, 0, 0, 0, 0, 2}, Session: 1}) {
		t.Errorf("peer %+v", peer)
	}
	s.Close()
	if _, same, err = open(t, dir, "boot-2").LoadSession("bizf"); err != nil || same {
		t.Errorf("after a boot: same boot %v, %v", same, err)
	}
}

func TestFilesAreForTheirOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	s := open(t, dir, "b")
	if err := errors.Join(s.SaveSession("bizf", liveSession(t)), s.SaveUplink("bizf", state.Uplink{Down: true})); err != nil {
		t.Fatal(err)
	}
	e, err := s.OpenEvents()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %04o", path, info.Mode().Perm())
		}
		if b, _ := os.ReadFile(path); bytes.Contains(b, []byte("hunter22")) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsMissing(t *testing.T) {
	s := open(t, t.TempDir(), "b")
	if _, _, err := s.LoadSession("none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("session: %v", err)
	}
	if v, err := s.LoadUplink("none", 0, time.Now()); err != nil || v != (state.Uplink{}) {
		t.Errorf("uplink: %+v, %v", v, err)
	}
	if err := s.RemoveSession("none"); err != nil {
		t.Errorf("remove: %v", err)
	}
}

func TestSessionsAreListedAndRemoved(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "b")
	v := liveSession(t)
	if err := errors.Join(s.SaveSession("b", v), s.SaveSession("a", v), s.SaveUplink("c", state.Uplink{})); err != nil {
		t.Fatal(err)
	}
	// What an interrupted write leaves is no session.
	if err := os.WriteFile(filepath.Join(dir, "sessions", ".x.json-123"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	names, err := s.Sessions()
	if err != nil || fmt.Sprint(names) != "[a b]" {
		t.Errorf("%v, %v", names, err)
	}
	if err := s.RemoveSession("a"); err != nil {
		t.Fatal(err)
	}
	if names, _ = s.Sessions(); fmt.Sprint(names) != "[b]" {
		t.Errorf("%v", names)
	}
	if err := s.RemoveAll(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "lock" {
		t.Errorf("left %v, %v", left, err)
	}
}

// damage writes file, lets spoil change its content, and returns what reading says.
func damage(t *testing.T, spoil func([]byte) []byte) error {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir, "b")
	if err := s.SaveUplink("a", state.Uplink{Down: true, Worked: true, Rejections: 2, Identifier: "fd61:ff9b:eb97:1f93"}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "uplinks", "a.json")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b = spoil(b); b == nil {
		return nil
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := s.LoadUplink("a", 0, time.Now())
	if err == nil && !reflect.DeepEqual(v, state.Uplink{Down: true, Worked: true, Rejections: 2, Identifier: "fd61:ff9b:eb97:1f93"}) {
		t.Errorf("read without an error: %+v from %s", v, b)
	}
	return err
}

func TestEveryTruncationIsDamage(t *testing.T) {
	for n := 0; ; n++ {
		last := false
		err := damage(t, func(b []byte) []byte { last = n >= len(b)-2; return b[:n] })
		if last { // only the line's end is missing
			return
		}
		if !errors.Is(err, state.ErrCorrupt) {
			t.Fatalf("%d octets: %v", n, err)
		}
	}
}

func TestEveryBitFlipIsNoticed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "b")
	want := state.Uplink{Down: true, Rejections: 2}
	if err := s.SaveUplink("a", want); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "uplinks", "a.json")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[at] ^= 1 << bit
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := s.LoadUplink("a", 0, time.Now())
			if err != nil && !errors.Is(err, state.ErrCorrupt) && !errors.Is(err, state.ErrVersion) {
				t.Errorf("octet %d bit %d: %v", at, bit, err)
			}
			if err == nil && got != want {
				t.Errorf("octet %d bit %d: read as %+v from %s", at, bit, got, b)
			}
		}
	}
}

func TestNewerVersionIsLeftAlone(t *testing.T) {
	err := damage(t, func(b []byte) []byte {
		return bytes.Replace(b, []byte(`"version":1`), []byte(`"version":2`), 1)
	})
	if !errors.Is(err, state.ErrVersion) || errors.Is(err, state.ErrCorrupt) || !strings.Contains(err.Error(), "uplinks/a.json") {
		t.Errorf("%v", err)
	}
}

func TestFilesThatAreNoneOfOurs(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "null": "null\n", "number": "1", "list": "[]", "other object": "{}", "no JSON": "\x00\x01",
		"two": `{"version":1} {"version":1}`,
	} {
		err := damage(t, func([]byte) []byte { return []byte(text) })
		if !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyOneDaemonHasTheDirectory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "b")
	if _, err := state.Open(dir, "b"); !errors.Is(err, state.ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v", err)
	}
	s.Close()
	open(t, dir, "b")
}

func TestReplaceLeavesTheOldOrTheNewFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	for _, text := range []string{"old", "new and longer", ""} {
		if err := state.Replace(file, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(file)
		info, _ := os.Stat(file)
		if err != nil || string(b) != text || info.Mode().Perm() != 0o640 {
			t.Errorf("%q, mode %v, %v", b, info.Mode(), err)
		}
	}
	// What cannot be replaced leaves no litter.
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "d", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := state.Replace(filepath.Join(dir, "d"), []byte("x"), 0o600); err == nil {
		t.Error("a directory was replaced")
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left %v", left)
	}
	if err := state.Replace(filepath.Join(dir, "none", "f"), nil, 0o600); err == nil {
		t.Error("written into a directory that is not there")
	}
}

// A reader in another process sees a whole file at every moment.
func TestReplaceIsAtomicForReaders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	versions := [][]byte{bytes.Repeat([]byte("a"), 10000), bytes.Repeat([]byte("b"), 20000)}
	if err := state.Replace(file, versions[0], 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		for i := range 200 {
			if err := state.Replace(file, versions[i%2], 0o600); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for {
		b, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(b, versions[0]) && !bytes.Equal(b, versions[1]) {
			t.Fatalf("%d octets, %v", len(b), err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}

func TestBootID(t *testing.T) {
	a, err := state.BootID()
	b, _ := state.BootID()
	if err != nil || a != b || len(a) != 36 {
		t.Errorf("%q, %q, %v", a, b, err)
	}
}
