package supervisor_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/line"
	"pppoectl/pppoe"
)

// programmed are the uplinks of the test configuration with a data path.
func programmed(path string) []configs.Uplink {
	uplinks := configuration().Uplinks
	for i := range uplinks {
		uplinks[i].DataPath = path
	}
	return uplinks
}

// pinned has programs pinned where a BPF file system most likely is.
func pinned(w *world) { w.cfg.BPFDir = "/sys/fs/bpf/pppoectl" }

const onLine = "programs on eth1"

// programsOf is where the programs of an uplink's path are pinned, and why there are none.
func (w *world) programsOf(id uint16) (pins, why string) {
	w.t.Helper()
	w.kernel.mu.Lock()
	defer w.kernel.mu.Unlock()
	for _, p := range w.paths {
		if p.open && p.session.ID == id {
			return p.session.Programs, p.session.NoPrograms
		}
	}
	w.t.Fatalf("session %d has no path", id)
	return "", ""
}

// A line's programs are there before the first frame, for all of its uplinks, and go with the last.
func TestProgramsComeBeforeTheDialAndGoWithTheLast(t *testing.T) {
	inWorldOf(t, programmed("auto"), func(w *world) {
		w.pass(time.Second)
		if !strings.Contains(w.show(), onLine) {
			t.Fatalf("up without programs:\n%s", w.show())
		}
		if pins, _ := w.programsOf(w.uplink("bizf").SessionID); !strings.HasPrefix(pins, "/sys/fs/bpf/pppoectl/") || !strings.HasSuffix(pins, "/eth1") {
			t.Errorf("pinned in %q", pins)
		}
		if err := w.sup.Down(background(), "bizf"); err != nil {
			t.Error(err)
		}
		if !strings.Contains(w.show(), onLine) {
			t.Error("bizf6 has lost its programs")
		}
		if err := w.sup.Down(background(), "bizf6"); err != nil {
			t.Error(err)
		}
		if strings.Contains(w.show(), onLine) {
			t.Errorf("left:\n%s", w.show())
		}
	}, pinned)
}

// What cannot be attached is done without, and the path is told why.
func TestWithoutProgramsAutoTakesAnotherPath(t *testing.T) {
	inWorldOf(t, programmed("auto"), func(w *world) {
		w.pass(time.Second)
		if pins, why := w.programsOf(w.uplink("bizf").SessionID); pins != "" || why != "eth1 has no native XDP" {
			t.Errorf("pinned in %q, else %q", pins, why)
		}
		if strings.Contains(w.show(), onLine) {
			t.Errorf("there are programs:\n%s", w.show())
		}
		w.kernel.mu.Lock()
		w.noXDP = nil
		w.kernel.mu.Unlock()
		w.sup.Restart(background(), "bizf", time.Second)
		if pins, _ := w.programsOf(w.uplink("bizf").SessionID); pins != "" {
			t.Error("the line is asked in each dial")
		}
		w.pass(10 * time.Minute)
		w.sup.Restart(background(), "bizf", time.Second)
		if pins, why := w.programsOf(w.uplink("bizf").SessionID); pins == "" || why != "" {
			t.Errorf("after a new dial: pinned in %q, else %q", pins, why)
		}
	}, pinned, func(w *world) { w.noXDP = errors.New("eth1 has no native XDP") })
}

// Who insists on the path in the kernel is not dialled without: a login would be one too many.
func TestWithoutProgramsNobodyDialsWhoInsists(t *testing.T) {
	inWorldOf(t, programmed("ebpf"), func(w *world) {
		w.pass(time.Second)
		if n := w.count(pppoe.PADI); n > 0 {
			t.Errorf("%d PADIs", n)
		}
		w.expectError("bizf", cause.DeviceFailed, "eth1 has no native XDP")
		w.kernel.mu.Lock()
		w.noXDP = nil
		w.kernel.mu.Unlock()
		w.pass(time.Minute)
		w.expect("bizf", "up")
	}, pinned, func(w *world) { w.noXDP = errors.New("eth1 has no native XDP") })
}

// A session that is taken over finds its programs where they are; one that is not is taken out
// of them.
func TestSessionThatIsNotTakenOverIsTakenOut(t *testing.T) {
	inWorldOf(t, programmed("auto"), func(w *world) {
		w.pass(time.Second)
		pins, _ := w.programsOf(w.uplink("bizf").SessionID)
		w.mortal(0)
		w.killed()
		var forgotten []string
		w.env.ForgetSession = func(dir, device string) error {
			if dir != pins {
				t.Errorf("pinned in %s, was %s", dir, pins)
			}
			forgotten = append(forgotten, device)
			return nil
		}
		w.cfg.Uplinks[1].Username = "somebody.else@example.jp"
		w.start()
		w.pass(time.Second)
		if len(forgotten) == 0 || slices.Contains(forgotten, "bizf") {
			t.Errorf("taken out: %v, want bizf6", forgotten)
		}
		if again, _ := w.programsOf(w.uplink("bizf").SessionID); again != pins {
			t.Errorf("pinned in %s, was %s", again, pins)
		}
	}, pinned)
}

// A network card that loses its carrier when programs are attached costs a moment, and nothing
// is told as a failure.
func TestCarrierThatGoesWithTheProgramsIsWaitedFor(t *testing.T) {
	inWorldOf(t, programmed("auto"), func(w *world) {
		w.pass(time.Second)
		w.expect("bizf", "waiting-carrier")
		w.link(func(s *line.Status) { s.Carrier = true })
		w.pass(time.Second)
		for _, name := range []string{"bizf", "bizf6"} {
			w.expect(name, "up")
			if u := w.uplink(name); u.LastError != nil || u.LastDrop != nil || u.NextTry != nil {
				t.Errorf("%s: %+v", name, u)
			}
			for _, e := range w.events(name) {
				if e.Kind == "failed" || e.Kind == "dropped" {
					t.Errorf("%s: %+v", name, e)
				}
			}
		}
		if n := w.count(pppoe.PADT); n > 0 {
			t.Errorf("%d PADTs", n)
		}
	}, pinned, func(w *world) {
		w.reset = func() {
			w.changeLink(func(s *line.Status) { s.Carrier = false })
		}
	})
}
