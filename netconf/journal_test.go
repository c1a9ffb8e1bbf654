package netconf_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pppoectl/netconf"
)

func journal(t *testing.T, file, boot string, s netconf.System) *netconf.Journal {
	t.Helper()
	j, err := netconf.OpenJournal(file, boot, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func apply(t *testing.T, j *netconf.Journal, owner string, want []netconf.Change) {
	t.Helper()
	if err := j.Apply(owner, want); err != nil {
		t.Fatal(err)
	}
}

const untouched = "/etc/resolv.conf holds \"nameserver 192.0.2.1\\n\"\ndevice eth1 of - mtu 1500 up false\nnet/ipv4/ip_forward=0\nnet/ipv6/conf/all/forwarding=0"

func TestApplyMakesAndUnmakes(t *testing.T) {
	f := newFake()
	j := journal(t, filepath.Join(t.TempDir(), "journal"), "b", f)
	want := uplinkChanges("bizf", 7)
	apply(t, j, "bizf", want)
	const up = `
/etc/resolv.conf holds "nameserver 192.0.2.1\n"
address 203.0.113.7/32 peer 203.0.113.1 dev bizf preferred true
address fe80::1/64 peer invalid IP dev bizf preferred true
device bizf of bizf mtu 1454 up true
device eth1 of - mtu 1500 up true
eth1 rx-gro true
eth1 tx-tcp-segmentation false
net/ipv4/ip_forward=0
net/ipv6/conf/all/forwarding=1
programs on eth1, pinned in /sys/fs/bpf/pppoectl/01234567/eth1
resolvectl dns bizf 198.51.100.53
route 0.0.0.0/0 table 0 metric 100 src 203.0.113.7 dev bizf 
route 0.0.0.0/0 table 107 metric 1073741824 src invalid IP dev  
route ::/0 table 0 metric 100 src invalid IP dev bizf 
rule add from 203.0.113.7/32 lookup 107 pref 25600`
	f.expect(t, up)
	if got := fmt.Sprint(j.Applied("bizf")); got != fmt.Sprint(want) {
		t.Errorf("applied %s", got)
	}
	f.calls = nil
	apply(t, j, "bizf", want)
	if len(f.calls) != 0 {
		t.Errorf("what is there already was made again: %v", f.calls)
	}
	apply(t, j, "bizf", nil)
	f.expect(t, untouched)
	if len(j.Owners()) != 0 || len(j.Applied("bizf")) != 0 {
		t.Errorf("owners %v, applied %v", j.Owners(), j.Applied("bizf"))
	}
}

func TestUndoGoesBackwards(t *testing.T) {
	f := newFake()
	j := journal(t, filepath.Join(t.TempDir(), "journal"), "b", f)
	apply(t, j, "bizf", uplinkChanges("bizf", 7))
	f.calls = nil
	apply(t, j, "bizf", nil)
	want := []string{
		"revert bizf",
		"delete route add unreachable 0.0.0.0/0 metric 1073741824 table 107",
		"delete rule add from 203.0.113.7/32 lookup 107 pref 25600",
		"delete programs on eth1, pinned in /sys/fs/bpf/pppoectl/01234567/eth1",
		"features of eth1 as programs in the kernel need them map[rx-gro:false tx-tcp-segmentation:true]",
		"sysctl net/ipv6/conf/all/forwarding=0",
		"delete route add ::/0 dev bizf metric 100",
		"delete route add 0.0.0.0/0 dev bizf metric 100 src 203.0.113.7",
		"delete addr add fe80::1/64 dev bizf",
		"delete addr add 203.0.113.7 peer 203.0.113.1 dev bizf",
		"delete bizf",
		"down eth1",
	}
	if got := strings.Join(f.calls, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("undone in the order\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestOnlyWhatDiffersIsChangedAndTheOldGoesFirst(t *testing.T) {
	f := newFake()
	j := journal(t, filepath.Join(t.TempDir(), "journal"), "b", f)
	apply(t, j, "bizf", uplinkChanges("bizf", 7))
	f.calls = nil
	apply(t, j, "bizf", uplinkChanges("bizf", 9))
	want := "delete route add unreachable 0.0.0.0/0 metric 1073741824 table 107\n" +
		"delete rule add from 203.0.113.7/32 lookup 107 pref 25600\n" +
		"delete route add 0.0.0.0/0 dev bizf metric 100 src 203.0.113.7\n" +
		"delete addr add 203.0.113.7 peer 203.0.113.1 dev bizf\n" +
		"addr add 203.0.113.9 peer 203.0.113.1 dev bizf\n" +
		"route add 0.0.0.0/0 dev bizf metric 100 src 203.0.113.9\n" +
		"rule add from 203.0.113.9/32 lookup 109 pref 25600\n" +
		"route add unreachable 0.0.0.0/0 metric 1073741824 table 109"
	if got := strings.Join(f.calls, "\n"); got != want {
		t.Errorf("did\n%s\nwant\n%s", got, want)
	}
}

func TestOwnersDoNotTouchEachOther(t *testing.T) {
	f := newFake()
	j := journal(t, filepath.Join(t.TempDir(), "journal"), "b", f)
	apply(t, j, "a", uplinkChanges("a", 7)[1:])
	alone := f.String()
	apply(t, j, "b", uplinkChanges("b", 8)[1:])
	apply(t, j, "b", nil)
	f.expect(t, alone)
	if got := fmt.Sprint(j.Owners()); got != "[a]" {
		t.Errorf("owners %s", got)
	}
}

func TestChangeThatFailsEndsItAndWhatWasDoneIsKnown(t *testing.T) {
	for i, c := range uplinkChanges("bizf", 7) {
		f := newFake()
		j := journal(t, filepath.Join(t.TempDir(), "journal"), "b", f)
		want := uplinkChanges("bizf", 7)
		f.fail = map[int]string{0: "up eth1", 1: "add bizf", 2: "mtu bizf"}[i]
		if f.fail == "" {
			f.fail = c.String()
		}
		err := j.Apply("bizf", want)
		if !errors.Is(err, errFake) || !strings.Contains(err.Error(), c.String()) {
			t.Errorf("%v: %v", c, err)
		}
		if got := fmt.Sprint(j.Applied("bizf")); got != fmt.Sprint(want[:i]) {
			t.Errorf("%v: applied %s, want %v", c, got, want[:i])
		}
		f.fail = ""
		apply(t, j, "bizf", want)
		apply(t, j, "bizf", nil)
		f.expect(t, untouched)
	}
}

func TestUndoThatFailsIsTriedAgain(t *testing.T) {
	f := newFake()
	file := filepath.Join(t.TempDir(), "journal")
	j := journal(t, file, "b", f)
	apply(t, j, "bizf", uplinkChanges("bizf", 7))
	f.fail = "delete"
	if err := j.Apply("bizf", nil); !errors.Is(err, errFake) {
		t.Errorf("%v", err)
	}
	j.Close()
	f.fail = ""
	j = journal(t, file, "b", f)
	apply(t, j, "bizf", nil)
	f.expect(t, untouched)
}

// A device takes with it what is on it, also what could not be undone before: it
// must be made again when it is wanted again.
func TestRouteThatWentWithItsDeviceIsMadeAgain(t *testing.T) {
	f := newFake()
	j := journal(t, filepath.Join(t.TempDir(), "journal"), "b", f)
	apply(t, j, "bizf", uplinkChanges("bizf", 7))
	want := f.String()
	f.fail = "delete route"
	if err := j.Apply("bizf", nil); !errors.Is(err, errFake) {
		t.Fatalf("%v", err)
	}
	f.fail = ""
	apply(t, j, "bizf", uplinkChanges("bizf", 7))
	f.expect(t, want)
}

func TestForeignDeviceIsNotTaken(t *testing.T) {
	f := newFake()
	f.owners["bizf"] = "-"
	before := f.String()
	j := journal(t, filepath.Join(t.TempDir(), "journal"), "b", f)
	if err := j.Apply("bizf", uplinkChanges("bizf", 7)[1:]); !errors.Is(err, netconf.ErrForeign) {
		t.Errorf("%v", err)
	}
	apply(t, j, "bizf", nil)
	f.expect(t, before)
}

func TestRedoMakesWhatSomebodyTookAway(t *testing.T) {
	f := newFake()
	j := journal(t, filepath.Join(t.TempDir(), "journal"), "b", f)
	apply(t, j, "bizf", uplinkChanges("bizf", 7))
	want := f.String()
	if err := f.DeleteDevice("bizf", "bizf"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Redo("bizf"), j.Redo("none")); err != nil {
		t.Fatal(err)
	}
	f.expect(t, want)
}

func TestAfterAnotherBootThereIsNothingToUndo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal")
	j := journal(t, file, "boot-1", newFake())
	apply(t, j, "bizf", uplinkChanges("bizf", 7))
	j.Close()
	f := newFake() // the kernel has forgotten it all
	j = journal(t, file, "boot-2", f)
	if len(j.Owners()) != 0 || len(f.calls) != 0 {
		t.Errorf("owners %v, calls %v", j.Owners(), f.calls)
	}
	b, err := os.ReadFile(file)
	if err != nil || bytes.Contains(b, []byte("boot-1")) || bytes.Contains(b, []byte("bizf")) {
		t.Errorf("%v: %s", err, b)
	}
}

func TestNewerJournalIsLeftAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal")
	text := `{"version":99,"boot":"b"}` + "\n" + `{"future":true}` + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := netconf.OpenJournal(file, "b", newFake()); !errors.Is(err, netconf.ErrVersion) || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
	if b, _ := os.ReadFile(file); string(b) != text {
		t.Errorf("the file is now %s", b)
	}
}

// A crash may cut the file anywhere; whatever is left, what was made is undone,
// because each change is on disk before it is made.
func TestCrashAtEveryOctetOfTheJournal(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "journal")
	f := newFake()
	j := journal(t, file, "b", f)
	type moment struct {
		size   int64 // of the journal when the system was like this
		system *fake
	}
	moments := []moment{{0, f.clone()}}
	note := func() {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		moments = append(moments, moment{info.Size(), f.clone()})
	}
	note()
	f.after = note
	for _, want := range [][]netconf.Change{uplinkChanges("bizf", 7), uplinkChanges("bizf", 9), nil} {
		apply(t, j, "bizf", want)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	j.Close()
	for n := range len(whole) + 1 {
		// The file was n octets long at most when the system was still so; and a
		// change that is only half written down was not made.
		var system *fake
		for _, m := range moments {
			if m.size <= int64(n) {
				system = m.system.clone()
			}
		}
		cut := filepath.Join(dir, fmt.Sprintf("cut-%d", n))
		if err := os.WriteFile(cut, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := netconf.OpenJournal(cut, "b", system)
		if err != nil {
			t.Fatalf("%d octets: %v", n, err)
		}
		if err := k.Apply("bizf", nil); err != nil {
			t.Fatalf("%d octets: %v", n, err)
		}
		if got := system.String(); got != untouched {
			t.Fatalf("%d octets of journal, %q, left\n%s", n, whole[max(0, n-80):n], got)
		}
		k.Close()
		os.Remove(cut)
	}
}

// A crash between the journal and the kernel: the change is written down, but
// was not made, or only half.
func TestCrashBetweenJournalAndKernel(t *testing.T) {
	for i := range uplinkChanges("bizf", 7) {
		file := filepath.Join(t.TempDir(), "journal")
		f := newFake()
		j := journal(t, file, "b", f)
		want := uplinkChanges("bizf", 7)
		apply(t, j, "bizf", want[:i+1])
		j.Close()
		g := newFake() // without the last change
		k := journal(t, filepath.Join(t.TempDir(), "journal"), "b", g)
		apply(t, k, "bizf", want[:i])
		j = journal(t, file, "b", g)
		apply(t, j, "bizf", nil)
		g.expect(t, untouched)
	}
}

func TestDamagedLinesOfTheJournalDoNotHideTheOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal")
	f := newFake()
	j := journal(t, file, "b", f)
	apply(t, j, "bizf", uplinkChanges("bizf", 7))
	j.Close()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(b), "\n")
	lines = append(lines[:2], append([]string{"garbage\n", "\n", "{}\n", `{"owner":"x"}` + "\n", strings.Repeat("\x00", 100_000) + "\n"}, lines[2:]...)...)
	if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	j = journal(t, file, "b", f)
	apply(t, j, "bizf", nil)
	f.expect(t, untouched)
}

func TestJournalStaysShort(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal")
	f := newFake()
	j := journal(t, file, "b", f)
	for i := range 2000 {
		apply(t, j, "bizf", uplinkChanges("bizf", byte(7+i%2)))
	}
	info, err := os.Stat(file)
	if err != nil || info.Size() > 300*300 {
		t.Errorf("%d octets, %v", info.Size(), err)
	}
	want := fmt.Sprint(j.Applied("bizf"))
	j.Close()
	j = journal(t, file, "b", f)
	if got := fmt.Sprint(j.Applied("bizf")); got != want {
		t.Errorf("applied\n%s\nwas\n%s", got, want)
	}
	apply(t, j, "bizf", nil)
	f.expect(t, untouched)
}

// Whatever way the system has come to a state, the state is the same.
func TestRandomWalksEndEqual(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		file := filepath.Join(t.TempDir(), "journal")
		f := newFake()
		j := journal(t, file, "b", f)
		last := map[string][]netconf.Change{}
		for range 40 {
			owner := []string{"a", "b", "c"}[r.IntN(3)]
			all := uplinkChanges(owner, owner[0]-90+byte(r.IntN(2)))[1:] // the line is the next test's
			want := all[:[]int{0, 2, 3, 4, 5, 6}[r.IntN(6)]]             // a link's MTU goes with its device only
			f.fail = []string{"", "", "", "route", "delete", "mtu"}[r.IntN(6)]
			if err := j.Apply(owner, want); err != nil && f.fail == "" {
				t.Fatal(err)
			}
			last[owner] = want
			if r.IntN(8) == 0 { // killed, started again
				j.Close()
				j = journal(t, file, "b", f)
			}
		}
		f.fail = ""
		g := newFake()
		straight := journal(t, filepath.Join(t.TempDir(), "journal"), "b", g)
		for _, owner := range []string{"a", "b", "c"} {
			apply(t, j, owner, last[owner])
			apply(t, straight, owner, last[owner])
		}
		f.expect(t, g.String())
		for _, owner := range []string{"c", "a", "b"} {
			apply(t, j, owner, nil)
		}
		f.expect(t, untouched)
	}
}
