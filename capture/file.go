package capture

import (
	"io"
	"runtime"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// File is a pcapng file that is whole after each frame.
type File struct{ w *pcapgo.NgWriter }

// NewFile begins a file of frames of an interface. comment and program go into its
// head.
func NewFile(w io.Writer, iface, comment, program string) (*File, error) {
	ng, err := pcapgo.NewNgWriterInterface(w,
		pcapgo.NgInterface{Name: iface, Comment: comment, OS: runtime.GOOS, LinkType: layers.LinkTypeEthernet},
		pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Hardware: runtime.GOARCH, OS: runtime.GOOS, Application: program}})
	if err != nil {
		return nil, err
	}
	return &File{ng}, ng.Flush()
}

// Write adds an Ethernet frame.
func (f *File) Write(at time.Time, frame []byte) error {
	info := gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(frame), Length: len(frame)}
	if err := f.w.WritePacket(info, frame); err != nil {
		return err
	}
	return f.w.Flush()
}
