// Package captures gives tests the frames of real PPPoE lines; README.md says
// whose they are.
package captures

import (
	"bytes"
	"embed"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"
)

//go:embed *.pcap
var files embed.FS

// Read returns the Ethernet frames of the named capture in their order, each
// its own copy; frame 1 of README.md's lists is element 0.
func Read(t testing.TB, name string) [][]byte {
	t.Helper()
	b, err := files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var frames [][]byte
	for {
		frame, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil {
			t.Fatalf("%s: frame %d: %v", name, len(frames)+1, err)
		}
		frames = append(frames, frame)
	}
}

// Frame is an Ethernet frame of a pcapng file.
type Frame struct {
	At   time.Time
	Data []byte
}

// ReadNg returns the frames of a pcapng stream in their order, all of which must be whole.
func ReadNg(t testing.TB, from io.Reader) []Frame {
	t.Helper()
	r, err := pcapgo.NewNgReader(from, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	var frames []Frame
	for {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil || info.Length != len(data) {
			t.Fatalf("frame %d: %d octets of %d, %v", len(frames)+1, len(data), info.Length, err)
		}
		frames = append(frames, Frame{info.Timestamp, data})
	}
}
