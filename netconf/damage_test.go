package netconf_test

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pppoectl/netconf"
)

// The way back does not get lost with a bit: what the other lines say is undone, and it is
// told that there is more.
func TestDamagedJournalUndoesWhatItCan(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"heading":   func(b []byte) []byte { b[20] ^= 1; return b },
		"seal":      func(b []byte) []byte { b[3] ^= 1; return b },
		"boot only": func(b []byte) []byte { return bytes.Replace(b, []byte(`"boot":"b"`), []byte(`"boot":"c"`), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "journal")
			f := newFake()
			apply(t, journal(t, file, "b", f), "bizf", uplinkChanges("bizf", 7))
			b, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(file, damage(bytes.Clone(b)), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			j := journal(t, file, "b", f)
			if text := j.Damaged(); !strings.Contains(text, "1 line") || !strings.Contains(text, file) {
				t.Errorf("told: %q", text)
			}
			if kept, err := os.ReadFile(file + ".damaged"); err != nil || bytes.Equal(kept, b) {
				t.Errorf("no copy: %v", err)
			}
			apply(t, j, "bizf", nil)
			f.expect(t, untouched)
		})
	}
}

// Every flipped bit is noticed: no line is taken for another one.
func TestEveryFlippedBitOfTheJournalIsNoticed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "journal")
	apply(t, journal(t, file, "b", newFake()), "bizf", uplinkChanges("bizf", 7)[:2])
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(b) - 1 {
		for bit := range 8 {
			c := bytes.Clone(b)
			c[i] ^= 1 << bit
			damaged := filepath.Join(dir, "flipped")
			if err := os.WriteFile(damaged, c, 0o600); err != nil {
				t.Fatal(err)
			}
			j, err := netconf.OpenJournal(damaged, "b", newFake())
			if err != nil {
				t.Fatal(err)
			}
			if j.Damaged() == "" {
				t.Fatalf("octet %d, bit %d: %q", i, bit, c)
			}
			j.Close()
		}
	}
}

// A file without a word is none that a journal leaves.
func TestEmptyJournalIsDamage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if j := journal(t, file, "b", newFake()); j.Damaged() == "" {
		t.Error("nothing is told")
	}
	if j := journal(t, file, "b", newFake()); j.Damaged() != "" {
		t.Errorf("told again: %s", j.Damaged())
	}
}

// Formats before are read: one had no checksums, one no programs.
func TestJournalOfFormatsBefore(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		t.Run(version, func(t *testing.T) { readsVersion(t, version) })
	}
}

func readsVersion(t *testing.T, version string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "journal")
	f := newFake()
	apply(t, journal(t, file, "b", f), "bizf", uplinkChanges("bizf", 7))
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var old []byte
	for line := range bytes.Lines(b) {
		if line = bytes.Replace(line[9:], []byte(`"version":4`), []byte(`"version":`+version), 1); version != "2" {
			old = append(old, fmt.Sprintf("%08x ", crc32.ChecksumIEEE(line))...)
		}
		old = append(old, line...)
	}
	if err := os.WriteFile(file, old, 0o600); err != nil {
		t.Fatal(err)
	}
	j := journal(t, file, "b", f)
	if j.Damaged() != "" {
		t.Error(j.Damaged())
	}
	apply(t, j, "bizf", nil)
	f.expect(t, untouched)
}
