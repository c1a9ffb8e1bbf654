package state_test

import (
	"testing"
	"time"

	"pppoectl/session"
	"pppoectl/state"
)

// A file is written with fsync, of itself and of its directory: it is the disk's time mostly.
func BenchmarkSaveSession(b *testing.B) {
	s, v := open(b, b.TempDir(), "boot-1"), liveSession(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.SaveSession("bizf", v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoadSession(b *testing.B) {
	s := open(b, b.TempDir(), "boot-1")
	if err := s.SaveSession("bizf", liveSession(b)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.LoadSession("bizf"); err != nil {
			b.Fatal(err)
		}
	}
}

// A lease, there and back.
func BenchmarkLease(b *testing.B) {
	s := open(b, b.TempDir(), "boot-1")
	v := state.Lease{Lease: delegated(), In: session.Stale{Session: 7}, At: written, Clock: clock}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.SaveLease("bizf6", v); err != nil {
			b.Fatal(err)
		}
		if _, err := s.LoadLease("bizf6", written+time.Hour, clock); err != nil {
			b.Fatal(err)
		}
	}
}
