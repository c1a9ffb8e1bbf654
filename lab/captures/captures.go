// Package captures gives tests the frames of real PPPoE lines; README.md says
// whose they are.
package captures

import (
	"bytes"
	"embed"
	"errors"
	"io"
	"testing"

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
